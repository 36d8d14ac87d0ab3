"""``POST /v1/label``: a volume in, a label map out."""

import time
from typing import Annotated, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response

from ..accepting.adding import IF_THERE_IS_ROOM
from ..accepting.uploads import VOLUME_BODY
from ..accepting.volumes import ChoiceOf, accept_volume
from ..jobs import Job, State
from ..problems import Problem, answer, problem, refusal
from ..service import Service, ServiceOf, no_such_job
from ..views import accepted

router = APIRouter(tags=["label"])


@router.post(
    "/v1/label",
    dependencies=[IF_THERE_IS_ROOM],
    response_class=FileResponse,
    openapi_extra=VOLUME_BODY,
    responses={303: {"description": "It takes longer: the job, at which the client can go on"}},
)
async def label(
    request: Request,
    service: ServiceOf,
    choice: ChoiceOf,
    which: Annotated[
        Literal["labels", "smoothed", "lungs", "opacity"],
        Query(alias="map", description="The label map to answer"),
    ] = "labels",
    wait: Annotated[
        float | None, Query(ge=0, le=86400, description="Seconds to wait for the result")
    ] = None,
) -> Response:
    """Label the volume in the body, or in the field `file` of a form."""
    job = await accept_volume(request, service, choice)
    job = await _ended(service, job, service.settings.wait if wait is None else wait)
    headers = {"Gmmlabel-Job": job.id}
    if not job.state.ended:
        return accepted(job, 303, headers)
    if job.state is State.FAILED:
        return answer(Problem.model_validate(job.problem), headers)
    if job.state is State.CANCELLED:
        return answer(problem("job-cancelled", "somebody cancelled it; send it again"), headers)
    name = f"{which}.{choice.form}"
    files = await run_sync(service.artefacts.files, job.id, job.attempt)
    if name not in files:
        raise refusal("no-such-file", f"{name}: not among the files of this job", headers)
    return FileResponse(
        files[name], headers={**headers, **_figures(job)}, filename=name,
        media_type="application/octet-stream",
    )  # fmt: skip


async def _ended(service: Service, job: Job, seconds: float) -> Job:
    """Wait until a job has ended, but not longer than a time."""
    until = time.monotonic() + seconds
    while not job.state.ended and (left := until - time.monotonic()) > 0:
        await service.watcher.changed(job.id, job.version, left)
        found = await run_sync(service.store.get, job.id, job.client)
        if found is None:
            raise no_such_job(job.id)
        job = found
    return job


def _figures(job: Job) -> dict[str, str]:
    result = job.result or {}
    involvement, opacity = result["involvement"], result["opacity"]
    figures = {
        "Gmmlabel-Involvement-Percent": str(involvement["percent"]),
        "Gmmlabel-Involvement-Score": str(involvement["score"]),
    }
    if opacity:
        figures["Gmmlabel-Opacity-Percent"] = str(opacity["percent"])
    return figures
