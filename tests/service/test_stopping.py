"""A server that is told to stop does, and leaves no process behind."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from service.test_runner import settled
from service.test_serve import Process, _gone, ct, serving  # noqa: F401

TOLD = [signal.SIGTERM, signal.SIGINT]


def at_work(server: Process, content: bytes) -> tuple[str, list[int]]:
    """Give a server a job; tell its id, and all processes of the server."""
    job_id = httpx.post(f"{server.url}/v1/jobs", content=content).json()["id"]
    assert settled(lambda: server.job(job_id)["stage"])
    children = server.children()
    assert len(children) >= 3  # that which keeps shared memory, that which forks, and a worker
    return job_id, children


@pytest.mark.parametrize("number", TOLD)
def test_nothing_stays_of_a_server_that_stops(
    serving: Callable[..., Process],  # noqa: F811
    ct: Path,  # noqa: F811
    number: int,
) -> None:
    server = serving()
    _, children = at_work(server, ct.read_bytes())
    assert server.end(number) in (0, -number)  # after all it may end by the signal
    for pid in children:
        assert settled(lambda pid=pid: _gone(pid))


@pytest.mark.parametrize("number", TOLD)
def test_a_server_that_is_told_twice_ends_at_once(
    serving: Callable[..., Process],  # noqa: F811
    ct: Path,  # noqa: F811
    number: int,
) -> None:
    server = serving()
    job_id, children = at_work(server, ct.read_bytes())
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as sender:
        # A request that waits for its body: one signal would leave it five seconds to end.
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 9999\r\n\r\n"
        sender.sendall(head.encode() + b"NRRD0004")
        incoming = server.folder / "data" / "incoming"
        assert settled(lambda: list(incoming.iterdir()))
        os.kill(server.started[-1].pid, number)
        assert settled(lambda: "stopping" in log(server))
        began = time.monotonic()
        server.end(number)
        assert time.monotonic() - began < 4
    for pid in children:
        assert settled(lambda pid=pid: _gone(pid))
    server.start()
    assert settled(lambda: server.job(job_id)["state"] == "succeeded")


def log(server: Process) -> str:
    return (server.folder / f"log{len(server.started) - 1}").read_text()
