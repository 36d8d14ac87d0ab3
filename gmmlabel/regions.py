"""Regions of the lungs, what is measured in each, and the zone scores.

A zone is a third of one lung's height and the ventral or dorsal half of its depth: geometry, not
anatomy. Zones are not lobes, which have fissures between them that are not looked for here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gmmlabel.densitometry import FIRST_HU, LAST_HU, Densitometry, measure_density
from gmmlabel.measures import (
    HIGH_OPACITY_HU,
    Opacity,
    TissueMeasure,
    measure_opacity,
    measure_tissues,
)
from gmmlabel.morphology.census import count_rows, take_census
from gmmlabel.tissues import Tissue

SIDES = ("right", "left")
"""The lungs, in the order of their values 1 and 2 in a mask."""

ZONES = tuple(
    "_".join(parts) for parts in product(SIDES, ("upper", "middle", "lower"), ("ventral", "dorsal"))
)
"""The twelve zones, six of each lung."""

REGIONS = ("both", *SIDES, *ZONES)
"""Everything that is measured by itself."""

EXTENT = (0.01, 0.99)
"""A lung reaches along an axis from one of these quantiles of its voxels to the other.

The outermost slice or row of a mask comes and goes with a few voxels of apex, recess or noise, so
the plain extent is not repeatable; docs/measures.md has the figures.
"""

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class RegionMeasures:
    """What is measured in a region of the lungs.

    Parameters
    ----------
    volume_ml
        Its volume, in mL; 0 where a lung is not there.
    tissues
        Its tissues; percentages are of the region.
    opacity
        Its opacity; percentages are of the region. None where opacity was not looked for.
    densitometry
        Figures of its HU.
    """

    volume_ml: float
    tissues: dict[Tissue, TissueMeasure]
    opacity: Opacity | None
    densitometry: Densitometry


@dataclass(frozen=True)
class ZoneScores:
    """How much of each zone is opaque, in classes, and their sum.

    It is a score of zones, after the scores that radiologists give upper, middle and lower lung
    zones by eye; it is not the lobar CT severity score, and must not be called so.

    Parameters
    ----------
    zones
        Of each zone 0 below 1 % of opacity, 1 up to 25 %, 2 up to 50 %, 3 up to 75 %, 4 above. A
        zone that is not there has 0.
    sum
        Their sum.
    maximum
        The largest sum there can be.
    """

    zones: dict[str, int]
    sum: int
    maximum: int = 4 * len(ZONES)


def measure_regions(
    hu: NDArray[np.int16],
    lungs: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    opacity: NDArray[np.uint8] | None,
    voxel_ml: float,
) -> dict[str, RegionMeasures]:
    """Measure both lungs, each lung and each zone, in one pass.

    Parameters
    ----------
    hu
        Hounsfield units, int16, (z, y, x) of the patient.
    lungs
        uint8, same shape: 0 outside, 1 right lung, 2 left lung.
    labels
        Tissues, uint8, same shape: 0 outside, 1 to 5 inside.
    opacity
        uint8, same shape: 1 where a voxel is opaque, otherwise 0; None if that is not known.
    voxel_ml
        Volume of a voxel, in mL.

    Returns
    -------
    dict
        For each of `REGIONS`. The voxels of the zones add up to those of their lung.
    """
    zones = divide(lungs)
    marks = np.broadcast_to(np.uint8(0), hu.shape) if opacity is None else opacity
    histograms, opaque, labelled = take_census(
        hu, lungs, labels, marks, zones, len(ZONES), (FIRST_HU, LAST_HU)
    )
    half = len(ZONES) // len(SIDES)
    members = [range(len(ZONES)), range(half), range(half, len(ZONES))]
    members += [range(zone, zone + 1) for zone in range(len(ZONES))]

    def measure(zones: Sequence[int]) -> RegionMeasures:
        here = np.array(zones)
        counts, marked = histograms[here].sum(axis=0), opaque[here].sum(axis=0)
        voxels = int(counts.sum())
        high = int(marked[HIGH_OPACITY_HU + 1 - FIRST_HU :].sum())
        return RegionMeasures(
            voxels * voxel_ml,
            measure_tissues(labelled[here].sum(axis=0), voxel_ml),
            None if opacity is None else measure_opacity(int(marked.sum()), high, voxels, voxel_ml),
            measure_density(counts, voxel_ml),
        )

    return {name: measure(zones) for name, zones in zip(REGIONS, members, strict=True)}


def score_zones(regions: dict[str, RegionMeasures]) -> ZoneScores | None:
    """Score the opacity of each zone from 0 to 4; None where opacity was not looked for."""
    found = {zone: regions[zone].opacity for zone in ZONES}
    zones = {zone: _score(opacity.percent) for zone, opacity in found.items() if opacity}
    return ZoneScores(zones, sum(zones.values())) if zones else None


def _score(percent: float) -> int:
    return (percent >= 1) + (percent > 25) + (percent > 50) + (percent > 75)


def divide(lungs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Find the zone of every row of each lung.

    The height and the depth of each lung, see `EXTENT`, are divided at a third and two thirds,
    and in the middle. A boundary that falls within a slice or row of voxels shares it out: as
    many of its lines go to either side as its place within the voxel says. So the zones of a CT
    hardly depend on the size of its voxels.

    Parameters
    ----------
    lungs
        uint8, (z, y, x) of the patient: 0 outside, 1 right lung, 2 left lung.

    Returns
    -------
    ndarray
        Index in `ZONES` of the voxels of each lung in each row, uint8, (2, z, y).
    """
    rows = count_rows(lungs, len(SIDES))
    slices, lines = rows.shape[1:]
    zones = np.empty(rows.shape, np.uint8)
    for side, counts in enumerate(rows):
        low, high = (_cut(counts.sum(axis=1), part, lines) for part in (1 / 3, 2 / 3))
        middle = _cut(counts.sum(axis=0), 1 / 2, slices)
        z, y = np.arange(slices)[:, np.newaxis], np.arange(lines)
        below = 2 - (z >= low) - (z >= high)  # z grows to the head, y to the back
        dorsal = y >= middle[:, np.newaxis]
        zones[side] = 6 * side + 2 * below + dorsal
    return zones


def _cut(profile: NDArray[np.int64], part: float, lines: int) -> NDArray[np.int64]:
    """First voxel beyond a part of the extent, for each of the lines across the axis."""
    shares = np.concatenate([[0], profile.cumsum()]) / max(1, profile.sum())
    start, stop = np.interp(EXTENT, shares, np.arange(len(shares)))
    # Multiples of the golden ratio are spread evenly however many there are.
    return np.asarray(np.floor(start + part * (stop - start) + np.arange(lines) * _GOLDEN % 1), int)
