"""A mask seen from an axis along z: how far out it reaches in each direction."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab

Axis = tuple[float, float]


def ends(
    mask: NDArray[np.uint8],
    axis: Axis,
    pixel: tuple[float, float],
    slices: NDArray[np.int64],
    directions: int,
    step: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Find where a mask begins and ends in each direction from an axis, in some slices.

    Parameters
    ----------
    mask
        uint8, (z, y, x).
    axis
        Where the axis is, (y, x) in voxels of the mask; may lie outside.
    pixel
        Size of a voxel along (y, x), in mm.
    slices
        Which slices.
    directions
        Rays in a slice; ray 0 runs along y, the next ones turn towards x.
    step
        Distance of the points that are looked at along a ray, in mm.

    Returns
    -------
    first, last
        Distances from the axis of the farthest voxel and of the nearest one of the same value, in
        mm, float32, (slices, directions); 0 where a ray meets none.
    value
        Value of these voxels, uint8.
    """
    turns = np.arange(directions) * (2 * np.pi / directions)
    farthest = np.hypot(
        max(axis[0], mask.shape[1] - axis[0]) * pixel[0],
        max(axis[1], mask.shape[2] - axis[1]) * pixel[1],
    )
    first = np.zeros((len(slices), directions), np.float32)
    last, value = np.zeros_like(first), np.zeros(first.shape, np.uint8)
    rays = np.cos(turns) / pixel[0], np.sin(turns) / pixel[1]
    each_slab(
        lambda a, b: _ends(
            mask,
            *axis,
            slices[a:b],
            *rays,
            int(farthest / step) + 1,
            step,
            first[a:b],
            last[a:b],
            value[a:b],
        ),
        len(slices),
    )
    return first, last, value


def fill_between(
    mask: NDArray[np.uint8],
    hu: NDArray[np.int16],
    axis: Axis,
    pixel: tuple[float, float],
    slices: NDArray[np.int64],
    inner: NDArray[np.float32],
    outer: NDArray[np.float32],
    hu_range: tuple[int, int],
    value: int,
) -> int:
    """Set the voxels between two surfaces around an axis, in place.

    Parameters
    ----------
    mask
        uint8, (z, y, x); only voxels that are 0 are set.
    hu
        int16, of the mask's shape.
    axis, pixel, slices
        As for `ends`; surfaces are interpolated between the slices and the directions.
    inner, outer
        Distances from the axis in mm, (slices, directions).
    hu_range
        Voxels below the first and above the second value are not set.
    value
        What to set.

    Returns
    -------
    int
        How many voxels were set.
    """
    rows = np.flatnonzero((outer > inner).any(axis=1))
    first = slices[max(0, rows[0] - 1)] if len(rows) else 0
    last = slices[min(len(slices) - 1, rows[-1] + 1)] + 1 if len(rows) else 0
    places = np.interp(np.arange(len(mask)), slices, np.arange(len(slices)))
    return sum(
        each_slab(
            lambda a, b: _fill_between(
                mask[first + a : first + b],
                hu[first + a : first + b],
                *axis,
                *pixel,
                places[first + a : first + b],
                inner,
                outer,
                *hu_range,
                np.uint8(value),
            ),
            int(last - first),
        )
    )


@kernel
def _ends(mask, y0, x0, slices, along_y, along_x, points, step, first, last, value):
    _, rows, width = mask.shape
    for i in range(len(slices)):
        for t in range(len(along_y)):
            for p in range(points, -1, -1):
                y = int(np.floor(y0 + p * step * along_y[t] + 0.5))
                x = int(np.floor(x0 + p * step * along_x[t] + 0.5))
                if not (0 <= y < rows and 0 <= x < width):
                    continue
                here = mask[slices[i], y, x]
                if here and value[i, t] == 0:
                    value[i, t] = here
                    last[i, t] = p * step
                if here and here == value[i, t]:
                    first[i, t] = p * step


@kernel
def _fill_between(mask, hu, y0, x0, high, wide, places, inner, outer, low_hu, high_hu, value):
    count = 0
    directions = inner.shape[1]
    turn = directions / (2 * np.pi)
    nearest, farthest = inner.min(), outer.max()
    for z in range(mask.shape[0]):
        low = int(places[z])
        up = min(low + 1, inner.shape[0] - 1)
        dz = places[z] - low
        for y in range(mask.shape[1]):
            dy = (y - y0) * high
            for x in range(mask.shape[2]):
                if mask[z, y, x] or not low_hu <= hu[z, y, x] <= high_hu:
                    continue
                dx = (x - x0) * wide
                distance = np.sqrt(dy * dy + dx * dx)
                if not nearest < distance <= farthest:
                    continue
                direction = np.arctan2(dx, dy) * turn % directions
                before = int(direction) % directions
                after = (before + 1) % directions
                dt = direction - np.floor(direction)
                a = (1 - dt) * outer[low, before] + dt * outer[low, after]
                b = (1 - dt) * outer[up, before] + dt * outer[up, after]
                if distance > (1 - dz) * a + dz * b:
                    continue
                a = (1 - dt) * inner[low, before] + dt * inner[low, after]
                b = (1 - dt) * inner[up, before] + dt * inner[up, after]
                if distance > (1 - dz) * a + dz * b:
                    mask[z, y, x] = value
                    count += 1
    return count
