"""Workers of a Dask cluster."""

from concurrent.futures import Future
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from gmmlabel.cohort.labelling import CaseTask, Labelled, label_case
from gmmlabel.cohort.summary import Failure
from gmmlabel.errors import ClusterError

_WAIT_SECONDS = 10
_AHEAD = 2  # cases for each worker, so that none waits for the next one to arrive


class ClusterWorkers:
    """The workers of a Dask cluster; a context manager, which leaves the cluster as it is.

    Parameters
    ----------
    address
        Of the scheduler, as in ``tcp://host:8786``.
    out
        Folder of the cohort, which every worker must see under the same path.

    Raises
    ------
    ClusterError
        If Dask is not installed, nobody answers, there is no worker, or a worker lacks gmmlabel
        or the folder.
    """

    memory = None

    def __init__(self, address: str, out: Path) -> None:
        try:
            from distributed import Client, KilledWorker  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ClusterError("Dask is not installed; pip install 'gmmlabel[cluster]'") from error
        self.crashes: tuple[type[BaseException], ...] = (KilledWorker,)
        try:
            self._client = Client(address, timeout=_WAIT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"{address}: no Dask scheduler answers ({error}); start one with dask scheduler"
            ) from error
        try:
            self._check(address, out)
        except BaseException:
            self._client.close()
            raise
        self._executor = self._client.get_executor(pure=False)

    @property
    def slots(self) -> int:
        """How many cases may be under way, by the workers that there are now."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, _AHEAD * sum(threads.values()))

    def submit(self, task: CaseTask) -> "Future[Labelled | Failure]":
        """Send a case."""
        future: Future[Labelled | Failure] = self._executor.submit(label_case, task)
        return future

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
        self._executor.shutdown(wait=False)
        self._client.close()

    def _check(self, address: str, out: Path) -> None:
        """Ask each worker what it has; a case would only tell after its turn came."""
        self._client.wait_for_workers(1, timeout=_WAIT_SECONDS)
        folder = str(out.resolve())

        def tell() -> tuple[str | None, bool]:  # is sent as code: a worker may lack gmmlabel
            from importlib import metadata  # noqa: PLC0415
            from pathlib import Path  # noqa: PLC0415

            try:
                installed = metadata.version("gmmlabel")
            except metadata.PackageNotFoundError:
                installed = None
            return installed, Path(folder).is_dir()

        for worker, (installed, sees) in self._client.run(tell).items():
            if installed is None:
                why = "gmmlabel is not installed there"
            elif installed != version("gmmlabel"):
                why = f"it has gmmlabel {installed}, here is {version('gmmlabel')}"
            elif not sees:
                why = f"it does not see {folder}; inputs and --out must be on a shared file system"
            else:
                continue
            raise ClusterError(f"{address}: worker {worker}: {why}")
