"""Errors as ``application/problem+json`` (RFC 9457), the only form they have in the service."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What is wrong, as it is sent and as it is kept with a failed job.

    Parameters
    ----------
    type
        ``urn:gmmlabel:problem:`` and a word that programs can rely on.
    title
        The kind of problem, the same each time.
    status
        The HTTP status; of a failed job that of the answer to a request that waits for it.
    detail
        What is wrong this time, and what to do.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str


class ProblemError(Exception):
    """Ends a request, or a job, with a problem.

    Parameters
    ----------
    problem
        What is answered.
    headers
        Headers of the answer.
    """

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = headers


def _kind(word: str, title: str, status: int) -> tuple[str, str, int]:
    return f"urn:gmmlabel:problem:{word}", title, status


_KINDS = {
    word: _kind(word, title, status)
    for word, title, status in (
        ("bad-request", "The request is not understood", 400),
        ("unknown-host", "The service does not answer to this name", 400),
        ("no-token", "A valid access token is needed", 401),
        ("cross-site", "The request was made by another site", 403),
        ("no-such-job", "There is no such job", 404),
        ("no-such-file", "There is no such file", 404),
        ("no-such-model", "There is no such model", 404),
        ("upload-stalled", "The upload stopped", 408),
        ("job-cancelled", "The job was cancelled", 409),
        ("upload-too-large", "The upload is too large", 413),
        ("unknown-format", "The upload is of no format that is read", 415),
        ("invalid-parameter", "A parameter has no valid value", 422),
        ("model-exists", "There is a model of that name", 409),
        ("key-reused", "The idempotency key is that of another request", 422),
        ("unreadable", "The volume cannot be read", 422),
        ("geometry", "The places of the voxels are missing, uneven or tilted", 422),
        ("intensity", "The values are not Hounsfield units", 422),
        ("no-lungs", "No lungs were found", 422),
        ("no-fit", "The histograms cannot be fitted", 422),
        ("implausible", "The fitted mixture is not one of the five tissues", 422),
        ("too-large", "The volume is too large for this service", 422),
        ("queue-full", "Too many jobs are waiting", 429),
        ("internal", "The service failed", 500),
        ("worker-died", "The worker died", 500),
        ("not-ready", "The service is not ready", 503),
        ("busy", "There are too many connections", 503),
        ("job-timeout", "The job took too long", 504),
        ("disk-full", "There is not enough disk space", 507),
    )
}


def problem(word: str, detail: str) -> Problem:
    """Make the problem of a kind.

    Parameters
    ----------
    word
        The last part of its type.
    detail
        What is wrong this time, and what to do.
    """
    kind, title, status = _KINDS[word]
    return Problem(type=kind, title=title, status=status, detail=detail)


def refusal(word: str, detail: str, headers: Mapping[str, str] | None = None) -> ProblemError:
    """Make what ends a request, or a job, with a problem of a kind."""
    return ProblemError(problem(word, detail), headers)


def answer(told: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Make the answer that tells a problem."""
    return JSONResponse(told.model_dump(), told.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make an application answer every error with a problem."""
    app.add_exception_handler(ProblemError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_http)


async def _ours(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ProblemError):
        raise error
    return answer(error.problem, error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()]
    return answer(problem("invalid-parameter", "; ".join(faults)))


async def _of_http(_: Request, error: Exception) -> JSONResponse:
    """Answer what the framework finds: no such route, no such method of it."""
    if not isinstance(error, HTTPException):
        raise error
    title = HTTPStatus(error.status_code).phrase
    told = Problem(
        type="about:blank", title=title, status=error.status_code, detail=str(error.detail)
    )
    return answer(told, error.headers)


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}
"""What the API's description says of errors."""
