"""The trace of every request: its id, one line of the log, and no error without one."""

import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..logs import REQUEST_ID
from ..problems import answer, problem
from ..storage.artefacts import JOB_ID
from .guarding import of_api

_log = logging.getLogger(__name__)
_audit = logging.getLogger("gmmlabel.audit")

_ID_HEADER = "X-Request-ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_JOB_IN_PATH = re.compile(f"/v1/jobs/({JOB_ID.pattern})")


class Audit:
    """Gives each request an id, answers errors that nobody foresaw, and logs who did what.

    The log has the template of the route, never its path, query or headers: these may hold names.

    Parameters
    ----------
    app
        What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and trace it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = _Trace(_request_id(scope), receive, send)
        told = REQUEST_ID.set(trace.request_id)
        try:
            await self._app(scope, trace.receive, trace.send)
        except Exception:  # noqa: BLE001 - whatever it is, it is logged and answered
            _log.exception("unexpected error")
            if trace.status is None:
                detail = f"an error that is not foreseen; the log has it, as {trace.request_id}"
                await answer(problem("internal", detail))(scope, receive, trace.send)
        finally:
            if of_api(scope):
                _audit.info("request", extra={"facts": trace.facts(scope)})
            REQUEST_ID.reset(told)


@dataclass
class _Trace:
    """What passes between a client and the application."""

    request_id: str
    receive_on: Receive
    send_on: Send
    status: int | None = None
    received: int = 0
    sent: int = 0
    job: str | None = None
    began: float = field(default_factory=time.monotonic)

    async def receive(self) -> Message:
        message = await self.receive_on()
        self.received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers[_ID_HEADER] = self.request_id
            self.status, self.job = message["status"], _job_of(headers)
        self.sent += len(message.get("body", b""))
        await self.send_on(message)

    def facts(self, scope: Scope) -> dict[str, Any]:
        token = scope.get("state", {}).get("token")
        address = scope.get("client")
        method = scope["method"]
        return {
            "client": token.name if token else "-",
            "address": address[0] if address else "-",
            "method": method if method in _METHODS else "-",
            "route": getattr(scope.get("route"), "path", "-"),
            "job": scope.get("path_params", {}).get("job_id") or self.job or "-",
            "status": self.status or "-",
            "received": self.received,
            "sent": self.sent,
            "seconds": round(time.monotonic() - self.began, 3),
        }


def _request_id(scope: Scope) -> str:
    """Take the id that a client or proxy gave, if it is one that a log can hold."""
    given = Headers(scope=scope).get(_ID_HEADER, "")
    return given if _WELL_FORMED.fullmatch(given) else secrets.token_hex(16)


def _job_of(headers: Mapping[str, str]) -> str | None:
    """Tell which job an answer is about that has no id in its path."""
    found = _JOB_IN_PATH.match(headers.get("location", ""))
    return found[1] if found else headers.get("gmmlabel-job")
