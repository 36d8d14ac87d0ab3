"""The log says what happened and who did it, and nothing of a patient."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from service.conftest import Server
from service.test_runner import settled, upload

from gmmlabel.api.logs import JsonLines, TextLines

Serve = Callable[..., Server]
GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")


class Lines(logging.Handler):
    """What the log would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.said: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(json.loads(self.format(record)))

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in self.said if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, ours = Lines(), logging.getLogger("gmmlabel")
    level = ours.level
    ours.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    ours.setLevel(level)


def record_of(error: BaseException, message: str = "failed") -> logging.LogRecord:
    try:
        raise error
    except type(error) as raised:
        info = type(raised), raised, raised.__traceback__
    return logging.LogRecord("x", logging.ERROR, __file__, 1, message, (), info)


def audited(lines: Lines, number: int) -> list[dict[str, Any]]:
    assert settled(lambda: len(lines.of("gmmlabel.audit")) >= number)
    found = lines.of("gmmlabel.audit")
    assert len(found) == number
    return found


def test_each_request_to_the_api_leaves_one_line_that_says_who_did_what(
    serve: Serve, lines: Lines
) -> None:
    server = serve(access="tokens", proxies="127.0.0.1")
    headers = {
        "Authorization": f"Bearer {server.service.tokens.create('pacs')}",
        "X-Request-ID": "from-the-client_1.0",
        "X-Forwarded-For": "10.9.8.7",
    }
    answer = server.client.post("/v1/jobs", content=upload("good"), headers=headers)
    assert answer.headers["x-request-id"] == "from-the-client_1.0"
    job = answer.json()["id"]
    assert server.client.get("/healthz").status_code == 200
    assert server.client.get(f"/v1/jobs/{job}/files?a=b", headers=headers).status_code == 200
    assert server.client.delete("/v1/jobs/PATIENT").status_code == 401
    made, files, refused = audited(lines, 3)
    assert datetime.fromisoformat(made.pop("time")).utcoffset() == datetime.now(UTC).utcoffset()
    assert made.pop("seconds") >= 0
    assert made == {
        "level": "info", "logger": "gmmlabel.audit", "message": "request",
        "request": "from-the-client_1.0", "client": "pacs", "address": "10.9.8.7",
        "method": "POST", "route": "/v1/jobs", "job": job, "status": 202,
        "received": len(upload("good")), "sent": len(answer.content),
    }  # fmt: skip
    assert (files["route"], files["job"]) == ("/v1/jobs/{job_id}/files", job)
    assert (refused["client"], refused["route"], refused["status"]) == ("-", "-", 401)
    assert refused["address"] == "127.0.0.1"


def test_only_proxies_that_are_known_tell_whom_they_serve(serve: Serve, lines: Lines) -> None:
    server = serve()
    server.client.get("/v1/jobs", headers={"X-Forwarded-For": "10.9.8.7"})
    assert audited(lines, 1)[0]["address"] == "127.0.0.1"


def test_an_id_that_a_log_cannot_hold_is_replaced(serve: Serve) -> None:
    client = serve().client
    for given in ("", "a b", "x" * 65, 'a"b', "a\tb", "M\xfcller"):
        headers = {"X-Request-ID": given.encode("latin-1")}
        told = client.get("/healthz", headers=headers).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", told), given


def test_nothing_that_a_client_sends_is_logged(serve: Serve, lines: Lines) -> None:
    server = serve(access="tokens")
    secret = server.service.tokens.create("pacs")
    headers = {"Authorization": f"Bearer {secret}", "User-Agent": "PATIENT", "Cookie": "PATIENT=1"}
    client = server.client
    client.post("/v1/label?model=PATIENT", content=upload("good"), headers=headers)
    client.post(
        "/v1/label",
        files={"file": ("PATIENT.nrrd", upload("crash", "PATIENT"))},
        headers={**headers, "Idempotency-Key": "PATIENT"},
    )
    client.get(f"/v1/jobs/{'0' * 32}/files/PATIENT?PATIENT=PATIENT", headers=headers)
    client.get("/v1/PATIENT", headers=headers)
    client.request("PATIENT", "/v1/jobs", headers=headers)
    client.get("/v1/jobs", headers={"Authorization": "Bearer PATIENT", "Host": "PATIENT"})
    audited(lines, 6)
    assert any("died" in line["message"] for line in lines.said)
    assert "PATIENT" not in json.dumps(lines.said)
    assert secret not in json.dumps(lines.said)


def test_an_unexpected_error_is_logged_by_its_place_and_not_its_text(
    serve: Serve, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        name = "PATIENT"
        raise ValueError(f"cannot read {name}")

    server = serve()
    monkeypatch.setattr(server.service.store, "find", fails)
    answer = server.client.get("/v1/jobs", headers={"X-Request-ID": "mine"})
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "mine" in answer.json()["detail"]
    (line,) = [line for line in lines.said if line["level"] == "error"]
    assert (line["request"], line["logger"]) == ("mine", "gmmlabel.api.middleware.auditing")
    assert line["errors"][0]["type"] == "ValueError"
    assert re.search(r"test_logs\.py:\d+:fails$", line["errors"][0]["where"][-1])
    assert "PATIENT" not in json.dumps(lines.said) + answer.text
    assert audited(lines, 1)[0]["status"] == 500


def test_an_error_that_led_to_another_is_told_too() -> None:
    try:
        try:
            raise KeyError("PATIENT")
        except KeyError as cause:
            raise RuntimeError("PATIENT") from cause
    except RuntimeError as error:
        group = ExceptionGroup("PATIENT", [error, OSError("PATIENT")])
    record = record_of(group)
    told = [one["type"] for one in json.loads(JsonLines().format(record))["errors"]]
    assert told == ["ExceptionGroup", "RuntimeError", "KeyError", "OSError"]
    for form in (JsonLines(), TextLines()):
        assert "PATIENT" not in form.format(record)


def test_what_went_wrong_on_the_way_is_told_unless_it_was_set_aside() -> None:
    def told(*, aside: bool) -> list[str]:
        try:
            try:
                raise KeyError
            except KeyError:
                if aside:
                    raise TypeError from None
                raise TypeError  # noqa: B904 - that is what is tried
        except TypeError as error:
            errors = json.loads(JsonLines().format(record_of(error)))["errors"]
        return [one["type"] for one in errors]

    assert told(aside=False) == ["TypeError", "KeyError"]
    assert told(aside=True) == ["TypeError"]


def test_errors_that_lead_to_each_other_have_an_end() -> None:
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first
    told = json.loads(JsonLines().format(record_of(first)))["errors"]
    assert [one["type"] for one in told] == ["ValueError", "TypeError"]


def test_an_event_is_one_line_whatever_is_in_it() -> None:
    def record(message: str) -> logging.LogRecord:
        return logging.LogRecord("x", logging.WARNING, __file__, 1, message, (), None)

    forged = 'a\x1b[31m\u202e"}{\nfuture: <Task exception=ValueError(PATIENT)>'
    assert json.loads(JsonLines().format(record(forged)))["message"] == 'a\x1b[31m\u202e"}{'
    (line,) = TextLines().format(record(forged)).splitlines()
    assert line.endswith('warning: a\\x1b[31m\\u202e"}{')


def test_the_process_says_where_it_is_what_was_asked_and_that_it_ends(tmp_path: Path) -> None:
    begun = [GMMLABEL, "serve", "--port", "0", "--data", str(tmp_path / "data")]
    log = tmp_path / "log"
    with log.open("wb") as errors, subprocess.Popen(begun, stderr=errors) as process:
        found = settled(lambda: re.search(r"running on (http://[^ ]+)", log.read_text()))
        httpx.get(f"{found[1]}/v1/jobs")
        process.terminate()
        process.wait(60)
    said = [json.loads(line) for line in log.read_text().splitlines()]
    first, *_ = messages = [line["message"] for line in said]
    assert [message.split()[0] for message in messages] == [
        "running", "gmmlabel", "request", "stopping", "stopped"
    ]  # fmt: skip
    assert re.search(r"on http://127\.0\.0\.1:\d+ .*Ctrl-C stops it", first)
    assert str(tmp_path / "data") in first


def test_a_terminal_is_told_in_words_unless_json_is_wanted() -> None:
    for form, line in (("auto", r"\{.*\}"), ("text", r"\d\d:\d\d:\d\d hello")):
        code = (
            "import logging; from gmmlabel.api.logs import configure; "
            f"configure({form!r}); logging.getLogger('gmmlabel').info('hello')"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert re.fullmatch(line, done.stderr.strip())
        ours, theirs = pty.openpty()
        subprocess.run(command, stderr=theirs, check=True)
        shown = os.read(ours, 1 << 12).decode()
        os.close(ours)
        os.close(theirs)
        assert re.fullmatch(r"\d\d:\d\d:\d\d hello\s+", shown)


def test_an_address_that_is_taken_is_one_line(serve: Serve, tmp_path: Path) -> None:
    done = subprocess.run(
        [GMMLABEL, "serve", "--port", str(serve().port), "--data", str(tmp_path / "other")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "--port" in done.stderr


def test_what_ends_a_thread_is_logged_without_its_text() -> None:
    code = (
        "import threading; from gmmlabel.api.logs import configure; configure('json');"
        "thread = threading.Thread(target=lambda: int('PATIENT')); thread.start(); thread.join()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr)["errors"][0]["type"] == "ValueError"
    assert "PATIENT" not in done.stderr
