"""The client that awaits each answer, under asyncio or trio."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx
from anyio.to_thread import run_sync

from gmmlabel.client import driving
from gmmlabel.client.conversation import Conversation
from gmmlabel.client.steps import Do, Flow, Pause, Send, Step
from gmmlabel.client.uploads import Progress, Upload
from gmmlabel.client.values import File, Job, Labelled, Model
from gmmlabel.client.watching import OnChange

T = TypeVar("T")


class AsyncClient:
    """As `gmmlabel.client.Client`, but every method is to be awaited.

    Files are read and written in threads. ``on_progress`` and ``on_change`` are called by the task
    that awaits.

    Parameters
    ----------
    url, token, timeout, retries, backoff, transport
        As of `gmmlabel.client.Client`.
    """

    def __init__(
        self,
        url: str = driving.LOCAL,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        retries: int = 6,
        backoff: float = 0.5,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=driving.address(url), headers=driving.headers(token), transport=transport
        )
        self._timeout = timeout
        self._talk = Conversation(retries, backoff)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def label(
        self,
        path: str | Path,
        out: str | Path,
        *,
        map: str = "labels",  # noqa: A002 - as the service calls it
        format: str | None = None,  # noqa: A002
        model: str | None = None,
        method: str | None = None,
        wait: float | None = None,
        timeout: float | None = None,
        overwrite: bool = False,
        on_progress: Progress | None = None,
        on_change: OnChange | None = None,
    ) -> Labelled:
        """Label a CT, and write a label map, whole or not at all; see `Client.label`."""
        choice = {"model": model, "method": method, "format": format}
        return await self._run(
            self._talk.label(
                Path(path), Path(out), map, choice, wait, timeout, overwrite, on_progress, on_change
            )
        )

    async def submit(
        self,
        path: str | Path,
        *,
        format: str | None = None,  # noqa: A002
        model: str | None = None,
        method: str | None = None,
        on_progress: Progress | None = None,
    ) -> Job:
        """Send a CT, and give its job at once; see `Client.submit`."""
        choice = {"model": model, "method": method, "format": format}
        return await self._run(self._talk.submit(Path(path), choice, on_progress))

    async def job(self, job: Job | str) -> Job:
        """Ask how far a job is."""
        return await self._run(self._talk.job(job))

    async def jobs(
        self, *, state: str | None = None, kind: str | None = None, limit: int | None = None
    ) -> list[Job]:
        """List jobs, the newest first, without their results."""
        return await self._run(self._talk.jobs(state, kind, limit))

    async def wait(
        self,
        job: Job | str,
        *,
        timeout: float | None = None,
        on_change: OnChange | None = None,
    ) -> Job:
        """Wait until a job has ended; see `Client.wait`. Being cancelled leaves the job."""
        return await self._run(self._talk.wait(job, timeout, on_change))

    async def files(self, job: Job | str) -> list[File]:
        """List the files of a job that succeeded; of others there are none."""
        return await self._run(self._talk.files(job))

    async def download(
        self,
        job: Job | str,
        folder: str | Path,
        names: Sequence[str] | None = None,
        *,
        overwrite: bool = False,
    ) -> Path:
        """Write the case folder of a job, whole or not at all; see `Client.download`."""
        return await self._run(self._talk.download(job, Path(folder), names, overwrite))

    async def cancel(self, job: Job | str) -> Job:
        """Cancel a job that has not ended; gives it as it then is."""
        return await self._run(self._talk.cancel(job))

    async def delete(self, job: Job | str) -> None:
        """Remove a job with all its files; one that has not ended is cancelled first."""
        await self._run(self._talk.delete(job))

    async def models(self) -> list[Model]:
        """List the models that a request can name."""
        return await self._run(self._talk.models())

    async def model(self, name: str) -> Model:
        """Tell what a model is."""
        return await self._run(self._talk.model(name))

    async def fit_model(
        self,
        name: str,
        *,
        jobs: Iterable[Job | str] = (),
        histograms: Iterable[str | Path | Mapping[str, Any]] = (),
        prior: str | None = None,
        strength_patients: float | None = None,
        weights: str | None = None,
        seed: int | None = None,
        by: str | None = None,
        force: bool = False,
    ) -> Job:
        """Begin a refit, whose job makes a new model; see `Client.fit_model`."""
        options = {
            "prior": prior,
            "strength_patients": strength_patients,
            "weights": weights,
            "seed": seed,
            "by": by,
            "force": force or None,
        }
        return await self._run(self._talk.fit_model(name, jobs, histograms, options))

    async def _run(self, flow: Flow[T]) -> T:
        """Do the steps of a flow, and tell it what came of each."""
        result: Any = None
        error: Exception | None = None
        try:
            while True:
                try:
                    step = flow.throw(error) if error else flow.send(result)
                except StopIteration as stop:
                    value: T = stop.value
                    return value
                result = error = None
                try:
                    result = await self._do(step)
                except Exception as caught:  # noqa: BLE001 - it is for the flow
                    error = caught
        finally:
            flow.close()  # what it holds is let go of, also when it is cancelled

    async def _do(self, step: Step) -> Any:
        match step:
            case Send():
                return await self._send(step)
            case Pause(seconds):
                await anyio.sleep(seconds)
            case Do(action):
                return await run_sync(action)
        return None

    async def _send(self, step: Send) -> httpx.Response:
        request = driving.request(self._http, step.request, self._timeout)
        if step.request.upload:
            request.stream = _Blocks(step.request.upload)
        answer = await self._http.send(request, stream=True)
        try:
            if answer.status_code == 200 and step.file:
                step.file.seek(0)
                step.file.truncate()
                async for block in answer.aiter_bytes():
                    await run_sync(step.file.write, block)
            elif answer.status_code == 200 and step.hear:
                # Not by break, which would leave the generators of httpx to the garbage collector.
                with anyio.CancelScope() as enough:
                    async for line in answer.aiter_lines():
                        if step.hear(line):
                            enough.cancel()
            else:
                await answer.aread()
        finally:
            await answer.aclose()
        return answer


class _Blocks(httpx.AsyncByteStream):
    """An upload, as httpx sends it; no generator, which a request that breaks off leaves open."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._blocks = upload.blocks()
        self._sent = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._sent:
            self._upload.tell(self._sent)
        block = await run_sync(next, self._blocks, b"")
        if not block:
            raise StopAsyncIteration
        self._sent += len(block)
        return block
