"""Workers of a Dask cluster: each works on one order at a time, in a process of its own.

The server chooses the worker. What Dask does when that dies, which is to begin anew elsewhere, is
left to the job store: it counts how often a job has crashed. See `relay` for what a worker does.
"""

import logging
import pickle
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from gmmlabel.cohort.joining import Found
from gmmlabel.errors import ClusterError
from gmmlabel.model_files import user_folder

from ..settings import Settings
from ..working.order import Order
from .attempts import RemoteAttempt
from .members import Members
from .relaying import TOPIC, Errand, relay

_log = logging.getLogger(__name__)

_WATCH_SECONDS = 1.0
_CLOSE_SECONDS = 2.0


class ClusterWorkers:
    """The workers of a Dask cluster; each is a slot.

    A scheduler that is lost is waited for. A worker that joins later is used if it lacks nothing.

    Parameters
    ----------
    address
        Of the scheduler.
    settings
        Those of the service.
    target
        What a process does; can be imported by its name.

    Raises
    ------
    GmmlabelError
        As of `Members`.
    """

    def __init__(
        self, address: str, settings: Settings, target: Callable[[Order, Connection], None]
    ) -> None:
        self._settings = settings
        self._target = f"{target.__module__}:{target.__qualname__}"
        self._attempts: dict[str, RemoteAttempt] = {}
        self._changing = threading.Lock()
        folders = (settings.data.absolute(), user_folder().absolute())
        self._members = Members(address, folders, TOPIC, self._hear)
        self._found = self._members.look()
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._look, name="cluster", daemon=True)

    @property
    def slots(self) -> int:
        """How many workers can be used."""
        with self._changing:
            return len(self._usable())

    @property
    def ready(self) -> bool:
        """Whether there is a worker."""
        return self.slots > 0

    def open(self) -> None:
        """Begin to watch the cluster."""
        self._watch.start()

    def start(self, order: Order) -> RemoteAttempt:
        """Send an order to a worker that has none; if there is none, the attempt is lost at once.

        Raises
        ------
        OSError
            If the data folder cannot be written.
        """
        with self._changing:
            free = self._usable().keys() - {one.worker for one in self._attempts.values()}
            worker = min(free, default="")
            attempt = RemoteAttempt(order, worker)
            if not worker:
                attempt.over(lost=True)
                return attempt
            self._attempts[attempt.name] = attempt
            memory = self._memory(self._found[worker])
        errand = Errand(
            attempt.name,
            replace(_absolute(order), memory=memory),
            self._target,
            self._settings.lease,
        )
        try:
            sent = self._members.send(pickle.dumps((relay, errand)), worker)
        except ClusterError as error:
            self._lose(error)
        else:
            attempt.sent = sent
            sent.add_done_callback(lambda ended: self._end(attempt, ended))
        return attempt

    def close(self) -> None:
        """Leave the cluster as it is."""
        self._closed.set()
        if self._watch.is_alive():
            self._watch.join(_CLOSE_SECONDS)
        self._members.close()

    def _usable(self) -> Mapping[str, Found]:
        held = {one.worker for one in self._attempts.values() if one.left}
        return {
            worker: its
            for worker, its in self._found.items()
            if not its.lacks and worker not in held
        }

    def _memory(self, worker: Found) -> int:
        """Choose the smaller limit; 0 if there is none."""
        limits = (worker.memory, self._settings.worker_memory)
        return min((limit for limit in limits if limit), default=0)

    def _hear(self, event: tuple[str, bytes]) -> None:
        name, message = event
        with self._changing:
            attempt = self._attempts.get(name)
        if attempt:  # and not that of another server
            attempt.say(message)

    def _end(self, attempt: RemoteAttempt, ended: "Future[Any]") -> None:
        """Tell how an attempt ended."""
        lost = ended.cancelled()
        if not lost:
            error, result = ended.exception(), None
            if error is None:
                result = ended.result()
            else:
                _log.warning("the relay of worker %s failed: %s", attempt.worker, type(error))
            if isinstance(result, bytes):
                attempt.say(result)
            elif result is not None:  # what the worker lacks, since it was asked
                _log.warning("%s", result)
                lost = True
        self._forget(attempt, lost=lost)

    def _forget(self, attempt: RemoteAttempt, *, lost: bool) -> None:
        with self._changing:
            self._attempts.pop(attempt.name, None)
        attempt.over(lost=lost)
        if attempt.sent:
            attempt.sent.cancel()  # Dask would begin it again when such a worker is back

    def _look(self) -> None:
        """Keep an eye on the cluster."""
        while not self._closed.wait(_WATCH_SECONDS):
            try:
                found = self._members.look()
            except ClusterError as error:
                self._lose(error)
                continue
            with self._changing:
                self._found = found
                died = [one for one in self._attempts.values() if one.worker not in found]
            for attempt in died:
                _log.warning("worker %s is gone", attempt.worker)
                self._forget(attempt, lost=False)

    def _lose(self, error: ClusterError) -> None:
        """Note that the scheduler is gone, and its workers with it."""
        with self._changing:
            known, self._found = self._found, {}
            attempts = list(self._attempts.values())
        if known:
            _log.warning("%s; jobs wait until it is back", error)
        for attempt in attempts:
            self._forget(attempt, lost=True)


def _absolute(order: Order) -> Order:
    """Make paths absolute: a worker has a working directory of its own."""
    return replace(
        order,
        upload=order.upload.absolute(),
        case=order.case.absolute(),
        scratch=order.scratch.absolute(),
        models=order.models.absolute(),
    )
