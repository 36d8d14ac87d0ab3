"""A job: what is wanted, and what became of it so far."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib.metadata import version
from typing import Any


class State(StrEnum):
    """Where a job is between being accepted and having ended."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether no other state follows."""
        return self not in (State.QUEUED, State.RUNNING)


STAGES = {"read": 0.05, "label": 0.2, "write": 0.7}
"""The stages of a running job, and the progress at which each begins."""


@dataclass(frozen=True)
class Wanted:
    """What a request asks for.

    Parameters
    ----------
    sha256
        Hash of the upload.
    suffix
        Its format, as the suffix that readers know it by.
    model, model_sha256
        Name and hash of the model.
    method
        Name of the method.
    form
        Format of the label maps.
    """

    sha256: str
    suffix: str
    model: str
    model_sha256: str
    method: str
    form: str

    @property
    def key(self) -> str:
        """Hash of all that the result follows from: equal work has equal keys."""
        said = {**asdict(self), "software": version("gmmlabel")}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """A job as it was when it was read from the store.

    Parameters
    ----------
    id
        32 hexadecimal digits that cannot be guessed.
    client
        Whose it is.
    wanted
        What was asked for.
    state, stage, progress
        How far it is; progress is 0 to 1.
    version
        Grows with every change.
    created, started, ended
        Seconds since 1970, UTC.
    attempt
        How often it was begun; each attempt has a folder of its own.
    result
        Content of ``result.json`` of a job that succeeded.
    problem
        Why a job failed.
    """

    id: str
    client: str
    wanted: Wanted
    state: State
    stage: str | None
    progress: float
    version: int
    created: float
    started: float | None
    ended: float | None
    attempt: int
    result: dict[str, Any] | None = field(default=None, repr=False)
    problem: dict[str, Any] | None = None
