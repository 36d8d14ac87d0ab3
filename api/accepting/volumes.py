"""From a request with a volume to a job that labels it."""

from dataclasses import dataclass
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Query, Request

from gmmlabel.method import METHODS
from gmmlabel.model_files import load_model, model_names
from gmmlabel.writers import FORMATS

from ..jobs import Job, LabelWanted
from ..problems import refusal
from ..service import Service, ServiceOf
from .adding import Sender, SenderOf, add_job
from .uploads import received


@dataclass(frozen=True)
class Choice:
    """What a request asks for beside the volume.

    Parameters
    ----------
    sender
        Who asks.
    model, model_sha256
        Name and hash of the model.
    method
        Name of the method.
    form
        Format of the label maps.
    """

    sender: Sender
    model: str
    model_sha256: str
    method: str
    form: str


def _choice(
    service: ServiceOf,
    sender: SenderOf,
    model: Annotated[str | None, Query(description="Name of a model")] = None,
    method: Annotated[str | None, Query(description="default or published")] = None,
    form: Annotated[
        str | None, Query(alias="format", description="nrrd, seg.nrrd, nii.gz or mha")
    ] = None,
) -> Choice:
    settings = service.settings
    model, method = model or settings.model, method or settings.method
    form = form or settings.format
    refuse_unknown("method", method, list(METHODS))
    refuse_unknown("format", form, list(FORMATS))
    return Choice(sender, model, hash_of_model("model", model), method, form)


ChoiceOf = Annotated[Choice, Depends(_choice)]


async def accept_volume(request: Request, service: Service, choice: Choice) -> Job:
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
    async with received(request, service.settings, service.artefacts) as upload:
        wanted = LabelWanted(
            upload.sha256,
            upload.suffix,
            choice.model,
            choice.model_sha256,
            choice.method,
            choice.form,
        )
        job = await run_sync(add_job, service, choice.sender, upload.job_id, wanted)
    service.runner.look()
    return job


def hash_of_model(parameter: str, name: str) -> str:
    """Tell the hash of a model that a request names.

    Raises
    ------
    ProblemError
        If no model is called so.
    """
    # A name of the list only: load_model takes paths of this machine, too.
    refuse_unknown(parameter, name, model_names())
    return load_model(name).sha256 or ""


def refuse_unknown(parameter: str, value: str, known: list[str]) -> None:
    """Refuse the value of a parameter that is none of those known.

    Raises
    ------
    ProblemError
        If so; it names them.
    """
    if value not in known:
        raise refusal("invalid-parameter", f"{parameter}: give one of {', '.join(known)}")
