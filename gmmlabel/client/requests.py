"""What each request says: method, path, query and body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from gmmlabel.client.uploads import Upload

# A service that has all bytes still has to put them on its disk before it answers.
_DISK_BYTES_PER_SECOND = 20e6


@dataclass(frozen=True)
class Request:
    """A request, before it is known which library sends it.

    Parameters
    ----------
    method, path, query, headers
        As HTTP has them; None in the query counts as not given.
    json
        A body of JSON.
    upload
        A body of a file.
    patience
        Seconds to wait for an answer beyond the time-out of the client.
    quiet
        Seconds for which the answer may pause, instead of the time-out of the client.
    """

    method: str
    path: str
    query: Mapping[str, str | int | float | None] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    upload: Upload | None = None
    patience: float = 0.0
    quiet: float | None = None


def label(
    upload: Upload, choice: Mapping[str, str | None], which: str, wait: float, key: str
) -> Request:
    """Ask for the label map itself."""
    query = {**choice, "map": which, "wait": wait}
    return _send("/v1/label", upload, query, key, wait)


def submit(upload: Upload, choice: Mapping[str, str | None], key: str) -> Request:
    """Ask for a job."""
    return _send("/v1/jobs", upload, choice, key, 0)


def without_upload(request: Request) -> Request:
    """Make a request that says the same but sends nothing."""
    return Request(request.method, request.path, request.query, {"Content-Length": "0"})


def job(job_id: str) -> Request:
    """Ask how far a job is."""
    return Request("GET", _job(job_id))


def jobs(state: str | None, kind: str | None, limit: int | None) -> Request:
    """Ask for all jobs."""
    return Request("GET", "/v1/jobs", {"state": state, "kind": kind, "limit": limit})


def events(job_id: str, quiet: float) -> Request:
    """Ask to be told each change of a job."""
    headers = {"Accept": "text/event-stream"}
    return Request("GET", f"{_job(job_id)}/events", headers=headers, quiet=quiet)


def files(job_id: str) -> Request:
    """Ask for the names of the files of a job."""
    return Request("GET", f"{_job(job_id)}/files")


def file(job_id: str, name: str) -> Request:
    """Ask for a file of a job."""
    return Request("GET", f"{_job(job_id)}/files/{quote(name, safe='')}")


def cancel(job_id: str) -> Request:
    """Ask to cancel a job; one that has ended stays as it is."""
    return Request("DELETE", _job(job_id), query={"cancel": "true"})


def delete(job_id: str) -> Request:
    """Ask to cancel or to remove a job."""
    return Request("DELETE", _job(job_id))


def models() -> Request:
    """Ask for all models."""
    return Request("GET", "/v1/models")


def model(name: str) -> Request:
    """Ask what a model is."""
    return Request("GET", f"/v1/models/{quote(name, safe='')}")


def fit_model(document: Mapping[str, Any], key: str) -> Request:
    """Ask for a refit."""
    given = {name: value for name, value in document.items() if value is not None}
    return Request("POST", "/v1/models", headers={"Idempotency-Key": key}, json=given)


def _send(
    path: str, upload: Upload, query: Mapping[str, str | float | None], key: str, wait: float
) -> Request:
    # With its length stated the service can refuse it before a byte is read.
    headers = {
        "Content-Length": str(upload.size),
        "Content-Type": "application/octet-stream",
        "Idempotency-Key": key,
    }
    patience = wait + upload.size / _DISK_BYTES_PER_SECOND
    return Request("POST", path, query, headers, upload=upload, patience=patience)


def _job(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"
