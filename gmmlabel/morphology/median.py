"""Median of a label map by box counts.

A median of five labels needs no sorting: the label's rank in its window follows from how many
voxels of the window are at least 1, at least 2, ... at least 5, and such counts are sums over a
box, one axis after the other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab

_HIGHEST = 5


@dataclass(frozen=True)
class Window:
    """A box around a voxel: how many voxels it takes in before and after it, along (z, y, x)."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def voxels(self) -> int:
        """Voxels in the window."""
        return int(np.prod(np.add(self.before, self.after) + 1))


def median_labels(labels: NDArray[np.uint8], window: Window, *, inside: bool) -> NDArray[np.uint8]:
    """Smooth a label map with values 0 to 5 by the median in a box.

    Parameters
    ----------
    labels
        uint8, (z, y, x), 0 outside the lungs.
    window
        The box.
    inside
        True takes the median of the window's labels that are not 0, and leaves 0 as it is. False
        counts 0 as a value like any other and may write over it, with the array mirrored at its
        edges, as ``scipy.ndimage.median_filter`` does. An even number of values has the upper of
        the two middle ones as its median.

    Returns
    -------
    ndarray
        uint8, of the same shape.
    """
    places = [
        _mirrored(length, before, after) if not inside else _clamped(length, before, after)
        for length, before, after in zip(labels.shape, window.before, window.after, strict=True)
    ]
    smoothed = np.zeros_like(labels)
    sizes = np.add(window.before, window.after) + 1
    needed = 0 if inside else window.voxels - window.voxels // 2
    each_slab(lambda a, b: _median(labels, *places, *sizes, needed, smoothed, a, b), len(labels))
    return smoothed


def _mirrored(length: int, before: int, after: int) -> NDArray[np.int64]:
    """Index of each place from `before` ahead of the axis to `after` beyond it, mirrored."""
    there = np.arange(-before, length + after) % (2 * length)
    return np.minimum(there, 2 * length - 1 - there)


def _clamped(length: int, before: int, after: int) -> NDArray[np.int64]:
    """Index of each of these places, or -1 for one outside the axis."""
    there = np.arange(-before, length + after)
    return np.where((there < 0) | (there >= length), -1, there)


@kernel
def _median(labels, pz, py, px, nz, ny, nx, needed, smoothed, start, stop):
    """Smooth the slices `start` to `stop`; `needed` is the rank, or 0 for that of the labels."""
    _, rows, width = labels.shape
    line = np.empty(len(px), np.uint8)
    along_x = np.zeros((len(py), _HIGHEST, width), np.uint16)
    recent = np.zeros((nz, rows, _HIGHEST, width), np.uint16)
    total = np.zeros((rows, _HIGHEST, width), np.uint16)
    sums = np.zeros((_HIGHEST, width), np.uint16)
    for place in range(start, stop + nz - 1):
        z = pz[place]
        for j in range(len(py)):
            y = py[j]
            along_x[j] = 0
            if z < 0 or y < 0 or not labels[z, y].any():
                continue
            for i in range(len(px)):
                line[i] = labels[z, y, px[i]] if px[i] >= 0 else np.uint8(0)
            for c in range(_HIGHEST):
                for k in range(nx):
                    for x in range(width):
                        along_x[j, c, x] += np.uint16(line[x + k] > c)
        oldest = recent[place % nz]
        sums[:] = 0
        for j in range(len(py)):
            y = j - ny + 1
            for c in range(_HIGHEST):
                for x in range(width):
                    sums[c, x] += along_x[j, c, x]
                if y < 0:
                    continue
                for x in range(width):
                    total[y, c, x] += sums[c, x] - oldest[y, c, x]
                    oldest[y, c, x] = sums[c, x]
                    sums[c, x] -= along_x[y, c, x]
        out = place - nz + 1
        if out < start:
            continue
        for y in range(rows):
            for x in range(width):
                count = total[y, 0, x]
                rank = np.uint16(needed) if needed else np.uint16(count - count // 2)
                middle = np.uint8(0)
                for c in range(_HIGHEST):
                    middle += np.uint8(total[y, c, x] >= rank)
                smoothed[out, y, x] = middle if needed or labels[out, y, x] else np.uint8(0)
