"""Workers of a Dask cluster."""

import os
import pickle
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from gmmlabel.cohort.joining import CONNECT_SECONDS, check, connect, make_mark, sent_functions
from gmmlabel.cohort.labelling import CaseTask, Labelled, failure, label_case
from gmmlabel.cohort.summary import Failure
from gmmlabel.errors import ClusterError

_WATCH_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0  # a nanny starts its worker anew in a few, a cluster manager in more
_AHEAD = 2  # cases for each worker, so that none waits for the next one to arrive

_one_at_a_time = threading.Lock()


class ClusterWorkers:
    """The workers of a Dask cluster; a context manager, which leaves the cluster as it is.

    Logs of Dask are turned off for the process: whatever matters is raised.

    Parameters
    ----------
    address
        Of the scheduler, as in ``tcp://host:8786``.
    out
        Folder of the cohort, which every worker must see under the same path.
    patience
        Seconds to wait for a worker when there is none left.

    Raises
    ------
    ClusterError
        If Dask is not installed, nobody answers, there is no worker, or a worker lacks gmmlabel
        or the folder.
    OutputError
        If the folder cannot be written.
    """

    memory = None

    def __init__(self, address: str, out: Path, patience: float = _PATIENCE_SECONDS) -> None:
        try:
            from distributed import KilledWorker  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ClusterError("Dask is not installed; pip install 'gmmlabel[cluster]'") from error
        self.crashes: tuple[type[BaseException], ...] = (KilledWorker,)
        self._address = address
        self._out = out.absolute()
        self._patience = patience
        self._pending: set[Future[Labelled | Failure]] = set()
        self._ended = threading.Event()
        self._mark = make_mark(self._out)
        try:
            self._client = connect(address)
            try:
                lacks, self._run = sent_functions({self._out: self._mark}, "inputs and --out")
                found = check(self._client, address, lacks)
            except BaseException:
                self._client.close()
                raise
        except BaseException:
            self._mark.unlink(missing_ok=True)
            raise
        self._count = len(found)
        limits = [it.memory for it in found.values()]
        self.case_memory = max(limits) if all(limits) else None
        self._executor = self._client.get_executor(pure=False)
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def slots(self) -> int:
        """How many cases may be under way, by the workers that there are now."""
        return _AHEAD * max(1, self._count)

    def submit(self, task: CaseTask) -> "Future[Labelled | Failure]":
        """Send a case."""
        told: Future[Labelled | Failure] = Future()
        # A worker has a working directory of its own.
        absolute = replace(task, folder=task.folder.absolute())
        self._pending.add(told)
        sent: Future[Labelled | Failure | str]
        try:
            work = pickle.dumps((label_on_worker, absolute))
            sent = self._executor.submit(self._run, work)
        except Exception as error:  # noqa: BLE001 - of a client that has lost its scheduler
            self._tell(told, self._lost(error))
        else:
            sent.add_done_callback(lambda ended: self._tell(told, self._outcome(ended)))
        return told

    def restart(self) -> None:
        """Do nothing: the cluster starts workers itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._client.status == "running":
            with suppress(Exception):  # the scheduler forgets the cases of a client that is gone
                self._executor.shutdown(wait=False)
        self._client.close(timeout=CONNECT_SECONDS)
        self._mark.unlink(missing_ok=True)

    def _outcome(self, ended: "Future[Labelled | Failure | str]") -> Labelled | Failure | Exception:
        if ended.cancelled():
            return self._lost()
        error = ended.exception()
        if error is not None:
            return error if isinstance(error, Exception) else RuntimeError(repr(error))
        result = ended.result()
        return ClusterError(f"{self._address}: {result}") if isinstance(result, str) else result

    def _lost(self, error: Exception | None = None) -> ClusterError:
        why = f" ({error})" if error else ""
        return ClusterError(
            f"{self._address}: the scheduler was lost{why}; run the same command again to go on"
        )

    def _tell(
        self, told: "Future[Labelled | Failure]", outcome: Labelled | Failure | Exception
    ) -> None:
        try:
            self._pending.remove(told)
        except KeyError:  # the watch has told already
            return
        if isinstance(outcome, Exception):
            told.set_exception(outcome)
        else:
            told.set_result(outcome)

    def _watch(self) -> None:
        """Count the workers, and end what is under way when there have been none for long."""
        seen = time.monotonic()
        while not self._ended.wait(_WATCH_SECONDS):
            try:
                self._count = len(self._client.nthreads())
            except Exception:  # noqa: BLE001, S112 - a lost scheduler cancels all cases
                continue
            if self._count:
                seen = time.monotonic()
            elif time.monotonic() - seen > self._patience:
                error = ClusterError(
                    f"{self._address}: no worker is left; start workers, and run the same command "
                    "again to go on"
                )
                for told in tuple(self._pending):
                    self._tell(told, error)


def label_on_worker(task: CaseTask, worker: str, threads: int) -> Labelled | Failure:
    """Label a case in a worker.

    A worker labels one case at a time with all of its threads, so that its memory is that of one
    case and its threads do not fight over cores.

    Parameters
    ----------
    task
        What to do.
    worker
        Name of the worker, for messages.
    threads
        Cores that it may use, unless ``GMMLABEL_THREADS`` says it.
    """
    with _one_at_a_time:
        missing = next((path for path in task.ct.paths if not path.exists()), None)
        if missing:
            why = f"{missing}: is not there on worker {worker}; inputs must be on a shared disk"
            return failure(task, why, "read")
        os.environ.setdefault("GMMLABEL_THREADS", str(threads))
        return label_case(task)
