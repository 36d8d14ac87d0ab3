"""Where a lesion goes: on the costal pleura of one lung, or deep inside it.

Places are looked for on cells of 4 mm, where noise and small vessels have vanished.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.errors import NoLungsError
from gmmlabel.morphology.cells import cell_means, cell_shares
from gmmlabel.volume import Volume

LungName = Literal["right", "left"]

CLEAR_MM = 5.0
"""Between a central lesion and the pleura, and between one lesion and another."""

SOLID_HU = -400
"""Cells denser than this are mediastinum or great vessels, and no place for a lesion."""

_CELL_MM = 4.0
_SECTORS = 72  # of 5 degrees: 9 mm of the pleura in a chest of 20 cm
_NARROW = 0.5  # of the lung's largest section: below are its apex and base
_SUNK = 0.3  # of its size, that a pleural lesion's middle lies inside the lung


class Place(StrEnum):
    """Where a lesion goes."""

    PLEURA = "pleura"
    CENTRE = "centre"


@dataclass(frozen=True, eq=False)
class Spot:
    """The middle of a lesion to be.

    Parameters
    ----------
    centre_mm
        From the first voxel of the volume, (z, y, x).
    inward
        Unit vector (z, y, x) from the pleura into the lung, or None deep inside it.
    """

    centre_mm: NDArray[np.float64]
    inward: NDArray[np.float64] | None


def each_lung(
    lungs: NDArray[Any], side: LungName | None, rng: np.random.Generator
) -> Iterator[NDArray[np.bool_]]:
    """Give one lung after the other: a lesion does not cross from one into the other.

    Parameters
    ----------
    lungs
        (z, y, x): 1 right and 2 left, or any mask, which is split halfway between its ends.
    side
        The only one to give; None for both, the larger one more often first.
    rng
        Source of chance.

    Raises
    ------
    NoLungsError
        If the mask is empty.
    """
    columns = np.flatnonzero(lungs.any(axis=(0, 1)))
    if not len(columns):
        raise NoLungsError("the lung mask is empty; give the lungs of this CT")
    if lungs.max() == 2:
        right, left = lungs == 1, lungs == 2
    else:
        right, left = lungs != 0, lungs != 0
        middle = (int(columns[0]) + int(columns[-1]) + 1) // 2
        right[:, :, middle:] = False
        left[:, :, :middle] = False
    first = rng.random() < np.count_nonzero(right) / np.count_nonzero(lungs)
    if side != "left" and (first or side == "right"):
        yield right
    if side != "right":
        yield left
    if side is None and not first:
        yield right


def find_spot(
    volume: Volume,
    lungs: NDArray[Any],
    room: NDArray[np.bool_],
    place: Place,
    size_mm: float,
    rng: np.random.Generator,
) -> Spot | None:
    """Find a place for a lesion, or None if there is none.

    Parameters
    ----------
    volume
        The CT.
    lungs
        Mask of both lungs, (z, y, x).
    room
        bool, (z, y, x): what the lesion may fill of them.
    place
        Kind of place.
    size_mm
        Radius of the lesion, if it were a ball.
    rng
        Source of chance.
    """
    spacing = volume.geometry.spacing_zyx
    z, y, x = (max(1, round(_CELL_MM / step)) for step in spacing)
    cell = (z, y, x)
    light = cell_means(volume.hu, cell, -1024) < SOLID_HU

    def filled(mask: NDArray[Any]) -> NDArray[np.bool_]:
        shares = cell_shares((mask != 0).view(np.uint8), (0, 0, 0), cell, light.shape)
        return np.asarray(shares >= 0.5)

    free = filled(room)
    # Vessels of a cell or two are no obstacle.
    free &= ~ndimage.binary_opening(free & ~light)
    step = np.array(spacing) * cell
    deep = ndimage.distance_transform_edt(free, sampling=step)  # lungs go on beyond a slab
    if place is Place.CENTRE:
        found = np.argwhere(deep >= min(size_mm + CLEAR_MM, 0.9 * float(deep.max())))
        inward = None
    else:
        costal, way = _costal(filled(lungs), step)
        sections = np.count_nonzero(free, axis=(1, 2))
        costal &= free & (sections >= _NARROW * sections.max())[:, np.newaxis, np.newaxis]
        found, inward = np.argwhere(costal), way
    if not free.any() or not len(found):
        return None
    chosen = rng.choice(found)
    centre = (chosen + 0.5) * step - np.array(spacing) / 2
    if inward is None:
        return Spot(centre, None)
    into = inward[(slice(None), *chosen)]
    return Spot(centre + _SUNK * size_mm * into, into)


def _costal(
    lungs: NDArray[np.bool_], step: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Find the cells farthest from the middle of both lungs in each axial section.

    Returns them and the unit vectors (z, y, x) towards the middle, (3, *lungs.shape).
    """
    costal = np.zeros(lungs.shape, np.bool_)
    inward = np.zeros((3, *lungs.shape))
    for z, section in enumerate(lungs):
        y, x = np.nonzero(section)
        if not len(y):
            continue
        right, down = (x - x.mean()) * step[2], (y - y.mean()) * step[1]
        away = np.hypot(right, down)
        sector = ((np.arctan2(down, right) / (2 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
        farthest = np.zeros(_SECTORS)
        np.maximum.at(farthest, sector, away)
        costal[z, y, x] = away >= farthest[sector] - _CELL_MM
        inward[1:, z, y, x] = -np.stack([down, right]) / np.maximum(away, 1e-6)
    return costal, inward
