"""Who may use the API: those who send a token that is known, where one is needed."""

from anyio.to_thread import run_sync
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..problems import answer, problem
from ..settings import Settings
from ..storage.tokens import Token, Tokens
from .guarding import of_api

BEARER = HTTPBearer(
    scheme_name="token",
    description="A token of `gmmlabel serve token create`. None is needed on the same machine, "
    "unless the service says so.",
    auto_error=False,
)
"""What the API's description says of tokens; `Access` is what asks for them."""

_ASKS = {"WWW-Authenticate": "Bearer"}


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
            token = await _token(scope)
            if token is None:
                told = problem("no-token", "send a valid token: Authorization: Bearer gml_...")
                await answer(told, _ASKS)(scope, receive, send)
                return
            scope.setdefault("state", {})["token"] = token
        await self._app(scope, receive, send)


async def _token(scope: Scope) -> Token | None:
    scheme, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    tokens: Tokens = scope["app"].state.service.tokens
    return await run_sync(tokens.check, secret.strip())
