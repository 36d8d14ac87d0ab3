"""What the service answers, as JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from gmmlabel.fitting.prior import FREE_FIT

from .jobs import Job, Kind, LabelWanted, RefitWanted, State, Wanted
from .problems import Problem


class ModelView(BaseModel):
    """A model.

    Parameters
    ----------
    name, sha256
        Its name, and the hash of its file.
    place
        Whether it came with gmmlabel, or is the user's.
    boundaries_hu
        First HU of each tissue but the first.
    tissues
        The Gaussians.
    doubts
        Why it may be no tissue model.
    """

    name: str
    sha256: str | None
    place: str
    boundaries_hu: list[int]
    tissues: list[dict[str, Any]]
    doubts: list[str]


class NamedModel(BaseModel):
    """The model of a job."""

    name: str
    sha256: str


class RefitView(BaseModel):
    """What a refit makes, and how.

    Parameters
    ----------
    name
        Name of the new model.
    histograms
        How many it is made from.
    prior
        The model that is known before; null for a free fit.
    strength_patients
        What the prior is worth, in patients.
    weights
        Whether voxels or patients count the same.
    """

    name: str
    histograms: int
    prior: NamedModel | None
    strength_patients: float
    weights: str


class Summary(BaseModel):
    """What is said first of a labelled CT.

    Parameters
    ----------
    lungs_ml
        Volume of the lungs, in mL.
    involvement_percent, involvement_score
        Lung involvement in percent of lung, and its score from 0 to 5.
    opacity_percent
        Opacity in percent of lung; null with a method that does not tell it.
    flags
        Names of what to know before using the numbers.
    """

    lungs_ml: float
    involvement_percent: float
    involvement_score: int
    opacity_percent: float | None
    flags: list[str]


class JobView(BaseModel):
    """A job.

    Parameters
    ----------
    id
        32 hexadecimal digits.
    kind
        Whether it labels a volume, or refits the mixture.
    state, stage, progress
        How far it is; progress is 0 to 1. The stages of a running job that labels are read, lungs,
        label, opacity, write and view, those of a refit read, fit and write.
    created_at, started_at, ended_at
        When, in UTC; null if that has not happened.
    input_sha256
        Hash of the upload, or of all histograms.
    model, method, format
        What a volume is labelled with; null for a refit.
    refit
        What a refit makes; null for a volume.
    summary
        The first figures of the result of a job that labelled; else null.
    result
        Content of ``result.json`` if it succeeded; lists of jobs leave it out.
    problem
        Why it failed.
    """

    id: str
    kind: Kind
    state: State
    stage: str | None
    progress: float
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    input_sha256: str
    model: NamedModel | None = None
    method: str | None = None
    format: str | None = None
    refit: RefitView | None = None
    summary: Summary | None
    result: dict[str, Any] | None
    problem: Problem | None


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobView]


class FileView(BaseModel):
    """A file of a case folder."""

    name: str
    bytes: int
    path: str


class FileList(BaseModel):
    """The files of a case folder."""

    files: list[FileView]


class ModelList(BaseModel):
    """The models that a request can name."""

    models: list[ModelView]


def job_path(job: Job) -> str:
    """Tell where a job is."""
    return f"/v1/jobs/{job.id}"


def view_job(job: Job) -> JobView:
    """Make what the service says of a job."""
    return JobView(
        id=job.id,
        kind=job.wanted.kind,
        state=job.state,
        stage=job.stage,
        progress=job.progress,
        created_at=_moment(job.created),
        started_at=None if job.started is None else _moment(job.started),
        ended_at=None if job.ended is None else _moment(job.ended),
        input_sha256=job.wanted.sha256,
        summary=_summary(job.summed_up),
        result=job.result,
        problem=None if job.problem is None else Problem.model_validate(job.problem),
        **_view_wanted(job.wanted),
    )


def accepted(job: Job, status: int = 202, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Make the answer that tells a job, and where it is."""
    told = {"Location": job_path(job), **(headers or {})}
    return JSONResponse(view_job(job).model_dump(mode="json"), status, told)


def _view_wanted(wanted: Wanted) -> dict[str, Any]:
    match wanted:
        case LabelWanted():
            model = NamedModel(name=wanted.model, sha256=wanted.model_sha256)
            return {"model": model, "method": wanted.method, "format": wanted.form}
        case RefitWanted():
            prior = None
            if wanted.prior != FREE_FIT:
                prior = NamedModel(name=wanted.prior, sha256=wanted.prior_sha256)
            view = RefitView(
                name=wanted.name,
                histograms=wanted.histograms,
                prior=prior,
                strength_patients=wanted.strength_patients,
                weights=wanted.weights,
            )
            return {"refit": view}


def _summary(parts: Mapping[str, Any]) -> Summary | None:
    """Sum up a result; None if it is that of no labelled CT."""
    try:
        return Summary(
            lungs_ml=parts["lungs"]["volume_ml"],
            involvement_percent=parts["involvement"]["percent"],
            involvement_score=parts["involvement"]["score"],
            opacity_percent=parts["opacity"] and parts["opacity"]["percent"],
            flags=[flag["flag"] for flag in parts["quality"]],
        )
    except (KeyError, TypeError, ValueError):
        return None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
