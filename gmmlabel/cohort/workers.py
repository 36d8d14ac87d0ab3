"""Processes that label cases: on this machine, or those of a Dask cluster."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import ForkServerContext, SpawnContext
from types import TracebackType
from typing import Protocol, Self

from gmmlabel.cohort.labelling import CaseTask, Labelled, label_case
from gmmlabel.cohort.summary import Failure


class Workers(Protocol):
    """What cases are sent to."""

    @property
    def slots(self) -> int:
        """How many cases may be under way at once."""

    @property
    def memory(self) -> int | None:
        """Memory for all cases that are under way, in bytes; None if each worker has its own."""

    @property
    def case_memory(self) -> int | None:
        """Most memory that one case may take, in bytes; None if nothing is known of it."""

    @property
    def crashes(self) -> tuple[type[BaseException], ...]:
        """What the future of a case raises if its worker died."""

    def submit(self, task: CaseTask) -> "Future[Labelled | Failure]":
        """Send a case."""

    def restart(self) -> None:
        """Go on after a crash."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class LocalWorkers:
    """Processes on this machine; a context manager, which ends them.

    Parameters
    ----------
    count
        How many processes.
    cores
        Cores for all of them: each uses its share, so that threads do not fight.
    memory
        Memory for all of them, in bytes.
    label
        What each does with a case; can be imported by its name.
    """

    crashes: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def __init__(
        self,
        count: int,
        cores: int,
        memory: int,
        label: Callable[[CaseTask], Labelled | Failure] = label_case,
    ) -> None:
        self.slots = count
        self.memory = self.case_memory = memory
        self._label = label
        self._threads = max(1, cores // count)
        self._context = process_context([__name__])
        self._executor = self._start()

    def submit(self, task: CaseTask) -> "Future[Labelled | Failure]":
        """Send a case."""
        try:
            return self._executor.submit(self._label, task)
        except BrokenProcessPool as error:
            broken: Future[Labelled | Failure] = Future()
            broken.set_exception(error)
            return broken

    def restart(self) -> None:
        """Start other processes in the place of those that died."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Python 3.14 has kill_workers() for this.
        processes = list((self._executor._processes or {}).values())  # noqa: SLF001
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes if kind else ():
            process.kill()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.slots, self._context, initializer=begin_worker, initargs=(self._threads,)
        )


def process_context(preload: Sequence[str]) -> SpawnContext | ForkServerContext:
    """Choose how processes that work for this one start.

    A copy of a process that has threads may deadlock; one of a server without does not. Python
    would put the working directory in front of the path of that server, and in a clone of gmmlabel
    there is a package of that name which is not the one that is installed. So this turns that off
    for all that this process starts (``PYTHONSAFEPATH``).

    Parameters
    ----------
    preload
        Modules that the server imports, so that its copies have them.
    """
    if sys.platform in {"win32", "darwin"}:
        return multiprocessing.get_context("spawn")
    os.environ["PYTHONSAFEPATH"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def begin_worker(threads: int) -> None:
    """Begin a process that works for another: it leaves Ctrl-C to that, and does not outlive it.

    Parameters
    ----------
    threads
        How many threads each step may use.
    """
    os.environ["GMMLABEL_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
