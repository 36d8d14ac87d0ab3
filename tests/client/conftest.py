"""Clients of each kind, all used in one way, and services that do what no real one should."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from service.conftest import serve
from service.test_serve import serving

from gmmlabel.client import AsyncClient, Client

__all__ = ["serve", "serving"]

Connect = Callable[..., Client]


class Awaited:
    """An `AsyncClient` whose methods are called as those of a `Client`."""

    def __init__(self, portal: BlockingPortal, client: AsyncClient) -> None:
        self._portal, self._client = portal, client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **options: self._portal.call(partial(method, *args, **options))


@pytest.fixture(params=["sync", "asyncio", "trio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Make clients, which are closed with the test."""
    with ExitStack() as stack:

        def make(url: str = "http://service.test", **options: Any) -> Any:
            options = {"backoff": 0.02, "timeout": 20, **options}
            if request.param == "sync":
                return stack.enter_context(Client(url, **options))
            portal = stack.enter_context(start_blocking_portal(request.param))
            client = Awaited(portal, AsyncClient(url, **options))
            stack.callback(client.close)
            return client

        yield make


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Hands requests to a function, and lets bodies through without holding them."""

    def __init__(self, answer: Callable[[httpx.Request, int], httpx.Response]) -> None:
        self._answer = answer
        self.requests: list[httpx.Request] = []
        self.sizes: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        return self._taken(request, sum(len(block) for block in request.stream))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        size = 0
        async for block in request.stream:
            size += len(block)
        return self._taken(request, size)

    def _taken(self, request: httpx.Request, size: int) -> httpx.Response:
        self.requests.append(request)
        self.sizes.append(size)
        return self._answer(request, size)


@pytest.fixture
def broken() -> Iterator[Callable[..., str]]:
    """Start a server that answers each connection with the next of some bytes, and hangs up."""
    started: list[tuple[socket.socket, threading.Thread]] = []

    def start(*answers: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=_answer, args=(listener, answers))
        thread.start()
        started.append((listener, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener, thread in started:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _answer(listener: socket.socket, answers: tuple[bytes, ...]) -> None:
    for answer in answers:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as received:
            length = 0
            while (line := received.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            received.read(length)
            connection.sendall(answer)
