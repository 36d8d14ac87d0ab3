"""Pages of other sites are kept out, and senders that are too slow or too many."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from service.conftest import Server
from service.test_http import is_problem
from service.test_runner import settled, upload

Serve = Callable[..., Server]


def test_every_answer_tells_browsers_what_not_to_do(serve: Serve) -> None:
    server = serve()
    job = server.client.post("/v1/label", content=upload("good")).headers["gmmlabel-job"]
    for path in (
        "/healthz", "/docs", "/static/docs.js", "/nothing", "/v1/jobs", "/v1/jobs/x",
        f"/v1/jobs/{job}/events", f"/v1/jobs/{job}/files/report.html",
    ):  # fmt: skip
        headers = server.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        policy = headers.get_list("content-security-policy")
        assert len(policy) == 1, path
        assert policy[0].startswith("default-src 'none'"), path
        assert policy[0].count("frame-ancestors") == 1, path
        assert headers["x-request-id"]
        assert (headers.get("cache-control") == "no-store") == path.startswith("/v1/"), path
        assert "server" not in headers
        assert not any(name.startswith("access-control") for name in headers)


def test_what_a_report_may_do_is_what_its_route_says(serve: Serve) -> None:
    server = serve()
    job = server.client.post("/v1/label", content=upload("good")).headers["gmmlabel-job"]
    answer = server.client.get(f"/v1/jobs/{job}/files/report.html")
    assert "sandbox; frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_name_that_leads_here_by_somebody_elses_will_is_not_answered_to(serve: Serve) -> None:
    client = serve().client
    for host in ("evil.example", "127.0.0.1.evil.example", "evil:8000", "", ":", "localhost."):
        for path in ("/v1/jobs", "/docs", "/healthz"):
            answer = client.get(path, headers={"Host": host})
            assert is_problem(answer, 400, "unknown-host"), (host, path)
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:1", "[::1]"):
        assert client.get("/v1/jobs", headers={"Host": host}).status_code == 200, host


def test_other_names_can_be_allowed_and_with_tokens_any_is(serve: Serve) -> None:
    hosts = {"Host": "CT.example.org:8000"}
    allowed = serve(hosts="pacs,ct.example.org").client.get("/v1/jobs", headers=hosts)
    assert allowed.status_code == 200
    with_tokens = serve(access="tokens", hosts=None).client.get("/v1/jobs", headers=hosts)
    assert with_tokens.status_code == 401


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


def test_a_page_of_another_site_can_change_nothing(serve: Serve) -> None:
    server = serve()
    client = server.client
    job = client.post("/v1/jobs", content=upload("good")).json()["id"]
    requests = [("POST", "/v1/jobs"), ("POST", "/v1/label"), ("OPTIONS", "/v1/jobs")]
    for headers in FOREIGN:
        for method, path in [*requests, ("DELETE", f"/v1/jobs/{job}")]:
            answer = client.request(method, path, content=upload("good", "x"), headers=headers)
            assert is_problem(answer, 403, "cross-site"), (method, path, headers)
        jobs = client.get("/v1/jobs", headers=headers).json()["jobs"]
        assert [one["id"] for one in jobs] == [job]
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    for headers in (own, {}, {"Sec-Fetch-Site": "none"}):
        answer = server.client.post("/v1/jobs", content=upload("good"), headers=headers)
        assert answer.status_code == 202, headers


def test_with_a_token_a_page_elsewhere_is_not_asked_where_it_is_from(serve: Serve) -> None:
    server = serve(access="tokens")
    headers = {"Authorization": f"Bearer {server.service.tokens.create('one')}", **FOREIGN[0]}
    answer = server.client.post("/v1/jobs", content=upload("good"), headers=headers)
    assert answer.status_code == 202
    assert "access-control-allow-origin" not in answer.headers


@pytest.fixture
def sockets() -> Iterator[Callable[[Server], socket.socket]]:
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(
            socket.create_connection(("127.0.0.1", server.port), timeout=20)
        )


def rest(connection: socket.socket) -> bytes:
    """What still comes until the other side closes."""
    came = b""
    try:
        while piece := connection.recv(1 << 16):
            came += piece
    except ConnectionResetError:
        pass
    return came


GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_head_that_does_not_come_is_not_waited_for(
    serve: Serve, sockets: Callable[[Server], socket.socket]
) -> None:
    server = serve(header_pause=0.5)
    for begun in (b"", b"GET /healthz HT", GET[:-2], GET + b"GET /"):
        connection = sockets(server)
        connection.sendall(begun)
        assert rest(connection).count(b"HTTP/1.1 200") == begun.count(GET)


def test_a_head_that_drips_gets_no_more_time(
    serve: Serve, sockets: Callable[[Server], socket.socket]
) -> None:
    server = serve(header_pause=1)
    connection = sockets(server)
    connection.settimeout(0.1)
    connection.sendall(GET[:-2])
    begun = time.monotonic()
    while time.monotonic() - begun < 15:
        try:
            connection.sendall(b"X: 1\r\n")
            if not connection.recv(1):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    assert time.monotonic() - begun < 10


def test_a_long_answer_and_a_slow_body_are_not_cut_off_by_the_limit_on_heads(
    serve: Serve, sockets: Callable[[Server], socket.socket]
) -> None:
    server = serve(header_pause=0.2)
    answer = server.client.post("/v1/label", content=upload("slow"))
    assert answer.status_code == 200
    connection = sockets(server)
    content = upload("good", "dripped")
    connection.sendall(
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(content)
    )
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)  # 0.6 s in all: three times the limit
    assert connection.recv(1 << 16).startswith(b"HTTP/1.1 202")


def test_a_body_without_end_that_nobody_reads_is_not_taken_for_ever(
    serve: Serve, sockets: Callable[[Server], socket.socket]
) -> None:
    server = serve(header_pause=0.5)
    connection = sockets(server)
    connection.sendall(
        b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert connection.recv(1 << 16).startswith(b"HTTP/1.1 404")

    def refused() -> bool:
        try:
            connection.sendall(b"4\r\nNRRD\r\n")
        except OSError:
            return True
        return False

    assert settled(refused, 10)


NO_REQUESTS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "long head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "negative": b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
    ),
}


def test_what_is_no_request_is_answered_with_a_problem(
    serve: Serve, sockets: Callable[[Server], socket.socket]
) -> None:
    server = serve()
    for name, sent in NO_REQUESTS.items():
        connection = sockets(server)
        try:
            connection.sendall(sent)
        except OSError:  # it is refused before it is whole
            assert name == "long head"
        head, _, body = rest(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400"), name
        assert b"application/problem+json" in head
        assert b"nosniff" in head
        assert b"problem:bad-request" in body


def test_a_body_that_stops_being_one_ends_that_request_only(
    serve: Serve, sockets: Callable[[Server], socket.socket]
) -> None:
    server = serve()
    connection = sockets(server)
    connection.sendall(
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4\r\nNRRD\r\nthis is no chunk\r\n"
    )
    assert rest(connection).startswith(b"HTTP/1.1 400")
    assert settled(lambda: server.files == [])
    assert server.client.get("/healthz").status_code == 200


def test_more_connections_than_may_be_are_told_so_and_room_comes_back(
    serve: Serve, sockets: Callable[[Server], socket.socket]
) -> None:
    server = serve(connections=3, header_pause=60)
    held = [sockets(server) for _ in range(3)]
    for connection in held:  # an answer: the server has taken it
        connection.sendall(GET)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET")
    assert rest(sockets(server)).startswith(b"HTTP/1.1 503")
    with httpx.Client(base_url=server.client.base_url) as client:
        assert is_problem(client.post("/v1/jobs", content=bytes(1 << 20)), 503, "busy")
        held[0].close()
        assert settled(lambda: client.get("/healthz").status_code == 200)
