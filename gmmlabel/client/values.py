"""What a service tells, as values.

They are read leniently, so that a client works with a service that is newer or older: what is
unknown is kept in ``document``, and what is missing is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

Document = Mapping[str, Any]

_ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Job:
    """A job as it was when the service told it.

    Parameters
    ----------
    id
        32 hexadecimal digits.
    state
        ``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``.
    kind
        ``label`` or ``refit``.
    stage, progress
        How far it is; progress is 0 to 1.
    created_at, started_at, ended_at
        When, in UTC.
    format
        Format of its label maps.
    result
        Content of ``result.json`` of a job that succeeded; lists of jobs leave it out.
    problem
        Why it failed: ``type``, ``title``, ``status`` and ``detail``.
    document
        All that was told.
    """

    id: str
    state: str
    kind: str | None
    stage: str | None
    progress: float
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    format: str | None
    result: Document | None = field(repr=False, hash=False)
    problem: Document | None = field(hash=False)
    document: Document = field(repr=False, hash=False)

    @property
    def ended(self) -> bool:
        """Whether no other state follows."""
        return self.state in _ENDED

    @classmethod
    def read(cls, document: Document) -> "Job":
        """Read a job; `KeyError` or `TypeError` if it is none."""
        told = document.get
        return cls(
            id=str(document["id"]),
            state=str(document["state"]),
            kind=told("kind"),
            stage=told("stage"),
            progress=float(told("progress") or 0),
            created_at=_moment(told("created_at")),
            started_at=_moment(told("started_at")),
            ended_at=_moment(told("ended_at")),
            format=told("format"),
            result=told("result"),
            problem=told("problem"),
            document=document,
        )


@dataclass(frozen=True)
class File:
    """A file of the case folder of a job.

    Parameters
    ----------
    name
        Its name.
    bytes
        Its size.
    """

    name: str
    bytes: int | None

    @classmethod
    def read(cls, document: Document) -> "File":
        """Read a file; `KeyError` if it is none."""
        return cls(str(document["name"]), document.get("bytes"))


@dataclass(frozen=True)
class Model:
    """A model that a request can name.

    Parameters
    ----------
    name, sha256
        Its name, and the hash of its file.
    boundaries_hu
        First HU of each tissue but the first.
    doubts
        Why it may be no tissue model.
    document
        All that was told.
    """

    name: str
    sha256: str | None
    boundaries_hu: tuple[int, ...]
    doubts: tuple[str, ...]
    document: Document = field(repr=False, hash=False)

    @classmethod
    def read(cls, document: Document) -> "Model":
        """Read a model; `KeyError` if it is none."""
        return cls(
            str(document["name"]),
            document.get("sha256"),
            tuple(document.get("boundaries_hu") or ()),
            tuple(document.get("doubts") or ()),
            document,
        )


@dataclass(frozen=True)
class Labelled:
    """A label map that was written, and the figures that came with it.

    Parameters
    ----------
    path
        The label map.
    job
        Id of the job that made it.
    involvement_percent, involvement_score
        Lung involvement in percent of lung, and its score from 0 to 5.
    opacity_percent
        Opacity in percent of lung; None with a method that does not tell it.
    """

    path: Path
    job: str
    involvement_percent: float
    involvement_score: int
    opacity_percent: float | None


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
