"""Requests that come while the database does not answer: they are to be sent again."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..problems import answer, problem
from ..storage.database import OUTAGES

_log = logging.getLogger(__name__)

_RETRY_AFTER = {"Retry-After": "5"}


class Outages:
    """Answers requests with ``not-ready`` that fail because the database does not answer.

    Parameters
    ----------
    app
        What answers the others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on. If its answer has begun, an outage cuts it off."""
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, note if scope["type"] == "http" else send)
        except OUTAGES as error:
            if begun or scope["type"] != "http":
                raise
            _log.warning("the job store does not answer", exc_info=error)
            told = problem("not-ready", "the job store does not answer; send it again later")
            await answer(told, _RETRY_AFTER)(scope, receive, send)
