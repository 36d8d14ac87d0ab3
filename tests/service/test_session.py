"""A browser signs in: its cookie stands for the token, and is of no use to pages of others."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import httpx
import pytest
from service.conftest import Server
from service.test_access import bearer
from service.test_access import ended as ended_job
from service.test_guarding import FOREIGN
from service.test_http import events, is_problem
from service.test_logs import Lines, audited, lines  # noqa: F401 - a fixture
from service.test_runner import upload

from gmmlabel.api.routes import jobs
from gmmlabel.api.storage.database import Database
from gmmlabel.api.storage.sessions import Sessions
from gmmlabel.api.storage.tokens import Tokens

Serve = Callable[..., Server]
SESSION = "/v1/session"
HOURS = 3600.0


@pytest.fixture
def guarded(serve: Serve) -> Server:
    return serve(access="tokens", proxies="127.0.0.1")


@contextmanager
def signed_in(server: Server, name: str) -> Iterator[httpx.Client]:
    """Be a browser: what it has of its token is a cookie."""
    with httpx.Client(base_url=server.client.base_url, timeout=30) as browser:
        secret = server.service.tokens.create(name)
        assert browser.post(SESSION, headers=bearer(secret)).status_code == 204
        yield browser


def cookie_of(answer: httpx.Response) -> Morsel[str]:
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return cookie


def made(browser: httpx.Client, what: str = "good") -> str:
    return str(browser.post("/v1/jobs", content=upload(what)).json()["id"])


def test_with_the_cookie_a_browser_can_do_all_that_the_token_can(guarded: Server) -> None:
    with signed_in(guarded, "one") as browser:
        assert browser.get(SESSION).json() == {"name": "one", "tokens_needed": True}
        job_id = made(browser)
        ended_job(browser, job_id)
        assert events(Server(0, browser, guarded.service), {"id": job_id})
        file = browser.get(f"/v1/jobs/{job_id}/files/labels.nrrd")
        assert file.content == upload("good")[::-1]
        assert browser.delete(f"/v1/jobs/{job_id}").status_code == 204


def test_no_script_and_no_other_site_gets_the_cookie_and_it_ends_with_the_browser(
    guarded: Server,
) -> None:
    headers = bearer(guarded.service.tokens.create("one"))
    for proto, name, secure in (("http", "gmmlabel", ""), ("https", "__Host-gmmlabel", True)):
        told = {**headers, "X-Forwarded-Proto": proto}
        for method in ("POST", "DELETE"):
            cookie = cookie_of(guarded.client.request(method, SESSION, headers=told))
            assert (cookie.key, cookie["secure"]) == (name, secure)
            assert (cookie["httponly"], cookie["samesite"]) == (True, "strict")
            assert (cookie["path"], cookie["domain"]) == ("/", "")
            assert cookie["max-age"] == ("" if method == "POST" else "0")
            assert bool(cookie["expires"]) == (method == "DELETE")


def test_by_https_only_the_cookie_counts_that_no_other_host_can_have_set(guarded: Server) -> None:
    https = {"X-Forwarded-Proto": "https"}
    with signed_in(guarded, "one") as browser:
        session = browser.cookies["gmmlabel"]
        assert browser.get(SESSION).status_code == 200
        assert browser.get(SESSION, headers=https).status_code == 401
    cookie = {"Cookie": f"__Host-gmmlabel={session}"}
    assert guarded.client.get(SESSION, headers={**https, **cookie}).status_code == 200
    assert guarded.client.get(SESSION, headers=cookie).status_code == 401


def test_a_proxy_that_is_not_known_does_not_say_that_it_is_https(serve: Serve) -> None:
    server = serve(access="tokens")
    headers = {**bearer(server.service.tokens.create("one")), "X-Forwarded-Proto": "https"}
    assert cookie_of(server.client.post(SESSION, headers=headers)).key == "gmmlabel"


def test_a_page_of_another_site_can_change_nothing_by_the_cookie(guarded: Server) -> None:
    with signed_in(guarded, "one") as browser:
        job_id = made(browser)
        ended_job(browser, job_id)
        for headers in FOREIGN:
            for method, path in (
                ("POST", "/v1/jobs"), ("POST", "/v1/label"), ("POST", "/v1/models"),
                ("DELETE", f"/v1/jobs/{job_id}"), ("DELETE", SESSION),
            ):  # fmt: skip
                content = upload("good", "x")
                answer = browser.request(method, path, content=content, headers=headers)
                assert is_problem(answer, 403, "cross-site"), (method, path, headers)
                assert "set-cookie" not in answer.headers
        assert [job["id"] for job in browser.get("/v1/jobs").json()["jobs"]] == [job_id]
        own = {"Origin": f"http://127.0.0.1:{guarded.port}", "Sec-Fetch-Site": "same-origin"}
        assert browser.delete(f"/v1/jobs/{job_id}", headers=own).status_code == 204


def test_signing_out_forgets_the_cookie(guarded: Server) -> None:
    with signed_in(guarded, "one") as browser:
        assert browser.delete(SESSION).status_code == 204
        assert not browser.cookies
        assert is_problem(browser.get(SESSION), 401, "no-token")


def test_a_session_ends_with_its_token_and_only_with_its_own(guarded: Server) -> None:
    with signed_in(guarded, "one") as one, signed_in(guarded, "other") as other:
        guarded.service.tokens.revoke("one")
        answer = one.get("/v1/jobs")
        assert is_problem(answer, 401, "no-token")
        assert answer.headers["www-authenticate"] == "Bearer"  # for which no browser asks
        assert other.get(SESSION).json()["name"] == "other"


def test_a_token_that_is_sent_counts_more_than_the_cookie(guarded: Server) -> None:
    with signed_in(guarded, "one") as browser:
        sent = bearer(guarded.service.tokens.create("other"))
        assert browser.get(SESSION, headers=sent).json()["name"] == "other"
        assert browser.get(SESSION, headers=bearer("gml_wrong")).status_code == 401
        # A proxy may ask for a password of its own.
        assert browser.get(SESSION, headers={"Authorization": "Basic eDp5"}).status_code == 200
        foreign = {**sent, **FOREIGN[0]}
        assert browser.post("/v1/jobs", content=upload("good"), headers=foreign).status_code == 202


def test_two_who_are_signed_in_do_not_see_each_others_jobs(guarded: Server) -> None:
    with signed_in(guarded, "one") as one, signed_in(guarded, "other") as other:
        job_id = made(one)
        ended_job(one, job_id)
        assert other.get("/v1/jobs").json() == {"jobs": []}
        for below in ("", "/events", "/files", "/files/labels.nrrd"):
            answer = other.get(f"/v1/jobs/{job_id}{below}")
            assert is_problem(answer, 404, "no-such-job"), below
        assert other.delete(f"/v1/jobs/{job_id}").status_code == 404
        assert one.get(f"/v1/jobs/{job_id}").status_code == 200


def test_a_session_is_no_token_and_cannot_prolong_itself(guarded: Server) -> None:
    secret = guarded.service.tokens.create("one")
    session = cookie_of(guarded.client.post(SESSION, headers=bearer(secret))).value
    assert secret.removeprefix("gml_") not in session
    assert guarded.client.get(SESSION, headers=bearer(session)).status_code == 401
    for cookie in (session, secret):
        answer = guarded.client.post(SESSION, headers={"Cookie": f"gmmlabel={cookie}"})
        assert is_problem(answer, 401, "no-token")
        assert "set-cookie" not in answer.headers


def test_a_session_ends_after_a_working_day_also_if_the_browser_keeps_its_cookie(
    tmp_path: Path,
) -> None:
    now = 1.8e9
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    tokens = Tokens(database)
    sessions = Sessions(tmp_path, tokens, lambda: now)
    token = tokens.check(tokens.create("one"))
    assert token is not None
    session = sessions.begin(token)
    names = []
    for later in (0, 11.9, 12.1):
        now = 1.8e9 + later * HOURS
        found = sessions.check(session)
        names.append(found and found.name)
    database.close()
    assert names == ["one", "one", None]


def test_only_what_the_service_signed_is_a_session(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    tokens = Tokens(database)
    sessions = Sessions(tmp_path, tokens)
    one, other = (tokens.check(tokens.create(name)) for name in ("one", "other"))
    assert one is not None
    assert other is not None
    assert sessions.check(f"{one.id}.9999999999.{'0' * 64}") is None  # before there is a key
    session = sessions.begin(one)
    token_id, ends, signature = session.split(".")
    for forged in (
        f"{other.id}.{ends}.{signature}", f"{token_id}.{int(ends) + 1}.{signature}",
        f"{token_id}.{ends}.{'0' * 64}", f"{token_id}.{ends}", f"{session}\n", "", "ü",
    ):  # fmt: skip
        assert sessions.check(forged) is None, forged
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert Sessions(elsewhere, tokens).begin(one)
    assert Sessions(elsewhere, tokens).check(session) is None
    found = Sessions(tmp_path, tokens).check(session)  # another host, the same folder
    assert found is not None
    assert found.id == one.id
    database.close()


def test_without_the_key_all_sessions_have_ended_and_new_ones_begin(guarded: Server) -> None:
    key = guarded.service.settings.data / "session.key"
    with signed_in(guarded, "one") as browser:
        assert key.stat().st_mode & 0o777 == 0o600
        for name, spoil in (("other", key.unlink), ("third", lambda: key.write_bytes(b""))):
            spoil()
            assert browser.get(SESSION).status_code == 401
            with signed_in(guarded, name) as again:
                assert again.get(SESSION).json()["name"] == name
            assert browser.get(SESSION).status_code == 401


def test_where_no_token_is_needed_there_is_nothing_to_sign_in_to(serve: Serve) -> None:
    client = serve().client
    for method in ("POST", "DELETE"):
        assert client.request(method, SESSION).status_code == 204
    assert "set-cookie" not in client.post(SESSION, headers=bearer("gml_x")).headers
    assert client.get(SESSION).json() == {"name": None, "tokens_needed": False}


def test_events_stop_when_the_token_is_revoked(
    guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_LOOK_AGAIN", 0.1)
    with signed_in(guarded, "one") as browser:
        job_id = made(browser, "hang")
        with browser.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("event: job")
            guarded.service.tokens.revoke("one")
            rest = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
        assert {job["state"] for job in rest} <= {"queued", "running"}
        assert browser.get(f"/v1/jobs/{job_id}/events").status_code == 401


def test_the_log_says_who_it_was_and_nothing_of_the_cookie(
    guarded: Server,
    lines: Lines,  # noqa: F811 - the fixture
) -> None:
    with signed_in(guarded, "one") as browser:
        session = browser.cookies["gmmlabel"]
        browser.get("/v1/jobs")
        browser.post("/v1/jobs", headers=FOREIGN[0])
        browser.delete(SESSION)
    told = audited(lines, 4)
    assert [line["client"] for line in told] == ["one", "one", "-", "one"]
    assert told[0]["route"] == SESSION
    for part in session.split("."):
        assert part not in json.dumps(lines.said)
