"""``gmmlabel serve``: the application on uvicorn."""

import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from errno import EADDRNOTAVAIL
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from .app import create_app
from .connections import connection_class
from .logs import configure
from .settings import Settings, SettingsError, read_settings
from .storage.tokens import tokens_of

_LONGEST_HEAD = 64 << 10  # of a request, in bytes
_STOP_AFTER = 5
_log = logging.getLogger(__name__)


def serve(options: Mapping[str, Any]) -> None:
    """Serve until a signal ends it.

    Parameters
    ----------
    options
        Settings by name, which win over the environment.

    Raises
    ------
    SettingsError
        If a setting cannot be.
    """
    settings = read_settings(options)
    with tokens_of(settings) as tokens:
        if settings.tokens_needed and not tokens.some():
            raise SettingsError(
                "requests will need a token and there is none; make one, with the same settings: "
                "gmmlabel serve token create NAME"
            )
    listeners = _listen(settings)
    configure(settings.log)
    with suppress(KeyboardInterrupt):  # uvicorn has stopped by then
        _Server(server_config(create_app(settings), settings), settings).run(listeners)


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Tell uvicorn how to run an application.

    Parameters
    ----------
    app
        The application.
    settings
        Limits and proxies.
    """
    return uvicorn.Config(
        app,
        http=connection_class(settings),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,  # it has paths and queries; see `Audit`
        server_header=False,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        proxy_headers=settings.proxies is not None,
        forwarded_allow_ips=[str(network) for network in settings.proxies or ()],
        # Requests that wait have this long to end; their jobs wait for the next start.
        timeout_graceful_shutdown=_STOP_AFTER,
    )


class _Server(uvicorn.Server):
    """A server that tells where it is, and that it has ended."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal; the second ends at once, and the jobs come back when leases run out."""
        self.force_exit = self.force_exit or self.should_exit
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        _log.info(
            "running on http://%s:%s with its data in %s; Ctrl-C stops it",
            name, port, self._settings.data,
        )  # fmt: skip
        _log.info("gmmlabel is for research, not for diagnosis")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _log.info("stopping")
        await super().shutdown(sockets)
        _log.info("stopped")


def _listen(settings: Settings) -> list[socket.socket]:
    """Listen on every address of the host, before anything else begins."""
    listeners: list[socket.socket] = []
    reason: str | None = "it has no address here"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        for family, (host, port) in dict.fromkeys((one[0], one[4][:2]) for one in found):
            # Port 0 becomes that which the first address got.
            chosen = listeners[0].getsockname()[1] if listeners else port
            try:
                listeners.append(socket.create_server((host, chosen), family=family))
            except OSError as error:
                if error.errno != EADDRNOTAVAIL:  # as ::1 of localhost, where there is no IPv6
                    raise
    except OSError as error:
        reason = error.strerror
    else:
        if listeners:
            return listeners
    raise SettingsError(
        f"{settings.host}:{settings.port} cannot be listened on ({reason}); give another --host "
        "or --port"
    )
