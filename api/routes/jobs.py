"""``/v1/jobs``: jobs, their events and their files."""

from collections.abc import AsyncIterable
from pathlib import Path
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ..accepting.adding import IF_THERE_IS_ROOM
from ..accepting.uploads import VOLUME_BODY
from ..accepting.volumes import ChoiceOf, accept_volume
from ..jobs import Job, Kind, State
from ..problems import refusal
from ..service import Client, JobOf, Service, ServiceOf
from ..views import FileList, FileView, JobList, JobView, accepted, job_path, view_job
from .archives import zipped

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_LOOK_AGAIN = 15.0
_TYPES = {
    ".html": "text/html", ".png": "image/png", ".jpg": "image/jpeg", ".json": "application/json",
    ".gz": "application/gzip",
}  # fmt: skip
# What a report may do in a browser: show its own styles and pictures, and nothing else.
_HARMLESS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    ),
    "X-Content-Type-Options": "nosniff",
}


@router.post(
    "", status_code=202, response_model=JobView, openapi_extra=VOLUME_BODY,
    dependencies=[IF_THERE_IS_ROOM],
)  # fmt: skip
async def create(request: Request, service: ServiceOf, choice: ChoiceOf) -> Response:
    """Accept the volume in the body, or in the field `file` of a form."""
    return accepted(await accept_volume(request, service, choice))


@router.get("")
def index(
    service: ServiceOf,
    client: Client,
    state: Annotated[State | None, Query(description="Only jobs in this state")] = None,
    kind: Annotated[Kind | None, Query(description="Only jobs of this kind")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most")] = 100,
) -> JobList:
    """List jobs, the newest first, without their results."""
    found = service.store.find(client, state=state, kind=kind, limit=limit)
    return JobList(jobs=[view_job(job) for job in found])


@router.get("/{job_id}")
def show(job: JobOf) -> JobView:
    """Tell how far a job is, and its result or problem."""
    return view_job(job)


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def events(job: JobOf, service: ServiceOf) -> AsyncIterable[ServerSentEvent]:
    """Send the job each time it changes, until it has ended, is removed or its token revoked."""
    found: Job | None = job
    sent = -1
    while found is not None:
        if found.version != sent:
            sent = found.version
            yield ServerSentEvent(data=view_job(found), event="job", id=str(sent))
        if found.state.ended:
            return
        await service.watcher.changed(job.id, sent, _LOOK_AGAIN)
        found = await run_sync(_seen_again, service, job)


@router.get("/{job_id}/files")
def files(job: JobOf, service: ServiceOf) -> FileList:
    """List the files of a job that succeeded; of others there are none."""
    return _listed(_files(service, job), f"{job_path(job)}/files")


@router.get("/{job_id}/files/{name}", response_class=FileResponse)
def file(job: JobOf, name: str, service: ServiceOf) -> FileResponse:
    """Send a file."""
    return _sent(_files(service, job), name)


@router.get("/{job_id}/files.zip", response_class=StreamingResponse)
def archive(job: JobOf, service: ServiceOf) -> StreamingResponse:
    """Send all files as one zip, with a folder in it."""
    found = _files(service, job)
    if not found:
        raise refusal("no-such-file", "this job has no files")
    name = f"gmmlabel-{job.id[:8]}"
    return StreamingResponse(
        zipped(found, name), media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}.zip"'},
    )  # fmt: skip


@router.get("/{job_id}/view")
def view(job: JobOf, service: ServiceOf) -> FileList:
    """List the small volumes that a browser shows; a job may have none."""
    return _listed(_view(service, job), f"{job_path(job)}/view")


@router.get("/{job_id}/view/{name}", response_class=FileResponse)
def view_file(job: JobOf, name: str, service: ServiceOf) -> FileResponse:
    """Send one of them."""
    return _sent(_view(service, job), name)


@router.delete("/{job_id}", response_model=None, responses={204: {"description": "Removed"}})
def delete(
    job: JobOf,
    service: ServiceOf,
    cancel: Annotated[bool, Query(description="Keep the job if it has ended meanwhile")] = False,
) -> JobView | Response:
    """Cancel a job that has not ended; remove one that has, with all its files."""
    if service.store.cancel(job.id, job.client):
        if job.state is State.QUEUED:  # the files of a running one go when its process has ended
            service.artefacts.drop(job.id)
        service.runner.look()
        found = service.store.get(job.id, job.client) or job
        service.metrics.ended(found)
        return view_job(found)
    if cancel:
        return view_job(service.store.get(job.id, job.client) or job)
    service.store.remove(job.id)
    service.artefacts.drop(job.id)
    return Response(status_code=204)


def _seen_again(service: Service, job: Job) -> Job | None:
    """Read a job anew; None if it is removed, or its token was revoked meanwhile."""
    if job.client and service.tokens.get(job.client) is None:
        return None
    return service.store.get(job.id, job.client)


def _files(service: Service, job: Job) -> dict[str, Path]:
    if job.state is not State.SUCCEEDED:
        return {}
    return service.artefacts.files(job.id, job.attempt)


def _view(service: Service, job: Job) -> dict[str, Path]:
    if job.state is not State.SUCCEEDED:
        return {}
    return service.artefacts.view(job.id, job.attempt)


def _listed(found: dict[str, Path], place: str) -> FileList:
    listed = [
        FileView(name=name, bytes=path.stat().st_size, path=f"{place}/{name}")
        for name, path in found.items()
    ]
    return FileList(files=listed)


def _sent(found: dict[str, Path], name: str) -> FileResponse:
    path = found.get(name)  # only what is listed: a name is no path
    if path is None:
        raise refusal("no-such-file", f"{name}: not among the files of this job")
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    return FileResponse(path, media_type=kind, headers=_HARMLESS)
