"""The lung segmenters: the published one, in voxels, and the default one, in mm and mL.

Both take what is lighter than soft tissue, open it, choose the islands that are lung, and close
them with a ball, so that vessels and dense lesions count as lung. They differ in what they take
for an island of lung; docs/method.md tells why, number by number.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import NoLungsError
from gmmlabel.gas import gas_outside_lungs
from gmmlabel.method import DefaultMethod, Method, PublishedMethod
from gmmlabel.morphology.ball import Ball, close_ball
from gmmlabel.morphology.components import Components, components
from gmmlabel.morphology.packed import full_rows, open_cross, pack, pack_range
from gmmlabel.morphology.sheltered import sheltered_share
from gmmlabel.volume import Volume

_LOWEST = -(1 << 15)
_HIGHEST = 1 << 15


@dataclass(frozen=True, eq=False)
class Lungs:
    """A lung mask, cropped to the box that it needs.

    Parameters
    ----------
    mask
        uint8, 0 or 1, (z, y, x) of the patient.
    corner
        Index of the mask's first voxel in the volume.
    """

    mask: NDArray[np.uint8]
    corner: tuple[int, int, int]

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
    return _closed(islands, chosen, balls, room, kept)


def _default(volume: Volume, method: DefaultMethod) -> Lungs:
    islands = _islands(volume, method)
    chosen = _choose(volume, method, islands)
    found_ml = islands.sizes[chosen].sum() * volume.geometry.voxel_ml
    if found_ml < method.lungs_ml:
        raise NoLungsError(
            f"no lungs found: {found_ml:.0f} mL in the body is as light as lung, under the "
            f"{method.lungs_ml:g} mL of a slab of lungs; give a chest CT"
        )
    ball = Ball.of_mm(method.closing_mm, volume.geometry.spacing_zyx)
    # There is no room beyond the first and last slice, where the closing takes the lungs to go on.
    room = np.repeat(np.array(ball.reach)[:, np.newaxis] + 1, 2, axis=1)
    room[0] = np.minimum(room[0], _margins(islands.box(chosen), volume.hu.shape)[0])
    lungs = _closed(islands, chosen, [ball], room, np.zeros((3, 2), np.int64))
    _fill_holes(lungs.mask)
    return lungs


def _islands(volume: Volume, method: DefaultMethod) -> Components:
    """Find the islands of what is light, neither padding nor gas outside the lungs."""
    light = pack_range(volume.hu, method.padding_below_hu, method.threshold_hu)
    light &= ~gas_outside_lungs(volume, method)
    padding = _constant_corner(volume.hu)
    if padding is not None:
        light &= ~pack_range(volume.hu, padding, padding + 1)
    width, opening = volume.hu.shape[2], _steps(method.opening_mm, volume.geometry.spacing_zyx)
    islands = components(open_cross(light, width, opening, edge=True), width)
    return islands.keep(islands.sizes * volume.geometry.voxel_ml >= method.island_ml)


def _choose(volume: Volume, method: DefaultMethod, islands: Components) -> NDArray[np.bool_]:
    """Tell which islands are lung."""
    in_body = _share_in_body(volume, method, islands) >= method.in_body_share
    chosen = in_body & (_quantiles(volume, islands, 0.5) >= method.lung_above_hu)
    if islands.sizes[chosen].sum() * volume.geometry.voxel_ml < method.lungs_ml:
        # A field of view within one lung shows too little of the body to tell: go by density. The
        # air around a patient is mixed with couch and blankets, so its median is no sure sign.
        chosen = _quantiles(volume, islands, 0.25) >= method.lung_above_hu
    return np.asarray(chosen & (islands.sizes >= method.island_share * islands.sizes[chosen].sum()))


def _constant_corner(hu: NDArray[np.int16]) -> int | None:
    """Find the value that fills the four corners of every slice, if one does: that is no scan."""
    corners = hu[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    return int(corners[0, 0]) if (corners == corners[0, 0]).all() else None


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
    gaps.paint(enclosed, mask, np.zeros(3, np.int64))


def _margins(boxes: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Voxels between boxes, (..., 3, 2), and the two ends of each axis."""
    return np.stack([boxes[..., 0], np.array(shape) - boxes[..., 1]], axis=-1).astype(np.int64)


def _steps(radius: float, spacing: tuple[float, float, float]) -> tuple[int, int, int]:
    """Round a radius in mm to whole voxels along (z, y, x)."""
    z, y, x = (int(radius / step + 0.5) for step in spacing)
    return z, y, x


def _share_in_body(
    volume: Volume, method: DefaultMethod, islands: Components
) -> NDArray[np.float64]:
    """Share of each island's voxels that have the body on at least three of four sides.

    The body is the largest piece of what is not light, after an opening that takes away the
    shells of couch and blankets.
    """
    width = volume.hu.shape[2]
    dense = pack_range(volume.hu, method.threshold_hu, _HIGHEST)
    opening = _steps(method.body_opening_mm, volume.geometry.spacing_zyx)
    pieces = components(open_cross(dense, width, opening, edge=True), width)
    if not len(pieces.sizes):
        return np.zeros(len(islands.sizes))
    body = np.arange(len(pieces.sizes)) == pieces.sizes.argmax()
    return sheltered_share(islands, pieces, body)


def _quantiles(volume: Volume, islands: Components, share: float) -> NDArray[np.int64]:
    """HU below which a share of each island lies, from -1200 up."""
    counts = islands.histograms(volume.hu, -1200, 0).cumsum(axis=1)
    return np.asarray((counts < share * counts[:, -1:]).sum(axis=1) - 1200)
