"""Jobs on a Dask cluster of real processes on this machine, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cohort.test_cluster import Cluster
from service.test_runner import TESTS, Desk, settled, upload
from service.test_serve import (  # noqa: F401
    GMMLABEL,
    Process,
    _gone,
    case,
    ct,
    files_are_those_of_the_command,
    serving,
)
from service.workers import misbehave

from gmmlabel.api.cluster.workers import ClusterWorkers
from gmmlabel.api.jobs import State
from gmmlabel.api.metrics import Metrics
from gmmlabel.api.storage.artefacts import Artefacts
from gmmlabel.api.storage.database import Database
from gmmlabel.api.storage.store import Store
from gmmlabel.api.working.runner import Runner
from gmmlabel.errors import ClusterError

pytest.importorskip("distributed", reason="needs the extra cluster")

WORKER_DIED = "urn:gmmlabel:problem:worker-died"


class Site(Cluster):
    """A cluster whose workers can do what tests ask for."""

    def add(self, *options: str, **environment: str) -> "subprocess.Popen[bytes]":
        path = os.pathsep.join([str(self.folder), str(TESTS)])
        return self.add_worker(*options, PYTHONPATH=path, **environment)

    def bring_back(self) -> None:
        """Start another scheduler where there was one."""
        port = str(urlsplit(self.address).port)
        self.file.unlink()
        self.scheduler = self._start("scheduler", "--port", port, "--dashboard-address", ":0")
        self._wait(lambda: self.file.exists() and self.file.read_text() != "")


class ClusterDesk(Desk):
    """A store and its files, whose jobs are worked on in a cluster."""

    address = ""

    def runner(self, **options: object) -> Runner:
        settings = self.settings(**options)
        workers = ClusterWorkers(self.address, settings, misbehave)
        return Runner(self.store, self.artefacts, settings, workers, Metrics("1"))

    @property
    def pid(self) -> int:
        """That of the process of the last attempt."""
        return int((self.root / "attempts").read_text().split()[-1])


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GMMLABEL_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@contextmanager
def opened(root: Path, address: str) -> Iterator[ClusterDesk]:
    database = Database(f"sqlite:///{root / 'jobs.db'}")
    desk = ClusterDesk(root, Store(database), Artefacts(root))
    desk.address = address
    yield desk
    database.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A cluster with two workers, which tests leave as it is."""
    with Site(tmp_path_factory.mktemp("two")) as site:
        site.add()
        site.add()
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A cluster without workers."""
    with Site(tmp_path / "dask") as site:
        yield site


@pytest.fixture
def desk(two: Site, tmp_path: Path) -> Iterator[ClusterDesk]:
    with opened(tmp_path, two.address) as desk:
        yield desk


@pytest.fixture
def own(site: Site, tmp_path: Path) -> Iterator[ClusterDesk]:
    with opened(tmp_path, site.address) as desk:
        yield desk


def test_jobs_end_as_their_processes_do(desk: ClusterDesk) -> None:
    whats = ["good", "crash-once", "crash", "lie", "babble", "refuse"]
    jobs = {what: desk.add(what) for what in whats}
    with desk.running(attempts=2, job_timeout=60):
        done = {what: desk.ended(job, 60) for what, job in jobs.items()}
        assert settled(lambda: desk.left(jobs["refuse"]) == [])
    assert {what: job.state.value for what, job in done.items()} == {
        "good": "succeeded",
        "crash-once": "succeeded",
        "crash": "failed",
        "lie": "failed",
        "babble": "failed",
        "refuse": "failed",
    }
    assert done["good"].result is not None
    assert done["good"].result["of"] == upload("good").decode()
    assert [done[what].attempt for what in whats] == [1, 2, 2, 2, 2, 1]
    for what in ("crash", "lie", "babble"):
        assert (done[what].problem or {})["type"] == WORKER_DIED
    assert done["refuse"].problem == {"type": "t", "title": "t", "status": 422, "detail": "no"}
    for what, attempt in (("good", 1), ("crash-once", 2)):
        assert desk.left(jobs[what])[0] == str(attempt)
        assert len(desk.left(jobs[what])) == 4
    assert not list(desk.root.rglob(".gmmlabel-cluster-*"))


def test_a_job_that_is_cancelled_or_takes_too_long_loses_its_process(desk: ClusterDesk) -> None:
    job = desk.add("hang")
    with desk.running() as runner:
        desk.wait(job, State.RUNNING)
        assert settled(lambda: desk.look(job).stage == "label")
        assert settled((desk.root / "attempts").exists)
        desk.store.cancel(job.id, "")
        runner.look()
        assert settled(lambda: _gone(desk.pid))
        assert settled(lambda: not desk.left(job))
    assert desk.look(job).state is State.CANCELLED
    late = desk.add("hang", "again")
    with desk.running(job_timeout=6):
        found = desk.ended(late, 30)
    assert (found.problem or {})["type"] == "urn:gmmlabel:problem:job-timeout"
    assert _gone(desk.pid)


def test_a_server_that_stops_gives_back_what_it_has(desk: ClusterDesk) -> None:
    job = desk.add("slow")
    for _ in range(2):
        with desk.running(attempts=1):
            assert settled(lambda: desk.look(job).stage == "label")
        assert desk.look(job).state is State.QUEUED
        assert _gone(desk.pid)
    with desk.running(attempts=1):
        assert desk.ended(job, 30).state is State.SUCCEEDED


def test_servers_share_a_cluster_and_do_no_job_twice(desk: ClusterDesk) -> None:
    jobs = [desk.add("good", f"text {number}") for number in range(6)]
    with opened(desk.root, desk.address) as beside, desk.running(), beside.running():
        assert {desk.ended(job, 60).state for job in jobs} == {State.SUCCEEDED}
    assert sorted(desk.attempts()) == sorted(job.id for job in jobs)


def test_a_dask_worker_that_dies_costs_an_attempt(own: ClusterDesk, site: Site) -> None:
    first = site.add()
    job = own.add("hang")
    with own.running(attempts=2):
        assert settled(lambda: own.look(job).stage == "label")
        assert settled((own.root / "attempts").exists)
        first.kill()
        assert settled(lambda: _gone(own.pid))
        own.wait(job, State.QUEUED)  # there is no worker, and nothing claims it
        second = site.add()
        assert settled(lambda: own.look(job).stage == "label")
        assert own.look(job).attempt == 2
        second.kill()
        found = own.ended(job)
    assert (found.problem or {})["type"] == WORKER_DIED
    assert len(own.attempts()) == 2


def test_a_scheduler_that_is_lost_is_waited_for(own: ClusterDesk, site: Site) -> None:
    worker = site.add()
    job = own.add("slow")
    with own.running(attempts=1) as runner:
        assert settled(lambda: own.look(job).stage == "label")
        assert runner.well
        site.scheduler.kill()
        own.wait(job, State.QUEUED)
        assert settled(lambda: not runner.well)
        worker.wait(60)  # without a scheduler it ends by itself
        site.bring_back()
        site.add()
        assert own.ended(job, 60).state is State.SUCCEEDED
        assert runner.well
    assert own.look(job).attempt >= 2
    assert len(set(own.attempts())) == 1


SERVER = """
import sys, time
from pathlib import Path
from service.test_service_cluster import opened
if __name__ == "__main__":
    with opened(Path(sys.argv[1]), sys.argv[2]) as desk:
        desk.runner(attempts=50).start()
        time.sleep(600)
"""


def test_every_job_ends_once_while_anything_is_killed(own: ClusterDesk, site: Site) -> None:
    site.add()
    site.add()
    jobs = [own.add("good", f"text {number}") for number in range(12)]
    script = own.root / "server.py"
    script.write_text(SERVER)

    def server() -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        return subprocess.Popen([sys.executable, script, own.root, own.address], env=environment)

    def begun(count: int) -> None:
        until = len(own.attempts()) + count
        assert settled(lambda: len(own.attempts()) >= until)

    def kill_remote() -> None:
        with suppress(ProcessLookupError):
            os.kill(own.pid, signal.SIGKILL)

    (own.root / "attempts").touch()
    process = server()
    begun(2)
    kill_remote()
    begun(2)
    site.workers[0].kill()
    begun(1)
    process.kill()
    process.wait()
    last = own.pid
    assert settled(lambda: _gone(last))  # nobody wants it any more
    site.add()
    process = server()
    ended = settled(lambda: all(own.look(job).state.ended for job in jobs))
    process.kill()
    process.wait()
    assert ended
    for number, job in enumerate(jobs):
        done = own.look(job)
        text = upload("good", f"text {number}").decode()
        assert done.state is State.SUCCEEDED
        assert (done.result or {})["of"] == text
        folder = own.root / "jobs" / job.id / str(done.attempt)
        assert (folder / "labels.nrrd").read_text() == text[::-1]
        assert json.loads((folder / "result.json").read_text()) == done.result


def test_a_worker_that_lacks_something_is_named_or_not_used(own: ClusterDesk, site: Site) -> None:
    with pytest.raises(ClusterError, match=r"^tcp://127\.0\.0\.1:1: no Dask scheduler answers"):
        ClusterWorkers("tcp://127.0.0.1:1", own.settings(), misbehave)
    blind = site.add(HIDDEN=str(own.root / "models"))
    with pytest.raises(ClusterError, match=r"does not see .*models as it is here"):
        own.runner()
    blind.kill()
    blind.wait()
    with own.running() as runner:
        assert not runner.well
        site.add(INSTALLED="9.9")
        job = own.add("good")
        assert not settled(lambda: runner.well, 3)
        assert own.look(job).state is State.QUEUED
        site.add()
        assert own.ended(job).state is State.SUCCEEDED
        assert runner.slots == 1
    assert not list(own.root.rglob(".gmmlabel-cluster-*"))


def test_the_files_are_those_that_the_command_makes(
    site: Site,
    serving: Callable[..., Process],  # noqa: F811
    ct: Path,  # noqa: F811
    case: Path,  # noqa: F811
) -> None:
    site.add_worker()
    server = serving("--scheduler", site.address)
    assert settled(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
    job_id = httpx.post(f"{server.url}/v1/jobs", content=ct.read_bytes()).json()["id"]
    assert settled(lambda: server.job(job_id)["stage"])
    server.end(signal.SIGKILL)
    server.start()
    assert settled(lambda: server.job(job_id)["state"] == "succeeded")
    files_are_those_of_the_command(server, job_id, case)


def test_a_scheduler_that_does_not_answer_is_one_line_and_status_1(tmp_path: Path) -> None:
    command = [GMMLABEL, "serve", "--port", "0", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [*command, "--scheduler", "tcp://127.0.0.1:1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("gmmlabel: error: tcp://127.0.0.1:1: no Dask")
