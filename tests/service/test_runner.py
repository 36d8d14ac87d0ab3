"""Jobs end, and once, whatever happens to the processes that work on them."""

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from service.workers import misbehave

from gmmlabel.api.jobs import Job, LabelWanted, State
from gmmlabel.api.metrics import Metrics
from gmmlabel.api.settings import Settings
from gmmlabel.api.storage.artefacts import Artefacts
from gmmlabel.api.storage.cleaning import Cleaner
from gmmlabel.api.storage.database import Database
from gmmlabel.api.storage.store import Store
from gmmlabel.api.working.order import Order, order_document, read_order
from gmmlabel.api.working.processes import LocalProcesses
from gmmlabel.api.working.runner import Runner
from gmmlabel.api.working.settling import _read_result

TESTS = Path(__file__).parents[1]


def upload(what: str, text: str = "") -> bytes:
    """What makes a worker do something."""
    return f"NRRD0004 {text} {what}".encode()


@dataclass
class Desk:
    """A store and its files, as a server has them."""

    root: Path
    store: Store
    artefacts: Artefacts

    def settings(self, **options: object) -> Settings:
        defaults = {"data": self.root, "workers": 2, "lease": 1, "worker_memory": 1 << 30}
        return Settings(**{**defaults, **options})

    def add(self, what: str, text: str = "") -> Job:
        job_id, content = secrets.token_hex(16), upload(what, text)
        self.artefacts.begin(job_id).write_bytes(content)
        self.artefacts.keep(job_id, "upload.nrrd")
        sha256 = hashlib.sha256(content).hexdigest()
        wanted = LabelWanted(sha256, ".nrrd", "m", "0" * 64, "default", "nrrd")
        return self.store.add(job_id, wanted, client="", queue_limit=1000)[0]

    def look(self, job: Job) -> Job:
        found = self.store.look(job.id)
        assert found is not None
        return found

    def wait(self, job: Job, *states: State, seconds: float = 90) -> Job:
        deadline = time.monotonic() + seconds
        while (found := self.look(job)).state not in states:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def ended(self, job: Job, seconds: float = 90) -> Job:
        return self.wait(job, *(state for state in State if state.ended), seconds=seconds)

    def attempts(self) -> list[str]:
        return [line.split()[0] for line in (self.root / "attempts").read_text().splitlines()]

    def left(self, job: Job) -> list[str]:
        folder = self.root / "jobs" / job.id
        found = [  # not by glob, which fails when a folder is removed meanwhile
            Path(here, name).relative_to(folder)
            for here, folders, files in os.walk(folder)
            for name in (*folders, *files)
        ]
        return sorted(map(str, found))

    def runner(self, **options: object) -> Runner:
        settings = self.settings(**options)
        workers = LocalProcesses(settings, misbehave)
        return Runner(self.store, self.artefacts, settings, workers, Metrics("1"))

    @contextmanager
    def running(self, **options: object) -> Iterator[Runner]:
        runner = self.runner(**options)
        runner.start()
        yield runner
        runner.stop()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield Desk(tmp_path, Store(database), Artefacts(tmp_path))
    database.close()


def settled(look: Callable[[], object], seconds: float = 150) -> object:
    """Wait for what is to come about; long, for a slow machine waits for nothing else."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def test_jobs_end_each_with_its_own_result_and_nothing_else_stays(desk: Desk) -> None:
    jobs = [desk.add("good", f"text {number}") for number in range(6)]
    with desk.running():
        done = [desk.ended(job) for job in jobs]
    assert [job.state for job in done] == [State.SUCCEEDED] * 6
    for number, job in enumerate(done):
        assert job.result is not None
        assert job.result["of"] == upload("good", f"text {number}").decode()
    for job in jobs:
        assert desk.left(job) == ["1", "1/labels.nrrd", "1/report.html", "1/result.json"]


def test_a_worker_that_dies_takes_its_job_with_it_at_the_last_attempt_only(desk: Desk) -> None:
    once, always, good = desk.add("crash-once"), desk.add("crash"), desk.add("good")
    with desk.running(attempts=2):
        assert desk.ended(good).state is State.SUCCEEDED
        assert desk.ended(once).state is State.SUCCEEDED
        failed = desk.ended(always)
    assert failed.state is State.FAILED
    assert failed.problem is not None
    assert failed.problem["type"] == "urn:gmmlabel:problem:worker-died"
    assert (desk.look(once).attempt, failed.attempt) == (2, 2)
    assert desk.left(once) == ["2", "2/labels.nrrd", "2/report.html", "2/result.json"]
    assert desk.left(always) == []


def test_a_worker_that_says_what_it_should_not_has_died(desk: Desk) -> None:
    liar, babbler = desk.add("lie"), desk.add("babble")
    with desk.running(attempts=1):
        for job in (liar, babbler):
            found = desk.ended(job)
            assert found.state is State.FAILED
            assert found.problem is not None
            assert found.problem["type"] == "urn:gmmlabel:problem:worker-died"


@pytest.mark.parametrize("content", ['{"a": NaN}', '{"a": 1e999}', "[" * 100_000, "{", "[]"])
def test_a_result_that_is_no_document_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    assert _read_result(tmp_path / "result.json") is None


def test_a_problem_that_a_worker_tells_is_that_of_its_job(desk: Desk) -> None:
    job = desk.add("refuse")
    with desk.running():
        found = desk.ended(job)
    assert found.problem == {"type": "t", "title": "t", "status": 422, "detail": "no"}
    assert found.attempt == 1
    assert desk.left(job) == []


def test_a_job_that_takes_too_long_fails_and_its_process_ends(desk: Desk) -> None:
    with desk.running():  # so that starting the first process is no part of the time
        desk.ended(desk.add("good"))
    (desk.root / "attempts").unlink()
    job = desk.add("hang")
    with desk.running(job_timeout=0.5):
        found = desk.ended(job)
    assert found.problem is not None
    assert found.problem["type"] == "urn:gmmlabel:problem:job-timeout"
    pid = int((desk.root / "attempts").read_text().split()[1])
    assert settled(lambda: not Path(f"/proc/{pid}").exists())


def test_a_job_that_is_cancelled_loses_its_process_and_its_files(desk: Desk) -> None:
    job = desk.add("hang")
    with desk.running() as runner:
        assert settled(lambda: desk.look(job).stage == "label")
        assert settled((desk.root / "attempts").exists)
        assert desk.store.cancel(job.id, "")
        runner.look()
        assert settled(lambda: not desk.left(job))
        pid = int((desk.root / "attempts").read_text().split()[1])
        assert settled(lambda: not Path(f"/proc/{pid}").exists())
    assert desk.look(job).state is State.CANCELLED


def test_a_runner_that_stops_gives_back_what_it_has_and_another_goes_on(desk: Desk) -> None:
    job = desk.add("slow")
    for _ in range(3):  # more often than a job may crash
        with desk.running(attempts=1):
            desk.wait(job, State.RUNNING)
        assert desk.look(job).state is State.QUEUED
    with desk.running(attempts=1):
        assert desk.ended(job).state is State.SUCCEEDED


def test_workers_let_the_server_go_first(desk: Desk) -> None:
    script = (
        "import os, sys; from gmmlabel.api.working.work import work; "
        "from gmmlabel.api.working.order import read_order; "
        "before = os.nice(0); told = []; "
        "pipe = type('Pipe', (), {'send_bytes': lambda _, said: told.append(said)})(); "
        "work(read_order(sys.stdin.buffer.read()), pipe); print(before, os.nice(0), told[-1])"
    )
    job = desk.add("good")
    order = Order(
        job.id,
        job.wanted,
        desk.artefacts.upload(job.id, "upload.nrrd"),
        desk.artefacts.case(job.id, 1),
        desk.artefacts.scratch(job.id, 1),
        desk.root,
        4 << 30,
        1,
    )
    assert read_order(order_document(order)) == order
    done = subprocess.run(
        [sys.executable, "-c", script], input=order_document(order), capture_output=True, check=True
    )
    before, now, told = done.stdout.decode().split(maxsplit=2)
    assert int(now) == max(10, int(before))
    assert "no-such-model" in told  # it was at work


def test_servers_that_share_a_store_do_no_job_twice(desk: Desk) -> None:
    jobs = [desk.add("good", f"text {number}") for number in range(20)]
    other = Database(f"sqlite:///{desk.root / 'jobs.db'}")
    beside = Desk(desk.root, Store(other), Artefacts(desk.root))
    with desk.running() as one, beside.running() as two:
        assert one.owner != two.owner
        assert {desk.ended(job).state for job in jobs} == {State.SUCCEEDED}
    other.close()
    assert sorted(desk.attempts()) == sorted(job.id for job in jobs)


def test_old_jobs_go_with_their_files(desk: Desk) -> None:
    job = desk.add("good")
    with desk.running(retention=0.1):
        desk.ended(job)
    time.sleep(0.2)
    with desk.running(retention=0.1):
        assert settled(lambda: desk.store.look(job.id) is None and not desk.left(job))


def test_what_a_killed_server_left_of_an_ended_job_goes(desk: Desk) -> None:
    done, cancelled, queued = (desk.add("good", text) for text in "abc")
    job = desk.store.claim("killed", 30)
    assert job is not None
    assert job.id == done.id
    for name in ("1", "1.tmp", "2"):
        (desk.root / "jobs" / done.id / name).mkdir()
    desk.store.succeed(job, "killed", {})
    desk.store.cancel(cancelled.id, "")
    Cleaner(desk.store, desk.artefacts, 1000).sweep()
    assert desk.left(done) == ["1"]
    assert desk.left(cancelled) == []
    assert desk.left(queued) == ["upload.nrrd"]


def test_folders_of_no_job_are_swept_when_they_are_old(desk: Desk) -> None:
    job = desk.add("good")
    old, new = secrets.token_hex(16), secrets.token_hex(16)
    for job_id in (old, new):
        desk.artefacts.begin(job_id).write_bytes(b"upload")
        desk.artefacts.keep(job_id, ".nrrd")
    arriving = desk.artefacts.begin(secrets.token_hex(16))
    for folder in (desk.root / "jobs" / old, desk.root / "jobs" / job.id):
        for path in (*folder.iterdir(), folder):
            os.utime(path, (1, 1))
    desk.artefacts.sweep(lambda job_id: desk.store.look(job_id) is not None, 3600)
    assert {path.name for path in (desk.root / "jobs").iterdir()} == {new, job.id}
    assert arriving.parent.is_dir()


SERVER = """
import sys, time
from pathlib import Path
from service.test_runner import Desk
from gmmlabel.api.storage.artefacts import Artefacts
from gmmlabel.api.storage.database import Database
from gmmlabel.api.storage.store import Store
if __name__ == "__main__":
    root = Path(sys.argv[1])
    desk = Desk(root, Store(Database(f"sqlite:///{root / 'jobs.db'}")), Artefacts(root))
    desk.runner(attempts=50).start()
    time.sleep(600)
"""


def test_every_job_ends_once_while_servers_and_workers_are_killed(desk: Desk) -> None:
    jobs = [desk.add("good", f"text {number}") for number in range(30)]
    script = desk.root / "server.py"
    script.write_text(SERVER)

    def server() -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        return subprocess.Popen([sys.executable, script, desk.root], env=environment)

    def ended() -> int:
        return sum(desk.look(job).state.ended for job in jobs)

    (desk.root / "attempts").touch()
    for kills in range(2):
        process = server()
        until = len(desk.attempts()) + 6
        assert settled(lambda until=until: len(desk.attempts()) >= until)
        last = (desk.root / "attempts").read_text().splitlines()[-1]
        with suppress(ProcessLookupError):
            os.kill(int(last.split()[1]), signal.SIGKILL)
        time.sleep(0.02 * kills)
        process.kill()
        process.wait()
    assert 0 < ended() < len(jobs)
    process = server()
    assert settled(lambda: ended() == len(jobs)), ended()
    assert settled(lambda: len(desk.left(jobs[-1])) == 4)
    process.kill()
    process.wait()
    for number, job in enumerate(jobs):
        done = desk.look(job)
        text = upload("good", f"text {number}").decode()
        assert done.state is State.SUCCEEDED
        assert done.result is not None
        assert done.result["of"] == text
        case = desk.root / "jobs" / job.id / str(done.attempt)
        assert (case / "labels.nrrd").read_text() == text[::-1]
        assert json.loads((case / "result.json").read_text()) == done.result
