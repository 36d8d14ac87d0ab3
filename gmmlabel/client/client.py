"""The client that waits for each answer."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

from gmmlabel.client import driving
from gmmlabel.client.conversation import Conversation
from gmmlabel.client.steps import Do, Flow, Pause, Send, Step
from gmmlabel.client.uploads import Progress, Upload
from gmmlabel.client.values import File, Job, Labelled, Model
from gmmlabel.client.watching import OnChange

T = TypeVar("T")


class Client:
    """A client of a gmmlabel service; it may be used by several threads.

    Parameters
    ----------
    url
        Address of the service.
    token
        Access token; that of the environment variable ``GMMLABEL_TOKEN`` unless given.
    timeout
        Seconds for which the service may be silent when an answer is due.
    retries
        How often a request is sent again when the connection broke or the service is busy.
    backoff
        Seconds before the first time; they double each time.
    transport
        How requests are sent, as httpx has it; for tests.

    Raises
    ------
    ClientError
        If the address or the token cannot be one.

    Notes
    -----
    Every method raises `ConnectionFailedError` if the service cannot be reached, and `ServiceError`
    if it answers a problem.
    """

    def __init__(
        self,
        url: str = driving.LOCAL,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        retries: int = 6,
        backoff: float = 0.5,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=driving.address(url), headers=driving.headers(token), transport=transport
        )
        self._timeout = timeout
        self._talk = Conversation(retries, backoff)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def label(
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
        """Label a CT, and write a label map, whole or not at all.

        Parameters
        ----------
        path
            A file, or a folder of a DICOM series.
        out
            The file to write.
        map
            ``labels``, ``smoothed``, ``lungs`` or ``opacity``.
        format
            Of the label map; that of the file name unless given.
        model, method
            Their names; the service has defaults.
        wait
            Seconds that the service may take for the answer; then, or at once if changes are to be
            told, the job is waited for.
        timeout
            Seconds to wait in all; for ever unless given.
        overwrite
            Whether a file may be replaced.
        on_progress
            Is told the bytes sent, and of how many.
        on_change
            Is given the job each time it changes.

        Raises
        ------
        UnreadableError
            If the CT cannot be read.
        OutputError
            If the file is there already, or cannot be written.
        StillRunningError
            If the time is over; the job goes on.
        """
        choice = {"model": model, "method": method, "format": format}
        return self._run(
            self._talk.label(
                Path(path), Path(out), map, choice, wait, timeout, overwrite, on_progress, on_change
            )
        )

    def submit(
        self,
        path: str | Path,
        *,
        format: str | None = None,  # noqa: A002
        model: str | None = None,
        method: str | None = None,
        on_progress: Progress | None = None,
    ) -> Job:
        """Send a CT, and give its job at once; the parameters are those of `label`."""
        choice = {"model": model, "method": method, "format": format}
        return self._run(self._talk.submit(Path(path), choice, on_progress))

    def job(self, job: Job | str) -> Job:
        """Ask how far a job is."""
        return self._run(self._talk.job(job))

    def jobs(
        self, *, state: str | None = None, kind: str | None = None, limit: int | None = None
    ) -> list[Job]:
        """List jobs, the newest first, without their results."""
        return self._run(self._talk.jobs(state, kind, limit))

    def wait(
        self,
        job: Job | str,
        *,
        timeout: float | None = None,
        on_change: OnChange | None = None,
    ) -> Job:
        """Wait until a job has ended, also if the service is restarted meanwhile.

        Ctrl-C ends the waiting and not the job.

        Parameters
        ----------
        job
            The job, or its id.
        timeout
            Seconds to wait; for ever unless given.
        on_change
            Is given the job each time it changes.

        Returns
        -------
        Job
            It succeeded, failed or was cancelled.

        Raises
        ------
        StillRunningError
            If the time is over; the job goes on.
        """
        return self._run(self._talk.wait(job, timeout, on_change))

    def files(self, job: Job | str) -> list[File]:
        """List the files of a job that succeeded; of others there are none."""
        return self._run(self._talk.files(job))

    def download(
        self,
        job: Job | str,
        folder: str | Path,
        names: Sequence[str] | None = None,
        *,
        overwrite: bool = False,
    ) -> Path:
        """Write the case folder of a job that succeeded, whole or not at all.

        Parameters
        ----------
        job
            The job, or its id.
        folder
            The folder; is made.
        names
            Only these files.
        overwrite
            Whether files may be replaced.

        Raises
        ------
        OutputError
            If a file is there already, or cannot be written.
        """
        return self._run(self._talk.download(job, Path(folder), names, overwrite))

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job that has not ended; gives it as it then is."""
        return self._run(self._talk.cancel(job))

    def delete(self, job: Job | str) -> None:
        """Remove a job with all its files; one that has not ended is cancelled first."""
        self._run(self._talk.delete(job))

    def models(self) -> list[Model]:
        """List the models that a request can name."""
        return self._run(self._talk.models())

    def model(self, name: str) -> Model:
        """Tell what a model is."""
        return self._run(self._talk.model(name))

    def fit_model(
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
        """Begin a refit, whose job makes a new model.

        Parameters
        ----------
        name
            Name of the new model.
        jobs
            Jobs that succeeded, whose histograms are taken.
        histograms
            Files ``histogram.json``, or their content.
        prior, strength_patients, weights, seed
            As of ``gmmlabel fit``; the service has defaults.
        by
            Who makes it, for the model file.
        force
            Whether to keep an implausible model, marked as such.
        """
        options = {
            "prior": prior,
            "strength_patients": strength_patients,
            "weights": weights,
            "seed": seed,
            "by": by,
            "force": force or None,
        }
        return self._run(self._talk.fit_model(name, jobs, histograms, options))

    def _run(self, flow: Flow[T]) -> T:
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
                    result = self._do(step)
                except Exception as caught:  # noqa: BLE001 - it is for the flow
                    error = caught
        finally:
            flow.close()  # what it holds is let go of, also on Ctrl-C

    def _do(self, step: Step) -> Any:
        match step:
            case Send():
                return self._send(step)
            case Pause(seconds):
                time.sleep(seconds)
            case Do(action):
                return action()
        return None

    def _send(self, step: Send) -> httpx.Response:
        request = driving.request(self._http, step.request, self._timeout)
        if step.request.upload:
            request.stream = _Blocks(step.request.upload)
        answer = self._http.send(request, stream=True)
        try:
            if answer.status_code == 200 and step.file:
                step.file.seek(0)
                step.file.truncate()
                for block in answer.iter_bytes():
                    step.file.write(block)
            elif answer.status_code == 200 and step.hear:
                for line in answer.iter_lines():
                    if step.hear(line):
                        break
            else:
                answer.read()
        finally:
            answer.close()
        return answer


class _Blocks(httpx.SyncByteStream):
    """An upload, as httpx sends it."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        for block in self._upload.blocks():
            yield block
            sent += len(block)
            self._upload.tell(sent)
