"""The supervisor: takes jobs from the store, gives each a worker, and sees it to its end.

One thread watches all attempts, wherever their processes are.
"""

import logging
import multiprocessing
import secrets
import threading
import time
from contextlib import suppress
from multiprocessing.connection import wait

from sqlalchemy.exc import SQLAlchemyError

from gmmlabel.model_files import user_folder

from ..jobs import STAGES, Job
from ..metrics import Metrics
from ..problems import problem
from ..settings import Settings
from ..storage.artefacts import Artefacts
from ..storage.cleaning import Cleaner
from ..storage.store import Store
from .following import End, Followed
from .order import Order
from .settling import Settler
from .workers import Workers

_log = logging.getLogger(__name__)

_TICK = 0.5
_SWEEP = 60.0
_AFTER_ERROR = 1.0
_STUCK = 10.0  # a step takes a tick, or longer if the store is busy
_PATIENCE_AT_STOP = 3.0
_LOST = problem("worker-died", "the service ended while it was at work, at every attempt")


class Runner:
    """Works on jobs, in a thread of its own, between `start` and `stop`.

    Parameters
    ----------
    store
        The jobs.
    artefacts
        Their files.
    settings
        What each may take.
    workers
        What works on them.
    metrics
        Is told what becomes of them.
    """

    def __init__(
        self,
        store: Store,
        artefacts: Artefacts,
        settings: Settings,
        workers: Workers,
        metrics: Metrics,
    ) -> None:
        self.owner = secrets.token_hex(8)
        self._store, self._artefacts, self._settings = store, artefacts, settings
        self._workers, self._metrics = workers, metrics
        self._cleaner = Cleaner(store, artefacts, settings.retention)
        self._settler = Settler(
            store, artefacts, self._cleaner, metrics, self.owner, settings.attempts
        )
        self._memory = settings.worker_bytes
        self._running: list[Followed] = []
        self._heard, self._bell = multiprocessing.Pipe(duplex=False)
        self._rung = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runner", daemon=True)
        self._next_renewal = self._next_expiry = self._next_sweep = 0.0
        self._last_step = -_STUCK

    @property
    def well(self) -> bool:
        """Whether jobs are seen to, and can be worked on."""
        recently = time.monotonic() - self._last_step < _STUCK
        return self._thread.is_alive() and recently and self._workers.ready

    @property
    def slots(self) -> int:
        """How many jobs can be worked on at once."""
        return self._workers.slots

    @property
    def busy(self) -> int:
        """How many are."""
        return len(self._running)

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
        self._workers.open()
        while not self._stopping.is_set():
            try:
                self._step()
                self._last_step = time.monotonic()
            except Exception:  # noqa: BLE001 - the disk may be full now, and free again later
                _log.exception("the supervisor goes on after an error")
                # If it was the store, other servers could not renew their leases either.
                self._next_expiry = time.monotonic() + self._settings.lease
                self._stopping.wait(_AFTER_ERROR)
        self._end_all()
        self._workers.close()

    def _step(self) -> None:
        self._look_after()
        while len(self._running) < self._workers.slots and self._take_on():
            pass
        self._hear(_TICK)
        now, timeout = time.monotonic(), self._settings.job_timeout
        for one in [one for one in self._running if one.tend(now, timeout)]:
            self._settler.settle(one)
            one.attempt.close()
            self._running.remove(one)

    def _hear(self, seconds: float) -> None:
        """Wait until something happens, and take in what attempts say."""
        there = [one for one in self._running if not one.gone]
        ready = wait([self._heard, *(one.attempt.pipe for one in there)], seconds)
        if self._heard in ready:
            self._heard.recv_bytes()
            self._rung.clear()
            self._next_renewal = 0.0  # among what happened may be that a job was cancelled
        for one in there:
            if one.attempt.pipe in ready and (stage := one.listen()):
                progress = STAGES[one.job.wanted.kind][stage]
                self._store.advance(one.job, self.owner, stage, progress)

    def _take_on(self) -> bool:
        """Begin the job that waits longest, if one does."""
        job = self._store.claim(self.owner, self._settings.lease)
        if job is None:
            return False
        try:
            attempt = self._workers.start(self._order(job))
        except BaseException:
            self._store.give_back(job, self.owner)
            raise
        until = time.monotonic() + self._settings.job_timeout
        self._running.append(Followed(job, attempt, until))
        self._metrics.began(job)
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
            self._room(),
        )

    def _room(self) -> int:
        """Share the disk above its floor among all workers."""
        free = self._artefacts.free_bytes() - self._settings.disk_floor
        return max(free, 0) // max(1, self._workers.slots)

    def _end_all(self) -> None:
        """End all attempts, and give their jobs back."""
        for one in self._running:
            one.attempt.end()
        until = time.monotonic() + _PATIENCE_AT_STOP
        with suppress(SQLAlchemyError):  # of a store that cannot take a stage
            while any(not one.gone for one in self._running) and time.monotonic() < until:
                self._hear(_TICK)
        for one in self._running:
            try:
                self._store.give_back(one.job, self.owner)
                self._cleaner.clean(one.job)
            except Exception:  # noqa: BLE001 - its lease runs out, and it is taken up then
                _log.exception("a job was not given back", extra={"facts": {"job": one.job.id}})
            one.attempt.close()

    def _look_after(self) -> None:
        """Do what is due: renew leases, take up what others lost, remove what is old."""
        now, lease = time.monotonic(), self._settings.lease
        if now >= self._next_renewal:
            self._next_renewal = now + lease / 5
            jobs = [one.job for one in self._running]
            mine = self._store.renew(self.owner, jobs, lease)
            for one in self._running:
                if (one.job.id, one.job.attempt) in mine:
                    one.attempt.renew()
                else:
                    one.end = End.LOST
        if now >= self._next_expiry:
            self._next_expiry = now + lease / 3
            self._store.expire(self._settings.attempts, _LOST.model_dump())
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP
            self._cleaner.sweep()
