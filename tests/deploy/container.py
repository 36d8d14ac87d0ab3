"""A container without an engine: a process with a stage as its read-only root file system.

As `docker run --read-only --cap-drop ALL --security-opt no-new-privileges` starts it: it is process
1, runs as the user of the image without any capability, has a network of its own, and can write to
``/data`` and to what is in memory, ``/tmp`` and ``/dev/shm``.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.sandbox import sandbox
from deploy.steps import Stage

_NO_MORE = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


@dataclass
class Container:
    """A container of a stage.

    Parameters
    ----------
    stage
        The last stage of a build.
    python
        Prefix of the Python that stands in for that of the base image.
    data
        Folder that is seen as ``/data``.
    log
        File for what it writes to its output.
    settings
        Variables of its environment, beside those of the image.
    mounts
        Files that it sees, by their path in it.
    """

    stage: Stage
    python: Path
    data: Path
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    pid: int = 0

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of its processes."""
        return {**self.stage.env, **self.settings}

    def start(self, command: Sequence[str]) -> None:
        """Start a command behind the entry point of the image."""
        told, tells = os.pipe()
        seen = [word for at, path in self.mounts.items() for word in ("--ro-bind", str(path), at)]
        caps = [
            word for cap in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{cap}")
        ]
        asked = [
            *sandbox(self.stage.root, self.python, self.env, self.stage.workdir),
            *("--bind", str(self.data), "/data", "--tmpfs", "/run"),
            *("--dir", "/run/secrets", *seen),
            *("--unshare-net", "--as-pid-1"),
            *(*caps, "--info-fd", str(tells), "--", *self._as_user()),
            *(*self.stage.words("ENTRYPOINT"), *command),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                asked, pass_fds=[tells], stdout=log, stderr=subprocess.STDOUT
            )
        os.close(tells)
        with os.fdopen(told) as said:
            self.pid = json.load(said)["child-pid"]

    def run(self, command: Sequence[str]) -> int:
        """Run a command to its end, as ``docker run`` does, and return its status."""
        self.start(command)
        assert self.process
        return self.process.wait(120)

    def execute(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Run a command beside the first, as ``docker exec`` does."""
        return subprocess.run(
            [*self._entered(), *command], capture_output=True, check=False, timeout=60
        )

    @contextmanager
    def beside(self, command: Sequence[str]) -> Iterator[None]:
        """Let a command run beside the first."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*self._entered(), *command], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)

    def reach(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a command of this machine in the network of the container."""
        inside = ("nsenter", f"--target={self.pid}", "--net")
        return subprocess.run([*inside, *command], capture_output=True, check=False, **options)

    def wait_until(self, true: Callable[[], bool], seconds: float = 180) -> None:
        """Wait for a condition; fail with the log if it does not come or the container ends."""
        assert self.process
        deadline = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def stop(self, number: int) -> int:
        """Send a signal to process 1, and return its status."""
        assert self.process
        os.kill(self.pid, number)
        return self.process.wait(30)

    def _entered(self) -> list[str]:
        env = [f"{name}={value}" for name, value in self.env.items()]
        inside = ("nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--ipc")
        return [*inside, *self._as_user(), "env", "-i", *env]

    def _as_user(self) -> list[str]:
        user, _, group = self.stage.user.partition(":")
        return ["setpriv", f"--reuid={user}", f"--regid={group}", *_NO_MORE]
