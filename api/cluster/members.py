"""Which workers a Dask cluster has, and what each of them lacks."""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from gmmlabel.cohort.joining import (
    Found,
    ask,
    connect,
    make_mark,
    refuse_lacking,
    sent_functions,
)
from gmmlabel.errors import ClusterError

_log = logging.getLogger(__name__)

_ASK_AGAIN = 30.0
_CLOSE_SECONDS = 2.0
_OLD_MARK = 3600.0
_SHARED = "GMMLABEL_DATA and GMMLABEL_MODELS"


class Members:
    """The workers of a cluster, while it can be reached.

    Logs of Dask are turned off for the process: whatever matters is told.

    Parameters
    ----------
    address
        Of the scheduler.
    folders
        What all workers must see under the same path; are made if they do not exist.
    topic, hear
        A topic of events, and what takes the message of each.

    Raises
    ------
    ClusterError
        If Dask is not installed, no scheduler answers, or a worker lacks something.
    OutputError
        If a folder cannot be written.
    """

    def __init__(
        self, address: str, folders: tuple[Path, ...], topic: str, hear: Callable[[Any], None]
    ) -> None:
        try:
            import distributed  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise ClusterError("Dask is not installed; pip install 'gmmlabel[cluster]'") from error
        self._address, self._topic, self._hear = address, topic, hear
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._marks = {folder: make_mark(folder, _OLD_MARK) for folder in folders}
        self._lacks, self._run = sent_functions(self._marks, _SHARED)
        self._found: Mapping[str, Found] = {}
        self._asked = 0.0
        self._client: Any = None
        try:
            refuse_lacking(self.look(), address)
        except BaseException:
            self.close()
            raise

    def look(self) -> Mapping[str, Found]:
        """Ask for the workers that there are, and what such lack as are new.

        Raises
        ------
        ClusterError
            If the scheduler does not answer. Then it is tried anew the next time.
        """
        for mark in self._marks.values():
            with suppress(OSError):
                mark.touch()  # it is in use, see `make_mark`
        if self._client is None or self._client.status != "running":
            self.leave()
            self._client = self._connect()
        try:
            self._ask(self._client)
        except Exception as error:
            self.leave()
            raise self._lost(repr(error)) from error
        return self._found

    def send(self, work: bytes, worker: str) -> "Future[Any]":
        """Send a pickled function and its argument to a worker, as `sent_functions` has it.

        Raises
        ------
        ClusterError
            If the scheduler is lost.
        """
        client = self._client
        if client is None:  # since `look` told of the worker
            raise self._lost("no connection")
        try:
            executor = client.get_executor(pure=False, workers=[worker])
            sent: Future[Any] = executor.submit(self._run, work)
        except Exception as error:
            raise self._lost(repr(error)) from error
        return sent

    def leave(self) -> None:
        """Take no part any more, until `look` is called."""
        client, self._client, self._found = self._client, None, {}
        if client is not None:
            with suppress(Exception):
                client.close(timeout=_CLOSE_SECONDS)

    def close(self) -> None:
        """Take no part any more."""
        self.leave()
        for mark in self._marks.values():
            mark.unlink(missing_ok=True)

    def _lost(self, why: str) -> ClusterError:
        return ClusterError(f"{self._address}: the scheduler was lost ({why})")

    def _connect(self) -> Any:
        client = connect(self._address)
        client.subscribe_topic(self._topic, lambda event: self._hear(event[1]))
        return client

    def _ask(self, client: Any) -> None:
        """Ask again such as lack something: a disk may be there now."""
        there = client.nthreads().keys()
        lacking = any(its.lacks for its in self._found.values())
        late = lacking and time.monotonic() - self._asked > _ASK_AGAIN
        if there - self._found.keys() or late:
            before, self._found = self._found, ask(client, self._lacks)
            self._asked = time.monotonic()
            for worker, its in self._found.items():
                if its.lacks:
                    _log.warning("worker %s is not used: %s", worker, its.lacks)
                elif worker not in before:
                    _log.info("worker %s has joined", worker)
        self._found = {worker: its for worker, its in self._found.items() if worker in there}
