"""Who may use the API: those who send a token that is known, where one is needed.

A program sends the token with each request. A browser cannot where it asks by itself, as for
pictures, downloads and events: it has a cookie with a session that stands for the token. It sends
that also when the page of another site makes the request, so that with it such requests are refused
as they are where no token is needed.
"""

from anyio.to_thread import run_sync
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from ..problems import ProblemError, answer, refusal
from ..settings import Settings
from ..storage.sessions import Sessions
from ..storage.tokens import Token, Tokens
from .guarding import changed_by_another_site, of_api

_COOKIE = "gmmlabel"
_COOKIE_OF_HTTPS = f"__Host-{_COOKIE}"  # browsers let no other host and no plain HTTP set it

BEARER = HTTPBearer(
    scheme_name="token",
    description="A token of `gmmlabel serve token create`. None is needed on the same machine, "
    "unless the service says so.",
    auto_error=False,
)
"""What the API's description says of tokens; `Access` is what asks for them."""

COOKIE = APIKeyCookie(
    name=_COOKIE_OF_HTTPS,
    scheme_name="session",
    description="What `POST /v1/session` sets in a browser, in place of a token. By plain HTTP it "
    f"is called `{_COOKIE}`. Requests that change something must come from the same origin.",
    auto_error=False,
)
"""What the API's description says of sessions."""


class Access:
    """Refuses requests to the API without a token, before anything of their body is read.

    Parameters
    ----------
    app
        What answers the others; the token is in the state of their scope, as ``token``.
    settings
        Whether tokens are needed.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._needed = settings.tokens_needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for a token, or pass a request on."""
        if scope["type"] == "http" and self._needed and of_api(scope):
            try:
                token = await _token(scope)
            except ProblemError as error:
                await answer(error.problem, error.headers)(scope, receive, send)
                return
            scope.setdefault("state", {})["token"] = token
        await self._app(scope, receive, send)


async def _token(scope: Scope) -> Token:
    """Find the token that is sent, or that of the session; what is sent as a token counts first."""
    request = HTTPConnection(scope)
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    session = request.cookies.get(cookie_name(scope))
    tokens: Tokens = scope["app"].state.service.tokens
    sessions: Sessions = scope["app"].state.service.sessions
    token: Token | None = None
    if scheme.lower() == "bearer":
        token = await run_sync(tokens.check, secret.strip())
    elif session is not None:
        if changed_by_another_site(scope):
            raise refusal("cross-site", "pages of other sites cannot use a session of this service")
        token = await run_sync(sessions.check, session)
    if token is None:
        raise no_token()
    return token


def no_token() -> ProblemError:
    """Make what is answered to a request without a valid token."""
    return refusal(
        "no-token",
        "send a valid token: Authorization: Bearer gml_...",
        {"WWW-Authenticate": "Bearer"},
    )


def of_https(scope: Scope) -> bool:
    """Tell whether a request came by HTTPS, as far as a proxy that is known tells it."""
    return bool(scope["scheme"] == "https")


def cookie_name(scope: Scope) -> str:
    """Tell what the cookie with the session is called."""
    return _COOKIE_OF_HTTPS if of_https(scope) else _COOKIE
