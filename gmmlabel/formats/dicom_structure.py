"""Whether the elements of a DICOM file lie in each other as they should, and inside the file.

GDCM takes as much memory as a length says, whatever the size of the file, and goes over sequences
that do not end again and again. So what it is given is gone over here first. Section numbers are
those of DICOM PS3.5.
"""

import struct
import zlib
from typing import IO

from gmmlabel.formats.dicom_tags import (
    BIG_ENDIAN,
    DEEPEST,
    DEFLATED,
    FIRST_READ,
    ITEM_END,
    SEQUENCE_END,
    SHORT_KINDS,
    TRANSFER_SYNTAX,
    UNDEFINED,
    is_explicit,
)

_LONGEST = 1 << 28  # no single image is longer, but for what lies in its last element
_ITEM = 0xFFFE_E000
_PIXELS = 0x7FE0_0010
_DELIMITERS = 0xFFFE
_LONG_KINDS = {
    *(b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
}


class UnsoundError(Exception):
    """An element lies where it cannot."""


def check_structure(start: bytes, stream: IO[bytes], size: int) -> int | None:
    """Refuse a DICOM file of which an element does not end inside what it lies in.

    Parameters
    ----------
    start
        The first bytes of the file.
    stream
        What comes after them; only as much is read as holds elements, not the last value.
    size
        Of the file, in bytes.

    Returns
    -------
    int or None
        Bytes of its pixels; None if they are compressed, or not there.

    Raises
    ------
    UnsoundError
        If there is such an element, or sequences lie in each other more than 32 deep.
    """
    data = start
    while True:
        try:
            return _walk_file(data, size)
        except struct.error as error:  # the data end here, or were not read to here
            more = stream.read(max(FIRST_READ, 3 * len(data))) if len(data) < _LONGEST else b""
            if not more:
                raise UnsoundError from error
            data += more
        except zlib.error as error:
            raise UnsoundError from error


def _walk_file(data: bytes, size: int) -> int | None:
    start = 132 if data[128:132] == b"DICM" else 0
    at, syntax = start, b""
    # PS3.10 7.1: the elements of group 0002 are explicit, and little endian, whatever comes after.
    while data[at : at + 2] == b"\2\0":
        at, tag, value = _meta_element(data, at, size)
        if tag == TRANSFER_SYNTAX:
            syntax = data[value:at].strip(b" \0")
    if syntax == DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        data, at = inflate.decompress(data[at:], _LONGEST), 0
        size = len(data)
    walk = _Walk(data, ">" if syntax == BIG_ENDIAN else "<")
    walk.elements(at, size, is_explicit(data, at))
    return walk.pixels


def _meta_element(data: bytes, at: int, size: int) -> tuple[int, int, int]:
    """Go over an element of group 0002; where it ends, its tag, and where its value begins."""
    if is_explicit(data, at):
        group, element, kind, length = struct.unpack_from("<HH2sH", data, at)
        value = at + 8
        if kind not in SHORT_KINDS:
            (length,) = struct.unpack_from("<I", data, at + 8)
            value = at + 12
    else:
        group, element, length = struct.unpack_from("<HHI", data, at)
        value = at + 8
    end = value + length
    if end > size:
        raise UnsoundError
    return end, group << 16 | element, value


class _Walk:
    """A walk over all elements of a data set."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data = data
        self.pixels: int | None = None
        self.explicit_head = struct.Struct(f"{order}HH2sH").unpack_from
        self.implicit_head = struct.Struct(f"{order}HHI").unpack_from
        self.long = struct.Struct(f"{order}I").unpack_from
        self.item = struct.pack(f"{order}HH", _ITEM >> 16, _ITEM & 0xFFFF)

    def head(self, at: int, explicit: bool) -> tuple[int, bytes, int, int]:
        """Read the start of an element: its tag, kind and length, and where its value begins."""
        if not explicit:
            group, element, length = self.implicit_head(self.data, at)
            return group << 16 | element, b"", length, at + 8
        group, element, kind, length = self.explicit_head(self.data, at)
        tag, at = group << 16 | element, at + 8
        if kind in SHORT_KINDS:
            return tag, kind, length, at
        if group == _DELIMITERS:  # have no kind, and their length is that of an implicit element
            return tag, b"", self.long(self.data, at - 4)[0], at
        (length,) = self.long(self.data, at)
        if kind not in _LONG_KINDS and length:
            raise UnsoundError
        return tag, kind, length, at + 4

    def elements(
        self, at: int, end: int, explicit: bool, depth: int = 0, delimited: bool = False
    ) -> int:
        """Go over elements up to `end`, or to the end of their item; where that is."""
        while delimited or end - at >= 8:  # bytes of padding may follow
            tag, kind, length, at = self.head(at, explicit)
            inner = explicit and kind != b"UN"  # 6.2.2: UN of undefined length is implicit
            if tag >> 16 == _DELIMITERS:
                if delimited and tag == ITEM_END:
                    return at
                if length:
                    raise UnsoundError
            elif length == UNDEFINED:
                pixels = tag == _PIXELS
                at = self.items(at, end, inner, depth + 1, delimited=True, fragments=pixels)
            elif at + length > end:
                raise UnsoundError
            else:
                if (kind == b"SQ" or not inner) and self.data[at : at + 4] == self.item:
                    self.items(at, at + length, inner, depth + 1, delimited=False)
                if tag == _PIXELS and not depth:
                    self.pixels = length
                at += length
        return at

    def items(
        self,
        at: int,
        end: int,
        explicit: bool,
        depth: int,
        *,
        delimited: bool,
        fragments: bool = False,
    ) -> int:
        """Go over the items of a sequence (7.5), or fragments of pixels (A.4); where it ends."""
        if depth > DEEPEST:
            raise UnsoundError
        while delimited or at < end:
            group, element, length = self.implicit_head(self.data, at)
            at += 8
            tag = group << 16 | element
            if tag == SEQUENCE_END and delimited:
                return at
            if tag != _ITEM or at > end:
                raise UnsoundError
            if length == UNDEFINED:
                at = self.elements(at, end, explicit, depth, delimited=True)
            elif at + length > end:
                raise UnsoundError
            else:
                if not fragments:
                    self.elements(at, at + length, explicit, depth)
                at += length
        return at
