"""What a Dask cluster must have before work is sent to it: cases of a cohort, jobs of the service.

What is sent to a worker are functions as code and pickled work, for neither the scheduler nor a
worker that joins late can be trusted to have gmmlabel: the code says so in words.
"""

import asyncio
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

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
    marks: Mapping[Path, Path], shared: str
) -> tuple[Callable[..., tuple[str, int]], Callable[[bytes], Any]]:
    """Make what runs on workers; nested, so that it is sent as code and not by its name.

    Parameters
    ----------
    marks
        Files that a worker must see, see `make_mark`, by the folders that they are in.
    shared
        What must be on a disk that all workers share, in words.

    Returns
    -------
    callable
        Tells what a worker lacks, and its memory, as `Found` has them.
    callable
        Takes a function and its first argument, pickled, and calls it on the worker; also with
        the worker's address and how many threads it has. Gives what that returns, or a string if
        the worker lacks something.
    """
    wanted = [(str(folder), str(mark)) for folder, mark in marks.items()]
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
            unseen = wanted
            while unseen := [it for it in unseen if not Path(it[1]).is_file()]:
                if time.monotonic() > deadline:
                    why = (
                        f"it does not see {unseen[0][0]} as it is here; {shared} must be on a disk "
                        "that all workers share, under the same path"
                    )
                    break
                time.sleep(0.1)
        # A nanny ends a worker that comes near its limit.
        share = dask.config.get("distributed.worker.memory.terminate", 1) or 1
        return why, int((dask_worker.memory_manager.memory_limit or 0) * share)

    def run(sent: bytes) -> Any:
        import pickle  # noqa: PLC0415

        from distributed import get_worker  # noqa: PLC0415

        worker = get_worker()
        why, _ = lacks(worker)
        if why:
            return f"worker {worker.address}: {why}"
        function, work = pickle.loads(sent)  # noqa: S301
        return function(work, worker.address, worker.state.nthreads)

    return lacks, run


def connect(address: str) -> "Client":
    """Connect to a scheduler; logs of Dask are turned off for the process.

    Raises
    ------
    ClusterError
        If no scheduler answers there.
    """
    from distributed import Client  # noqa: PLC0415 - an extra
    from distributed.versions import get_versions  # noqa: PLC0415

    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGERS]
    for name in (*_LOGGERS, *names):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        # A client that cannot connect is not rid of without noise, so none is made before.
        versions = asyncio.run(asyncio.wait_for(_ask_scheduler(address), CONNECT_SECONDS))
        if other := _other_versions(versions, _versions(get_versions())):
            raise ClusterError(f"{address}: the scheduler {other}")
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


def ask(client: "Client", lacks: Callable[..., tuple[str, int]]) -> Mapping[str, Found]:
    """Ask each worker that there is what it has, and lacks."""
    from distributed.versions import get_versions  # noqa: PLC0415

    here = _versions(get_versions())
    told = {
        worker: Found(_other_versions(versions, here), 0)
        for worker, versions in client.get_versions()["workers"].items()
    }
    alike = [worker for worker, found in told.items() if not found.lacks]
    # None would be all, of which another version need not even understand what is sent.
    answers = client.run(lacks, workers=alike, on_error="return") if alike else {}
    for worker, answer in answers.items():
        lost = isinstance(answer, Exception)
        told[worker] = Found(repr(answer), 0) if lost else Found(*answer)
    return told


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
    found = ask(client, lacks)
    refuse_lacking(found, address)
    return found


def refuse_lacking(found: Mapping[str, Found], address: str) -> None:
    """Refuse a cluster of which a worker lacks something.

    Raises
    ------
    ClusterError
        If so; it names the first.
    """
    for worker, its in found.items():
        if its.lacks:
            raise ClusterError(f"{address}: worker {worker}: {its.lacks}")


def _other_versions(told: Mapping[str, Any], here: str) -> str:
    """Say of another Python or Dask that it is another."""
    there = _versions(told) if told else here
    return f"has {there}, here is {here}; install the same on all" if there != here else ""


def _versions(told: Mapping[str, Any]) -> str:
    python = ".".join(str(told["host"]["python"]).split(".")[:2])
    return f"Python {python} and distributed {told['packages']['distributed']}"


def make_mark(folder: Path, older_than: float = 0.0) -> Path:
    """Make a file by which a worker knows a folder: one of that path may be on any machine.

    Parameters
    ----------
    folder
        The folder.
    older_than
        Seconds since a mark was touched after which that which made it was killed, and it is
        removed.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    for left in folder.glob(f"{_MARK}*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime >= older_than:
                left.unlink()
    try:
        with NamedTemporaryFile(prefix=_MARK, dir=folder, delete=False) as file:
            return Path(file.name)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror}); give another folder"
        ) from error
