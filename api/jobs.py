"""A job: what is wanted, and what became of it so far."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib.metadata import version
from typing import Any

UPLOAD = "upload"
"""How the name of what a job is made from begins, in its folder."""

VIEW = "view"
"""The folder in a case folder of what a browser shows of it."""


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


class Kind(StrEnum):
    """What a job does."""

    LABEL = "label"
    REFIT = "refit"


STAGES = {
    Kind.LABEL: {
        "read": 0.0, "lungs": 0.1, "label": 0.55, "opacity": 0.6, "write": 0.75, "view": 0.9,
    },
    Kind.REFIT: {"read": 0.0, "fit": 0.1, "write": 0.9},
}  # fmt: skip
"""The stages of running jobs that are told, and the progress at which each begins."""


@dataclass(frozen=True)
class LabelWanted:
    """What a request for label maps asks for.

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

    kind = Kind.LABEL
    makes = None

    @property
    def upload(self) -> str:
        """Name of the volume in the folder of the job."""
        return f"{UPLOAD}{self.suffix}"


@dataclass(frozen=True)
class RefitWanted:
    """What a request for a model asks for.

    Parameters
    ----------
    sha256
        Hash of all histograms, in whatever order they came.
    histograms
        How many there are.
    name
        What to call the model.
    prior, prior_sha256
        Name and hash of the model that is known before; ``none`` and an empty string for a free
        fit.
    strength_patients
        What the prior is worth, in patients.
    weights
        Whether voxels or patients count the same.
    seed
        The starts of the fit follow from it.
    by
        Who asks for it, for the model file.
    force
        Whether an implausible model is kept, marked as such.
    """

    sha256: str
    histograms: int
    name: str
    prior: str
    prior_sha256: str
    strength_patients: float
    weights: str
    seed: int
    by: str | None
    force: bool

    kind = Kind.REFIT
    upload = UPLOAD

    @property
    def makes(self) -> str:
        """Name of the model that nobody else can make meanwhile."""
        return self.name


Wanted = LabelWanted | RefitWanted
_WANTED: dict[Kind, type[LabelWanted] | type[RefitWanted]] = {
    Kind.LABEL: LabelWanted,
    Kind.REFIT: RefitWanted,
}


def wanted_document(wanted: Wanted) -> dict[str, Any]:
    """Say what is wanted in JSON, see `read_wanted`."""
    return asdict(wanted)


def read_wanted(kind: str, document: Mapping[str, Any]) -> Wanted:
    """Read what `wanted_document` said of a job of a kind."""
    return _WANTED[Kind(kind)](**document)


def key_of(wanted: Wanted) -> str:
    """Hash all that the result follows from: equal work has equal keys."""
    said = {"kind": wanted.kind, **wanted_document(wanted), "software": version("gmmlabel")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


SUMMED_UP = ("lungs", "involvement", "opacity", "quality")
"""The parts of a result that its summary is made of."""


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
    summed_up
        The parts `SUMMED_UP` of the result, whatever a worker said they are; lists have them too.
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
    summed_up: Mapping[str, Any] = field(default_factory=dict, repr=False)
