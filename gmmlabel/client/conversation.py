"""Conversations with a service: what is asked, what is asked again, and what follows from answers.

A request is sent again when the connection broke or the service says that it will be able to
later. That is safe: reading changes nothing, and what makes a job has a key by which the service
knows it. Only a job's removal is looked at before it is asked for again.
"""

import json
import random
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

import httpx

from gmmlabel.client import answers, requests
from gmmlabel.client.errors import (
    ClientError,
    ConnectionFailedError,
    ServiceError,
    StillRunningError,
)
from gmmlabel.client.requests import Request
from gmmlabel.client.steps import Do, Flow, Pause, Send
from gmmlabel.client.uploads import Progress, Upload, uploading
from gmmlabel.client.values import File, Job, Labelled, Model
from gmmlabel.client.watching import OnChange, Watch
from gmmlabel.errors import UnreadableError
from gmmlabel.staging import staged

FORMATS = ("seg.nrrd", "nrrd", "nii.gz", "mha")
"""Formats of label maps, told by the names of files."""

# What passes: a stalled upload, a full queue, a proxy before a service that is starting.
_PASSING = frozenset({408, 429, 502, 503})
_LONGEST_PAUSE = 300.0
_LONGEST_BACKOFF = 30.0
_POLL = 4  # pauses between asking, in those of a first retry
_WAIT = 10.0


@dataclass(frozen=True)
class Conversation:
    """How to talk to a service.

    Parameters
    ----------
    retries
        How often a request is sent again.
    backoff
        Seconds before the first time; they double each time.
    """

    retries: int
    backoff: float

    def label(
        self,
        path: Path,
        out: Path,
        which: str,
        choice: Mapping[str, str | None],
        wait: float | None,
        timeout: float | None,
        overwrite: bool,
        on_progress: Progress | None,
        on_change: OnChange | None,
    ) -> Flow[Labelled]:
        """Label a CT, and write a label map."""
        until = _after(timeout)
        if wait is None:
            wait = 0 if on_change else _WAIT  # whoever wants to see changes has to watch the job
        choice = {**choice, "format": choice["format"] or _format_of(out)}
        with staged(out.parent, [out.name], overwrite=overwrite) as stage, ExitStack() as stack:
            upload = yield from _ready(stack, path, on_progress)
            file = stack.enter_context((stage / out.name).open("wb"))
            request = requests.label(
                upload, choice, which, max(0.0, min(wait, until - monotonic())), uuid.uuid4().hex
            )
            answer = yield from self._ask(request, file)
            if answer.status_code == 200:
                return answers.labelled(answer, out)
            job = answers.read(answer, Job.read)
            job = yield from self._wait(job.id, timeout, until, on_change)
            if job.state != "succeeded":
                raise answers.failure(job)
            yield from self._ask(requests.file(job.id, f"{which}.{job.format}"), file)
            return answers.labelled_by(job, out)

    def submit(
        self, path: Path, choice: Mapping[str, str | None], on_progress: Progress | None
    ) -> Flow[Job]:
        """Send a CT; gives its job."""
        with ExitStack() as stack:
            upload = yield from _ready(stack, path, on_progress)
            answer = yield from self._ask(requests.submit(upload, choice, uuid.uuid4().hex))
            return answers.read(answer, Job.read)

    def job(self, job: Job | str, until: float = inf) -> Flow[Job]:
        """Ask how far a job is."""
        answer = yield from self._ask(requests.job(_id(job)), until=until)
        return answers.read(answer, Job.read)

    def jobs(self, state: str | None, kind: str | None, limit: int | None) -> Flow[list[Job]]:
        """List jobs."""
        answer = yield from self._ask(requests.jobs(state, kind, limit))
        return answers.read_list(answer, "jobs", Job.read)

    def wait(self, job: Job | str, timeout: float | None, on_change: OnChange | None) -> Flow[Job]:
        """Wait until a job has ended."""
        return (yield from self._wait(_id(job), timeout, _after(timeout), on_change))

    def files(self, job: Job | str) -> Flow[list[File]]:
        """List the files of a job."""
        answer = yield from self._ask(requests.files(_id(job)))
        return answers.read_list(answer, "files", File.read)

    def download(
        self, job: Job | str, folder: Path, names: Sequence[str] | None, overwrite: bool
    ) -> Flow[Path]:
        """Write files of a job into a folder."""
        listed = yield from self.files(job)
        if not listed:
            raise _without_files((yield from self.job(job)))
        sizes = {file.name: file.bytes for file in listed}
        wanted = tuple(sizes) if names is None else tuple(names)
        _check_names(wanted, sizes, _id(job))
        with staged(folder, wanted, overwrite=overwrite) as stage:
            for name in wanted:
                with (stage / name).open("wb") as file:
                    yield from self._ask(requests.file(_id(job), name), file)
                    if sizes[name] not in (None, file.tell()):
                        raise ServiceError(200, "", f"{name}: came in part; download it again")
        return folder

    def cancel(self, job: Job | str) -> Flow[Job]:
        """Cancel a job that has not ended."""
        answer = yield from self._ask(requests.cancel(_id(job)))
        return answers.read(answer, Job.read)

    def delete(self, job: Job | str) -> Flow[None]:
        """Cancel a job if it has not ended, and remove it with its files."""
        yield from self.job(job)  # an id of no job is an error; a job that goes meanwhile is not
        try:
            for _ in ("cancel", "remove"):
                answer = yield from self._ask(requests.delete(_id(job)))
                if answer.status_code == 204:
                    return
        except ServiceError as error:
            if error.status != 404:
                raise

    def models(self) -> Flow[list[Model]]:
        """List the models."""
        answer = yield from self._ask(requests.models())
        return answers.read_list(answer, "models", Model.read)

    def model(self, name: str) -> Flow[Model]:
        """Ask what a model is."""
        answer = yield from self._ask(requests.model(name))
        return answers.read(answer, Model.read)

    def fit_model(
        self,
        name: str,
        jobs: Iterable[Job | str],
        histograms: Iterable[str | Path | Mapping[str, Any]],
        options: Mapping[str, Any],
    ) -> Flow[Job]:
        """Ask for a refit; gives its job."""
        documents = yield Do(lambda: [_histogram(one) for one in histograms])
        wanted = {"name": name, "jobs": [_id(job) for job in jobs], "histograms": documents}
        request = requests.fit_model({**wanted, **options}, uuid.uuid4().hex)
        answer = yield from self._ask(request)
        return answers.read(answer, Job.read)

    def _wait(
        self, job_id: str, timeout: float | None, until: float, on_change: OnChange | None
    ) -> Flow[Job]:
        """Listen to its events; when they break off, ask, and listen again if that is any use."""
        watch = Watch(on_change, until)
        while True:
            if watch.streams:
                try:
                    yield Send(requests.events(job_id, watch.begin()), hear=watch.hear)
                except httpx.ReadTimeout:
                    pass  # nothing has come: if there was nothing at all, asking has to do
                except httpx.TransportError:
                    watch.streams = True
            if not watch.ended:
                watch.tell((yield from self.job(job_id, until)))
            if watch.ended:
                return watch.ended
            if monotonic() >= until:
                raise StillRunningError(job_id, timeout or 0)
            pause = self.backoff * (1 if watch.streams else _POLL)
            yield Pause(max(0.0, min(pause, until - monotonic())))

    def _ask(
        self, request: Request, file: BinaryIO | None = None, until: float = inf
    ) -> Flow[httpx.Response]:
        """Send a request, again if need be; gives an answer that is no problem."""
        for pause in self._pauses():
            fault: ClientError
            answer: httpx.Response | None
            after = 0.0
            try:
                answer = yield Send(request, file)
            except httpx.TransportError as error:
                fault = _unreachable(error, request)
                answer = yield from self._refused(request)
            if answer is not None:
                if answer.is_success or answer.status_code == 303:
                    return answer
                fault = answers.refusal(answer)
                if answer.status_code not in _PASSING:
                    raise fault
                after = _retry_after(answer)
            if pause is None or after > _LONGEST_PAUSE:
                raise fault
            if monotonic() + max(pause, after) > until:
                raise fault
            yield Pause(max(pause, after))
        raise AssertionError  # the last pause is None

    def _refused(self, request: Request) -> Flow[httpx.Response | None]:
        """Find out why an upload broke off, if that is for all but the upload itself.

        A service that refuses a request by its head hangs up, and transports of asyncio lose its
        answer when they can write no more. So it is asked for again, with nothing to send.
        """
        if request.upload is None:
            return None
        try:
            answer: httpx.Response = yield Send(requests.without_upload(request))
        except httpx.TransportError:
            return None
        # An empty body is the one fault that the request itself does not have.
        told = answer.status_code >= 400 and answers.refusal(answer).word != "bad-request"
        return answer if told else None

    def _pauses(self) -> Iterator[float | None]:
        """Seconds to wait after each failure; None after the last."""
        for number in range(self.retries):
            # Clients that failed together do not come back together.
            spread = random.uniform(0.5, 1.0)  # noqa: S311 - nobody has to be unable to guess it
            yield spread * min(self.backoff * 2**number, _LONGEST_BACKOFF)
        yield None


def _ready(stack: ExitStack, path: Path, on_progress: Progress | None) -> Flow[Upload]:
    upload: Upload = yield Do(lambda: stack.enter_context(uploading(path, on_progress)))
    return upload


def _after(timeout: float | None) -> float:
    return inf if timeout is None else monotonic() + timeout


def _id(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else job


def _format_of(out: Path) -> str | None:
    """Tell the format that a file name asks for; None leaves it to the service."""
    return next((form for form in FORMATS if out.name.endswith(f".{form}")), None)


def _histogram(one: str | Path | Mapping[str, Any]) -> Any:
    if isinstance(one, Mapping):
        return one
    try:
        return json.loads(Path(one).read_bytes())
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{one}: is no histogram; give a histogram.json") from error


def _retry_after(answer: httpx.Response) -> float:
    try:
        return float(answer.headers.get("Retry-After", 0))
    except ValueError:  # a date, which our own service never gives
        return 0.0


def _unreachable(error: httpx.TransportError, request: Request) -> ConnectionFailedError:
    reason = str(error) or type(error).__name__
    todo = "check that the service runs and can be reached"
    if request.upload:
        todo += " and takes files of this size"
    return ConnectionFailedError(f"{error.request.url}: {reason}; {todo}")


def _check_names(wanted: Sequence[str], listed: Iterable[str], job_id: str) -> None:
    for name in wanted:
        if name not in listed:
            raise ServiceError(
                404, "no-such-file", f"{name}: not among the files of this job", job_id
            )
        if name in ("", ".", "..") or set(name) & set("/\\:\0"):
            raise ServiceError(200, "", f"{name!r} is no name of a file of a case folder", job_id)


def _without_files(job: Job) -> ClientError:
    if job.ended:
        return answers.failure(job)
    return ClientError(f"job {job.id}: is {job.state} and has no files yet; wait for it")
