"""The lung segmenters: the published one, in voxels, and the default one, in mm and mL.

Both take what is lighter than soft tissue, open it, choose the islands that are lung, and close
them with a ball, so that vessels and dense lesions count as lung. They differ in what they take
for an island of lung; docs/method.md tells why, number by number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.errors import NoLungsError
from gmmlabel.lungs.airways import find_airways, outside_lungs
from gmmlabel.lungs.cells import Cells
from gmmlabel.lungs.costal import repair_at_ribs
from gmmlabel.lungs.gas import gas_outside_lungs
from gmmlabel.lungs.islands import lung_islands
from gmmlabel.lungs.sides import Side, Sides, tell_sides
from gmmlabel.method import DefaultMethod, Method, PublishedMethod
from gmmlabel.morphology.ball import Ball, close_ball
from gmmlabel.morphology.cells import cell_shares, clear_cells, pack_cells, paint_cells
from gmmlabel.morphology.components import Components, components
from gmmlabel.morphology.merge import merge
from gmmlabel.morphology.packed import full_rows, open_cross, pack, pack_range
from gmmlabel.morphology.rim import trim_rim
from gmmlabel.volume import Volume

_LOWEST = -(1 << 15)
_NO_CORNER = np.zeros(3, np.int64)


@dataclass(frozen=True, eq=False)
class Lungs:
    """A lung mask, cropped to the box that it needs.

    Parameters
    ----------
    mask
        uint8, a `Side` or 0, (z, y, x) of the patient: 1 is the right lung, 2 the left one.
    corner
        Index of the mask's first voxel in the volume.
    airways_ml
        Trachea and main bronchi that were taken out, in mL.
    repaired_ml
        Dense tissue at the ribs that was taken in, in mL.
    sides_told
        Whether right and left could be told apart reliably.
    """

    mask: NDArray[np.uint8]
    corner: tuple[int, int, int]
    airways_ml: float = 0.0
    repaired_ml: float = 0.0
    sides_told: bool = True

    @property
    def region(self) -> tuple[slice, slice, slice]:
        """Where the mask lies in the volume."""
        z, y, x = (
            slice(first, first + length)
            for first, length in zip(self.corner, self.mask.shape, strict=True)
        )
        return z, y, x

    @classmethod
    def of_mask(cls, mask: NDArray[np.bool_]) -> "Lungs":
        """Crop a mask of the whole volume to its box and two voxels around it.

        That much the published median needs, whose window runs over the edge of the mask.

        Raises
        ------
        NoLungsError
            If the mask is empty.
        """
        if not mask.any():
            raise NoLungsError("the lung mask is empty")
        spans = []
        for axis in range(3):
            hit = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
            spans.append(slice(max(0, int(hit[0]) - 2), int(hit[-1]) + 3))
        z, y, x = spans
        return cls(np.ascontiguousarray(mask[z, y, x], np.uint8), (z.start, y.start, x.start))


def find_lungs(volume: Volume, method: Method) -> Lungs:
    """Segment the lungs.

    Parameters
    ----------
    volume
        Chest CT.
    method
        Whose numbers to use.

    Raises
    ------
    NoLungsError
        If nothing in the volume is a lung.
    """
    if isinstance(method, PublishedMethod):
        return _published(volume, method)
    return _default(volume, method)


def _published(volume: Volume, method: PublishedMethod) -> Lungs:
    width = volume.hu.shape[2]
    light = pack_range(volume.hu, _LOWEST, method.threshold_hu)
    islands = components(open_cross(light, width, (method.opening_voxels,) * 3, edge=False), width)
    chosen = (islands.sizes >= method.island_voxels) & ~islands.touches_border()
    if not chosen.any():
        raise NoLungsError(
            f"no lungs found: nothing under {method.threshold_hu} HU makes an island of "
            f"{method.island_voxels} voxels clear of the image border; try --method default"
        )
    balls = [Ball.of_voxels(radius) for radius in method.closing_voxels]
    # All balls fit in the room, beyond the ends of the volume too; the box keeps as much as the
    # median needs, whose window runs over the edge of the mask.
    room = np.full((3, 2), max(method.closing_voxels) + 1)
    kept = np.minimum(method.median_voxels // 2, _margins(islands.box(chosen), volume.hu.shape))
    return give_sides(volume, _closed(islands, chosen, balls, room, kept))


def give_sides(volume: Volume, lungs: Lungs) -> Lungs:
    """Tell right and left apart in a lung mask of whatever origin.

    Parameters
    ----------
    volume
        The CT.
    lungs
        Lungs of it, any non-zero value in the mask.

    Returns
    -------
    Lungs
        The same voxels, each with its `Side`.
    """
    method = DefaultMethod()
    cells = Cells.of_volume(volume, method)
    mask = lungs.mask.copy()
    airways = find_airways(cells, method)
    sides = _sides(mask, lungs.corner, cells, airways, method)
    return replace(lungs, mask=mask, sides_told=sides.told)


def _sides(
    mask: NDArray[np.uint8],
    corner: tuple[int, int, int],
    cells: Cells,
    airways: NDArray[np.bool_],
    method: DefaultMethod,
) -> Sides:
    """Tell the sides of a mask, and give each of its voxels its side, in place."""
    shares = cell_shares(mask, corner, cells.size, cells.means.shape)
    sides = tell_sides(cells, shares, airways, method)
    paint_cells(mask, corner, cells.size, sides.cells)
    return sides


def _default(volume: Volume, method: DefaultMethod) -> Lungs:
    cells = Cells.of_volume(volume, method)
    lumen = find_airways(cells, method)
    airways = ndimage.binary_dilation(lumen)  # a cell more, which holds the wall
    gas = gas_outside_lungs(cells, method)
    outside = pack_cells(gas | airways, cells.size, volume.hu.shape)
    islands = lung_islands(volume, outside, method)
    every = np.ones(len(islands.sizes), np.bool_)
    box = islands.box(every)
    mask = np.zeros(box[:, 1] - box[:, 0], np.uint8)
    islands.paint(every, mask, box[:, 0])
    z, y, x = (int(first) for first in box[:, 0])
    sides = _sides(mask, (z, y, x), cells, airways, method)
    at_ends = _margins(box, volume.hu.shape)[0] == 0
    ball = Ball.of_mm(method.closing_mm, volume.geometry.spacing_zyx)
    for side, part in _side_boxes(sides, (z, y, x), cells, mask.shape):
        _close_side(mask, part, side, ball, at_ends)
    clear_cells(mask, (z, y, x), cells.size, outside_lungs(airways, sides.cells, cells))
    region = np.s_[z : z + mask.shape[0], y : y + mask.shape[1], x : x + mask.shape[2]]
    repaired = 0
    if sides.told:  # a view within one lung, or of what is no chest, shows no ribs to go by
        repaired = repair_at_ribs(mask, volume.hu[region], (z, y, x), cells, method)
    trim_rim(
        mask,
        volume.hu[region],
        volume.geometry.spacing_zyx,
        (method.rim_above_hu, method.threshold_hu),
        method.rim_light_hu,
        method.rim_mm,
    )
    return Lungs(
        mask,
        (z, y, x),
        np.count_nonzero(lumen) * cells.ml,
        repaired * volume.geometry.voxel_ml,
        sides.told,
    )


def _side_boxes(
    sides: Sides, corner: tuple[int, int, int], cells: Cells, shape: tuple[int, ...]
) -> Iterator[tuple[Side, tuple[slice, ...]]]:
    """Find where in a mask of some shape, which begins at a corner, each lung lies."""
    for side, box in zip(Side, ndimage.find_objects(sides.cells, len(Side)), strict=True):
        if box is not None:
            yield (
                side,
                tuple(
                    slice(max(0, span.start * size - first), min(n, span.stop * size - first))
                    for span, size, first, n in zip(box, cells.size, corner, shape, strict=True)
                ),
            )


def _close_side(
    mask: NDArray[np.uint8],
    box: tuple[slice, ...],
    side: Side,
    ball: Ball,
    at_ends: NDArray[np.bool_],
) -> None:
    """Close one lung by itself and fill its holes, in place; the other lung keeps its voxels.

    Beyond those of the mask's first and last slices that end the volume (`at_ends`), the lung is
    taken to go on.
    """
    part = mask[box]
    goes_on = at_ends & [bool((part[end] == side).any()) for end in (0, -1)]
    room = np.repeat(np.array(ball.reach)[:, np.newaxis] + 1, 2, axis=1)
    room[0] *= ~goes_on
    lung = np.zeros(part.shape + room.sum(axis=1), np.uint8)
    inner = tuple(
        slice(before, before + n) for (before, _), n in zip(room, part.shape, strict=True)
    )
    np.equal(part, side, out=lung[inner].view(np.bool_))
    close_ball(lung, ball)
    _fill_holes(lung[inner])
    merge(part, lung[inner], side)


def _closed(
    islands: Components,
    chosen: NDArray[np.bool_],
    balls: list[Ball],
    room: NDArray[np.int64],
    kept: NDArray[np.int64],
) -> Lungs:
    """Close the chosen islands in a box with room before and after it along each axis.

    A closing stays within the box of what it closes, so of the room only `kept`, (3, 2) like
    `room`, is needed afterwards.
    """
    box = islands.box(chosen)
    start, stop = box[:, 0] - room[:, 0], box[:, 1] + room[:, 1]
    mask = np.zeros(stop - start, np.uint8)
    islands.paint(chosen, mask, start)
    for ball in balls:
        close_ball(mask, ball)
    cut = room - kept
    mask = np.ascontiguousarray(mask[tuple(map(slice, cut[:, 0], mask.shape - cut[:, 1]))])
    z, y, x = (int(first) for first in start + cut[:, 0])
    return Lungs(mask, (z, y, x))


def _fill_holes(mask: NDArray[np.uint8]) -> None:
    """Set, in place, what the mask encloses on all sides."""
    width = mask.shape[2]
    gaps = components(~pack(mask.view(np.bool_)) & full_rows(width), width)
    enclosed = np.all(_margins(gaps.boxes, mask.shape) > 0, axis=(1, 2))
    gaps.paint(enclosed, mask, _NO_CORNER)


def _margins(boxes: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Voxels between boxes, (..., 3, 2), and the two ends of each axis."""
    return np.stack([boxes[..., 0], np.array(shape) - boxes[..., 1]], axis=-1).astype(np.int64)
