"""A server that is told to stop does, and leaves no process behind."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from service.test_runner import settled
from service.test_serve import Process, _gone, ct, serving  # noqa: F401

TOLD = [signal.SIGTERM, signal.SIGINT]


def at_work(server: Process, content: bytes) -> tuple[str, list[int]]:
    """Give a server a job; tell its id, and all processes of the server."""
    job_id = httpx.post(f"{server.url}/v1/jobs", content=content).json()["id"]
    assert settled(lambda: server.job(job_id)["stage"], 40)
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
    assert server.end(number) == 0
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
    # A request that waits would keep it for five seconds.
    with httpx.stream("GET", f"{server.url}/v1/jobs/{job_id}/events", timeout=20) as waiting:
        assert waiting.status_code == 200
        os.kill(server.started[-1].pid, number)
        assert settled(lambda: "stopping" in log(server))
        began = time.monotonic()
        server.end(number)
        assert time.monotonic() - began < 4
    for pid in children:
        assert settled(lambda pid=pid: _gone(pid))
    server.start()
    assert settled(lambda: server.job(job_id)["state"] == "succeeded", 60)


def log(server: Process) -> str:
    return (server.folder / f"log{len(server.started) - 1}").read_text()
