"""Masks packed 64 voxels to a word, and the opening by the 6-neighbour cross on them.

A packed mask is uint64, (z, y, words): bit ``b`` of word ``w`` is voxel ``x = 64 w + b``, and the
bits beyond the last voxel of a row are 0. A cross step is then a handful of word operations for
64 voxels: three erosions and three dilations of 165 million voxels take less time than reading
one byte of each.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab

_ONE = np.uint64(1)
_TOP = np.uint64(63)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


def pack_range(hu: NDArray[np.int16], low: int, high: int) -> NDArray[np.uint64]:
    """Pack the mask of ``low <= hu < high``.

    Parameters
    ----------
    hu
        int16, (z, y, x), C-contiguous.
    low, high
        Bounds, in the units of `hu`.

    Returns
    -------
    ndarray
        Packed mask, (z, y, words).
    """
    packed = np.zeros((*hu.shape[:2], (hu.shape[2] + 63) // 64), np.uint64)
    each_slab(lambda a, b: _pack_range(hu[a:b], low, high, packed[a:b]), len(hu))
    return packed


def unpack(packed: NDArray[np.uint64], width: int) -> NDArray[np.bool_]:
    """Unpack a packed mask of rows of `width` voxels into booleans (z, y, x)."""
    bits = packed.astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(bits, axis=2, count=width, bitorder="little").view(np.bool_)


def pack(mask: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack a boolean mask (z, y, x)."""
    width = mask.shape[2]
    bits = np.zeros((*mask.shape[:2], (width + 63) // 64 * 8), np.uint8)
    octets = np.packbits(mask, axis=2, bitorder="little")
    bits[:, :, : octets.shape[2]] = octets
    return bits.view("<u8").astype(np.uint64, copy=False)


def full_rows(width: int) -> NDArray[np.uint64]:
    """Packed row of `width` set voxels, (words,)."""
    row = np.zeros((width + 63) // 64, np.uint64)
    row[:] = _ALL
    row[-1] >>= np.uint64(-width % 64)
    return row


def open_cross(
    packed: NDArray[np.uint64], width: int, steps: tuple[int, int, int], *, edge: bool
) -> NDArray[np.uint64]:
    """Open by erosions and as many dilations with the 6-neighbour cross.

    Parameters
    ----------
    packed
        Packed mask, (z, y, words).
    width
        Voxels in a row.
    steps
        How far each axis (z, y, x) is eroded, in voxels. The axis of most steps takes part in
        every erosion, the others in an even share of them; (3, 3, 3) is three whole crosses.
    edge
        What lies outside the array for the erosions: True goes on with the mask, so that a
        structure cut by the edge of the volume keeps its end; False is background. For the
        dilations it is background.

    Returns
    -------
    ndarray
        Packed mask of the same shape.
    """
    most = max(steps)
    shares = [tuple((i + 1) * n // most > i * n // most for n in steps) for i in range(most)]
    here, there = packed.copy(), np.empty_like(packed)
    for grow in (False, True):
        for share in shares:
            step = partial(_step_cross, here, width, share, grow, edge, there)
            each_slab(step, len(here))
            here, there = there, here
    return here


@kernel
def _pack_range(hu, low, high, packed):
    slices, rows, width = hu.shape
    for z in range(slices):
        for y in range(rows):
            for w in range(packed.shape[2]):
                word = np.uint64(0)
                start = 64 * w
                for b in range(min(64, width - start)):
                    value = hu[z, y, start + b]
                    word |= np.uint64((value >= low) & (value < high)) << np.uint64(b)
                packed[z, y, w] = word


@kernel
def _step_cross(here, width, share, grow, edge, there, start, stop):
    """Dilate (`grow`) or erode by one step: an erosion is a dilation of the background."""
    slices, rows, words = here.shape
    along_z, along_y, along_x = share
    turn = np.uint64(0) if grow else _ALL
    outside = np.uint64(0) if grow or edge else _ALL
    last = _last_word(width)
    for z in range(start, stop):
        for y in range(rows):
            for w in range(words):
                valid = last if w + 1 == words else _ALL
                word = (here[z, y, w] ^ turn) & valid
                grown = word
                if along_x:
                    low = here[z, y, w - 1] ^ turn if w > 0 else outside
                    high = here[z, y, w + 1] ^ turn if w + 1 < words else outside
                    beyond = word | (outside & ~valid)
                    grown |= (word << _ONE) | (low >> _TOP) | (beyond >> _ONE) | (high << _TOP)
                if along_y:
                    grown |= here[z, y - 1, w] ^ turn if y > 0 else outside
                    grown |= here[z, y + 1, w] ^ turn if y + 1 < rows else outside
                if along_z:
                    grown |= here[z - 1, y, w] ^ turn if z > 0 else outside
                    grown |= here[z + 1, y, w] ^ turn if z + 1 < slices else outside
                there[z, y, w] = (grown ^ turn) & valid


@kernel
def _last_word(width):
    """Bits of the last word of a row that hold voxels."""
    rest = width % 64
    return _ALL if rest == 0 else (_ONE << np.uint64(rest)) - _ONE
