"""The file in a ``multipart/form-data`` body, as it arrives and without a copy on disk.

Starlette's own parser keeps each file in memory or a temporary file until the body has ended,
so that every byte would be written twice, and limits would come too late.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from ..problems import refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "file"
"""Name of the field that holds the volume."""

_MAX_HEADER_BYTES = 16 << 10  # of one of the eight headers that a part may have
_MAX_PARTS = 100
_LONGEST_BOUNDARY = 70  # RFC 2046, 5.1.1


def boundary_of(content_type: str) -> bytes | None:
    """Find the boundary in a ``Content-Type``; None if the body is not multipart."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > _LONGEST_BOUNDARY:
        raise refusal(
            "bad-request",
            f"multipart/form-data needs a boundary of 1 to {_LONGEST_BOUNDARY} characters; add it",
        )
    return boundary


async def file_of(body: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[bytes]:
    """Give the bytes of the field `FIELD`.

    Parameters
    ----------
    body
        The whole body.
    boundary
        As of `boundary_of`.

    Raises
    ------
    ProblemError
        If the body is damaged, has no such field, or several.
    """
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks(), max_header_size=_MAX_HEADER_BYTES)
        async for chunk in body:
            parser.write(chunk)
            for piece in parts.take():
                yield piece
        parser.finalize()
    except MultipartParseError as error:
        raise refusal("bad-request", f"the multipart body is damaged ({error})") from error
    if not parts.ended:
        raise refusal("bad-request", "the multipart body has no end; send all of it")
    if not parts.found:
        raise refusal("bad-request", f"no field {FIELD!r}; send the volume in a field of that name")


class _Parts:
    """What the parser finds, and which of it is of the file."""

    def __init__(self) -> None:
        self.found = 0
        self._parts = 0
        self.ended = False
        self._pieces: list[bytes] = []
        self._name = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._inside = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add,
            "on_end": self._end,
        }

    def take(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _begin(self) -> None:
        self._headers, self._inside = {}, False
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise refusal("bad-request", f"more than {_MAX_PARTS} fields; send the volume only")

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._inside = options.get(b"name") == FIELD.encode()
        self.found += self._inside
        if self.found > 1:
            raise refusal("bad-request", f"several fields {FIELD!r}; send one volume a request")

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._pieces.append(data[start:end])

    def _end(self) -> None:
        self.ended = True
