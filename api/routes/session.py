"""``/v1/session``: a cookie in place of a token, for what a browser sends without headers."""

from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel

from ..middleware.access import BEARER, COOKIE, cookie_name, no_token, of_https
from ..service import ServiceOf, TokenOf

router = APIRouter(prefix="/v1/session", tags=["session"])

_EITHER = [Security(BEARER), Security(COOKIE)]


class SessionView(BaseModel):
    """Who is signed in.

    Parameters
    ----------
    name
        What the token is called; null where none is needed.
    tokens_needed
        Whether requests need a token.
    """

    name: str | None
    tokens_needed: bool


@router.post("", status_code=204)
def begin(
    request: Request,
    service: ServiceOf,
    token: TokenOf,
    sent: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> Response:
    """Set a cookie that stands for the token of this request for twelve hours."""
    answer = Response(status_code=204)
    if token is None:
        return answer
    if sent is None:  # a session cannot prolong itself
        raise no_token()
    answer.set_cookie(
        cookie_name(request.scope),
        service.sessions.begin(token),
        secure=of_https(request.scope),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.get("", dependencies=_EITHER)
def show(service: ServiceOf, token: TokenOf) -> SessionView:
    """Tell who is signed in."""
    return SessionView(
        name=token.name if token else None, tokens_needed=service.settings.tokens_needed
    )


@router.delete("", status_code=204, dependencies=_EITHER)
def end(request: Request) -> Response:
    """Let the browser forget the cookie."""
    answer = Response(status_code=204)
    answer.delete_cookie(
        cookie_name(request.scope),
        secure=of_https(request.scope),
        httponly=True,
        samesite="strict",
    )
    return answer
