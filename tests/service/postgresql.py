"""A real server of PostgreSQL for tests, from the programs that a system's packages install."""

import atexit
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

REQUIRED = "GMMLABEL_TEST_POSTGRESQL"
"""If this variable is ``required``, tests fail where there is no server, and do not skip."""

_USER = "gmmlabel"
_HOST = "127.0.0.1"
_NOBODY = "nobody"


def _programs() -> Path | None:
    """Where the programs of the newest server are; Debian puts them beside the search path."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    newest = max(folders, key=lambda folder: int(folder.parent.name), default=None)
    found = shutil.which("postgres")
    return newest or (Path(found).resolve().parent if found else None)


def _user() -> dict[str, object]:
    """As whom the server runs: it refuses to be root."""
    if os.geteuid() != 0:
        return {}
    return {"user": _NOBODY, "group": pwd.getpwnam(_NOBODY).pw_gid, "extra_groups": []}


@dataclass
class PostgreSQL:
    """A server that runs, on a free port of this machine."""

    programs: Path
    folder: Path
    port: int = 0
    password: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make its files."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        if os.geteuid() == 0:
            for path in (self.folder, secret):
                shutil.chown(path, _NOBODY)
        subprocess.run(
            [
                self.programs / "initdb", "--pgdata", self.folder / "data", "--username", _USER,
                "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync", "--encoding=UTF8",
                "--locale=C",
            ],
            check=True, capture_output=True, cwd=self.folder, **_user(),
        )  # fmt: skip
        with socket.create_server((_HOST, 0)) as listener:
            self.port = listener.getsockname()[1]

    def start(self) -> None:
        """Start it, or start it again on the same port, and wait until it answers."""
        options = {
            "listen_addresses": _HOST, "port": self.port, "unix_socket_directories": "",
            "fsync": "off", "full_page_writes": "off", "timezone": "UTC",
        }  # fmt: skip
        said = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *said],
                stdout=log, stderr=log, cwd=self.folder, **_user(),
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self.process.poll() is None, "the server of PostgreSQL ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self, how: int = signal.SIGQUIT) -> None:
        """End it; at once, as if it had crashed, unless another signal says otherwise."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def connect(self, name: str = "postgres") -> psycopg.Connection:
        """Connect without what is tested; each statement is a transaction."""
        return psycopg.connect(
            host=_HOST, port=self.port, user=_USER, password=self.password, dbname=name,
            autocommit=True,
        )  # fmt: skip

    def new(self) -> str:
        """Make an empty database, and give its name."""
        name = f"test_{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def url(self, name: str, password: str | None = None) -> str:
        """Tell the URL of a database."""
        secret = self.password if password is None else password
        return f"postgresql+psycopg://{_USER}:{secret}@{_HOST}:{self.port}/{name}"

    def remove(self) -> None:
        """End it and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def new_server() -> PostgreSQL:
    """Start a server; skips or fails the test if there is none to start."""
    programs = _programs()
    if programs is None:
        reason = "no server of PostgreSQL is installed"
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    # Below no folder of pytest, which nobody else can enter.
    server = PostgreSQL(programs, Path(tempfile.mkdtemp(prefix="gmmlabel-postgresql-")))
    atexit.register(server.remove)
    server.make()
    server.start()
    return server


@cache
def shared_server() -> PostgreSQL:
    """Start the server of all tests that do not stop it."""
    return new_server()
