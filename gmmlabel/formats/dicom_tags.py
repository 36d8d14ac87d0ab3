"""A few elements of a DICOM data set, read from its first bytes.

A cohort has millions of files of which only the header matters, so this reads the elements up to
those that are asked for and nothing after them: about seven times as fast as GDCM. Section numbers
are those of DICOM PS3.5.
"""

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO

FIRST_READ = 1 << 14
"""Bytes that hold all up to the pixel spacing of nearly every CT."""

_LONGEST_HEADER = 1 << 24
DEEPEST = 32
BIG_ENDIAN = b"1.2.840.10008.1.2.2"
DEFLATED = b"1.2.840.10008.1.2.1.99"
TRANSFER_SYNTAX = 0x0002_0010
ITEM_END, SEQUENCE_END = 0xFFFE_E00D, 0xFFFE_E0DD
UNDEFINED = 0xFFFF_FFFF
# 7.1.2: these state their length in 16 bits, all others in 32.
SHORT_KINDS = {
    *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
    *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
}


@dataclass(frozen=True)
class Tags:
    """Elements of a data set.

    Parameters
    ----------
    values
        Value of each element that was found, by tag: ``0x00080060`` is the modality.
    big_endian
        Whether numbers are stored with their highest byte first.
    """

    values: dict[int, bytes]
    big_endian: bool = False

    def text(self, tag: int) -> str:
        """Take the text of an element, without padding; empty if it is not there."""
        return self.values.get(tag, b"").decode("latin-1").strip(" \0")

    def number(self, tag: int) -> int | None:
        """Take the number of an element of 16 bits (VR US), or None if it is not there."""
        value = self.values.get(tag, b"")[:2]
        return int.from_bytes(value, "big" if self.big_endian else "little") if value else None


def read_tags(start: bytes, stream: IO[bytes], wanted: Collection[int]) -> Tags:
    """Read elements of a DICOM data set.

    Parameters
    ----------
    start
        The first bytes of a DICOM file, with or without preamble.
    stream
        What comes after them; is read only if the elements lie there.
    wanted
        Tags of the elements; the highest is where reading ends.

    Returns
    -------
    Tags
        The elements that are there, as far as a damaged or truncated file lets them be found.
    """
    data = start
    while True:
        walk = _Walk(data, frozenset(wanted))
        try:
            walk.run()
        except struct.error:  # the data end here, or were not read to here
            more = stream.read(3 * len(data)) if len(data) < _LONGEST_HEADER else b""
            if more:
                data += more
                continue
        except (ValueError, zlib.error):
            pass
        return Tags(walk.found, walk.order == ">")


def is_explicit(data: bytes, at: int) -> bool:
    """Whether elements state their kind: two capital letters where else is a small length."""
    kind = data[at + 4 : at + 6]
    return kind.isalpha() and kind.isupper()


class _Walk:
    """A walk over the elements of a data set, from one to the next."""

    def __init__(self, data: bytes, wanted: frozenset[int]) -> None:
        self.data = data
        self.wanted = wanted
        self.found: dict[int, bytes] = {}
        self.order = "<"

    def run(self) -> None:
        start = 132 if self.data[128:132] == b"DICM" else 0
        explicit = is_explicit(self.data, start)
        # PS3.10 7.1: the elements of group 0002 are little endian, whatever comes after them.
        at = self._walk(start, explicit, last=0x0002_FFFF, wanted={TRANSFER_SYNTAX})
        syntax = self.found.pop(TRANSFER_SYNTAX, b"").strip(b" \0")
        if syntax == DEFLATED:
            inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            self.data, at = inflate.decompress(self.data[at:], _LONGEST_HEADER), 0
        self.order = ">" if syntax == BIG_ENDIAN else "<"
        self._walk(at, is_explicit(self.data, at), last=max(self.wanted), wanted=self.wanted)

    def _walk(
        self,
        at: int,
        explicit: bool,
        *,
        last: int,
        wanted: Collection[int] = (),
        depth: int = 0,
    ) -> int:
        """Go over elements up to the tag `last`, or to the end of the item; where it ends."""
        data, order = self.data, self.order
        head = struct.Struct(f"{order}HH2sH" if explicit else f"{order}HHI").unpack_from
        long = struct.Struct(f"{order}I").unpack_from
        while True:
            kind = b""
            if explicit:
                group, element, kind, length = head(data, at)
                start = at + 8
                if kind not in SHORT_KINDS:
                    # Delimiters have no kind, and their length is that of an implicit element.
                    wide = group != 0xFFFE
                    (length,) = long(data, at + 8 if wide else at + 4)
                    start = at + 12 if wide else at + 8
            else:
                group, element, length = head(data, at)
                start = at + 8
            tag = group << 16 | element
            if tag > last:
                return at
            if tag == ITEM_END:
                return start
            if length == UNDEFINED:
                # 6.2.2: a sequence of unknown kind is one of implicit elements.
                at = self._skip_items(start, explicit and kind != b"UN", depth + 1)
                continue
            at = start + length
            if tag in wanted:
                if at > len(data):
                    raise struct.error("the value ends too early")
                self.found[tag] = data[start:at]

    def _skip_items(self, at: int, explicit: bool, depth: int) -> int:
        """Go over the items of a sequence of undefined length (7.5); where it ends."""
        if depth > DEEPEST:
            raise ValueError("sequences too deep in each other")
        head = struct.Struct(f"{self.order}HHI").unpack_from
        while True:
            group, element, length = head(self.data, at)
            at += 8
            if group << 16 | element == SEQUENCE_END:
                return at
            if group != 0xFFFE:
                raise ValueError("no item where one is due")
            if length == UNDEFINED:
                at = self._walk(at, explicit, last=SEQUENCE_END, depth=depth)
            else:
                at += length
