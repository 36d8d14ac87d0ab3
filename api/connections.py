"""Connections of uvicorn that end when their sender is too slow, or there are too many.

Uvicorn waits for ever for the head of a request, and for the rest of a body that nobody reads any
more because the request was answered.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .middleware.guarding import SAFE_HEADERS
from .problems import MEDIA_TYPE, Problem, problem
from .settings import Settings

_BUSY = problem("busy", "send it again later")
_BROKEN = problem("bad-request", "this is no HTTP/1.1 request, or its head is too long")


class Connection(H11Protocol):
    """A connection with a limit on what it waits for; `connection_class` makes one with numbers."""

    pause: float
    most: int

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        # How much asyncio reads at once: parsing chunks of one byte each must not hold the loop.
        transport.max_size = 1 << 14  # type: ignore[attr-defined]
        if len(self.connections) > self.most:
            self._end(_BUSY)
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up."""
        self._stop_watch()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - that of uvicorn
        """Answer what is no request."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._end(_BROKEN)
        else:
            self.transport.close()

    def _watch(self) -> None:
        """Limit the time in which a head, or a body that nobody reads, is whole.

        Who says nothing at all after an answer is left to uvicorn, which waits for it shorter.
        """
        theirs, ours = self.conn.their_state, self.conn.our_state
        if theirs is h11.IDLE or (theirs is h11.SEND_BODY and ours is h11.DONE):
            if self._timer is None:
                self._timer = self.loop.call_later(self.pause, self.transport.close)
        else:
            self._stop_watch()

    def _stop_watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, told: Problem) -> None:
        self.transport.write(_answer(told))
        self.transport.close()


def connection_class(settings: Settings) -> type[Connection]:
    """Make the class of connections that uvicorn uses."""

    class Limited(Connection):
        pause = settings.header_pause
        most = settings.connections

    return Limited


def _answer(told: Problem) -> bytes:
    """Write an answer for which there is no request."""
    body = told.model_dump_json().encode()
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Cache-Control": "no-store",
        **SAFE_HEADERS,
    }
    lines = [f"HTTP/1.1 {told.status} {HTTPStatus(told.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
