"""Waiting for jobs to change, whichever process of whichever host changes them."""

import asyncio
from contextlib import suppress

from anyio.to_thread import run_sync

from .storage.store import Store

_PAUSE = 0.1


class Watcher:
    """Lets requests wait for jobs; however many wait, the store is asked ten times a second.

    Parameters
    ----------
    store
        The jobs.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[asyncio.Future[None], tuple[str, int]] = {}
        self._task: asyncio.Task[None] | None = None

    async def changed(self, job_id: str, version: int, seconds: float) -> None:
        """Wait until a job has another version, or is no longer there.

        Parameters
        ----------
        job_id
            The job.
        version
            The version that is known.
        seconds
            How long to wait at most.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = job_id, version
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(future, seconds)
        finally:
            del self._waiting[future]

    async def _look(self) -> None:
        while self._waiting:
            try:
                wanted = {job_id for job_id, _ in self._waiting.values()}
                versions = await run_sync(self._store.versions, wanted)
            except Exception as error:  # noqa: BLE001 - it is that of each request that waits
                for future in self._waiting:
                    if not future.done():
                        future.set_exception(error)
                return
            for future, (job_id, version) in self._waiting.items():
                if job_id in wanted and versions.get(job_id) != version and not future.done():
                    future.set_result(None)
            await asyncio.sleep(_PAUSE)
