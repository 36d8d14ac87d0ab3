"""A lesion made as large as it is wanted: its share of each voxel, and the truth about it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.implants.lesion import (
    CONSOLIDATION,
    GROUND_GLASS,
    HALO_MM,
    LesionKind,
    Outline,
    Reach,
    soft_edge,
)
from gmmlabel.implants.placement import CLEAR_MM, SOLID_HU, Spot
from gmmlabel.tissues import Tissue
from gmmlabel.volume import Geometry, Volume

_SOLID_MM, _SOLID_ML = 6.0, 3.0  # radius and volume of what is no lung; vessels in it are smaller
# A mask ends within the voxels that are partly lung: beside it, what is lighter than fat and
# denser than healthy lung holds gas of the lung.
_RIM_MM, _RIM_HU = 2.0, (-700, -150)
_LARGEST, _LARGER = 1.4, 1.5  # of the radius of a ball, to look up to first, and then
_CLOSE_ENOUGH = 0.005
_HALVINGS = 40

_Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Growth:
    """A lesion of the wanted volume, in a box of the CT.

    Parameters
    ----------
    box
        Where it lies, (z, y, x).
    lesion, core
        Share of each voxel that is lesion, and that is consolidation.
    truth
        uint8: the lesion's `Tissue` where it fills at least half of a voxel of lung, else 0.
    """

    box: _Box
    lesion: NDArray[np.float32]
    core: NDArray[np.float32]
    truth: NDArray[np.uint8]


def ball_radius(volume_ml: float) -> float:
    """Radius in mm of a ball of a volume in mL."""
    return float(np.cbrt(volume_ml * 1000 * 3 / (4 * np.pi)))


def grow(
    volume: Volume,
    lungs: NDArray[Any],
    room: NDArray[np.bool_],
    spot: Spot,
    outline: Outline,
    kind: LesionKind,
    volume_ml: float,
) -> Growth | None:
    """Scale an outline until the truth has the wanted volume.

    Parameters
    ----------
    volume
        The CT.
    lungs
        Mask of both lungs, (z, y, x).
    room
        bool, (z, y, x): what the lesion may fill of them.
    spot, outline, kind
        The lesion's middle, shape and kind.
    volume_ml
        Of the truth.

    Returns
    -------
    Growth or None
        None if the lung has no room for so much.
    """
    spacing = np.array(volume.geometry.spacing_zyx)
    ends = [np.flatnonzero(room.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    lowest = np.array([max(0, end[0] - 1) for end in ends])
    highest = np.array([end[-1] + 2 for end in ends])
    largest = _LARGEST * ball_radius(volume_ml)
    while True:
        reach = largest * outline.longest + GROUND_GLASS.edge_mm
        start = np.maximum(lowest, np.floor((spot.centre_mm - reach) / spacing).astype(int))
        stop = np.minimum(highest, np.ceil((spot.centre_mm + reach) / spacing).astype(int) + 1)
        box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        whole = bool(((start == lowest) & (stop == highest)).all())
        if whole:  # no part of which is farther away than this
            largest = float(np.linalg.norm((highest - lowest) * spacing)) / outline.shortest
        grown = _fitted(volume, lungs, room, box, spot, outline, kind, volume_ml, largest)
        if grown is not None or whole:
            return grown
        largest *= _LARGER


def _fitted(
    volume: Volume,
    lungs: NDArray[Any],
    room: NDArray[np.bool_],
    box: _Box,
    spot: Spot,
    outline: Outline,
    kind: LesionKind,
    volume_ml: float,
    largest: float,
) -> Growth | None:
    """Find the size, up to the largest, at which the truth has the wanted volume."""
    spacing, voxel_ml = volume.geometry.spacing_zyx, volume.geometry.voxel_ml
    hu, inside = volume.hu[box], room[box]
    free = inside & ~_solid((hu > SOLID_HU) & inside, volume.geometry)
    first = np.array([part.start for part in box]) * spacing - spot.centre_mm
    reach = Reach.of(outline, first, inside.shape, spacing)
    away = None
    if spot.inward is None:  # deep in the lung, it ends before the pleura
        away = ndimage.distance_transform_edt(free, sampling=spacing).astype(np.float32)

    def share_of(size: float, inset: float, edge_mm: float) -> NDArray[np.float32]:
        share = reach.share(size - inset, edge_mm)
        if away is not None:
            np.minimum(share, soft_edge(away - np.float32(CLEAR_MM + inset), edge_mm), out=share)
        return share

    def error_of(size: float) -> float:
        truth = (share_of(size, 0.0, GROUND_GLASS.edge_mm) >= 0.5) & free
        return float(np.count_nonzero(truth) * voxel_ml / volume_ml - 1)

    low, high = 0.0, largest
    found = error_of(high)
    if found < 0:
        return None
    best, least = high, abs(found)
    for _ in range(_HALVINGS):
        if least < _CLOSE_ENOUGH:
            break
        size = (low + high) / 2
        found = error_of(size)
        if abs(found) < least:
            best, least = size, abs(found)
        low, high = (size, high) if found < 0 else (low, size)
    lesion, core = share_of(best, 0.0, GROUND_GLASS.edge_mm), np.zeros(inside.shape, np.float32)
    if kind is LesionKind.CONSOLIDATION:  # one too small for its halo keeps half its radius
        core = share_of(best, min(HALO_MM, best / 2), CONSOLIDATION.edge_mm)
    truth = ((lesion >= 0.5) & free) * np.uint8(Tissue.GROUND_GLASS)
    truth[(core >= 0.5) & (truth > 0)] = Tissue.CONSOLIDATION
    beside = [2 * max(1, round(_RIM_MM / step)) + 1 for step in spacing]
    partly = (lungs[box] == 0) & (hu > _RIM_HU[0]) & (hu < _RIM_HU[1])
    changed = free | (ndimage.maximum_filter(free, beside) & partly)
    return Growth(box, lesion * changed, core * changed, truth)


def _solid(dense: NDArray[np.bool_], geometry: Geometry) -> NDArray[np.bool_]:
    """Keep what is too thick and too large for vessels of the lung."""
    spacing = geometry.spacing_zyx
    middles = ndimage.distance_transform_edt(dense, sampling=spacing) > _SOLID_MM
    if not middles.any():
        return middles
    thick = ndimage.distance_transform_edt(~middles, sampling=spacing) <= _SOLID_MM
    pieces, _ = ndimage.label(thick & dense)
    large = np.bincount(pieces.ravel()) * geometry.voxel_ml >= _SOLID_ML
    large[0] = False
    return np.asarray(large[pieces])
