"""What a Dask cluster must have before a case is sent to it.

What is sent to a worker are functions as code and a pickled case, for neither the scheduler nor a
worker that joins late can be trusted to have gmmlabel: the code says so in words.
"""

import asyncio
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from gmmlabel.cohort.labelling import Labelled
from gmmlabel.cohort.summary import Failure
from gmmlabel.errors import ClusterError, OutputError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 7
"""How long to wait for the scheduler, and again for a first worker."""

_MARK = ".gmmlabel-cluster-"
_LOGGERS = ("distributed", "tornado", "asyncio")


@dataclass(frozen=True)
class Found:
    """What a worker says of itself: what it lacks, and its memory in bytes or 0."""

    lacks: str
    memory: int


def sent_functions(
    out: str, mark: str
) -> tuple[Callable[..., tuple[str, int]], Callable[[bytes], Labelled | Failure | str]]:
    """Make what runs on workers; nested, so that it is sent as code and not by its name."""
    here = version("gmmlabel")

    def lacks(dask_worker: Any) -> tuple[str, int]:
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

    def label(sent: bytes) -> "Labelled | Failure | str":  # a class would be sent by its name
        import pickle  # noqa: PLC0415

        from distributed import get_worker  # noqa: PLC0415

        worker = get_worker()
        why, _ = lacks(worker)
        if why:
            return f"worker {worker.address}: {why}"
        from gmmlabel.cohort.cluster import label_on_worker  # noqa: PLC0415

        return label_on_worker(pickle.loads(sent), worker.address, worker.state.nthreads)  # noqa: S301

    return lacks, label


def connect(address: str) -> "Client":
    """Connect to a scheduler; logs of Dask are turned off for the process.

    Raises
    ------
    ClusterError
        If no scheduler answers there.
    """
    from distributed import Client  # noqa: PLC0415 - an extra

    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGERS]
    for name in (*_LOGGERS, *names):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        # A client that cannot connect is not rid of without noise, so none is made before.
        versions = asyncio.run(asyncio.wait_for(_ask_scheduler(address), CONNECT_SECONDS))
        _check_versions({"the scheduler": versions}, address)
        with warnings.catch_warnings(action="ignore"):  # versions of workers are checked below
            return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except ClusterError:
        raise
    except Exception as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error
        raise ClusterError(
            f"{address}: no Dask scheduler answers ({why}); give an address such as "
            "tcp://HOST:8786, and start one there with: dask scheduler"
        ) from error


async def _ask_scheduler(address: str) -> Mapping[str, Any]:
    """Ask the scheduler at an address for its versions."""
    from distributed import Security, rpc  # noqa: PLC0415

    arguments = Security().get_connection_args("client")
    async with rpc(address, timeout=CONNECT_SECONDS, connection_args=arguments) as remote:
        if (await remote.identity())["type"] != "Scheduler":
            raise ValueError("it is no scheduler")
        versions: Mapping[str, Any] = await remote.versions()
        return versions


def check(
    client: "Client", address: str, lacks: Callable[..., tuple[str, int]]
) -> Mapping[str, Found]:
    """Ask each worker what it has; a case would only tell after its turn came."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise ClusterError(
            f"{address}: no worker is connected; start one with: dask worker {address}"
        ) from error
    workers = client.get_versions()["workers"]
    _check_versions({f"worker {worker}": told for worker, told in workers.items()}, address)
    found = {}
    for worker, told in client.run(lacks, on_error="return").items():
        if isinstance(told, Exception):
            raise ClusterError(f"{address}: worker {worker}: {told!r}") from told
        found[worker] = Found(*told)
        if found[worker].lacks:
            raise ClusterError(f"{address}: worker {worker}: {found[worker].lacks}")
    return found


def _check_versions(versions: Mapping[str, Mapping[str, Any]], address: str) -> None:
    """Refuse another Python or Dask, which need not even understand what is sent."""
    from distributed.versions import get_versions  # noqa: PLC0415

    here = _versions(get_versions())
    for who, told in versions.items():
        if told and _versions(told) != here:
            raise ClusterError(
                f"{address}: {who} has {_versions(told)}, here is {here}; install the same on all"
            )


def _versions(told: Mapping[str, Any]) -> str:
    python = ".".join(str(told["host"]["python"]).split(".")[:2])
    return f"Python {python} and distributed {told['packages']['distributed']}"


def make_mark(out: Path) -> Path:
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
