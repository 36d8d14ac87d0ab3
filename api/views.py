"""What the service answers, as JSON."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from .jobs import Job, State
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


class JobView(BaseModel):
    """A job.

    Parameters
    ----------
    id
        32 hexadecimal digits.
    state, stage, progress
        How far it is; the stages of a running job are read, label and write, progress is 0 to 1.
    created_at, started_at, ended_at
        When, in UTC; null if that has not happened.
    input_sha256
        Hash of the upload.
    model, method, format
        What it is labelled with.
    result
        Content of ``result.json`` if it succeeded; lists of jobs leave it out.
    problem
        Why it failed.
    """

    id: str
    state: State
    stage: str | None
    progress: float
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    input_sha256: str
    model: NamedModel
    method: str
    format: str
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
    wanted = job.wanted
    return JobView(
        id=job.id,
        state=job.state,
        stage=job.stage,
        progress=job.progress,
        created_at=_moment(job.created),
        started_at=None if job.started is None else _moment(job.started),
        ended_at=None if job.ended is None else _moment(job.ended),
        input_sha256=wanted.sha256,
        model=NamedModel(name=wanted.model, sha256=wanted.model_sha256),
        method=wanted.method,
        format=wanted.form,
        result=job.result,
        problem=None if job.problem is None else Problem.model_validate(job.problem),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
