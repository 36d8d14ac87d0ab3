"""The measure of every request, for the figures of the service."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..metrics import Metrics

_FAILED = 500


class Measure:
    """Counts requests, how long they took, and how much they sent.

    Parameters
    ----------
    app
        What answers.
    metrics
        Where to.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, received = time.monotonic(), _FAILED, 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive_counted, send_seen)
        finally:
            self._metrics.answered(
                scope["method"],
                getattr(scope.get("route"), "path", None),
                status,
                time.monotonic() - began,
                received,
            )
