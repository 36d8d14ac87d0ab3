"""From a request for a model to a job that fits it."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import Request
from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError

from gmmlabel.case_files import HISTOGRAM
from gmmlabel.errors import ModelError
from gmmlabel.fitting.pool import Weighting
from gmmlabel.fitting.prior import FREE_FIT, PATIENTS
from gmmlabel.model_files import DEFAULT_MODEL, model_names
from gmmlabel.model_schema import check_name
from gmmlabel.validation import first_fault

from ..jobs import Job, Kind, RefitWanted, State
from ..problems import refusal
from ..service import Service, no_such_job
from ..storage.artefacts import JOB_ID
from .adding import Sender, add_job, name_taken
from .uploads import body_of
from .volumes import hash_of_model

_LIMIT = ByteSize(64 << 20)  # some 6,000 histograms


class RefitRequest(BaseModel):
    """What a model is to be made from, and how.

    Parameters
    ----------
    name
        What to call the model; no model may be called so.
    jobs
        Ids of jobs that have labelled a volume.
    histograms
        Contents of ``histogram.json``, of cases or of sites.
    prior
        Model that is known before, by its name; ``none`` for a free fit.
    strength_patients
        What the prior is worth, in patients.
    weights
        Whether all voxels count the same, or all patients.
    seed
        The starts of the fit follow from it.
    by
        Who fits it, for the model file.
    force
        Keep an implausible model, marked as such.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]
    jobs: list[Annotated[str, Field(pattern=f"^{JOB_ID.pattern}$")]] = []
    histograms: list[dict[str, Any]] = []
    prior: str = DEFAULT_MODEL
    strength_patients: Annotated[float, Field(gt=0, le=1e9)] = PATIENTS
    weights: Weighting = Weighting.VOXELS
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    by: Annotated[str | None, Field(max_length=200)] = None
    force: bool = False


async def accept_refit(request: Request, service: Service, sender: Sender) -> Job:
    """Make a job of a request, or find the one that does the same.

    Parameters
    ----------
    request
        Its body is a `RefitRequest`.
    service
        Where the job goes.
    sender
        Who asks.

    Raises
    ------
    ProblemError
        If the request or the job is refused.
    """
    body = b"".join([chunk async for chunk in body_of(request, service.settings, _LIMIT)])
    upload_id = secrets.token_hex(16)
    try:
        job = await run_sync(_accept, service, sender, upload_id, body)
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(service.artefacts.drop_incoming, upload_id)
    service.runner.look()
    return job


def _accept(service: Service, sender: Sender, upload_id: str, body: bytes) -> Job:
    asked = _read(body)
    folder = service.artefacts.begin(upload_id)
    folder.mkdir()
    hashes = []
    for number, content in enumerate(_histograms(service, sender.client, asked)):
        (folder / f"{number:06}.json").write_bytes(content)
        hashes.append(hashlib.sha256(content).hexdigest())
    if not hashes:
        raise refusal("invalid-parameter", "jobs, histograms: give some of one or both")
    wanted = RefitWanted(
        hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest(),
        len(hashes),
        asked.name,
        asked.prior,
        "" if asked.prior == FREE_FIT else hash_of_model("prior", asked.prior),
        asked.strength_patients,
        asked.weights.value,
        asked.seed,
        asked.by,
        asked.force,
    )
    if asked.name in model_names() and not service.store.same(sender.client, wanted):
        raise name_taken(asked.name)
    return add_job(service, sender, upload_id, wanted)


def _read(body: bytes) -> RefitRequest:
    try:
        asked = RefitRequest.model_validate_json(body)
        check_name(asked.name, "name")
    except ValidationError as error:
        raise refusal("invalid-parameter", first_fault(error)) from error
    except ModelError as error:
        raise refusal("invalid-parameter", str(error)) from error
    return asked


def _histograms(service: Service, client: str, asked: RefitRequest) -> Iterator[bytes]:
    """Give the contents of all histograms: a job may be removed before the fit begins."""
    for job_id in asked.jobs:
        job = service.store.get(job_id, client)
        if job is None or job.wanted.kind is not Kind.LABEL:
            raise no_such_job(job_id)
        if job.state is not State.SUCCEEDED:
            raise refusal("invalid-parameter", f"jobs: {job_id} has not succeeded")
        path = service.artefacts.files(job_id, job.attempt).get(HISTOGRAM)
        if path is None:
            raise no_such_job(job_id)
        yield path.read_bytes()
    for document in asked.histograms:
        yield json.dumps(document).encode()
