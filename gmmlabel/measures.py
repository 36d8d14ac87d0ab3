"""What is counted on a label map: tissue volumes, lung involvement and opacity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.tissues import Tissue

HIGH_OPACITY_HU = -200
"""Opacity denser than this is high opacity."""


@dataclass(frozen=True)
class TissueMeasure:
    """How much of the lungs one tissue is.

    Parameters
    ----------
    voxels
        Number of voxels.
    volume_ml
        Their volume, in mL.
    percent
        Their share of all lung voxels, in percent.
    """

    voxels: int
    volume_ml: float
    percent: float


@dataclass(frozen=True)
class Involvement:
    """Lung involvement: ground glass and consolidation in percent of lung without dense tissue.

    Parameters
    ----------
    percent
        ``100 (ground_glass + consolidation) / (100 - dense)``, all in percent of lung.
    score
        0 for 0.0 %, 1 below 5, 2 from 5 to 25, 3 to 50, 4 to 75, 5 above 75: the classes of the
        radiologists' score of Zaffino et al. 2021.
    """

    percent: float
    score: int

    @classmethod
    def of_percent(cls, percent: float) -> "Involvement":
        """Score a percentage; one that rounds to 0.0 counts as 0."""
        if round(percent, 1) <= 0:
            return cls(percent, 0)
        if percent < 5:
            return cls(percent, 1)
        return cls(percent, 2 + sum(percent > above for above in (25, 50, 75)))


@dataclass(frozen=True)
class Opacity:
    """How much of the lungs, or of a region of them, is opaque.

    Parameters
    ----------
    percent
        Share of all lung voxels, in percent.
    volume_ml
        Volume, in mL.
    high_opacity_percent
        What of it is denser than `HIGH_OPACITY_HU`, in percent of all lung voxels.
    """

    percent: float
    volume_ml: float
    high_opacity_percent: float


def measure_tissues(counts: NDArray[np.int64], voxel_ml: float) -> dict[Tissue, TissueMeasure]:
    """Measure each tissue.

    Parameters
    ----------
    counts
        Voxels with the values 0 to 5, (6,); the 0 is left out of account.
    voxel_ml
        Volume of a voxel, in mL.
    """
    total = int(counts[1:].sum())
    return {
        tissue: TissueMeasure(
            int(counts[tissue]),
            int(counts[tissue]) * voxel_ml,
            100.0 * int(counts[tissue]) / total if total else 0.0,
        )
        for tissue in Tissue
    }


def measure_involvement(tissues: dict[Tissue, TissueMeasure]) -> Involvement:
    """Lung involvement of a label map; 0 where all of the lung is dense."""
    # From whole voxels, so that a percentage on the limit of a class is not moved by rounding.
    counted = sum(measure.voxels for measure in tissues.values()) - tissues[Tissue.DENSE].voxels
    involved = tissues[Tissue.GROUND_GLASS].voxels + tissues[Tissue.CONSOLIDATION].voxels
    return Involvement.of_percent(100 * involved / counted if counted else 0.0)


def measure_opacity(opaque: int, high: int, voxels: int, voxel_ml: float) -> Opacity:
    """Measure opacity; 0 where there is no lung.

    Parameters
    ----------
    opaque, high
        Opaque voxels, and those of them above `HIGH_OPACITY_HU`.
    voxels
        All lung voxels.
    voxel_ml
        Volume of a voxel, in mL.
    """
    percent, high_percent = (100.0 * part / max(1, voxels) for part in (opaque, high))
    return Opacity(percent, opaque * voxel_ml, high_percent)
