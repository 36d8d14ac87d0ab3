"""Closing of a mask with a ball, exact, in a time that grows with the radius and not its cube.

A voxel is in the dilation if the squared distance to the nearest set voxel is at most the squared
radius, and that distance is a minimum along one axis after the other (Saito and Toriwaki 1994).
Because only distances up to the radius matter, they fit 16 bits:

1. along y, two sweeps count the voxels to the nearest set one, for a whole row of x at a time;
2. along z, a windowed minimum of squared distances, again over rows of x; blocks whose best
   possible value cannot improve the result are left out, which is most of them;
3. along x, what is left of the squared radius says how far the voxel reaches to both sides, and
   that reach is drawn in steps of 1, 2, 4, ... voxels.

Distances are integers: exact for balls in voxels, and in units of the squared radius over 20,000
for balls in mm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab

_UNITS = 20_000
_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Ball:
    """A ball on an anisotropic grid: offsets whose weighted squares sum to at most `limit`.

    Parameters
    ----------
    weights
        For each array axis (z, y, x) the weight of an offset of 0, 1, 2, ... voxels, uint16.
        Offsets beyond the last lie outside the ball.
    limit
        Squared radius in the same units.
    """

    weights: tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]
    limit: int

    @classmethod
    def of_voxels(cls, radius: int) -> "Ball":
        """Ball of the offsets with squared length at most ``(radius + 0.5) ** 2``.

        This is the ball of ITK's ``BinaryBallStructuringElement`` and of SimpleITK's ``sitkBall``.

        Raises
        ------
        ValueError
            If the radius is not between 1 and 140 voxels.
        """
        if not 1 <= radius <= 140:
            raise ValueError(f"ball radius is {radius} voxels; it must be from 1 to 140")
        squares = (np.arange(radius + 1) ** 2).astype(np.uint16)
        return cls((squares, squares, squares), radius * radius + radius)

    @classmethod
    def of_mm(cls, radius: float, spacing: tuple[float, float, float]) -> "Ball":
        """Ball of the offsets of length at most `radius` mm, at a spacing (z, y, x) in mm.

        Raises
        ------
        ValueError
            If the radius is not positive or reaches over 250 voxels along an axis.
        """
        if not 0 < radius <= 250 * min(spacing):
            raise ValueError(f"ball of {radius} mm at a spacing of {spacing} mm is out of range")
        unit = radius * radius / _UNITS
        weights = [
            np.rint((np.arange(int(radius / step * (1 + 1e-12)) + 1) * step) ** 2 / unit)
            for step in spacing
        ]
        z, y, x = (w.clip(max=_UNITS).astype(np.uint16) for w in weights)
        return cls((z, y, x), _UNITS)

    @property
    def reach(self) -> tuple[int, int, int]:
        """Largest offset along each array axis (z, y, x), in voxels."""
        z, y, x = (len(w) - 1 for w in self.weights)
        return z, y, x


def close_ball(mask: NDArray[np.uint8], ball: Ball) -> None:
    """Close a mask with a ball, in place.

    Outside the array counts as background for the dilation and is left out of account by the
    erosion. So an array whose outermost voxels lie further from the mask than the ball reaches
    is closed as if in empty space, and one that cuts through the mask is closed as if it went on
    in mirror image.

    Parameters
    ----------
    mask
        uint8, 0 or 1, (z, y, x), C-contiguous; is overwritten.
    ball
        What to close with.
    """
    dilate_ball(mask, ball)
    np.logical_not(mask, out=mask.view(np.bool_))
    dilate_ball(mask, ball)
    np.logical_not(mask, out=mask.view(np.bool_))


def dilate_ball(mask: NDArray[np.uint8], ball: Ball) -> None:
    """Dilate a mask with a ball, in place; outside the array counts as background."""
    slices, rows, _ = mask.shape
    wz, wy, wx = ball.weights
    far = np.uint16(ball.limit + 1)
    each_slab(lambda a, b: _count_along_y(mask[a:b], len(wy)), slices)
    along_y = np.append(wy, far)
    left = ball.limit - np.arange(ball.limit + 2)
    reach = np.searchsorted(wx, left, side="right").astype(np.int16) - np.int16(1)
    each_slab(lambda a, b: _spread(mask, a, b, along_y, wz, reach, far), rows)


@kernel
def _count_along_y(mask, cap):
    """Replace each voxel by the voxels to the nearest set one in its column, at most `cap`."""
    slices, rows, width = mask.shape
    most = np.uint8(cap)
    for z in range(slices):
        for x in range(width):
            mask[z, 0, x] = np.uint8(0) if mask[z, 0, x] else most
        for y in range(1, rows):
            for x in range(width):
                further = min(np.uint8(mask[z, y - 1, x] + np.uint8(1)), most)
                mask[z, y, x] = np.uint8(0) if mask[z, y, x] else further
        for y in range(rows - 2, -1, -1):
            for x in range(width):
                further = np.uint8(mask[z, y + 1, x] + np.uint8(1))
                mask[z, y, x] = min(mask[z, y, x], further)


@kernel
def _spread(mask, start, stop, along_y, wz, reach, far):
    """Turn counts along y into the dilated mask, for the rows `start` to `stop` of each slice."""
    slices, _, width = mask.shape
    blocks = (width + _BLOCK - 1) // _BLOCK
    plane = np.empty((slices, blocks, _BLOCK), np.uint16)
    least = np.empty((slices, blocks), np.uint16)
    best = np.empty((blocks, _BLOCK), np.uint16)
    plane[:] = far
    farthest = reach.max()
    line = np.empty(width + 2 * farthest, np.int16)
    other = np.empty_like(line)
    for y in range(start, stop):
        for z in range(slices):
            _square(mask[z, y], along_y, plane[z].reshape(-1))
            for b in range(blocks):
                least[z, b] = plane[z, b].min()
        for z in range(slices):
            nearest = far
            for b in range(blocks):
                best[b] = plane[z, b]
                _lower_along_z(best[b], plane, least, wz, z, b)
                nearest = min(nearest, best[b].min())
            if nearest < far:
                _draw(best.reshape(-1), reach, farthest, line, other, mask[z, y])
            else:
                mask[z, y, :] = 0


@kernel
def _square(counts, along_y, squares):
    for x in range(len(counts)):
        squares[x] = along_y[counts[x]]


@kernel
def _lower_along_z(best, plane, least, wz, z, b):
    """Take the minimum over a window of slices, nearest first, as long as it can improve."""
    worst = best.max()
    for d in range(1, len(wz)):
        if wz[d] >= worst:
            break
        if z >= d and least[z - d, b] + wz[d] < worst:
            worst = _lower(best, plane[z - d, b], wz[d])
        if z + d < len(plane) and least[z + d, b] + wz[d] < worst:
            worst = _lower(best, plane[z + d, b], wz[d])


@kernel
def _lower(best, other, weight):
    worst = np.uint16(0)
    for i in range(_BLOCK):
        value = min(best[i], np.uint16(other[i] + weight))
        best[i] = value
        worst = max(worst, value)
    return worst


@kernel
def _draw(best, reach, farthest, line, other, row):
    """Set what each voxel of a row reaches along x.

    A reach passes to the neighbours at a distance of 1, 2, 4, ... less that distance; any distance
    is a sum of these. `line` and `other` are wider than the row by `farthest` on both sides.
    """
    width = len(row)
    line[:] = -1
    other[:] = -1
    here = line[farthest : farthest + width]
    for x in range(width):
        here[x] = reach[best[x]]
    step = 1
    while step <= farthest:
        here = line[farthest : farthest + width]
        before = line[farthest - step : farthest - step + width]
        after = line[farthest + step : farthest + step + width]
        there = other[farthest : farthest + width]
        for x in range(width):
            there[x] = max(here[x], np.int16(max(before[x], after[x]) - step))
        line, other = other, line
        step *= 2
    here = line[farthest : farthest + width]
    for x in range(width):
        row[x] = here[x] >= 0
