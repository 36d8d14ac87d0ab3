"""What the answers of a service mean."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from gmmlabel.client.errors import ServiceError
from gmmlabel.client.values import Document, Job, Labelled

T = TypeVar("T")

_PROBLEM = "urn:gmmlabel:problem:"
_JOB = "Gmmlabel-Job"
_NOT_OURS = "the answer is not that of a gmmlabel service; check the address"
_LONGEST_DETAIL = 1000


def read(answer: httpx.Response, reader: Callable[[Document], T]) -> T:
    """Read the document of an answer.

    Parameters
    ----------
    answer
        The answer, whole.
    reader
        Makes a value of the document.

    Raises
    ------
    ServiceError
        If it is none.
    """
    try:
        return reader(answer.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(answer.status_code, "", _NOT_OURS) from error


def read_list(answer: httpx.Response, name: str, reader: Callable[[Document], T]) -> list[T]:
    """Read a list of an answer, see `read`."""
    return read(answer, lambda document: [reader(one) for one in document[name]])


def refusal(answer: httpx.Response) -> ServiceError:
    """Make the error that an answer tells."""
    job = answer.headers.get(_JOB)
    try:
        problem = answer.json()
        if "type" not in problem:
            raise TypeError
    except (ValueError, TypeError):
        return ServiceError(answer.status_code, "", f"{answer.reason_phrase}: {_NOT_OURS}", job)
    return _told(problem, answer.status_code, job)


def failure(job: Job) -> ServiceError:
    """Make the error of a job that ended without a result."""
    if job.state == "cancelled":
        return ServiceError(409, "job-cancelled", "it was cancelled; send it again", job.id)
    return _told(job.problem or {}, 500, job.id)


def labelled(answer: httpx.Response, path: Path) -> Labelled:
    """Read what the headers of an answer say about the label map in its body."""
    figures = {name: answer.headers.get(f"Gmmlabel-{name}") for name in _FIGURES}
    job = answer.headers.get(_JOB)
    if job is None or None in (figures["Involvement-Percent"], figures["Involvement-Score"]):
        raise ServiceError(answer.status_code, "", _NOT_OURS)
    opacity = figures["Opacity-Percent"]
    return Labelled(
        path,
        job,
        float(figures["Involvement-Percent"]),
        int(figures["Involvement-Score"]),
        None if opacity is None else float(opacity),
    )


_FIGURES = ("Involvement-Percent", "Involvement-Score", "Opacity-Percent")


def labelled_by(job: Job, path: Path) -> Labelled:
    """Read the same of a job that succeeded."""
    result: Mapping[str, Any] = job.result or {}
    try:
        involvement, opacity = result["involvement"], result.get("opacity")
        return Labelled(
            path,
            job.id,
            float(involvement["percent"]),
            int(involvement["score"]),
            float(opacity["percent"]) if opacity else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ServiceError(200, "", _NOT_OURS, job.id) from error


def _told(problem: Document, status: int, job: str | None) -> ServiceError:
    kind = str(problem.get("type", ""))
    word = kind.removeprefix(_PROBLEM) if kind.startswith(_PROBLEM) else ""
    said = str(problem.get("detail") or problem.get("title") or "no reason was given")
    # One line, whoever wrote it.
    detail = "".join(letter if letter.isprintable() else " " for letter in said)
    if status == 401:
        detail += "; give the client a token, or set GMMLABEL_TOKEN"
    return ServiceError(
        int(problem.get("status") or status), word, detail[:_LONGEST_DETAIL].strip(), job
    )
