"""What the service tells of itself, to Prometheus and to whatever asks whether it is ready."""

import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from service.conftest import Server
from service.test_runner import settled, upload
from sqlalchemy.exc import OperationalError

from gmmlabel.api.jobs import Job, LabelWanted, State
from gmmlabel.api.metrics import Metrics
from gmmlabel.api.working import runner

Serve = Callable[..., Server]
Figures = dict[tuple[str, ...], float]


def figures(server: Server) -> Figures:
    """Each value by its name and the values of its labels, in the order of their names."""
    answer = server.client.get("/metrics")
    assert answer.status_code == 200
    return parsed(answer.text)


def parsed(text: str) -> Figures:
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def post(server: Server, what: str, text: str = "") -> str:
    answer = server.client.post("/v1/jobs", content=upload(what, text))
    assert answer.status_code == 202
    return str(answer.json()["id"])


def ended(server: Server, job_id: str) -> None:
    def is_so() -> bool:
        job = server.service.store.look(job_id)
        return job is not None and job.state.ended

    assert settled(is_so)


def test_figures_are_those_of_what_was_done(serve: Serve) -> None:
    server = serve(workers=2, attempts=2)
    before = figures(server)
    assert before["gmmlabel_jobs", "queued"] == 0
    assert before["gmmlabel_jobs_ended_total", "label", "succeeded"] == 0
    whats = ["good", "slow", "refuse", "crash", "crash-once"]
    jobs = [post(server, what) for what in whats]
    for job_id in jobs:
        ended(server, job_id)
    assert settled(lambda: server.service.runner.busy == 0)
    told = figures(server)
    states = {"queued": 0, "running": 0, "succeeded": 3, "failed": 2, "cancelled": 0}
    assert {state: told["gmmlabel_jobs", state] for state in states} == states
    assert told["gmmlabel_jobs_ended_total", "label", "succeeded"] == 3
    assert told["gmmlabel_jobs_ended_total", "label", "failed"] == 2
    assert told["gmmlabel_job_failures_total", "worker-died"] == 1
    assert told["gmmlabel_job_failures_total", "other"] == 1  # its type is none of ours
    assert told[("gmmlabel_worker_crashes_total",)] == 3
    assert told["gmmlabel_job_wait_seconds_count", "label"] == 5
    assert 0 < told["gmmlabel_job_wait_seconds_sum", "label"] < 100
    sent = sum(len(upload(what)) for what in whats)
    assert told["gmmlabel_http_received_bytes_total", "/v1/jobs"] == sent
    assert told["gmmlabel_http_requests_total", "POST", "/v1/jobs", "202"] == 5
    assert told["gmmlabel_http_requests_total", "GET", "/metrics", "200"] == 1
    assert told["gmmlabel_http_request_seconds_count", "/v1/jobs"] == 5
    assert told["gmmlabel_http_request_seconds_sum", "/v1/jobs"] > 0
    assert told[("gmmlabel_workers",)] == 2
    assert told[("gmmlabel_workers_busy",)] == 0
    free = shutil.disk_usage(server.service.settings.data).free
    assert told[("gmmlabel_disk_free_bytes",)] == pytest.approx(free, rel=0.2)
    assert {told["gmmlabel_ready", part] for part in ("store", "disk", "workers")} == {1}
    assert told[("process_resident_memory_bytes",)] > 1e6


def test_what_goes_on_shows_while_it_does(serve: Serve) -> None:
    server = serve(workers=1)
    jobs = [post(server, "hang", text) for text in "ab"]
    assert settled(lambda: server.service.runner.busy == 1)
    told = figures(server)
    assert told["gmmlabel_jobs", "running"] == 1
    assert told["gmmlabel_jobs", "queued"] == 1
    assert told[("gmmlabel_workers_busy",)] == 1
    for job_id in jobs:
        server.client.delete(f"/v1/jobs/{job_id}")


def test_nothing_that_a_client_sends_makes_a_series_or_is_told(serve: Serve) -> None:
    server = serve()
    for number in range(20):
        server.client.get(f"/patient-{number}")
        server.client.get(f"/v1/jobs/{number:032x}")
        server.client.request(f"M{number}", "/v1/jobs")
    answer = server.client.get("/metrics").text
    assert "patient" not in answer
    assert not re.search("[0-9a-f]{32}", answer)
    assert not re.search(r"\bM\d", answer)
    told = parsed(answer)
    assert told["gmmlabel_http_requests_total", "GET", "other", "404"] == 20
    assert told["gmmlabel_http_requests_total", "GET", "/v1/jobs/{job_id}", "404"] == 20
    routes = {key[2] for key in told if key[0] == "gmmlabel_http_requests_total"}
    assert len(routes) <= 3


def done(seconds: object) -> Job:
    wanted = LabelWanted("0" * 64, ".nrrd", "m", "0" * 64, "default", "nrrd")
    job = Job("0" * 32, "", wanted, State.SUCCEEDED, None, 1, 3, 100.0, 107.0, 120.0, 1)
    return replace(job, result={"seconds": seconds})


def test_stages_are_counted_as_the_result_has_them_if_they_are_ours() -> None:
    metrics = Metrics("1")
    metrics.began(done({}))
    metrics.began(replace(done({}), attempt=2))
    metrics.ended(done({"lungs": 3.5, "total": 7, "patient": 1, "read": "x", "label": -1}))
    metrics.ended(done({"lungs": 0.5, "write": float("nan"), "smooth": float("inf")}))
    metrics.ended(done("nonsense"))
    value = metrics.registry.get_sample_value
    labels = {"kind": "label", "stage": "lungs"}
    assert value("gmmlabel_stage_seconds_sum", labels) == 4.0
    assert value("gmmlabel_stage_seconds_bucket", {**labels, "le": "0.5"}) == 1
    assert value("gmmlabel_stage_seconds_count", {**labels, "stage": "total"}) == 1
    for stage in ("patient", "read", "label", "write", "smooth"):
        assert value("gmmlabel_stage_seconds_count", {**labels, "stage": stage}) is None
    assert value("gmmlabel_job_wait_seconds_sum", {"kind": "label"}) == 7
    assert value("gmmlabel_jobs_ended_total", {"kind": "label", "state": "succeeded"}) == 3


def test_each_application_has_its_own_figures_in_the_form_that_is_asked_for(serve: Serve) -> None:
    one, two = serve(), serve()
    one.client.get("/healthz")
    assert figures(one)["gmmlabel_http_requests_total", "GET", "/healthz", "200"] == 1
    assert ("gmmlabel_http_requests_total", "GET", "/healthz", "200") not in figures(two)
    for accept in ("application/openmetrics-text", "application/openmetrics-text; version=x"):
        answer = two.client.get("/metrics", headers={"Accept": accept})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert "gmmlabel_jobs" in {family.name for family in open_metrics(answer.text)}


def not_well(server: Server) -> str:
    """What is not well; empty if all is."""
    answer = server.client.get("/readyz")
    if answer.status_code == 200:
        return ""
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:gmmlabel:problem:not-ready"
    return str(answer.json()["detail"]).removeprefix("not well: ")


def test_a_store_that_does_not_answer_is_not_ready(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    assert settled(lambda: not not_well(server))

    def fail(_: State) -> int:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(server.service.store, "count", fail)
    assert not_well(server) == "store"
    told = figures(server)
    assert told["gmmlabel_ready", "store"] == 0
    assert ("gmmlabel_jobs", "queued") not in told


def test_workers_that_cannot_start_are_not_ready_until_they_can(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    assert settled(lambda: not not_well(server))
    context = server.service.runner._workers._context

    def fail(*_: object, **__: object) -> None:
        raise BlockingIOError("no process is left")

    monkeypatch.setattr(context, "Process", fail)
    job_id = post(server, "good")
    assert settled(lambda: not_well(server) == "workers")
    assert figures(server)["gmmlabel_ready", "workers"] == 0
    monkeypatch.undo()
    ended(server, job_id)
    assert settled(lambda: not not_well(server))


def test_a_supervisor_that_is_stuck_or_has_ended_is_not_ready(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    assert settled(lambda: not not_well(server))
    monkeypatch.setattr(runner, "_STUCK", 2.0)
    goes_on = threading.Event()
    monkeypatch.setattr(server.service.runner, "_step", goes_on.wait)
    assert settled(lambda: not_well(server) == "workers")
    monkeypatch.undo()
    goes_on.set()
    assert settled(lambda: not not_well(server))
    server.service.runner.stop()
    began = time.monotonic()
    assert not_well(server) == "workers"
    assert time.monotonic() - began < 5  # and not when its last step is old
