"""What both clients set up alike."""

import os

import httpx

from gmmlabel.client.errors import ClientError
from gmmlabel.client.requests import Request

LOCAL = "http://127.0.0.1:8000"
"""Where ``gmmlabel serve`` listens unless told otherwise."""

TOKEN = "GMMLABEL_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable of the access token."""


def address(url: str) -> str:
    """Check the address of a service."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ClientError(f"{url}: is no address; give one such as {LOCAL}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ClientError(f"{url}: is no address; give one such as {LOCAL}")
    return url


def headers(token: str | None) -> dict[str, str]:
    """Make the headers of all requests; the token is that of the environment unless given."""
    token = (os.environ.get(TOKEN, "") if token is None else token).strip()
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ClientError("the token has characters that no token has; copy it again")
    return {"Authorization": f"Bearer {token}"}


def request(
    http: httpx.Client | httpx.AsyncClient, asked: Request, seconds: float
) -> httpx.Request:
    """Make a request of httpx; an upload has yet to become its ``stream``.

    Parameters
    ----------
    http
        Of whom it is.
    asked
        What it says.
    seconds
        Time-out of the client.
    """
    silence = seconds + asked.patience if asked.quiet is None else asked.quiet
    return http.build_request(
        asked.method,
        asked.path,
        params={name: value for name, value in asked.query.items() if value is not None},
        headers=asked.headers,
        json=asked.json,
        timeout=httpx.Timeout(seconds, read=silence),
    )
