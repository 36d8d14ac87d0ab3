"""Workers of a Dask cluster.

What is sent to a worker are functions as code and a pickled case, for neither the scheduler nor a
worker that joins late can be trusted to have gmmlabel: the code says so in words.
"""

import logging
import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gmmlabel.cohort.labelling import CaseTask, Labelled, failure, label_case
from gmmlabel.cohort.memory import check_fits
from gmmlabel.cohort.summary import Failure
from gmmlabel.errors import ClusterError, InputError, OutputError

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 8  # for the scheduler, and again for a first worker
_WATCH_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0  # a nanny starts its worker anew in a few, a cluster manager in more
_AHEAD = 2  # cases for each worker, so that none waits for the next one to arrive
_MARK = ".gmmlabel-cluster-"
_LOGGERS = ("distributed", "tornado", "asyncio")

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
        self._mark = _mark(self._out)
        try:
            self._client = _connect(address)
            try:
                self._lacks, self._label = _sent_functions(str(self._out), str(self._mark))
                found = _check(self._client, address, self._lacks)
            except BaseException:
                self._client.close()
                raise
        except BaseException:
            self._mark.unlink(missing_ok=True)
            raise
        self._count = len(found)
        limits = [it.memory for it in found.values()]
        self.case_memory = max(limits) if all(limits) else None
        """The most memory that a case may take on any worker, in bytes; None if there is no limit."""
        self._executor = self._client.get_executor(pure=False)
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def slots(self) -> int:
        """How many cases may be under way, by the workers that there are now."""
        return _AHEAD * max(1, self._count)

    def submit(self, task: CaseTask) -> "Future[Labelled | Failure]":
        """Send a case."""
        told: Future[Labelled | Failure] = Future()
        try:
            if self.case_memory is not None and task.ct.size is not None:
                check_fits(task.ct, self.case_memory)
        except InputError as error:
            told.set_result(failure(task, str(error), "memory"))
            return told
        # A worker has a working directory of its own.
        absolute = replace(task, folder=task.folder.absolute())
        self._pending.add(told)
        sent: Future[Labelled | Failure | str]
        try:
            sent = self._executor.submit(self._label, pickle.dumps(absolute))
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
        self._client.close(timeout=_CONNECT_SECONDS)
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


@dataclass(frozen=True)
class _Found:
    """What a worker says of itself: what it lacks, and its memory in bytes or 0."""

    lacks: str
    memory: int


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


def _sent_functions(
    out: str, mark: str
) -> tuple[Callable[..., tuple[str, int]], Callable[[bytes], Labelled | Failure | str]]:
    """Make what runs on workers; nested, so that it is sent as code and not by its name."""
    here = version("gmmlabel")

    def lacks(dask_worker: Any) -> tuple[str, int]:
        import time  # noqa: PLC0415
        from importlib import metadata  # noqa: PLC0415
        from pathlib import Path  # noqa: PLC0415

        import dask  # noqa: PLC0415

        try:
            installed = metadata.version("gmmlabel")
        except metadata.PackageNotFoundError:
            installed = ""
        why = ""
        if not installed:
            why = f"gmmlabel is not installed there; install version {here}"
        elif installed != here:
            why = f"it has gmmlabel {installed}, here is {here}; install the same on all"
        else:
            deadline = time.monotonic() + 3  # a network file system may be late
            while not Path(mark).is_file() and time.monotonic() < deadline:
                time.sleep(0.1)
            if not Path(mark).is_file():
                why = (
                    f"it does not see {out} as it is here; inputs and --out must be on a disk that "
                    "all workers share, under the same path"
                )
        # A nanny ends a worker that comes near its limit.
        share = dask.config.get("distributed.worker.memory.terminate", 1) or 1
        return why, int((dask_worker.memory_manager.memory_limit or 0) * share)

    def label(sent: bytes) -> Labelled | Failure | str:
        import pickle  # noqa: PLC0415

        from distributed import get_worker  # noqa: PLC0415

        worker = get_worker()
        why, _ = lacks(worker)
        if why:
            return f"worker {worker.address}: {why}"
        from gmmlabel.cohort.cluster import label_on_worker  # noqa: PLC0415

        return label_on_worker(pickle.loads(sent), worker.address, worker.state.nthreads)  # noqa: S301

    return lacks, label


def _connect(address: str) -> "Client":
    from distributed import Client  # noqa: PLC0415 - an extra

    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGERS]
    for name in (*_LOGGERS, *names):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(action="ignore"):  # versions are checked below
            return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except Exception as error:
        raise ClusterError(
            f"{address}: no Dask scheduler answers ({error}); give an address such as "
            "tcp://HOST:8786, and start one there with: dask scheduler"
        ) from error


def _check(
    client: "Client", address: str, lacks: Callable[..., tuple[str, int]]
) -> Mapping[str, _Found]:
    """Ask each worker what it has; a case would only tell after its turn came."""
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError as error:
        raise ClusterError(
            f"{address}: no worker is connected; start one with: dask worker {address}"
        ) from error
    _check_versions(client, address)
    found = {}
    for worker, told in client.run(lacks, on_error="return").items():
        if isinstance(told, Exception):
            raise ClusterError(f"{address}: worker {worker}: {told!r}") from told
        found[worker] = _Found(*told)
        if found[worker].lacks:
            raise ClusterError(f"{address}: worker {worker}: {found[worker].lacks}")
    return found


def _check_versions(client: "Client", address: str) -> None:
    """Refuse another Python or Dask, which need not even understand what is sent."""
    versions = client.get_versions()
    here = _versions(versions["client"])
    others = {f"worker {worker}": told for worker, told in versions["workers"].items()}
    for who, told in ({"the scheduler": versions["scheduler"]} | others).items():
        if told and _versions(told) != here:
            raise ClusterError(
                f"{address}: {who} has {_versions(told)}, here is {here}; install the same on all"
            )


def _versions(told: Mapping[str, Any]) -> str:
    python = ".".join(str(told["host"]["python"]).split(".")[:2])
    return f"Python {python} and distributed {told['packages']['distributed']}"


def _mark(out: Path) -> Path:
    """Make a file by which a worker knows the folder: one of that path may be on any machine."""
    for left in out.glob(f"{_MARK}*"):  # of a process that was killed
        left.unlink(missing_ok=True)
    try:
        with NamedTemporaryFile(prefix=_MARK, dir=out, delete=False) as file:
            return Path(file.name)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written ({error.strerror}); give another --out"
        ) from error
