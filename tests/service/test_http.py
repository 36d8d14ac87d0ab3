"""The routes, over a real socket; the workers only pretend to label."""

import json
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from service.conftest import Server
from service.test_runner import settled, upload

Serve = Callable[..., Server]
PROBLEM = "application/problem+json"


def is_problem(answer: httpx.Response, status: int, word: str) -> bool:
    assert answer.headers["content-type"] == PROBLEM, answer.text
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail"}
    assert answer.status_code == told["status"] == status, told
    return bool(told["type"].endswith(f":{word}"))


def post(server: Server, what: str, text: str = "", **params: object) -> dict[str, object]:
    answer = server.client.post("/v1/jobs", content=upload(what, text), params=params)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def ended(server: Server, job: dict[str, object]) -> dict[str, object]:
    ends = {"succeeded", "failed", "cancelled"}
    path = f"/v1/jobs/{job['id']}"
    assert settled(lambda: server.client.get(path).json()["state"] in ends)
    return dict(server.client.get(path).json())


def test_a_volume_is_answered_with_its_label_map(serve: Serve) -> None:
    server = serve()
    answer = server.client.post("/v1/label", content=upload("good"))
    assert answer.status_code == 200
    assert answer.content == upload("good")[::-1]
    assert answer.headers["gmmlabel-involvement-percent"] == "12.34567"
    assert answer.headers["gmmlabel-involvement-score"] == "2"
    assert "gmmlabel-opacity-percent" not in answer.headers
    job = server.client.get(f"/v1/jobs/{answer.headers['gmmlabel-job']}").json()
    assert (job["state"], job["progress"], job["method"]) == ("succeeded", 1.0, "default")
    assert job["result"]["of"] == upload("good").decode()
    assert is_problem(
        server.client.post("/v1/label?map=opacity", content=upload("good")), 404, "no-such-file"
    )


def test_a_form_gives_the_same_as_the_bytes_themselves(serve: Serve) -> None:
    server = serve()
    raw = server.client.post("/v1/label", content=upload("good"))
    form = server.client.post(
        "/v1/label",
        files={"file": ("../../../etc/NAME^PATIENT.nrrd", upload("good"))},
        data={"other": "field"},
    )
    assert form.content == raw.content
    assert form.headers["gmmlabel-job"] == raw.headers["gmmlabel-job"]
    assert not any("PATIENT" in name for name in server.files)


@pytest.mark.parametrize(
    ("body", "boundary"),
    [
        (b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nNRRD0004\r\n--x--\r\n', "x"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nNRRD0004 good', "x"),
        (b"NRRD0004 good", "x"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nNRRD0004\r\n' * 2, "x"),
        (b"--x\r\nbad header\r\n\r\n", "x"),
        (b"NRRD0004 good", ""),
    ],
    ids=["no file", "no end", "no form", "two files", "bad header", "no boundary"],
)
def test_a_form_without_one_whole_file_is_refused(serve: Serve, body: bytes, boundary: str) -> None:
    server = serve()
    kind = "multipart/form-data" + (f"; boundary={boundary}" if boundary else "")
    answer = server.client.post("/v1/jobs", content=body, headers={"Content-Type": kind})
    assert is_problem(answer, 400, "bad-request")
    assert server.files == []


def test_a_wait_that_passes_leads_to_the_job_and_loses_nothing(serve: Serve) -> None:
    server = serve()
    answer = server.client.post("/v1/label?wait=0.2", content=upload("slow"))
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/v1/jobs/{answer.headers['gmmlabel-job']}"
    job = ended(server, answer.json())
    assert job["state"] == "succeeded"
    again = server.client.post("/v1/label", content=upload("slow"))
    assert again.headers["gmmlabel-job"] == job["id"]


def test_what_a_worker_refuses_is_the_answer_and_is_kept(serve: Serve) -> None:
    server = serve()
    answer = server.client.post("/v1/label", content=upload("refuse"))
    assert (answer.status_code, answer.json()["detail"]) == (422, "no")
    job = server.client.get(f"/v1/jobs/{answer.headers['gmmlabel-job']}").json()
    assert (job["state"], job["problem"]["status"]) == ("failed", 422)
    assert is_problem(server.client.post("/v1/label", content=upload("crash")), 500, "worker-died")
    assert settled(lambda: server.files == [])


def test_the_same_volume_model_and_method_are_one_job(serve: Serve) -> None:
    server = serve()
    first = post(server, "good")
    assert post(server, "good")["id"] == first["id"]
    assert post(server, "good", format="mha")["id"] != first["id"]
    assert post(server, "good", method="published")["id"] != first["id"]
    for job in server.client.get("/v1/jobs").json()["jobs"]:
        ended(server, job)
    assert len(server.files) == 3 * 5  # nothing of the upload that was sent again


def test_an_idempotency_key_is_one_request(serve: Serve) -> None:
    server = serve()
    key = {"Idempotency-Key": "abc"}
    first = server.client.post("/v1/jobs", content=upload("refuse"), headers=key).json()
    assert ended(server, first)["state"] == "failed"
    again = server.client.post("/v1/jobs", content=upload("refuse"), headers=key).json()
    assert again["id"] == first["id"]
    assert post(server, "refuse")["id"] != first["id"]
    other = server.client.post("/v1/jobs", content=upload("good"), headers=key)
    assert is_problem(other, 422, "key-reused")


def test_jobs_tell_their_location_are_listed_and_found(serve: Serve) -> None:
    server = serve()
    answer = server.client.post("/v1/jobs", content=upload("good"))
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    done = ended(server, job)
    assert done["created_at"] <= done["started_at"] <= done["ended_at"]
    listed = server.client.get("/v1/jobs?state=succeeded").json()["jobs"]
    assert [one["id"] for one in listed] == [job["id"]]
    assert listed[0]["result"] is None
    assert server.client.get("/v1/jobs?state=failed").json() == {"jobs": []}
    for path in ("f" * 32, f"{job['id']}/files/nothing", f"{job['id']}/files/..%2fattempts"):
        assert server.client.get(f"/v1/jobs/{path}").status_code == 404
    assert is_problem(server.client.get("/v1/jobs/passwd"), 422, "invalid-parameter")


def test_files_are_those_of_the_case_and_a_report_can_do_no_harm(serve: Serve) -> None:
    server = serve()
    job = ended(server, post(server, "good"))
    files = server.client.get(f"/v1/jobs/{job['id']}/files").json()["files"]
    assert [one["name"] for one in files] == ["labels.nrrd", "report.html", "result.json"]
    for one in files:
        answer = server.client.get(one["path"])
        assert len(answer.content) == one["bytes"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    report = server.client.get(files[1]["path"])
    assert report.headers["content-type"].startswith("text/html")
    assert "sandbox" in report.headers["content-security-policy"]
    part = server.client.get(files[0]["path"], headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, upload("good")[::-1][1:4])


def events(server: Server, job: dict[str, object]) -> Iterator[dict[str, object]]:
    with server.client.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def test_events_tell_each_state_until_the_job_has_ended(serve: Serve) -> None:
    server = serve()
    told = [(one["state"], one["stage"]) for one in events(server, post(server, "slow"))]
    assert ("running", "label") in told
    assert told[-1] == ("succeeded", "label")
    assert server.client.get(f"/v1/jobs/{'f' * 32}/events").status_code == 404


def test_delete_cancels_a_job_and_then_removes_it(serve: Serve) -> None:
    server = serve()
    job = post(server, "hang")
    told = events(server, job)
    while next(told)["state"] != "running":
        pass
    answer = server.client.delete(f"/v1/jobs/{job['id']}")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert list(told)[-1]["state"] == "cancelled"
    assert settled(lambda: server.files == [])
    assert server.client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert is_problem(server.client.get(f"/v1/jobs/{job['id']}"), 404, "no-such-job")
    done = ended(server, post(server, "good"))
    assert server.client.delete(f"/v1/jobs/{done['id']}").status_code == 204
    assert server.files == []


def test_a_job_that_ended_is_not_lost_to_a_request_to_cancel_it(serve: Serve) -> None:
    server = serve()
    done = ended(server, post(server, "good"))
    answer = server.client.delete(f"/v1/jobs/{done['id']}", params={"cancel": True})
    assert (answer.status_code, answer.json()) == (200, done)
    assert server.client.get(f"/v1/jobs/{done['id']}/files").json()["files"]


def test_a_full_queue_says_when_to_come_again(serve: Serve) -> None:
    server = serve(workers=1, queue_limit=2)
    for number in range(3):
        post(server, "hang", f"text {number}")
        if not number:
            assert settled((server.service.settings.data / "attempts").exists)
    answer = server.client.post("/v1/jobs", content=upload("good"))
    assert is_problem(answer, 429, "queue-full")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("how", ["stated", "chunked", "form"])
def test_what_is_too_large_is_refused_and_leaves_nothing(serve: Serve, how: str) -> None:
    server = serve(upload_limit=3 << 20)
    block = b"NRRD" + b"0" * (1 << 20)
    body = {
        "stated": {"content": block * 4},
        "chunked": {"content": (block for _ in range(4))},
        "form": {"files": {"file": block * 4}},
    }
    assert is_problem(server.client.post("/v1/jobs", **body[how]), 413, "upload-too-large")
    assert settled(lambda: server.files == [])


def test_a_disk_that_is_nearly_full_takes_no_upload(serve: Serve) -> None:
    server = serve(disk_floor=1 << 60)
    assert is_problem(server.client.post("/v1/jobs", content=upload("good")), 507, "disk-full")
    assert is_problem(server.client.get("/readyz"), 503, "not-ready")
    assert server.client.get("/healthz").json() == {"status": "ok"}
    assert server.files == []


def sent(server: Server, head: str, body: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(
        f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + body
    )
    return connection


@pytest.mark.parametrize("head", ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
def test_an_upload_that_breaks_off_leaves_nothing(serve: Serve, head: str) -> None:
    server = serve()
    body = b"NRRD0004" + b"0" * 2_000_000
    connection = sent(server, head, body if "Length" in head else b"3d0900\r\n" + body)
    assert settled(lambda: any(name.endswith("upload") for name in server.files))
    connection.close()
    assert settled(lambda: server.files == [])
    assert server.client.get("/v1/jobs").json() == {"jobs": []}


def test_a_sender_that_is_silent_is_not_waited_for(serve: Serve) -> None:
    server = serve(upload_pause=0.3)
    with sent(server, "Content-Length: 5000000", b"NRRD0004") as connection:
        answer = connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 408")
    assert settled(lambda: server.files == [])


@pytest.mark.parametrize("content", [b"", b"hello", b"\x7fELF", b"NRR"])
def test_what_is_no_volume_is_refused_before_it_is_a_job(serve: Serve, content: bytes) -> None:
    server = serve()
    answer = server.client.post("/v1/label", content=content)
    if content:
        assert is_problem(answer, 415, "unknown-format")
    else:
        assert is_problem(answer, 400, "bad-request")
    assert server.files == []


@pytest.mark.parametrize(
    "query", ["model=/etc/passwd", "model=../x", "method=x", "format=x", "map=x", "wait=-1"]
)
def test_values_that_cannot_be_are_refused_without_reading_them_as_paths(
    serve: Serve, query: str
) -> None:
    answer = serve().client.post(f"/v1/label?{query}", content=upload("good"))
    assert is_problem(answer, 422, "invalid-parameter")


def test_every_error_is_a_problem(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    assert server.client.get("/nothing").headers["content-type"] == PROBLEM
    assert server.client.put("/v1/jobs").headers["content-type"] == PROBLEM
    monkeypatch.setattr(server.service.store, "find", lambda *_: 1 / 0)
    answer = server.client.get("/v1/jobs")
    assert is_problem(answer, 500, "internal")
    assert "division" not in answer.text


def test_models_are_those_at_hand(serve: Serve) -> None:
    client = serve().client
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["boundaries_hu"]) == ("zaffino2021", [-893, -721, -472, -235])
    assert client.get("/v1/models/zaffino2021").json() == model
    assert is_problem(client.get("/v1/models/nothing"), 404, "no-such-model")


def test_a_second_server_goes_on_with_what_the_first_left(serve: Serve) -> None:
    first = serve(workers=1)
    job = post(first, "slow")
    time.sleep(0.2)
    first.service.runner.stop()
    assert first.service.store.look(str(job["id"])).state == "queued"
    second = serve(workers=1)
    assert ended(second, job)["state"] == "succeeded"
