"""How well a mask agrees with a reference: counts of voxels, and distances of surfaces.

A ratio of nothing to nothing is not a number here (NaN), neither a success nor a failure:

=================  =============================================================================
both empty         Dice, F1, precision, recall and distance are NaN; the volume error is 0 mL
only ours empty    Dice, F1 and recall are 0; precision and distance are NaN
only theirs empty  Dice, F1 and precision are 0; recall, distance and the error in percent are NaN
=================  =============================================================================
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, find_objects
from scipy.spatial import KDTree

PERCENTILE = 95
"""Of the surface distances; the largest distance of all is that of the worst voxel."""

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Overlap:
    """Agreement of a mask with a reference, of one case or pooled over several.

    Parameters
    ----------
    true_positive_ml, false_positive_ml, false_negative_ml, true_negative_ml
        Volume in both masks, in ours only, in the reference only, and in neither, in mL.
    surface_95_mm
        95 % surface distance, in mm.
    """

    true_positive_ml: float
    false_positive_ml: float
    false_negative_ml: float
    true_negative_ml: float
    surface_95_mm: float

    @property
    def dice(self) -> float:
        """Twice the common volume over the sum of both volumes."""
        wrong = self.false_positive_ml + self.false_negative_ml
        return _ratio(2 * self.true_positive_ml, 2 * self.true_positive_ml + wrong)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: of voxels, that is Dice by another name."""
        return self.dice

    @property
    def precision(self) -> float:
        """Share of ours that is in the reference."""
        return _ratio(self.true_positive_ml, self.volume_ml)

    @property
    def recall(self) -> float:
        """Share of the reference that is in ours."""
        return _ratio(self.true_positive_ml, self.reference_ml)

    @property
    def accuracy(self) -> float:
        """Share of what was counted that is the same in both."""
        right = self.true_positive_ml + self.true_negative_ml
        return _ratio(right, right + self.false_positive_ml + self.false_negative_ml)

    @property
    def volume_ml(self) -> float:
        """Volume of ours, in mL."""
        return self.true_positive_ml + self.false_positive_ml

    @property
    def reference_ml(self) -> float:
        """Volume of the reference, in mL."""
        return self.true_positive_ml + self.false_negative_ml

    @property
    def volume_error_ml(self) -> float:
        """Volume of ours less that of the reference, in mL."""
        return self.false_positive_ml - self.false_negative_ml

    @property
    def volume_error_percent(self) -> float:
        """The volume error in percent of the reference."""
        return 100 * _ratio(self.volume_error_ml, self.reference_ml)


def compare(
    ours: Mask, reference: Mask, spacing_zyx: Spacing, *, within: Mask | None = None
) -> Overlap:
    """Compare a mask with a reference on the same grid.

    Parameters
    ----------
    ours, reference
        bool, (z, y, x).
    spacing_zyx
        Distance of neighbouring voxels along (z, y, x), in mm.
    within
        Where true negatives are counted, bool, (z, y, x); everywhere unless given. What either
        mask holds is counted wherever it is, so this changes the accuracy and nothing else.
    """
    both = np.count_nonzero(ours & reference)
    neither = ~(ours | reference)
    if within is not None:
        neither &= within
    voxel_ml = float(np.prod(spacing_zyx)) / 1000
    return Overlap(
        both * voxel_ml,
        (np.count_nonzero(ours) - both) * voxel_ml,
        (np.count_nonzero(reference) - both) * voxel_ml,
        np.count_nonzero(neither) * voxel_ml,
        surface_distance(ours, reference, spacing_zyx),
    )


def pool(overlaps: Sequence[Overlap]) -> Overlap:
    """Take several cases for one: volumes add up, and the distance is the median of theirs.

    Volumes and not voxels are added, so that a scan of small voxels does not count for more.
    Distances have no sum; the median is over the cases that have one.
    """
    distances = [it.surface_95_mm for it in overlaps if not np.isnan(it.surface_95_mm)]
    return Overlap(
        sum(it.true_positive_ml for it in overlaps),
        sum(it.false_positive_ml for it in overlaps),
        sum(it.false_negative_ml for it in overlaps),
        sum(it.true_negative_ml for it in overlaps),
        float(np.median(distances)) if distances else nan,
    )


def surface_distance(
    ours: Mask, reference: Mask, spacing_zyx: Spacing, *, percentile: float = PERCENTILE
) -> float:
    """Distance within which most of each surface has the other one.

    The larger of two percentiles: of the distances of our surface from the reference's, and of
    the reference's from ours. So it is defined by Maier-Hein, Reinke et al., "Metrics reloaded",
    Nature Methods 21:195 (2024), and computed by MONAI; MedPy takes one percentile of both
    directions together. A surface is the voxels of a mask that miss one of
    their six neighbours; beyond the image nothing is mask.

    Parameters
    ----------
    ours, reference
        bool, (z, y, x).
    spacing_zyx
        Distance of neighbouring voxels along (z, y, x), in mm.
    percentile
        Which percentile, linear between neighbours; 100 is the Hausdorff distance of the surfaces.

    Returns
    -------
    float
        In mm, from voxel centre to voxel centre; NaN if a mask is empty.
    """
    first, second = _surface(ours, spacing_zyx), _surface(reference, spacing_zyx)
    if not (len(first) and len(second)):
        return nan
    # Surfaces lie close to each other, so a tree of their points is faster than distance
    # transforms of the whole box, and exact for any spacing.
    there, _ = KDTree(second).query(first)
    back, _ = KDTree(first).query(second)
    return float(max(np.percentile(there, percentile), np.percentile(back, percentile)))


def _surface(mask: Mask, spacing_zyx: Spacing) -> NDArray[np.float64]:
    """Centres of the surface voxels, (n, 3), in mm."""
    boxes = find_objects(mask.view(np.uint8))
    if not boxes:
        return np.empty((0, 3))
    box = boxes[0]
    part = mask[box]
    first = np.array([side.start for side in box])
    inner = binary_erosion(part)  # what is beyond the box is not set
    return np.asarray((np.argwhere(part & ~inner) + first) * spacing_zyx, np.float64)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan
