"""The supervisor: takes jobs from the store, gives each a process, and sees it to its end.

One thread watches all processes. A process does one job, so that whatever it does to itself is the
fate of that job only, and its end gives all memory back. Processes are forked from a server of
`multiprocessing` that has imported all that they need, so that one more costs next to nothing.
"""

import json
import logging
import multiprocessing
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gmmlabel.case_files import RESULT
from gmmlabel.model_files import user_folder

from .artefacts import Artefacts
from .jobs import STAGES, Job, State
from .order import Order
from .problems import Problem, problem
from .settings import Settings
from .store import Store
from .work import MAX_MESSAGE, work

_log = logging.getLogger(__name__)

_TICK = 0.5
_SWEEP = 60.0
_AFTER_ERROR = 1.0
_ORPHAN = 3600.0
_LONGEST_RESULT = 4 << 20
_DIED = problem("worker-died", "the process that worked on it died, at every attempt; crop the CT")
_LOST = problem("worker-died", "the service ended while it was at work, at every attempt")


class _End(Enum):
    """How a process ended, if not with a problem."""

    DONE = auto()
    DIED = auto()
    LOST = auto()


@dataclass
class _Running:
    """A job that has a process."""

    job: Job
    process: BaseProcess
    pipe: Connection
    until: float
    end: _End | Problem | None = field(default=None)


class Runner:
    """Works on jobs, in a thread and processes of its own, between `start` and `stop`.

    Parameters
    ----------
    store
        The jobs.
    artefacts
        Their files.
    settings
        How many at once, and what each may take.
    target
        What a process does; can be imported by its name.
    """

    def __init__(
        self,
        store: Store,
        artefacts: Artefacts,
        settings: Settings,
        target: Callable[[Order, Connection], None] = work,
    ) -> None:
        self.owner = secrets.token_hex(8)
        self._store, self._artefacts, self._settings = store, artefacts, settings
        self._target = target
        self._memory = settings.worker_bytes
        self._context = _context(target)
        self._running: list[_Running] = []
        self._heard, self._bell = multiprocessing.Pipe(duplex=False)
        self._rung = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runner", daemon=True)
        self._next_renewal = self._next_expiry = self._next_sweep = 0.0

    @property
    def alive(self) -> bool:
        """Whether jobs are worked on."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """End all processes and let their jobs wait for another server, or a later one."""
        self._stopping.set()
        self.look()
        self._thread.join()

    def look(self) -> None:
        """Say that jobs have come or were cancelled, so that they need not wait for a tick."""
        if not self._rung.is_set():
            self._rung.set()
            self._bell.send_bytes(b"")

    def _run(self) -> None:
        # The first process of all waits for imports; no job should wait, and lose its lease.
        first = self._context.Process(target=int, daemon=True)
        first.start()
        first.join()
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception:  # noqa: BLE001 - the disk may be full now, and free again later
                _log.exception("the supervisor goes on after an error")
                self._stopping.wait(_AFTER_ERROR)
        for one in self._running:
            self._end_process(one)
            try:
                self._store.give_back(one.job, self.owner)
                self._clean(one.job)
            except Exception:  # noqa: BLE001 - its lease runs out, and it is taken up then
                _log.exception("job %s was not given back", one.job.id)

    def _step(self) -> None:
        self._look_after()
        while len(self._running) < self._settings.workers and self._take_on():
            pass
        ready = wait([self._heard, *(one.pipe for one in self._running)], _TICK)
        if self._heard in ready:
            self._heard.recv_bytes()
            self._rung.clear()
            self._next_renewal = 0.0  # among what happened may be that a job was cancelled
        for one in self._running:
            if one.pipe in ready:
                self._listen(one)
            elif one.end is None and time.monotonic() > one.until:
                seconds = self._settings.job_timeout
                one.end = problem("job-timeout", f"it took more than {seconds:g} s; crop the CT")
        for one in [one for one in self._running if one.end is not None]:
            self._settle(one)

    def _take_on(self) -> bool:
        """Begin the job that waits longest, if one does."""
        job = self._store.claim(self.owner, self._settings.lease)
        if job is None:
            return False
        try:
            ours, theirs = self._context.Pipe(duplex=False)
            order = self._order(job)
            process = self._context.Process(target=self._target, args=(order, theirs), daemon=True)
            process.start()
            theirs.close()
        except BaseException:
            self._store.give_back(job, self.owner)
            raise
        until = time.monotonic() + self._settings.job_timeout
        self._running.append(_Running(job, process, ours, until))
        return True

    def _order(self, job: Job) -> Order:
        return Order(
            job.id,
            job.wanted,
            self._artefacts.upload(job.id, job.wanted.upload),
            self._artefacts.case(job.id, job.attempt),
            self._artefacts.scratch(job.id, job.attempt),
            user_folder(),
            self._memory,
            self._settings.worker_threads,
        )

    def _listen(self, one: _Running) -> None:
        """Take what a process says; nothing it says is trusted to be what it should be."""
        try:
            said = json.loads(one.pipe.recv_bytes(MAX_MESSAGE))
            if "stage" in said:
                stage = said["stage"]
                progress = STAGES[one.job.wanted.kind][stage]
                self._store.advance(one.job, self.owner, stage, progress)
            elif said.get("done") is True:
                one.end = _End.DONE
            else:
                one.end = Problem.model_validate(said["problem"])
        except (EOFError, OSError, ValueError, KeyError, TypeError, AttributeError):
            one.end = one.end or _End.DIED

    def _settle(self, one: _Running) -> None:
        """End a job as its process ended. If the store fails meanwhile, it is tried again."""
        self._end_process(one)
        match one.end:
            case _End.DONE:
                result = _read_result(self._artefacts.case(one.job.id, one.job.attempt) / RESULT)
                if result is None:
                    self._crashed(one.job)
                else:
                    self._store.succeed(one.job, self.owner, result)
            case _End.DIED:
                self._crashed(one.job)
            case Problem() as told:
                self._store.fail(one.job, self.owner, told.model_dump())
        self._clean(one.job)
        self._running.remove(one)

    def _crashed(self, job: Job) -> None:
        _log.warning("the worker of job %s died", job.id)
        self._store.crashed(job, self.owner, self._settings.attempts, _DIED.model_dump())

    def _end_process(self, one: _Running) -> None:
        one.process.kill()
        one.process.join()
        one.pipe.close()

    def _clean(self, job: Job) -> None:
        """Remove what an attempt left that nobody needs."""
        now = self._store.look(job.id)
        if now is None or (now.state.ended and now.state is not State.SUCCEEDED):
            self._artefacts.drop(job.id)
        elif now.state is State.SUCCEEDED:
            self._artefacts.tidy(job.id, keep=now.attempt)
        else:
            self._artefacts.drop_case(job.id, job.attempt)

    def _look_after(self) -> None:
        """Do what is due: renew leases, take up what others lost, remove what is old."""
        now, lease = time.monotonic(), self._settings.lease
        if now >= self._next_renewal:
            self._next_renewal = now + lease / 5
            jobs = [one.job for one in self._running]
            mine = self._store.renew(self.owner, jobs, lease) if jobs else set()
            for one in self._running:
                if (one.job.id, one.job.attempt) not in mine:
                    one.end = _End.LOST
        if now >= self._next_expiry:
            self._next_expiry = now + lease / 3
            self._store.expire(self._settings.attempts, _LOST.model_dump())
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP
            self._sweep()

    def _sweep(self) -> None:
        for job_id in self._store.ended_before(time.time() - self._settings.retention):
            self._store.remove(job_id)
            self._artefacts.drop(job_id)
        for job_id in self._artefacts.with_uploads():  # some were left by a killed server
            job = self._store.look(job_id)
            if job and job.state.ended:
                self._clean(job)
        self._artefacts.sweep(lambda job_id: self._store.look(job_id) is not None, _ORPHAN)


def _context(target: Callable[..., None]) -> SpawnContext | ForkServerContext:
    """Choose how processes start: as copies of one that has no threads, or they may deadlock."""
    if sys.platform in {"win32", "darwin"}:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    preload = ["__main__", work.__module__, target.__module__]
    if target is work:
        preload.append(f"{__package__}.prepared")
    context.set_forkserver_preload(preload)
    return context


def _read_result(path: Path) -> dict[str, Any] | None:
    """Read what a worker says is the result; None if it is none."""
    try:
        if path.stat().st_size > _LONGEST_RESULT:
            return None
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
