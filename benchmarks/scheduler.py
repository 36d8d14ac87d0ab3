"""How many cases the parent of a batch, and the scheduler of a Dask cluster, can keep up with.

    python benchmarks/scheduler.py parent [--cases 100000] [--slots 2 64 1024] [--slices 0]
    python benchmarks/scheduler.py dask [--cases 10000] [--workers 2 8] [--slices 0]

No CT is labelled: a case is a sleep. What remains is the loop that sends cases, waits for them and
notes them in the journal. `parent` runs it against threads of its own process that offer more
cases a second than it can take. `dask` runs it against a scheduler and workers in processes of
their own on this machine, whose cases end at once. With ``--slices`` each CT is so many files of a
folder instead of one file, as a DICOM series is.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from distributed import Client

from gmmlabel.cli.progress import Following
from gmmlabel.cohort.cluster import ClusterWorkers
from gmmlabel.cohort.finding import FoundCT
from gmmlabel.cohort.journal import JOURNAL, Journal
from gmmlabel.cohort.labelling import CaseTask, Labelled, Settings
from gmmlabel.cohort.running import run_cases
from gmmlabel.cohort.summary import Failure
from gmmlabel.cohort.workers import Workers
from gmmlabel.method import METHODS

_OFFERED = 5000  # cases a second that sleeping threads could end: more than is ever taken
_START_SECONDS = 60
_SETTINGS = Settings("zaffino2021", "0" * 64, METHODS["default"])


class SleepingWorkers:
    """Threads that sleep instead of labelling; as `gmmlabel.cohort.workers.Workers`."""

    memory = case_memory = None
    crashes: tuple[type[BaseException], ...] = ()

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._executor = ThreadPoolExecutor(slots)

    def submit(self, task: CaseTask) -> "Future[Labelled | Failure]":
        """Send a case."""
        return self._executor.submit(self._sleep, task)

    def restart(self) -> None:
        """Do nothing: threads do not crash."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._executor.shutdown()

    def _sleep(self, task: CaseTask) -> Labelled | Failure:
        time.sleep(self.slots / _OFFERED)
        return Labelled(task.ct.name, {"total": 0.0})


_END_AT_ONCE = """
from gmmlabel.cohort import cluster
from gmmlabel.cohort.labelling import Labelled
cluster.label_case = lambda task: Labelled(task.ct.name, {"total": 0.0})
"""  # is loaded by each worker of Dask before it starts


def make_tasks(folder: Path, cases: int, slices: int) -> list[CaseTask]:
    """Make tasks whose CTs are one file, or the files of a folder; all have the same."""
    files = [f"{number:05}.dcm" for number in range(slices)]
    source = folder / "cts"
    source.mkdir(exist_ok=True)
    for name in [*files, "ct.nrrd"]:
        (source / name).touch()
    place = source if slices else source / "ct.nrrd"
    return [
        CaseTask(
            FoundCT(
                f"ct-{number:012x}",
                place,
                f"1.2.{number}" if slices else None,
                tuple(f"./{name}" for name in files),  # strings of its own
                (512, 512, 300),
            ),
            folder / "out" / f"ct-{number:012x}",
            _SETTINGS,
        )
        for number in range(cases)
    ]


def resident(pid: int) -> float:
    """Memory of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def run(tasks: list[CaseTask], workers: Workers, folder: Path) -> tuple[float, int]:
    """Run tasks as a batch does; return seconds and the bytes of the journal."""
    (folder / JOURNAL).unlink(missing_ok=True)
    journal, progress = Journal.open(folder), Following(len(tasks))
    start = time.perf_counter()
    for task, outcome in run_cases(tasks, workers, progress.started):
        if isinstance(outcome, Failure):
            raise RuntimeError(outcome.message)
        journal.add(task.ct)
        progress.ended(outcome)
    seconds = time.perf_counter() - start
    if progress.done != len(tasks):
        raise RuntimeError(f"{progress.done} of {len(tasks)} cases ended")
    return seconds, (folder / JOURNAL).stat().st_size


def parent(folder: Path, cases: int, slots: list[int], slices: int) -> None:
    """Print what the loop of the parent sustains, by how many cases are under way."""
    before = resident(os.getpid())
    tasks = make_tasks(folder, cases, slices)
    print(f"{cases} sleeping cases of {max(1, slices)} files; the parent has {before:.0f} MB")
    print(f"{resident(os.getpid()) - before:.0f} MB more with the list of the cases")
    print("under way   cases/s   MB more at the end   journal bytes/case")
    for count in slots:
        with SleepingWorkers(count) as workers:
            seconds, size = run(tasks, workers, folder)
        more = resident(os.getpid()) - before
        print(f"{count:>9} {cases / seconds:>9.0f} {more:>20.0f} {size / cases:>20.0f}", flush=True)


def dask(folder: Path, cases: int, counts: list[int], slices: int) -> None:
    """Print what a Dask cluster on this machine sustains, by its workers."""
    (folder / "out").mkdir()
    tasks = make_tasks(folder, cases, slices)
    print(f"{cases} cases of {max(1, slices)} files that end at once, on workers of Dask")
    print("workers   under way   cases/s   MB of the scheduler before and after")
    for count in counts:
        with (
            dask_cluster(folder, count) as (address, scheduler),
            ClusterWorkers(address, folder / "out") as workers,
        ):
            before = resident(scheduler)
            seconds, _ = run(tasks, workers, folder)
            print(
                f"{count:>7} {workers.slots:>11} {cases / seconds:>9.0f} "
                f"{before:>10.0f} {resident(scheduler):>6.0f}",
                flush=True,
            )


@contextmanager
def dask_cluster(folder: Path, count: int) -> Iterator[tuple[str, int]]:
    """Start a scheduler and workers; give the address and the process of the scheduler."""
    told, preload = folder / "scheduler.json", folder / "end_at_once.py"
    told.unlink(missing_ok=True)
    preload.write_text(_END_AT_ONCE)
    common = ["--scheduler-file", str(told), "--no-dashboard"]
    of_workers = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    started = [_start("scheduler", "--host", "127.0.0.1", "--port", "0", *common)]
    try:
        _wait(told.exists)
        started += [
            _start("worker", *common, *of_workers, "--preload", str(preload)) for _ in range(count)
        ]
        address = json.loads(told.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=_START_SECONDS)
        yield address, started[0].pid
    finally:
        for process in reversed(started):
            process.kill()
        for process in started:
            process.wait()


def _start(what: str, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", what, *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"the scheduler did not start in {_START_SECONDS} s")
        time.sleep(0.1)


def main() -> None:
    """Measure what is asked for, in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    here = what.add_parser("parent")
    here.add_argument("--cases", type=int, default=100_000)
    here.add_argument("--slots", type=int, nargs="+", default=[2, 64, 1024])
    there = what.add_parser("dask")
    there.add_argument("--cases", type=int, default=10_000)
    there.add_argument("--workers", type=int, nargs="+", default=[2, 8])
    for each in (here, there):
        each.add_argument("--slices", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.what == "parent":
            parent(Path(folder), asked.cases, asked.slots, asked.slices)
        else:
            dask(Path(folder), asked.cases, asked.workers, asked.slices)


if __name__ == "__main__":
    main()
