"""What a sample of a CT's slices shows of how it was made: air, soft tissue, blood, noise, cuts.

Nothing here is needed to label a CT; `gmmlabel.quality` says what follows from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.lungs import Lungs
from gmmlabel.volume import Volume

SLICES = 24
"""Slices looked at, evenly over the height of the lungs."""

_PATCH_MM, _PATCH_VOXELS = 5.0, 3  # side of a patch, and the fewest voxels along it
_PATCHES = 30  # fewer of a kind say nothing
_PADDING_BELOW_HU = -1200
_BODY_ABOVE_HU = -700  # walking in from the edge of the image, the first such voxel is body
_AIR_HU = (-1150, -850)
_AIR_SHARE = 0.002  # of the voxels looked at
_SOFT_HU = (-50, 200)
_NOISE_OF_HU = (0, 100)
_EDGE_MM = 3.0
_OUTLINE_MM = 2.0
_OUTLINE_GRID_MM = 0.5  # how far an outline on such a grid moves by chance


@dataclass(frozen=True)
class Inspection:
    """What a sample of a CT's slices shows; None where it shows nothing.

    Parameters
    ----------
    air_hu
        Most frequent HU of the air around the patient, without padding.
    soft_tissue_hu
        Most frequent mean HU of patches of the body that are not fat, lung or bone.
    blood_hu
        Upper quartile of the patches between the lungs, where heart and great vessels are.
    noise_hu
        Most frequent standard deviation in patches of soft tissue.
    edge_cm2
        Area of the lungs within 3 mm of the edge of the image or of padding, in the plane.
    ends_percent
        Cross-section of the lungs in the first or last slice, whichever is larger, in percent of
        their largest.
    step
        How far the lungs' outline moves from one slice to the next, as a multiple of how far it
        moves between the three slices before and after; None where there are too few slices.
    """

    air_hu: float | None
    soft_tissue_hu: float | None
    blood_hu: float | None
    noise_hu: float | None
    edge_cm2: float
    ends_percent: float
    step: float | None


@dataclass(frozen=True)
class _Slice:
    """An axial slice, (y, x): HU, lungs (0, 1, 2) and what is padding."""

    hu: NDArray[np.int16]
    lungs: NDArray[np.uint8]
    padding: NDArray[np.bool_]


def inspect(volume: Volume, lungs: Lungs) -> Inspection:
    """Look at a sample of the slices that the lungs lie in.

    Parameters
    ----------
    volume
        Chest CT.
    lungs
        Its lungs.
    """
    z_step, *steps = volume.geometry.spacing_zyx
    patch = tuple(max(_PATCH_VOXELS, round(_PATCH_MM / step)) for step in steps)
    air = np.zeros(_AIR_HU[1] - _AIR_HU[0] + 1, np.int64)
    seen = 0
    edge_mm2: list[float] = []
    means, deviations, mediastinum = [], [], []
    for one in _slices(volume, lungs):
        seen += one.hu.size
        air += _count_air(one)
        edge_mm2.append(_edge_mm(one, (steps[0], steps[1])) * z_step)
        mean, deviation, inside = _patches(one, (patch[0], patch[1]))
        means.append(mean[inside == 0])
        deviations.append(deviation[inside == 0])
        mediastinum.append(mean[_between(inside)])
    mean, deviation, blood = map(np.concatenate, (means, deviations, mediastinum))
    soft = (mean > _NOISE_OF_HU[0]) & (mean < _NOISE_OF_HU[1])
    areas = np.count_nonzero(lungs.mask, axis=(1, 2))
    return Inspection(
        air_hu=_air(air, seen),
        soft_tissue_hu=_mode(mean, *_SOFT_HU, width=7),
        blood_hu=_upper_quartile(blood[blood > 0]),
        noise_hu=_mode(deviation[soft], 0, 200, width=3, bins=2),
        edge_cm2=float(np.mean(edge_mm2)) * int(np.count_nonzero(areas)) / 100,
        ends_percent=_ends_percent(areas, lungs.corner[0], len(volume.hu)),
        step=_step(lungs.mask, areas, (steps[0], steps[1])),
    )


def _slices(volume: Volume, lungs: Lungs) -> Iterator[_Slice]:
    """Slices that hold lung, evenly from the lowest to the highest."""
    heights = np.flatnonzero(lungs.mask.any(axis=(1, 2)))
    corners = volume.hu[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    filled = (corners == corners[0, 0]).all()  # with the same value in every slice: no scan
    _, rows, columns = lungs.region
    for place in np.unique(np.linspace(0, len(heights) - 1, SLICES).round().astype(int)):
        z = heights[place]
        hu = volume.hu[lungs.corner[0] + z]
        inside = np.zeros(hu.shape, np.uint8)
        inside[rows, columns] = lungs.mask[z]
        padding = hu < _PADDING_BELOW_HU
        if filled:
            padding |= hu == corners[0, 0]
        yield _Slice(hu, inside, padding)


def _count_air(one: _Slice) -> NDArray[np.int64]:
    """Count the values of the air in front of the body and at its sides.

    Not of what is further back than the lungs: the foam of the couch is nearly as light.
    """
    rows = slice(0, int(np.flatnonzero(one.lungs.any(axis=1))[-1]))
    hu, lungs, padding = one.hu[rows], one.lungs[rows], one.padding[rows]
    body = hu > _BODY_ABOVE_HU
    left = np.logical_or.accumulate(body, axis=1)
    right = np.logical_or.accumulate(body[:, ::-1], axis=1)[:, ::-1]
    values = hu[~(left & right) & (lungs == 0) & ~padding]
    values = values[(values >= _AIR_HU[0]) & (values <= _AIR_HU[1])]
    return np.bincount(values.astype(np.int64) - _AIR_HU[0], minlength=_AIR_HU[1] - _AIR_HU[0] + 1)


def _air(counts: NDArray[np.int64], seen: int) -> float | None:
    """Most frequent value of air, but for values at which the scanner clipped or filled."""
    near = np.convolve(counts, [1, 1, 0, 1, 1], "same")
    counts = np.where(counts > near, 0, counts)
    if counts.sum() < _AIR_SHARE * seen:
        return None
    return float(np.convolve(counts, np.ones(21), "same").argmax() + _AIR_HU[0])


def _patches(
    one: _Slice, patch: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Mean HU of each patch, standard deviation about its slope, and which lung its centre is in.

    Without the slope a large patch that lies across an edge would seem noisy.
    """
    high, wide = patch
    rows, columns = one.hu.shape[0] // high, one.hu.shape[1] // wide
    cut = one.hu[: rows * high, : columns * wide]
    cells = cut.reshape(rows, high, columns, wide).astype(np.float32)
    y = np.arange(high, dtype=np.float32) - (high - 1) / 2
    x = np.arange(wide, dtype=np.float32) - (wide - 1) / 2
    along_y, along_x = cells.sum(axis=3), cells.sum(axis=1)
    mean = along_y.sum(axis=1) / (high * wide)
    squares = np.einsum("ijkl,ijkl->ik", cells, cells) - high * wide * mean * mean
    squares -= np.einsum("ijk,j->ik", along_y, y) ** 2 / (wide * (y @ y))
    squares -= np.einsum("ikl,l->ik", along_x, x) ** 2 / (high * (x @ x))
    deviation = np.sqrt(np.maximum(squares, 0) / (high * wide - 3))
    inside = one.lungs[high // 2 :: high, wide // 2 :: wide][:rows, :columns]
    return mean, deviation, inside


def _between(lungs: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the right lung is on one side of a row and the left lung on the other.

    Only from a fifth to three fifths of the way from front to back: before that is the sternum,
    behind it the spine.
    """
    right = np.logical_or.accumulate(lungs == 1, axis=1)
    left = np.logical_or.accumulate(lungs[:, ::-1] == 2, axis=1)[:, ::-1]
    between = right & left & (lungs == 0)
    rows = np.flatnonzero(lungs.any(axis=1))
    if len(rows):
        first, depth = rows[0], rows[-1] - rows[0]
        between[: int(first + 0.2 * depth)] = False
        between[int(first + 0.6 * depth) + 1 :] = False
    return np.asarray(between)


def _upper_quartile(values: NDArray[np.float32]) -> float | None:
    return float(np.quantile(values, 0.75)) if len(values) >= _PATCHES else None


def _mode(
    values: NDArray[np.float32], low: int, high: int, width: int, bins: int = 1
) -> float | None:
    """Most frequent value, counted in `bins` a unit and smoothed over `width` units."""
    values = values[(values >= low) & (values <= high)]
    if len(values) < _PATCHES:
        return None
    places = np.rint((values - low) * bins).astype(np.int64)
    window = np.ones(width * bins // 2 * 2 + 1)
    counts = np.convolve(np.bincount(places, minlength=len(window)), window, "same")
    return float(counts.argmax() / bins + low)


def _edge_mm(one: _Slice, steps: tuple[float, float]) -> float:
    """Length of the lungs' outline that lies at the edge of the image or at padding."""
    length = 0.0
    for axis, step in enumerate(steps):
        padding, lungs = one.padding.swapaxes(0, axis), one.lungs.swapaxes(0, axis) > 0
        reach = max(1, round(_EDGE_MM / step))
        beyond = np.pad(padding, ((reach, reach), (0, 0)), constant_values=True)
        near = beyond[: -2 * reach] | beyond[2 * reach :]
        length += steps[1 - axis] * int((lungs & near).any(axis=0).sum())
    return length


def _ends_percent(areas: NDArray[np.int64], first: int, slices: int) -> float:
    """Larger cross-section in the first or last slice of the volume, in percent of the largest."""
    ends = [0]
    if first == 0:
        ends.append(int(areas[0]))
    if first + len(areas) == slices:
        ends.append(int(areas[-1]))
    return 100 * max(ends) / max(1, int(areas.max(initial=0)))


def _step(
    mask: NDArray[np.uint8], areas: NDArray[np.int64], steps: tuple[float, float]
) -> float | None:
    """How much further the outline moves between two slices than between those around them."""
    height, width = (max(1, round(_OUTLINE_MM / step)) for step in steps)
    inside = np.pad(mask[:, ::height, ::width] > 0, ((0, 0), (1, 1), (1, 1)))
    high, wide = steps[0] * height, steps[1] * width
    changed = np.count_nonzero(inside[1:] != inside[:-1], axis=(1, 2)) * high * wide
    outline = wide * np.count_nonzero(inside[:, 1:] != inside[:, :-1], axis=(1, 2))
    outline += high * np.count_nonzero(inside[:, :, 1:] != inside[:, :, :-1], axis=(1, 2))
    moved = 2 * changed / np.maximum(outline[1:] + outline[:-1], 1) + _OUTLINE_GRID_MM
    # Near apex and base the outline changes fast by nature.
    whole = np.minimum(areas[1:], areas[:-1])[3:-3] > 0.3 * areas.max(initial=0)
    if not whole.any():
        return None
    around = np.lib.stride_tricks.sliding_window_view(moved, 7)[:, [0, 1, 2, 4, 5, 6]]
    return float((moved[3:-3] / np.median(around, axis=1))[whole].max())
