"""Tokens: made, listed and revoked; asked for; and what one made is there for no other."""

import base64
import hashlib
import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from service.conftest import Server
from service.test_http import events, is_problem
from service.test_runner import settled, upload

from gmmlabel.api.storage.database import Database
from gmmlabel.api.storage.tokens import TokenError, Tokens
from gmmlabel.cli import main

Serve = Callable[..., Server]
DELETE, GET, POST = "DELETE", "GET", "POST"


@pytest.fixture
def guarded(serve: Serve) -> Server:
    return serve(access="tokens")


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def client_of(server: Server, name: str) -> httpx.Client:
    secret = server.service.tokens.create(name)
    return httpx.Client(base_url=server.client.base_url, headers=bearer(secret), timeout=30)


@pytest.fixture
def two(guarded: Server) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with client_of(guarded, "one") as one, client_of(guarded, "other") as other:
        yield one, other


def test_a_token_is_random_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    tokens = Tokens(database)
    secrets = [tokens.create(name) for name in ("one", "two")]
    database.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in secrets:
        assert secret.startswith("gml_")
        assert len(base64.urlsafe_b64decode(secret.removeprefix("gml_") + "=")) == 32
        assert secret.removeprefix("gml_").encode() not in kept
        assert hashlib.sha256(secret.encode()).hexdigest().encode() in kept
    assert secrets[0] != secrets[1]


def test_a_token_opens_until_it_is_revoked_and_its_name_stays_taken(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    tokens = Tokens(database)
    assert not tokens.some()
    secret = tokens.create("one")
    found = tokens.check(secret)
    assert found is not None
    assert (found.name, tokens.some()) == ("one", True)
    for wrong in (secret[:-1], secret + "A", secret.removeprefix("gml_"), "", "gml_", "ünlesbar"):
        assert tokens.check(wrong) is None
    tokens.revoke("one")
    assert tokens.check(secret) is None
    assert not tokens.some()
    for again in (tokens.revoke, tokens.create):
        with pytest.raises(TokenError, match="one"):
            again("one")
    for bad in ("", "a b", "a\n", "-a", "a" * 65):
        with pytest.raises(TokenError):
            tokens.create(bad)
    database.close()


def test_uses_are_noted_to_the_hour(tmp_path: Path) -> None:
    now = 1e9
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    tokens = Tokens(database, lambda: now)
    secret = tokens.create("one")
    noted = []
    for later in (0, 60, 3599, 3600, 3700):
        now = 1e9 + later
        assert tokens.check(secret)
        noted.append(tokens.find()[0].last_used)
    assert noted == [1e9, 1e9, 1e9, 1e9 + 3600, 1e9 + 3600]
    database.close()


def test_without_a_token_everything_below_v1_is_refused(guarded: Server) -> None:
    for path, methods in guarded.client.get("/openapi.json").json()["paths"].items():
        for method, route in methods.items():
            answer = guarded.client.request(method, path.replace("{job_id}", "f" * 32))
            if path.startswith("/v1/"):
                assert is_problem(answer, 401, "no-token"), (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"
                begins = (method, path) == ("post", "/v1/session")
                ways = [{"token": []}] if begins else [{"token": []}, {"session": []}]
                assert route["security"] == ways
            else:
                assert answer.status_code != 401, (method, path)
    for path in ("/v1", "/v1/", "/v1/nothing", "/v1/jobs/", "/%76%31/jobs", "/v1/../v1/jobs"):
        assert guarded.client.get(path).status_code == 401, path
    for path in ("//v1/jobs", "/V1/jobs"):
        assert guarded.client.get(path).status_code == 404, path
    for path in ("/docs", "/openapi.json", "/static/docs.js"):
        assert guarded.client.get(path).status_code == 200, path


def test_the_description_says_how_a_token_is_sent(guarded: Server) -> None:
    schemes = guarded.client.get("/openapi.json").json()["components"]["securitySchemes"]
    assert (schemes["token"]["type"], schemes["token"]["scheme"]) == ("http", "bearer")
    assert (schemes["session"]["type"], schemes["session"]["in"]) == ("apiKey", "cookie")


def test_unknown_and_revoked_tokens_cannot_be_told_apart(guarded: Server) -> None:
    secret = guarded.service.tokens.create("one")
    other = guarded.service.tokens.create("other")
    jobs = lambda header: guarded.client.get("/v1/jobs", headers=header)  # noqa: E731
    assert jobs(bearer(secret)).status_code == 200
    assert jobs({"Authorization": f"bearer  {secret}"}).status_code == 200
    guarded.service.tokens.revoke("one")
    answers = [
        jobs(headers)
        for headers in (
            bearer(secret), bearer("gml_" + "A" * 43), {"Authorization": "Bearer"}, {},
            {"Authorization": f"Basic {other}"}, {"Authorization": other},
            {"Cookie": f"token={other}"},
        )
    ]  # fmt: skip
    answers.append(guarded.client.get(f"/v1/jobs?access_token={other}"))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert len({frozenset(answer.headers) for answer in answers}) == 1


def test_a_token_is_asked_for_before_anything_is_sent(guarded: Server) -> None:
    head = "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n"
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=10) as connection:
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 401")
    assert guarded.files == []


def test_a_client_that_sends_all_the_same_still_gets_the_answer(guarded: Server) -> None:
    content = b"NRRD" + bytes(20 << 20)
    answer = guarded.client.post("/v1/jobs", content=content)
    assert is_problem(answer, 401, "no-token")
    assert guarded.client.get("/healthz").status_code == 200


def ended(client: httpx.Client, job_id: str) -> dict[str, object]:
    path = f"/v1/jobs/{job_id}"
    assert settled(lambda: client.get(path).json()["state"] == "succeeded")
    return dict(client.get(path).json())


def test_a_job_is_there_for_the_token_that_made_it_only(
    guarded: Server, two: tuple[httpx.Client, httpx.Client]
) -> None:
    one, other = two
    job_id = one.post("/v1/jobs", content=upload("good")).json()["id"]
    ended(one, job_id)
    path = f"/v1/jobs/{job_id}"
    assert [job["id"] for job in one.get("/v1/jobs").json()["jobs"]] == [job_id]
    assert other.get("/v1/jobs").json() == {"jobs": []}
    for method, below in (
        (GET, ""), (GET, "/events"), (GET, "/files"), (GET, "/files/labels.nrrd"), (DELETE, "")
    ):  # fmt: skip
        answer = other.request(method, path + below)
        assert is_problem(answer, 404, "no-such-job"), (method, below)
        absent = other.request(method, path.replace(job_id, "f" * 32) + below)
        assert answer.text.replace(job_id, "") == absent.text.replace("f" * 32, "")
    for below in ("", "/events", "/files", "/files/labels.nrrd"):
        assert one.get(path + below).status_code == 200, below
    assert [event["state"] for event in events(Server(0, one, guarded.service), {"id": job_id})]
    assert one.delete(path).status_code == 204


def test_another_token_can_neither_cancel_nor_see_a_running_job(
    two: tuple[httpx.Client, httpx.Client],
) -> None:
    one, other = two
    path = f"/v1/jobs/{one.post('/v1/jobs', content=upload('hang')).json()['id']}"
    assert settled(lambda: one.get(path).json()["state"] == "running")
    assert other.delete(path).status_code == 404
    assert one.get(path).json()["state"] == "running"
    assert one.delete(path).json()["state"] == "cancelled"


def test_tokens_do_not_share_work_or_keys(two: tuple[httpx.Client, httpx.Client]) -> None:
    one, other = two
    key = {"Idempotency-Key": "same"}
    mine = one.post("/v1/jobs", content=upload("good"), headers=key).json()["id"]
    assert one.post("/v1/label", content=upload("good")).headers["gmmlabel-job"] == mine
    theirs = other.post("/v1/label", content=upload("good")).headers["gmmlabel-job"]
    assert theirs != mine
    refused = other.post("/v1/jobs", content=upload("refuse"), headers=key)
    assert refused.status_code == 202  # to the other the key is new
    assert refused.json()["id"] not in (mine, theirs)


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Give the exit status, stdout and stderr of ``gmmlabel serve`` with arguments."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gmmlabel", "serve", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


Command = Callable[..., tuple[int, str, str]]


def test_a_running_service_takes_new_tokens_and_drops_revoked_ones_at_once(
    guarded: Server, command: Command
) -> None:
    options = ["--data", str(guarded.service.settings.data)]
    status, told, said = command("token", "create", "pacs", *options)
    assert (status, told.strip() in said) == (0, False)
    headers = bearer(told.strip())
    assert guarded.client.get("/v1/jobs", headers=headers).status_code == 200
    assert command("token", "revoke", "pacs", *options)[0] == 0
    assert guarded.client.get("/v1/jobs", headers=headers).status_code == 401


def test_the_commands_tell_what_there_is_and_never_a_token_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.setenv("GMMLABEL_DATA", str(tmp_path / "data"))
    made = json.loads(command("token", "create", "pacs", "--json")[1])
    assert made["name"] == "pacs"
    status, _, said = command("token", "create", "pacs")
    assert (status, len(said.splitlines())) == (1, 1)
    database = f"sqlite:///{tmp_path / 'data' / 'jobs.db'}"
    for arguments in (["token", "list", "--json"], ["--database", database, "token", "list"]):
        status, told, said = command(*arguments)
        assert "pacs" in told
        assert made["token"] not in told + said
    (listed,) = json.loads(command("token", "list", "--json")[1])
    assert (listed["name"], listed["last_used"], listed["revoked"]) == ("pacs", None, None)
    elsewhere = ("--database", f"sqlite:///{tmp_path / 'other.db'}")
    assert json.loads(command("token", "list", "--json", *elsewhere)[1]) == []
    assert command("token", "revoke", "pacs")[0] == 0
    assert json.loads(command("token", "list", "--json")[1])[0]["revoked"]


def test_a_service_that_needs_tokens_does_not_start_without_one(
    tmp_path: Path, command: Command
) -> None:
    for options in (["--host", "0.0.0.0"], ["--access", "tokens"]):  # noqa: S104 - it is refused
        status, _, said = command("--data", str(tmp_path), "--port", "0", *options)
        assert (status, len(said.splitlines())) == (1, 1)
        assert "gmmlabel serve token create" in said


def test_a_job_store_that_cannot_be_opened_is_one_line(tmp_path: Path, command: Command) -> None:
    (tmp_path / "jobs.db").write_text("this is no database" * 100)
    for options in (["token", "list"], []):
        status, _, said = command("--data", str(tmp_path), *options)
        assert (status, len(said.splitlines())) == (1, 1)
        assert "jobs.db cannot be opened" in said
