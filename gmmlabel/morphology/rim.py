"""The rim of a mask that partial volume makes."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab

_MARK = np.uint8(128)
# More diagonals take twice the time and change 0.3 % of a lung.
_DIRECTIONS = np.array(
    [(-1, 0, 0), (1, 0, 0)]
    + [(0, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
)


def trim_rim(
    mask: NDArray[np.uint8],
    hu: NDArray[np.int16],
    spacing: tuple[float, float, float],
    hu_range: tuple[int, int],
    light_below: int,
    reach_mm: float,
) -> None:
    """Set the voxels of a mask's rim to 0, in place.

    A voxel is of the rim if its value is within a range, and within reach of it lies the outside
    in one of 10 directions, eight of them in the slice, and light tissue of the mask in the
    opposite one. Beyond the array is the outside, but not beyond its first and last slices.

    Parameters
    ----------
    mask
        uint8, (z, y, x), 0 or a value under 128.
    hu
        int16, of the mask's shape.
    spacing
        Distance of neighbouring voxels along (z, y, x), in mm.
    hu_range
        A voxel of the rim is not below the first and below the second.
    light_below
        What is light.
    reach_mm
        How far to look; a neighbour is always looked at.
    """
    lengths = np.linalg.norm(_DIRECTIONS * spacing, axis=1)
    steps = np.maximum(1, (reach_mm / lengths).astype(np.int64))
    numbers = _DIRECTIONS, steps, *hu_range, light_below
    each_slab(lambda a, b: _mark(mask, hu, *numbers, a, b), len(mask))
    each_slab(lambda a, b: _clear(mask[a:b]), len(mask))


@kernel
def _mark(mask, hu, directions, steps, low, high, light, start, stop):
    _, rows, width = mask.shape
    for z in range(start, stop):
        for y in range(rows):
            for x in range(width):
                if mask[z, y, x] == 0 or not low <= hu[z, y, x] < high:
                    continue
                for d in range(len(directions)):
                    if _ends(mask, directions[d], steps[d], z, y, x) and _brightens(
                        mask, hu, directions[d], steps[d], light, z, y, x
                    ):
                        mask[z, y, x] |= _MARK
                        break


@kernel
def _ends(mask, direction, steps, z, y, x):
    """Whether the mask ends within some steps in a direction."""
    dz, dy, dx = direction
    for _ in range(steps):
        z, y, x = z + dz, y + dy, x + dx
        if not 0 <= z < mask.shape[0]:
            return False
        if not (0 <= y < mask.shape[1] and 0 <= x < mask.shape[2]) or mask[z, y, x] == 0:
            return True
    return False


@kernel
def _brightens(mask, hu, direction, steps, light, z, y, x):
    """Whether light tissue of the mask lies within some steps against a direction."""
    dz, dy, dx = direction
    for _ in range(steps):
        z, y, x = z - dz, y - dy, x - dx
        if not (0 <= z < mask.shape[0] and 0 <= y < mask.shape[1] and 0 <= x < mask.shape[2]):
            return False
        if mask[z, y, x] == 0:
            return False
        if hu[z, y, x] < light:
            return True
    return False


@kernel
def _clear(mask):
    for z in range(mask.shape[0]):
        for y in range(mask.shape[1]):
            row = mask[z, y]
            for x in range(len(row)):
                row[x] = row[x] * np.uint8(row[x] < _MARK)
