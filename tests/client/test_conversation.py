"""What the clients make of answers that a test service would not give."""

import json
import tracemalloc
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from client.conftest import Connect, Wire

from gmmlabel.client import (
    ClientError,
    ConnectionFailedError,
    Job,
    ServiceError,
)
from gmmlabel.client.conversation import FORMATS
from gmmlabel.client.uploads import uploading
from gmmlabel.writers import FORMATS as WRITTEN

JOB = {"id": "a" * 32, "state": "queued"}
DONE = {**JOB, "state": "succeeded", "format": "nrrd", "result": {"of": "x"}}
FIGURES = {
    "Gmmlabel-Job": JOB["id"],
    "Gmmlabel-Involvement-Percent": "12.5",
    "Gmmlabel-Involvement-Score": "2",
    "Gmmlabel-Opacity-Percent": "3.25",
}
PROBLEM = {"type": "urn:gmmlabel:problem:queue-full", "title": "t", "status": 429, "detail": "d"}


def in_turn(*answers: httpx.Response | Exception) -> Wire:
    """Give one answer after the other."""
    left = list(answers)

    def answer(*_: object) -> httpx.Response:
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    return Wire(answer)


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    path = tmp_path / "ct.nrrd"
    path.write_bytes(b"NRRD0004")
    return path


def test_what_passes_is_asked_again_as_the_same_request(connect: Connect, ct: Path) -> None:
    empty = {**PROBLEM, "type": "urn:gmmlabel:problem:bad-request", "status": 400}
    wire = in_turn(
        httpx.ConnectError("refused"),
        httpx.ConnectError("refused"),  # nor can it be asked why
        httpx.Response(429, json=PROBLEM, headers={"Retry-After": "0.1"}),
        httpx.ReadError("reset"),
        httpx.Response(400, json=empty),  # the answer to nothing: the head is in order
        httpx.Response(503, text="<html>"),
        httpx.Response(202, json=JOB),
    )
    job = connect(transport=wire).submit(ct, model="m")
    assert (job.id, job.state) == (JOB["id"], "queued")
    (url,) = {str(request.url) for request in wire.requests}
    assert url == "http://service.test/v1/jobs?model=m"
    uploads = [one for one in wire.requests if one.headers["Content-Length"] == "8"]
    keys = [request.headers["Idempotency-Key"] for request in uploads]
    assert len(keys) == 5
    assert len(set(keys)) == 1
    assert sorted(wire.sizes) == [0, 0, 8, 8, 8, 8, 8]  # each time from the beginning


def test_an_upload_that_breaks_off_because_it_is_refused_is_told_why(
    connect: Connect, ct: Path
) -> None:
    full = {**PROBLEM, "type": "urn:gmmlabel:problem:disk-full", "status": 507}
    wire = in_turn(httpx.WriteError("reset"), httpx.Response(507, json=full))
    with pytest.raises(ServiceError, match="disk-full"):
        connect(transport=wire).submit(ct, model="m")
    assert wire.sizes == [8, 0]
    assert wire.requests[0].url == wire.requests[1].url
    assert "Idempotency-Key" not in wire.requests[1].headers


def test_a_removal_whose_answer_was_lost_is_a_removal(connect: Connect) -> None:
    gone = {**PROBLEM, "type": "urn:gmmlabel:problem:no-such-job", "status": 404}
    lost = (httpx.Response(200, json=DONE), httpx.ReadError("reset"))
    wire = in_turn(*lost, httpx.Response(404, json=gone))
    connect(transport=wire).delete(JOB["id"])
    assert [request.method for request in wire.requests] == ["GET", "DELETE", "DELETE"]


def test_a_cancelling_whose_answer_was_lost_removes_nothing(connect: Connect) -> None:
    cancelled = {**JOB, "state": "cancelled"}
    wire = in_turn(httpx.ReadError("reset"), httpx.Response(200, json=cancelled))
    assert connect(transport=wire).cancel(JOB["id"]).state == "cancelled"
    asked = [(request.method, request.url.query) for request in wire.requests]
    assert asked == [("DELETE", b"cancel=true")] * 2


def test_two_uploads_have_two_keys(connect: Connect, ct: Path) -> None:
    wire = Wire(lambda *_: httpx.Response(202, json=JOB))
    client = connect(transport=wire)
    client.submit(ct)
    client.submit(ct)
    first, second = (request.headers["Idempotency-Key"] for request in wire.requests)
    assert first != second


def test_what_does_not_pass_is_asked_once(connect: Connect, ct: Path) -> None:
    for status in (400, 401, 413, 422, 500, 504, 507):
        wire = in_turn(httpx.Response(status, json={**PROBLEM, "status": status}))
        with pytest.raises(ServiceError) as caught:
            connect(transport=wire).submit(ct)
        assert caught.value.status == status
    late = in_turn(httpx.Response(503, json=PROBLEM, headers={"Retry-After": "9999"}))
    with pytest.raises(ServiceError):
        connect(transport=late).submit(ct)


def test_a_connection_that_breaks_each_time_is_told_at_the_end(connect: Connect) -> None:
    wire = Wire(lambda *_: (_ for _ in ()).throw(httpx.ReadError("reset")))
    with pytest.raises(ConnectionFailedError, match="reset"):
        connect(transport=wire, retries=3).models()
    assert len(wire.requests) == 4


def test_memory_stays_flat_however_large_the_ct(connect: Connect, tmp_path: Path) -> None:
    size = 2 << 30
    path = tmp_path / "large.nrrd"
    with path.open("wb") as file:
        file.truncate(size)  # takes no disk
    told: list[tuple[int, int]] = []
    taken: list[int] = []

    def answer(_: httpx.Request, count: int) -> httpx.Response:
        taken.append(count)
        return httpx.Response(202, json=JOB)

    client = connect(transport=Wire(answer))
    tracemalloc.start()
    try:
        client.submit(path, on_progress=lambda *figures: told.append(figures))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken == [size]
    assert told[-1] == (size, size)
    assert told == sorted(told)
    assert peak < 16 << 20


def test_a_folder_is_sent_as_the_same_zip_each_time_and_names_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    (folder / "DOE^JANE").mkdir(parents=True)
    (folder / "DOE^JANE" / "2.dcm").write_bytes(b"second" * 1000)
    (folder / "1.dcm").write_bytes(b"first")
    (folder / ".hidden").write_bytes(b"x")
    (folder / "link").symlink_to("/etc/hosts")
    told: list[bytes] = []
    for _ in range(2):
        with uploading(folder, None) as upload:
            told.append(b"".join(upload.blocks()))
            assert upload.size == len(told[-1])
        assert upload.file.closed
        (folder / "1.dcm").touch()
    assert told[0] == told[1]
    assert b"JANE" not in told[0]
    with zipfile.ZipFile(BytesIO(told[0])) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"first", b"second" * 1000]


def answered(body: bytes, *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = ["HTTP/1.1 200 OK", "Connection: close", f"Content-Length: {size}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_a_label_map_that_breaks_off_is_fetched_again(
    broken: Callable[..., str], connect: Connect, ct: Path, tmp_path: Path
) -> None:
    figures = [f"{name}: {value}" for name, value in FIGURES.items()]
    half = answered(b"a much longer half of", *figures, length=100_000)
    url = broken(half, answered(b""), answered(b"whole", *figures))  # between: what is wrong?
    out = tmp_path / "new" / "out"
    labelled = connect(url).label(ct, out)
    assert out.read_bytes() == b"whole"
    assert (labelled.involvement_percent, labelled.opacity_percent) == (12.5, 3.25)


def test_a_download_that_always_breaks_off_leaves_nothing(
    broken: Callable[..., str], connect: Connect, tmp_path: Path
) -> None:
    files = json.dumps({"files": [{"name": "a", "bytes": 1}, {"name": "b", "bytes": 9}]}).encode()
    half = answered(b"half", length=9)
    url = broken(answered(files), answered(b"a"), half, half)
    with pytest.raises(ConnectionFailedError):
        connect(url, retries=1).download("a" * 32, tmp_path / "case")
    assert not (tmp_path / "case").exists()
    with pytest.raises(ServiceError, match="in part"):  # or was cut by something between
        connect(broken(answered(files), answered(b""))).download("a" * 32, tmp_path / "case")
    assert not (tmp_path / "case").exists()


@pytest.mark.parametrize("name", ["../climbed", "/tmp/climbed", "a\\b", "..", "", "C:x"])  # noqa: S108
def test_a_file_name_that_is_a_path_is_refused(connect: Connect, tmp_path: Path, name: str) -> None:
    wire = Wire(lambda *_: httpx.Response(200, json={"files": [{"name": name, "bytes": 1}]}))
    with pytest.raises(ServiceError, match="no name"):
        connect(transport=wire).download("a" * 32, tmp_path / "case")
    assert len(wire.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_events_a_job_is_asked_for(connect: Connect) -> None:
    states = [JOB, {**JOB, "state": "running"}, {**JOB, "state": "running"}, DONE]
    seen: list[str] = []

    def answer(request: httpx.Request, _: int) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(501, text="no")
        return httpx.Response(200, json=states.pop(0))

    wire = Wire(answer)
    job = connect(transport=wire).wait(JOB["id"], on_change=lambda job: seen.append(job.state))
    assert job.result == {"of": "x"}
    assert seen == ["queued", "running", "succeeded"]
    assert len([one for one in wire.requests if one.url.path.endswith("/events")]) == 1


def test_events_that_break_off_are_listened_to_again(connect: Connect) -> None:
    def event(job: dict[str, object]) -> str:
        return f": ping\n\nevent: job\nid: 1\ndata: {json.dumps(job)}\n\n"

    wire = in_turn(
        httpx.Response(200, text=event(JOB)),
        httpx.ReadError("reset"),  # the service is stopped
        httpx.Response(502, text="<html>"),
        httpx.Response(200, json=JOB),
        httpx.Response(200, text=event({**JOB, "state": "running"}) + event(DONE) + "data: no\n\n"),
    )
    seen: list[str] = []
    job = connect(transport=wire).wait(JOB["id"], on_change=lambda job: seen.append(job.state))
    assert job.state == "succeeded"
    assert seen == ["queued", "running", "succeeded"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, {"text": "<html>welcome</html>"}),
        (200, {"json": [1]}),
        (200, {"json": {"jobs": [{"name": "x"}]}}),
        (404, {"text": "<html>nothing</html>"}),
        (301, {"headers": {"Location": "https://elsewhere.test/"}}),
    ],
    ids=["html", "list", "other", "404", "301"],
)
def test_an_answer_of_something_else_is_told_as_that(
    connect: Connect, status: int, said: dict[str, Any]
) -> None:
    wire = Wire(lambda *_: httpx.Response(status, **said))
    with pytest.raises(ServiceError, match="check the address"):
        connect(transport=wire).jobs()
    assert len(wire.requests) == 1  # and the token goes nowhere else


def test_a_newer_or_older_service_is_understood(connect: Connect) -> None:
    new = {**JOB, "state": "paused", "colour": "red", "created_at": "2026-11-21T12:41:54.1Z"}
    wire = in_turn(httpx.Response(200, json=new), httpx.Response(200, json=JOB))
    client = connect(transport=wire)
    job = client.job(JOB["id"])
    assert (job.state, job.ended, job.document["colour"]) == ("paused", False, "red")
    assert job.created_at is not None
    assert job.created_at.year == 2026
    older = client.job(JOB["id"])
    assert (older.kind, older.created_at, older.progress) == (None, None, 0)
    assert len({job, older}) == 2


def test_a_refit_says_only_what_is_given(connect: Connect, tmp_path: Path) -> None:
    wire = Wire(lambda *_: httpx.Response(202, json={**JOB, "kind": "refit"}))
    path = tmp_path / "histogram.json"
    path.write_text('{"counts": [1]}')
    client = connect(transport=wire)
    job = client.fit_model(
        "ours", jobs=["b" * 32, Job.read(JOB)], histograms=[path, {"counts": [2]}], prior="none"
    )
    assert job.kind == "refit"
    (request,) = wire.requests
    assert (request.method, request.url.path) == ("POST", "/v1/models")
    assert json.loads(request.read()) == {
        "name": "ours",
        "jobs": ["b" * 32, JOB["id"]],
        "histograms": [{"counts": [1]}, {"counts": [2]}],
        "prior": "none",
    }


def test_a_token_is_sent_and_never_shown(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = {"type": "urn:gmmlabel:problem:no-token", "status": 401, "detail": "a token\x1b[2J"}
    wire = Wire(lambda *_: httpx.Response(401, json=problem))
    monkeypatch.setenv("GMMLABEL_TOKEN", "from-environment\n")
    for options, token in (({}, "from-environment"), ({"token": "given"}, "given")):
        with pytest.raises(ServiceError, match="GMMLABEL_TOKEN") as caught:
            connect(transport=wire, **options).models()
        assert wire.requests[-1].headers["Authorization"] == f"Bearer {token}"
        assert token not in str(caught.value)
        assert str(caught.value).isprintable()
    with pytest.raises(ClientError) as refused:
        connect(token="two words")  # noqa: S106
    assert "two words" not in str(refused.value)
    monkeypatch.delenv("GMMLABEL_TOKEN")
    with pytest.raises(ServiceError):
        connect(transport=wire).models()
    assert "Authorization" not in wire.requests[-1].headers


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "http://a:b", "x"])
def test_an_address_that_is_none_is_refused_at_once(connect: Connect, url: str) -> None:
    with pytest.raises(ClientError, match="is no address"):
        connect(url)


def test_a_service_below_a_path_is_reached(connect: Connect) -> None:
    wire = Wire(lambda *_: httpx.Response(200, json={"jobs": []}))
    assert connect("https://host.test/ct/", transport=wire).jobs(state="failed") == []
    assert str(wire.requests[0].url) == "https://host.test/ct/v1/jobs?state=failed"


def test_the_formats_that_a_file_name_can_ask_for_are_those_that_are_written() -> None:
    assert set(FORMATS) == set(WRITTEN)
