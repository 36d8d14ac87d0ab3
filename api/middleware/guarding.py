"""What keeps the pages of other sites out, whatever the route.

A browser lets any page send requests to any address, also of this machine. Where a token is needed
such a page has none, and `Access` sees to it that it does not use the session of who looks at it.
Where none is needed, requests are refused that a browser says are of another site, and those for a
name that is not the service's own: a site can make its name lead to here.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..problems import ProblemError, answer, refusal
from ..settings import Settings

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer that does not set them itself."""

_POLICY = "Content-Security-Policy"
_NO_FRAMES = "frame-ancestors 'none'"
_API = "/v1"
_HARMLESS = {"GET", "HEAD"}
_OWN = {"same-origin", "none"}  # none: typed by a person


def of_api(scope: Scope) -> bool:
    """Tell whether a request is for the API, and not for what everybody may see."""
    path: str = scope["path"]
    return path == _API or path.startswith(f"{_API}/")


class SafeHeaders:
    """Adds headers to every answer that say what a browser must not do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and make its answer safe."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                _make_safe(MutableHeaders(scope=message), scope)
            await send(message)

        await self._app(scope, receive, send_safely if scope["type"] == "http" else send)


def _make_safe(headers: MutableHeaders, scope: Scope) -> None:
    for name, value in SAFE_HEADERS.items():
        headers.setdefault(name, value)
    if "frame-ancestors" not in headers[_POLICY]:
        headers[_POLICY] += f"; {_NO_FRAMES}"
    if of_api(scope):
        headers["Cache-Control"] = "no-store"  # what is answered is of a patient


class Guard:
    """Refuses what is for another name, or made by another site.

    Parameters
    ----------
    app
        What answers the rest.
    settings
        Names, and whether requests need a token.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._names = settings.answered_names
        self._open = not settings.tokens_needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        refused = self._refusal(scope) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await answer(refused.problem)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemError | None:
        if self._names is not None and _without_port(_host(scope)) not in self._names:
            return refusal(
                "unknown-host", "use the address of the service, or add the name to GMMLABEL_HOSTS"
            )
        if self._open and changed_by_another_site(scope):
            return refusal(
                "cross-site", "pages of other sites cannot use this service without a token"
            )
        return None


def _host(scope: Scope) -> str:
    return Headers(scope=scope).get("host", "").lower()


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def changed_by_another_site(scope: Scope) -> bool:
    """Tell whether the page of another site makes a request that may change something.

    It is a browser that says so; what is no browser says nothing.
    """
    if scope["method"] in _HARMLESS:
        return False
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is not None and origin.lower().partition("://")[2] != _host(scope):
        return True
    return headers.get("sec-fetch-site", "none") not in _OWN
