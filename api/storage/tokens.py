"""Access tokens: who may use the service. Only their hashes are kept."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from gmmlabel.errors import GmmlabelError

from ..settings import Settings, SettingsError
from .artefacts import Artefacts
from .database import Database
from .schema import TokenRow

PREFIX = "gml_"
"""How every token begins, so that scanners for secrets can know one."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a token can be called."""

_RANDOM_BYTES = 32
_NOTED_EVERY = 3600.0


class TokenError(GmmlabelError):
    """A token cannot be made or revoked."""


@dataclass(frozen=True)
class Token:
    """What is known of a token.

    Parameters
    ----------
    id
        32 hexadecimal digits; jobs belong to it.
    name
        What people call it.
    created, last_used, revoked
        Seconds since 1970, UTC; the last use to the hour.
    """

    id: str
    name: str
    created: float
    last_used: float | None
    revoked: float | None


class Tokens:
    """The access tokens of the service, in a database.

    Parameters
    ----------
    database
        Where they are.
    now
        Tells the time, in seconds since 1970.
    """

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def create(self, name: str) -> str:
        """Make a token; what is returned is kept nowhere.

        Parameters
        ----------
        name
            What to call it. It stays taken when the token is revoked, so that logs are clear.

        Raises
        ------
        TokenError
            If the name is taken, or is none.
        """
        if not NAME.fullmatch(name):
            raise TokenError(
                f"token {name!r}: give a name of letters, digits, '.', '_' and '-', 64 at most"
            )
        secret = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        values = {"id": secrets.token_hex(16), "name": name, "sha256": _hash(secret)}
        try:
            with self._database.writing() as connection:
                connection.execute(insert(TokenRow).values(**values, created=self._now()))
        except IntegrityError as error:
            raise TokenError(f"token {name}: there is or was one of this name; give another") from (
                error
            )
        return secret

    def find(self) -> list[Token]:
        """Read all tokens, the oldest first."""
        query = select(TokenRow.__table__).order_by(TokenRow.created, TokenRow.name)
        with self._database.reading() as connection:
            return [
                Token(row.id, row.name, row.created, row.last_used, row.revoked)
                for row in connection.execute(query)
            ]

    def revoke(self, name: str) -> None:
        """Let a token open nothing any more, from the next request on.

        Raises
        ------
        TokenError
            If there is none of this name that is not revoked.
        """
        found = update(TokenRow).where(TokenRow.name == name, _VALID)
        with self._database.writing() as connection:
            if not connection.execute(found.values(revoked=self._now())).rowcount:
                raise TokenError(f"token {name}: there is none, or it is revoked; see token list")

    def some(self) -> bool:
        """Tell whether there is a token that opens the service."""
        with self._database.reading() as connection:
            return (
                connection.execute(select(TokenRow.id).where(_VALID).limit(1)).first() is not None
            )

    def check(self, secret: str) -> Token | None:
        """Find the token that a client sent; None if there is none, or it is revoked."""
        digest = _hash(secret)
        row = self._row(TokenRow.sha256 == digest)
        # The database compares hashes, whose bytes tell nothing; this compares in constant time.
        if row is None or not hmac.compare_digest(row.sha256, digest):
            return None
        return self._used(row)

    def get(self, token_id: str) -> Token | None:
        """Find the token of an id; None if there is none, or it is revoked."""
        row = self._row(TokenRow.id == token_id)
        return self._used(row) if row else None

    def _row(self, wanted: ColumnElement[bool]) -> Row[Any] | None:
        query = select(TokenRow.__table__).where(wanted, _VALID)
        with self._database.reading() as connection:
            return connection.execute(query).first()

    def _used(self, row: Row[Any]) -> Token:
        self._note_use(row.id, row.last_used)
        return Token(row.id, row.name, row.created, row.last_used, row.revoked)

    def _note_use(self, token_id: str, last_used: float | None) -> None:
        """Note that a token was used, but not so often that requests wait for the disk."""
        now = self._now()
        if last_used is not None and now - last_used < _NOTED_EVERY:
            return
        long_ago = or_(TokenRow.last_used.is_(None), TokenRow.last_used <= now - _NOTED_EVERY)
        noted = update(TokenRow).where(TokenRow.id == token_id, long_ago).values(last_used=now)
        with suppress(SQLAlchemyError), self._database.writing() as connection:  # a full disk
            connection.execute(noted)


@contextmanager
def tokens_of(settings: Settings) -> Iterator[Tokens]:
    """Open the tokens of a service, whether it runs or not.

    Parameters
    ----------
    settings
        Where they are.

    Yields
    ------
    Tokens
        The tokens.

    Raises
    ------
    SettingsError
        If the data folder cannot be made.
    DatabaseError
        If the job store cannot be opened.
    """
    try:
        Artefacts(settings.data)
    except OSError as error:
        raise SettingsError(
            f"{settings.data}: cannot be made ({error.strerror}); set another GMMLABEL_DATA"
        ) from error
    database = Database(settings.database_url)
    try:
        yield Tokens(database)
    finally:
        database.close()


_VALID: ColumnElement[bool] = TokenRow.revoked.is_(None)


def _hash(secret: str) -> str:
    """Hash a token. It is random and long, so that a slow hash would gain nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()
