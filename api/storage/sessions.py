"""Sessions: what a browser keeps in place of a token.

A session names its token and the moment of its end, and is signed; nothing of it is stored. The key
is a file of the data folder, which all hosts of a service share. It is read each time, so that
removing it ends all sessions at once.
"""

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

from .tokens import Token, Tokens

_KEY_FILE = "session.key"
_KEY_BYTES = 32
_LASTS = 12 * 3600  # a working day: a browser that reopens its tabs keeps cookies for ever
_WELL_FORMED = re.compile(r"([0-9a-f]{32})\.([0-9]{10,11})\.([0-9a-f]{64})")


class Sessions:
    """The sessions of browsers.

    Parameters
    ----------
    folder
        The data folder, where the key is.
    tokens
        What sessions stand for.
    now
        Tells the time, in seconds since 1970.
    """

    def __init__(self, folder: Path, tokens: Tokens, now: Callable[[], float] = time.time) -> None:
        self._key_file = folder / _KEY_FILE
        self._tokens = tokens
        self._now = now

    def begin(self, token: Token) -> str:
        """Make a session of a token."""
        ends = int(self._now() + _LASTS)
        key = self._key() or self._make_key()
        return f"{token.id}.{ends}.{_signature(key, token.id, ends)}"

    def check(self, session: str) -> Token | None:
        """Find the token of a session; None if it is no session, has ended or was revoked."""
        found = _WELL_FORMED.fullmatch(session)
        key = self._key()
        if found is None or key is None:
            return None
        token_id, ends, signature = found[1], int(found[2]), found[3]
        signed = hmac.compare_digest(signature, _signature(key, token_id, ends))
        return self._tokens.get(token_id) if signed and self._now() < ends else None

    def _key(self) -> bytes | None:
        try:
            key = self._key_file.read_bytes()
        except FileNotFoundError:
            return None
        return key if len(key) == _KEY_BYTES else None

    def _make_key(self) -> bytes:
        """Make a key, whole at once; of two that are made at the same time the later one stays."""
        key, folder = secrets.token_bytes(_KEY_BYTES), self._key_file.parent
        with NamedTemporaryFile(prefix=f"{_KEY_FILE}.", dir=folder, delete=False) as file:  # 0600
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._key_file)
        return key


def _signature(key: bytes, token_id: str, ends: int) -> str:
    said = f"gmmlabel session {token_id} {ends}"
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()
