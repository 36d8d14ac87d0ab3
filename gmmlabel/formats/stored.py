"""Voxels as a file stores them: raw or deflated, whole, and no more than the file can hold.

ITK fills what a truncated file lacks with zeros, checks no checksum, and prints; so voxels are
read here. What a header claims is held against the size of the file before memory is taken.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from isal.igzip_lib import IsalError
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError, UnreadableError
from gmmlabel.volume import Geometry

MAX_VOXELS = 2**31
"""More voxels than this (2048 slices of 1024 x 1024) are taken for a damaged header."""

_MOST_DEFLATED = 1032  # deflate makes nothing smaller than to 1/1032 of its size (zlib.net)
_ZLIB_OR_GZIP = 47  # of decompressobj: whichever header is there
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
_FIRST_CHUNK = 1 << 12
_MOST_AXES = 16  # of any format
_LONGEST_VALUE = 1000  # of a line of a header that states numbers


@dataclass(frozen=True)
class ImageHeader:
    """What the header of an image file says of its voxels.

    Parameters
    ----------
    geometry
        The grid.
    dtype
        Type of the voxels, in the byte order of the file.
    deflated
        Whether the file is compressed.
    scaled
        Type of the values if the voxels are multiplied and shifted to get them, or None.
    """

    geometry: Geometry
    dtype: np.dtype[Any]
    deflated: bool
    scaled: np.dtype[Any] | None = None

    @property
    def voxel_bytes(self) -> int:
        """Most memory that a voxel takes until it stands in a `Volume`, in bytes."""
        stored = self.dtype.itemsize
        turned = 0 if self.dtype.isnative else stored
        values = max(turned, self.scaled.itemsize if self.scaled else 0)
        if self.dtype.newbyteorder("=") == np.int16 and not self.scaled:
            return stored + max(values, 2)  # the volume is a view, or a copy in other axes
        return stored + values + 4  # int16 beside it, and a copy of that in other axes


def one_volume(size: Sequence[int], values: int = 1) -> tuple[int, int, int]:
    """Refuse what is not one 3-D volume of numbers; trailing lengths of 1 are dropped.

    Parameters
    ----------
    size
        Voxels along each stored axis.
    values
        Numbers a voxel.

    Returns
    -------
    tuple of int
        Voxels along each of three axes.
    """
    if values != 1:
        raise UnreadableError(
            f"{values} values a voxel (a colour picture or vectors); export the CT itself"
        )
    if len(size) > _MOST_AXES:
        raise UnreadableError(f"an image of {len(size)} axes; get the file again")
    while len(size) > 3 and size[-1] == 1:
        size = size[:-1]
    if len(size) != 3:
        raise GeometryError(f"{len(size)}-D image; a chest CT is one 3-D volume")
    if min(size) < 1:
        raise UnreadableError("the image has no voxels; get the file again")
    x, y, z = size
    return x, y, z


def inflated(packed: io.BufferedReader) -> io.BufferedReader:
    """Open what a zlib stream, or gzip members one after the other, hold; checksums are checked."""
    return io.BufferedReader(_Inflated(packed))


def short_value(stated: str) -> str:
    """Give what a line of a header states, if it can be numbers of a few axes.

    Raises
    ------
    UnreadableError
        If it is longer: taking it apart would take long.
    """
    if len(stated) > _LONGEST_VALUE:
        raise UnreadableError("a line of the header is too long; get the file again")
    return stated


class _Inflated(io.RawIOBase):
    def __init__(self, packed: io.BufferedReader) -> None:
        self._file = packed
        self._inflate = isal_zlib.decompressobj(_ZLIB_OR_GZIP)
        self._packed = b""
        self._chunk = _FIRST_CHUNK

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while True:
            if self._inflate.eof:
                after = self._inflate.unused_data
                after += self._file.read(_FIRST_CHUNK) if len(after) < len(_GZIP_MAGIC) else b""
                if not after.startswith(_GZIP_MAGIC):
                    return 0
                self._inflate, self._packed = isal_zlib.decompressobj(_ZLIB_OR_GZIP), after
                self._chunk = _FIRST_CHUNK
            packed = self._packed or self._next_chunk()
            if not packed:
                raise EOFError("the compressed data end too early")
            try:
                part = self._inflate.decompress(packed, min(len(view), 16 * _CHUNK))
            except IsalError as error:
                raise ValueError(f"the compressed data are damaged: {error}") from error
            self._packed = self._inflate.unconsumed_tail
            if part:
                view[: len(part)] = part
                return len(part)

    def _next_chunk(self) -> bytes:
        """Read on, at first little: what comes after the end of a member is copied."""
        chunk = self._file.read(self._chunk)
        self._chunk = min(2 * self._chunk, _CHUNK)
        return chunk


def read_voxels(path: Path, file: io.BufferedReader, header: ImageHeader) -> NDArray[Any]:
    """Read the voxels of a file.

    Parameters
    ----------
    path
        The file, of which the size is asked.
    file
        The same, open, and at the first voxel; inflated if it is compressed.
    header
        What it says of its voxels.

    Returns
    -------
    ndarray
        Last stored axis first, in the byte order of this machine.

    Raises
    ------
    UnreadableError
        If the file cannot hold as many voxels.
    EOFError, ValueError
        If it ends before its last voxel, or its checksum is wrong.
    """
    size, dtype, deflated = header.geometry.size, header.dtype, header.deflated
    claimed = prod(size) * dtype.itemsize
    held = path.stat().st_size
    room = held * _MOST_DEFLATED if deflated else held - file.tell()
    if prod(size) > MAX_VOXELS or claimed > room:
        raise UnreadableError(
            f"the header claims {claimed:,} bytes of voxels, more than a file of {held:,} bytes "
            "can hold; it is damaged or truncated: get the file again"
        )
    voxels = np.empty(size[::-1], dtype)
    if file.readinto(voxels.reshape(-1).view(np.uint8).data) < claimed:
        raise EOFError("the voxels end too early")
    if deflated:
        file.read(1)  # the checksum comes after the last voxel
    native = dtype.newbyteorder("=")
    return voxels if voxels.dtype == native else voxels.astype(native)
