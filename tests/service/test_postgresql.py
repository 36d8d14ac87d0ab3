"""Several servers on one PostgreSQL: each job is done once, whoever is killed or restarted."""

import os
import random
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from service.conftest import Server
from service.postgresql import PostgreSQL, new_server, shared_server
from service.test_runner import settled
from sqlalchemy.exc import OperationalError

from gmmlabel.api.jobs import Job, LabelWanted, State
from gmmlabel.api.storage.database import Database, DatabaseError
from gmmlabel.api.storage.store import Store

TESTS = Path(__file__).parents[1]
GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")
WANTED = LabelWanted("a" * 64, ".nrrd", "zaffino2021", "b" * 64, "default", "nrrd")

# One for all tests: each new client reads the certificates of the system.
HTTP = httpx.Client(timeout=60, transport=httpx.HTTPTransport(verify=False, retries=2))

LOST = OperationalError("COMMIT", {}, Exception("the connection was lost"))

# What the store must do, told by the database itself: every end of a job leaves a row.
WATCH_ENDS = """
    CREATE TABLE ends (job text, was text, became text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO ends VALUES (new.id, old.state, new.state);
        RETURN new;
    END $$;
    CREATE TRIGGER ends AFTER UPDATE ON jobs FOR EACH ROW
        WHEN (old.state <> new.state AND NOT (
            old.state IN ('queued', 'running') AND new.state IN ('queued', 'running')))
        EXECUTE FUNCTION note();
"""


@dataclass
class Hosts:
    """Servers in processes of their own, with one database and one data folder."""

    folder: Path
    server: PostgreSQL
    name: str
    options: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, many: int = 1) -> list[str]:
        """Start servers, and wait until they are ready."""
        urls = [self.begin() for _ in range(many)]
        assert settled(lambda: all(ready(url) for url in urls)), self.logs()
        return urls

    def begin(self) -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "GMMLABEL_DATABASE": self.server.url(self.name),
            "GMMLABEL_DATA": str(self.folder / "data"),
            "GMMLABEL_WORKERS": "2",
            "GMMLABEL_WORKER_MEMORY": "1GiB",
            "GMMLABEL_DISK_FLOOR": "0",
            "GMMLABEL_QUEUE_LIMIT": "1000",
            "GMMLABEL_LOG": "json",
            **self.options,
        }
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with (self.folder / f"log{len(self.running)}").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, TESTS / "service" / "stub_server.py", str(listener.fileno())],
                    env=environment, stderr=log, pass_fds=[listener.fileno()],
                )  # fmt: skip
        self.running.append(process)
        return f"http://127.0.0.1:{port}"

    def kill(self, number: int) -> None:
        self.running[number].kill()
        self.running[number].wait()

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("log*")))

    def count(self) -> Counter[str]:
        """Jobs by state, as the database has them."""
        with self.server.connect(self.name) as connection:
            found = connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        return Counter(dict(found))

    def all_succeed(self, job_ids: set[str], seconds: float = 60) -> bool:
        """Wait until jobs have succeeded."""
        query = "SELECT count(*) FROM jobs WHERE state = 'succeeded' AND id = ANY(%s)"
        deadline = time.monotonic() + seconds
        with self.server.connect(self.name) as connection:
            while connection.execute(query, [list(job_ids)]).fetchall() != [(len(job_ids),)]:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.1)
        return True

    def ends(self) -> list[tuple[str, str, str]]:
        with self.server.connect(self.name) as connection:
            return connection.execute("SELECT job, was, became FROM ends").fetchall()

    def attempts(self, job_ids: set[str]) -> Counter[str]:
        """How often each job was begun, as the workers themselves noted."""
        lines = (self.folder / "data" / "attempts").read_text().splitlines()
        return Counter(
            job_id for job_id in (line.split()[0] for line in lines) if job_id in job_ids
        )


def ready(url: str) -> bool:
    try:
        return HTTP.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def post(url: str, text: str) -> httpx.Response:
    return HTTP.post(f"{url}/v1/jobs", content=f"NRRD0004 {text}".encode())


def teardown_module() -> None:
    HTTP.close()


@contextmanager
def new_hosts(folder: Path, server: PostgreSQL, **options: str) -> Iterator[Hosts]:
    """Give hosts an empty database; all end with the block."""
    name = server.new()
    Database(server.url(name)).close()
    with server.connect(name) as connection:
        connection.execute(WATCH_ENDS)
    hosts = Hosts(folder, server, name, options)
    try:
        yield hosts
    finally:
        for process in hosts.running:
            process.terminate()
        for process in hosts.running:
            process.wait(30)
    assert server.password not in hosts.logs()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hosts, list[str]]]:
    """Two servers, and their URLs."""
    with new_hosts(tmp_path_factory.mktemp("pair"), shared_server()) as hosts:
        yield hosts, hosts.start(2)


def test_a_server_that_cannot_be_reached_is_told_in_one_line_without_the_password(
    tmp_path: Path,
) -> None:
    server = shared_server()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    nobody = f"postgresql+psycopg://user:hush@127.0.0.1:{free}/name"
    told = []
    for url in (nobody, server.url(server.new(), "hush"), server.url("nothing")):
        with pytest.raises(DatabaseError) as caught:
            Database(url)
        told.append(str(caught.value))
    done = subprocess.run(
        [GMMLABEL, "serve", "--port", "0", "--data", tmp_path, "--database", nobody],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    told.append(done.stderr.strip())
    whys = ["refused", "authentication failed", "does not exist", "refused"]
    for said, why in zip(told, whys, strict=True):
        assert len(said.splitlines()) == 1, said
        assert why in said
        for secret in ("hush", server.password):
            assert secret not in said


def test_the_password_may_be_where_libpq_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = shared_server()
    name = server.new()
    url = server.url(name).replace(f":{server.password}", "")
    secrets = tmp_path / "pgpass"
    secrets.write_text(f"127.0.0.1:{server.port}:*:*:{server.password}\n")
    secrets.chmod(0o600)
    with pytest.raises(DatabaseError, match="password"):
        Database(url)
    monkeypatch.setenv("PGPASSFILE", str(secrets))
    Database(url).close()


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DatabaseError, match=r"pip install 'gmmlabel\[postgresql\]'"):
        Database("postgresql+psycopg://user@127.0.0.1/name")


def test_times_are_those_of_the_database_whatever_hosts_think(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = time.time()
    server = shared_server()
    database = Database(server.url(server.new()))
    store = Store(database)
    monkeypatch.setattr(time, "time", lambda: real - 86400)  # a host that is a day behind
    store.add("a" * 32, WANTED, client="", queue_limit=10)
    assert store.claim("me", 60)
    monkeypatch.setattr(time, "time", lambda: real + 86400)  # and another, ahead
    store.expire(1, {})
    job = store.look("a" * 32)
    assert job is not None
    assert job.state is State.RUNNING
    assert store.succeed(job, "me", {})
    job = store.look(job.id)
    assert job is not None
    for moment in (job.created, job.started, job.ended):
        assert moment is not None
        assert real - 1 <= moment < real + 600
    assert store.ended_for(3600) == []
    assert store.ended_for(-3600) == [job.id]
    database.close()


def test_a_job_of_which_the_client_was_not_told_has_its_files_and_is_found_again(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    store = server.service.store
    add = store.add

    def commit_and_fall_silent(*args: Any, **options: Any) -> NoReturn:
        add(*args, **options)
        raise LOST

    with monkeypatch.context() as patch:
        patch.setattr(store, "add", commit_and_fall_silent)
        answer = server.client.post("/v1/jobs", content=b"NRRD0004 good")
    assert answer.status_code == 503
    assert answer.json()["type"].endswith(":not-ready")
    assert int(answer.headers["Retry-After"]) > 0
    job_id = server.client.post("/v1/jobs", content=b"NRRD0004 good").json()["id"]
    assert [job["id"] for job in server.client.get("/v1/jobs").json()["jobs"]] == [job_id]
    assert settled(lambda: server.client.get(f"/v1/jobs/{job_id}").json()["state"] == "succeeded")


def test_a_claim_of_which_the_server_was_not_told_is_no_attempt(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(attempts=1, lease=2)
    store = server.service.store
    claim, claims = store.claim, []

    def lost_once(owner: str, lease: float) -> Job | None:
        job = claim(owner, lease)
        if job is not None:
            claims.append(job)
            if len(claims) == 1:
                raise LOST
        return job

    monkeypatch.setattr(store, "claim", lost_once)
    job_id = server.client.post("/v1/jobs", content=b"NRRD0004 good").json()["id"]
    assert settled(lambda: store.look(job_id).state.ended)
    assert store.look(job_id).state is State.SUCCEEDED
    assert [(job.id, job.attempt) for job in claims] == [(job_id, 1), (job_id, 2)]


def see_that_all_ended_once(hosts: Hosts, job_ids: set[str], url: str) -> None:
    ends = [end for end in hosts.ends() if end[0] in job_ids]
    assert sorted(job for job, *_ in ends) == sorted(job_ids)
    assert {(was, became) for _, was, became in ends} == {("running", "succeeded")}
    for job_id in job_ids:
        job = HTTP.get(f"{url}/v1/jobs/{job_id}").json()
        of = job["result"]["of"]
        labels = HTTP.get(f"{url}/v1/jobs/{job_id}/files/labels.nrrd")
        assert labels.text == of[::-1]


def test_two_servers_do_each_of_many_jobs_once(pair: tuple[Hosts, list[str]]) -> None:
    both, urls = pair
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: post(urls[n % 2], f"text {n} quick"), range(200)))
    assert {answer.status_code for answer in answers} == {202}
    job_ids = {answer.json()["id"] for answer in answers}
    assert len(job_ids) == 200
    assert both.all_succeed(job_ids), both.count()
    assert both.attempts(job_ids) == dict.fromkeys(job_ids, 1)
    see_that_all_ended_once(both, job_ids, urls[0])
    # What came to one server is answered by the other.
    for n in (0, 1):
        told = HTTP.get(f"{urls[1 - n % 2]}/v1/jobs/{answers[n].json()['id']}").json()
        assert told["result"]["of"] == f"NRRD0004 text {n} quick"


def test_the_same_bytes_sent_to_two_servers_at_once_are_one_job(
    pair: tuple[Hosts, list[str]],
) -> None:
    both, urls = pair
    ready = threading.Barrier(4)

    def send(number: int) -> list[httpx.Response]:
        answers = []
        for work in range(8):
            ready.wait(30)
            answers.append(post(urls[number % 2], f"the same {work} good"))
        return answers

    with ThreadPoolExecutor(4) as pool:
        senders = list(pool.map(send, range(4)))
    job_ids = set()
    for answers in zip(*senders, strict=True):
        assert {answer.status_code for answer in answers} == {202}
        same = {answer.json()["id"] for answer in answers}
        assert len(same) == 1
        job_ids |= same
    assert len(job_ids) == 8
    assert both.all_succeed(job_ids), both.count()
    assert both.attempts(job_ids) == dict.fromkeys(job_ids, 1)


def test_every_job_ends_once_while_servers_are_killed(tmp_path: Path) -> None:
    chance = random.Random(6)  # noqa: S311
    options = {"GMMLABEL_LEASE": "1", "GMMLABEL_ATTEMPTS": "9"}
    with new_hosts(tmp_path, shared_server(), **options) as some:
        urls = some.start(2)
        job_ids = {post(urls[0], f"text {number} good").json()["id"] for number in range(40)}
        for kills in range(3):
            time.sleep(chance.uniform(0.1, 0.8))
            some.kill(kills)
            urls.append(some.begin())
        assert some.all_succeed(job_ids), some.count()
        assert settled(lambda: ready(urls[-1])), some.logs()
        see_that_all_ended_once(some, job_ids, urls[-1])
        # A server that is killed has two jobs at most.
        assert some.attempts(job_ids).total() <= 40 + 3 * 2
        assert {path.name for path in (some.folder / "data" / "jobs").iterdir()} == job_ids


def test_a_restart_of_the_database_loses_no_job_and_repeats_none(tmp_path: Path) -> None:
    server = new_server()
    options = {"GMMLABEL_LEASE": "4", "GMMLABEL_ATTEMPTS": "1"}
    with new_hosts(tmp_path, server, **options) as both:
        urls = both.start(2)
        accepted: set[str] = set()
        refused: list[httpx.Response] = []
        stop = threading.Event()

        def send(number: int) -> None:
            work = 0
            while not stop.is_set():
                answer = post(urls[number % 2], f"{number} {work} good")
                if answer.status_code == 202:
                    accepted.add(answer.json()["id"])
                    work += 1
                else:
                    refused.append(answer)
                stop.wait(0.1)

        senders = [threading.Thread(target=send, args=(n,), daemon=True) for n in range(4)]
        for sender in senders:
            sender.start()
        for _ in range(2):
            enough = len(accepted) + 12
            assert settled(lambda enough=enough: len(accepted) >= enough), both.logs()
            server.stop()
            assert settled(lambda: HTTP.get(f"{urls[0]}/readyz").status_code == 503)
            assert "store" in HTTP.get(f"{urls[0]}/readyz").json()["detail"]
            assert HTTP.get(f"{urls[0]}/healthz").status_code == 200
            time.sleep(4)  # all leases run out
            server.start()
        assert settled(lambda: all(ready(url) for url in urls))
        stop.set()
        for sender in senders:
            sender.join()
        for answer in refused:
            assert answer.status_code == 503, answer.text
            assert answer.json()["type"].endswith(":not-ready")
            assert int(answer.headers["Retry-After"]) > 0
            assert server.password not in answer.text
        assert refused
        with server.connect(both.name) as connection:
            stored = {row[0] for row in connection.execute("SELECT id FROM jobs").fetchall()}
        assert accepted <= stored
        assert both.all_succeed(stored), both.count()
        assert both.attempts(stored) == dict.fromkeys(stored, 1)
        see_that_all_ended_once(both, stored, urls[1])
    server.remove()
