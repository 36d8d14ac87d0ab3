"""From a request with a volume to a job."""

from dataclasses import dataclass
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Header, Query, Request

from gmmlabel.method import METHODS
from gmmlabel.model_files import load_model, model_names
from gmmlabel.writers import FORMATS

from .jobs import Job, State, Wanted
from .problems import ProblemError, refusal
from .service import Client, Service, ServiceOf
from .store import KeyReusedError, QueueFullError
from .uploads import Upload, received

_RETRY_AFTER = {"Retry-After": "10"}


@dataclass(frozen=True)
class _Choice:
    """What a request asks for beside the volume."""

    model: str
    model_sha256: str
    method: str
    form: str
    client: str
    idempotency_key: str | None


def _choice(
    service: ServiceOf,
    client: Client,
    model: Annotated[str | None, Query(description="Name of a model")] = None,
    method: Annotated[str | None, Query(description="default or published")] = None,
    form: Annotated[
        str | None, Query(alias="format", description="nrrd, seg.nrrd, nii.gz or mha")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="Makes sending the request again safe"),
    ] = None,
) -> _Choice:
    settings = service.settings
    model, method = model or settings.model, method or settings.method
    form = form or settings.format
    # A name of the list only: load_model takes paths of this machine, too.
    _refuse_unknown("model", model, model_names())
    _refuse_unknown("method", method, list(METHODS))
    _refuse_unknown("format", form, list(FORMATS))
    sha256 = load_model(model).sha256 or ""
    return _Choice(model, sha256, method, form, client, idempotency_key)


ChoiceOf = Annotated[_Choice, Depends(_choice)]


async def accept(request: Request, service: Service, choice: _Choice) -> Job:
    """Make a job of a request, or find the one that does the same.

    Parameters
    ----------
    request
        Its body is the volume.
    service
        Where the job goes.
    choice
        What else it asks for.

    Raises
    ------
    ProblemError
        If the volume or the job is refused.
    """
    if await run_sync(service.store.count, State.QUEUED) >= service.settings.queue_limit:
        raise _queue_full()
    async with received(request, service.settings, service.artefacts) as upload:
        job = await run_sync(_add, service, choice, upload)
    service.runner.look()
    return job


def _add(service: Service, choice: _Choice, upload: Upload) -> Job:
    wanted = Wanted(
        upload.sha256,
        upload.suffix,
        choice.model,
        choice.model_sha256,
        choice.method,
        choice.form,
    )
    # Its files first: a job that is accepted has all that it needs.
    service.artefacts.keep(upload.job_id, upload.suffix)
    made = False
    try:
        job, made = service.store.add(
            upload.job_id,
            wanted,
            client=choice.client,
            queue_limit=service.settings.queue_limit,
            idempotency_key=choice.idempotency_key,
        )
    except QueueFullError as error:
        raise _queue_full() from error
    except KeyReusedError as error:
        raise refusal("key-reused", "use a new Idempotency-Key for each request") from error
    finally:
        if not made:
            service.artefacts.drop(upload.job_id)
    return job


def _queue_full() -> ProblemError:
    return refusal("queue-full", "send it again later", _RETRY_AFTER)


def _refuse_unknown(name: str, value: str, known: list[str]) -> None:
    if value not in known:
        raise refusal("invalid-parameter", f"{name}: give one of {', '.join(known)}")
