"""A cohort on a Dask cluster of real processes on this machine."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cohort.phantoms import numbers, write_cohort

from gmmlabel.cohort import cluster
from gmmlabel.cohort.batch import plan_batch, run_batch
from gmmlabel.cohort.cluster import ClusterWorkers, label_on_worker
from gmmlabel.cohort.labelling import CaseTask, Labelled, Settings
from gmmlabel.cohort.summary import Failure
from gmmlabel.errors import ClusterError
from gmmlabel.method import METHODS
from gmmlabel.model_files import load_model
from gmmlabel.morphology.slabs import thread_count
from gmmlabel.readers import read_volume
from gmmlabel.writers import write_volume

pytest.importorskip("distributed", reason="needs the extra cluster")

GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")
SETTINGS = Settings("zaffino2021", load_model().sha256, METHODS["default"])

# Stands in for another machine: one without gmmlabel, with another version, or without a disk.
OTHER_MACHINE = """
import os, sys
from importlib import metadata

version, installed, hidden = metadata.version, os.environ.get("INSTALLED"), os.environ.get("HIDDEN")
package = os.environ.get("PACKAGE", "gmmlabel")

def other_version(name):
    if name != package or installed is None:
        return version(name)
    if not installed:
        raise metadata.PackageNotFoundError(name)
    return installed

class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "gmmlabel":
            raise ModuleNotFoundError("No module named 'gmmlabel'", name=name)

stat = os.stat

def other_stat(path, *args, **kwargs):
    if hidden and str(path).startswith(hidden):
        raise FileNotFoundError(2, "No such file or directory", str(path))
    return stat(path, *args, **kwargs)

metadata.version, os.stat = other_version, other_stat
if installed == "":
    sys.meta_path.insert(0, Without())
"""


class Cluster:
    """A scheduler and its workers; a context manager, which ends them all."""

    def __init__(self, folder: Path, workers: int = 0) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sitecustomize.py").write_text(OTHER_MACHINE)
        self.file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._ended = ExitStack()
        try:
            options = ["--port", "0", "--dashboard-address", "127.0.0.1:0"]
            self.scheduler = self._start("scheduler", *options)
            self._wait(lambda: self.file.exists() and self.file.read_text() != "")
            self.address = json.loads(self.file.read_text())["address"]
            for _ in range(workers):
                self._add({}, ())
            self._wait(lambda: all(map(self._joined, range(workers))))
        except BaseException:
            self._ended.close()
            raise

    def add_worker(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        self._add(environment, options)
        number = len(self.workers) - 1
        self._wait(lambda: self._joined(number))
        return self.workers[-1]

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.close()

    def _add(self, environment: dict[str, str], options: tuple[str, ...]) -> None:
        name = str(len(self.workers))
        own = ["--no-dashboard", "--no-nanny", "--nthreads", "1", "--name", name]
        own += ["--local-directory", str(self.folder / name), *options]
        self.workers.append(self._start("worker", *own, **environment))

    def _joined(self, number: int) -> bool:
        return b"Registered to" in (self.folder / f"worker-{number}.log").read_bytes()

    def _start(self, what: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", what, "--host", "127.0.0.1"]
        command += ["--scheduler-file", str(self.file), *options]
        name = f"worker-{len(self.workers)}" if what == "worker" else what
        log = self._ended.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=self.folder,  # not where the batch is started
            env=os.environ | {"PYTHONPATH": str(self.folder)} | environment,
        )
        self._ended.callback(_kill, process)
        return process

    @staticmethod
    def _wait(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline, "the cluster does not start"
            time.sleep(0.05)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _start(source: Path, out: Path, *options: object) -> subprocess.Popen[str]:
    command = [GMMLABEL, "batch", source.name, "--out", out.relative_to(source.parent), *options]
    return subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=source.parent,  # paths are relative, and not to where the workers are
    )


def _finished(out: Path) -> set[str]:
    return {path.parent.name for path in out.glob("*/result.json")}


def _wait_for_cases(process: subprocess.Popen[str], out: Path, count: int) -> None:
    while process.poll() is None and len(_finished(out)) < count:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


def _tasks(source: Path, out: Path) -> tuple[CaseTask, ...]:
    out.mkdir(exist_ok=True)
    return plan_batch([source], out, SETTINGS).tasks


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten CTs; five of one chest differ by 1 HU each, which takes less time than ten chests."""
    cts = write_cohort(tmp_path_factory.mktemp("cohort") / "cts", ["ct0", "ct1"])
    for i in range(2, 10):
        volume = read_volume(cts / f"ct{i % 2}.nrrd")
        write_volume(cts / f"ct{i}.nrrd", replace(volume, hu=volume.hu + np.int16(i // 2)))
    return cts


@pytest.fixture
def eight(source: Path, tmp_path: Path) -> Path:
    (tmp_path / "cts").mkdir()
    for i in range(8):
        (tmp_path / "cts" / f"ct{i}.nrrd").hardlink_to(source / f"ct{i}.nrrd")
    return tmp_path / "cts"


@pytest.fixture(scope="module")
def local(source: Path) -> Path:
    """The folder of a run without a cluster."""
    out = source.parent / "local"
    process = _start(source, out, "--workers", 2)
    assert process.communicate(timeout=300)[0]
    assert process.returncode == 0
    return out


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler without workers; tests take those that they add away."""
    with Cluster(tmp_path_factory.mktemp("empty")) as dask:
        yield dask


def test_a_killed_worker_costs_no_case_and_no_bit(
    source: Path, local: Path, tmp_path: Path
) -> None:
    out = source.parent / "cluster"
    with Cluster(tmp_path / "dask", workers=2) as dask:
        process = _start(source, out, "--scheduler", dask.address)
        _wait_for_cases(process, out, 3)
        _kill(dask.workers[0])
        stdout, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
    assert "10 CTs: 10 labelled, 0 finished before, 0 failed" in stdout
    assert all(line.startswith("gmmlabel: ") for line in stderr.splitlines())
    assert _finished(out) == {f"ct{i}" for i in range(10)}
    for name in _finished(out):
        assert numbers(out / name) == numbers(local / name)
    assert not list(out.rglob(".gmmlabel-cluster-*"))
    assert not list(out.glob("*/.gmmlabel-*"))


def test_what_is_stopped_or_loses_its_scheduler_goes_on_later(eight: Path, tmp_path: Path) -> None:
    out = eight.parent / "out"
    with Cluster(tmp_path / "first", workers=2) as dask:
        process = _start(eight, out, "--scheduler", dask.address)
        _wait_for_cases(process, out, 1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert stderr.splitlines()[-1].endswith("stopped; run the same command again to go on")
        count = "lambda dask_scheduler: len(dask_scheduler.tasks)"
        ask = f"from distributed import Client; c = Client({dask.address!r}, timeout=10); "
        ask += f"print(c.run_on_scheduler({count})); c.close()"
        left = subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True)
        assert left.stdout.strip() == b"0"  # nothing waits on the cluster for nobody
        again = _start(eight, out, "--scheduler", dask.address)
        _wait_for_cases(again, out, len(_finished(out)) + 1)
        _kill(dask.scheduler)
        _, stderr = again.communicate(timeout=60)
        assert again.returncode == 1
        lines = stderr.splitlines()
        assert lines[-1].startswith(f"gmmlabel: error: {dask.address}: the scheduler was lost")
        assert all(line.startswith("gmmlabel: ") for line in lines)
    whole = {name: (out / name / "result.json").stat().st_mtime_ns for name in _finished(out)}
    assert 2 <= len(whole) < 8
    with Cluster(tmp_path / "second", workers=2) as dask:
        last = _start(eight, out, "--scheduler", dask.address)
        assert last.communicate(timeout=300)[0]
        assert last.returncode == 0
    assert _finished(out) == {f"ct{i}" for i in range(8)}
    for name, when in whole.items():  # nothing was done twice
        assert (out / name / "result.json").stat().st_mtime_ns == when


def test_addresses_where_no_scheduler_or_no_worker_is(source: Path, empty: Cluster) -> None:
    lines = {
        "tcp://127.0.0.1:1": "no Dask scheduler answers",
        "garbage": "no Dask scheduler answers (missing port number",
        empty.address: f"no worker is connected; start one with: dask worker {empty.address}",
    }
    started = time.monotonic()
    processes = [
        _start(source, source.parent / f"nobody{i}", "--scheduler", address)
        for i, address in enumerate(lines)
    ]
    for process, (address, line) in zip(processes, lines.items(), strict=True):
        stdout, stderr = process.communicate(timeout=60)
        assert (process.returncode, stdout) == (1, "")
        assert stderr.startswith(f"gmmlabel: error: {address}: {line}")
        assert stderr.count("\n") == 1
    assert time.monotonic() - started < 30  # 7 to wait, and the start of three at once


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"INSTALLED": ""}, "gmmlabel is not installed there"),
        ({"INSTALLED": "9.9"}, r"it has gmmlabel 9\.9, here is "),
        (
            {"PACKAGE": "distributed", "INSTALLED": "1.0"},
            r"has Python .* and distributed 1\.0, here",
        ),
        ({"HIDDEN": "OUT"}, "it does not see .*out as it is here; .* must be on a disk"),
    ],
)
def test_a_worker_that_cannot_do_the_work_is_named(
    empty: Cluster, tmp_path: Path, environment: dict[str, str], line: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    hidden = {name: str(out) if it == "OUT" else it for name, it in environment.items()}
    worker = empty.add_worker(**hidden)
    try:
        with pytest.raises(ClusterError, match=f"worker tcp://127.0.0.1:[0-9]+:? {line}"):
            ClusterWorkers(empty.address, out)
    finally:
        _kill(worker)
    assert not list(out.iterdir())


def test_workers_that_leave_and_such_as_join_later(
    source: Path, empty: Cluster, tmp_path: Path
) -> None:
    task = _tasks(source, tmp_path / "out")[0]
    good = empty.add_worker()
    with ClusterWorkers(empty.address, tmp_path / "out", patience=1) as workers:
        _kill(good)
        assert "no worker is left" in str(workers.submit(task).exception(timeout=60))
    good = empty.add_worker()
    with ClusterWorkers(empty.address, tmp_path / "out") as workers:
        _kill(good)
        late = empty.add_worker(INSTALLED="")
        told = workers.submit(task).exception(timeout=60)
        _kill(late)
    assert isinstance(told, ClusterError)
    assert "gmmlabel is not installed there" in str(told)
    assert _finished(tmp_path / "out") == set()


def test_a_worker_without_the_input_fails_that_case_alone(
    source: Path, empty: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "cts").mkdir()
    for name in ("here", "there"):
        (tmp_path / "cts" / f"{name}.nrrd").write_bytes((source / "ct0.nrrd").read_bytes())
    (tmp_path / "out").mkdir()
    worker = empty.add_worker(HIDDEN=str(tmp_path / "cts" / "here"))
    plan = plan_batch([tmp_path / "cts"], tmp_path / "out", SETTINGS)
    with ClusterWorkers(empty.address, tmp_path / "out") as workers:
        tally = run_batch(plan, workers)
    _kill(worker)
    (failed,) = tally.failures
    assert (failed.case, failed.stage, tally.labelled) == ("here", "read", 1)
    assert f"{tmp_path / 'cts' / 'here.nrrd'}: is not there on worker tcp://" in failed.message


def test_a_case_too_large_for_every_worker_is_refused(
    source: Path, empty: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    plan = plan_batch([source], tmp_path / "out", SETTINGS)
    small = [empty.add_worker("--memory-limit", it) for it in ("300MB", "400MB")]
    with ClusterWorkers(empty.address, tmp_path / "out") as workers:
        assert workers.case_memory == 380_000_000  # where its nanny would end it
        refused = run_batch(plan, workers).failures[0]
    for worker in small:
        _kill(worker)
    assert isinstance(refused, Failure)
    assert refused.stage == "memory"
    assert "72 x 72 x 48 voxels take about 0.5 GB of memory, and 0.4 GB are" in refused.message


def test_a_worker_labels_one_case_at_a_time_with_all_its_threads(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most, threads = 0, 0, set()

    def label(task: CaseTask) -> Labelled:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        threads.add(thread_count())
        time.sleep(0.05)
        at_once -= 1
        return Labelled(task.ct.name, {})

    monkeypatch.setattr(cluster, "label_case", label)
    monkeypatch.setenv("GMMLABEL_THREADS", "1")  # so that it is as it was afterwards
    monkeypatch.delenv("GMMLABEL_THREADS")
    task = _tasks(source, tmp_path / "out")[0]
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda _: label_on_worker(task, "tcp://w:1", 7), range(3)))
    assert all(isinstance(it, Labelled) for it in told)
    assert (most, threads) == (1, {7})
    monkeypatch.setenv("GMMLABEL_THREADS", "2")
    label_on_worker(task, "tcp://w:1", 7)
    assert threads == {7, 2}


def test_dask_that_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install 'gmmlabel\[cluster\]'"):
        ClusterWorkers("tcp://127.0.0.1:1", tmp_path)
