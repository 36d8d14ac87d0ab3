"""Whether a fitted mixture is one of the five tissues."""

from collections.abc import Iterator

import numpy as np

from gmmlabel.fitting.expectation import Maximum
from gmmlabel.histogram import LAST_HU
from gmmlabel.mixture import Mixture
from gmmlabel.tissues import Tissue

MEANS_HU = {
    Tissue.AIR: (-1000, -890),
    Tissue.HEALTHY: (-890, -740),
    Tissue.GROUND_GLASS: (-740, -495),
    Tissue.CONSOLIDATION: (-495, -175),
    Tissue.DENSE: (-175, 300),
}
"""Where the mean of each tissue may lie: nearer to its published mean than to that of another.

The last bound is that of blood with contrast medium.
"""

OVERLAP = 0.8
"""Bhattacharyya coefficient from which two neighbours coincide; at most 0.65 in the published
model."""

WEIGHT = 1e-3
"""Share of the voxels below which a component has vanished."""

SD_HU = 5.0
"""Standard deviation below which a component is a spike and no tissue."""


def implausible(maximum: Maximum, lowest_hu: int) -> tuple[str, ...]:
    """Say why a fitted mixture is not one of the five tissues; nothing if it is.

    Parameters
    ----------
    maximum
        The fit.
    lowest_hu
        Lowest HU that is labelled by itself.
    """
    mixture = maximum.mixture
    reasons = [*_of_components(mixture), *_of_neighbours(mixture), *_of_labels(mixture, lowest_hu)]
    if not maximum.converged:
        reasons.append(f"the fit did not converge in {maximum.iterations} iterations")
    return tuple(reasons)


def bhattacharyya(mixture: Mixture) -> tuple[float, ...]:
    """Overlap of each Gaussian with the next, without their weights: 0 none, 1 the same.

    Source: Bhattacharyya 1943, Bulletin of the Calcutta Mathematical Society 35:99.
    """
    means, variances = mixture.means, mixture.variances
    both = variances[:-1] + variances[1:]
    narrowness = np.sqrt(2 * np.sqrt(variances[:-1] * variances[1:]) / both)
    return tuple((narrowness * np.exp(-(np.diff(means) ** 2) / (4 * both))).tolist())


def _of_components(mixture: Mixture) -> Iterator[str]:
    for tissue, mean, variance, weight in zip(
        Tissue, mixture.means, mixture.variances, mixture.weights, strict=True
    ):
        name, (low, high) = _name(tissue), MEANS_HU[tissue]
        if not low <= mean <= high:
            yield f"the mean of {name} is {mean:.0f} HU, outside {low} to {high}"
        if weight < WEIGHT:
            yield f"{name} has vanished: {100 * weight:.2g} % of the voxels"
        if variance < SD_HU**2:
            yield f"{name} is a spike at {mean:.0f} HU with an SD of {variance**0.5:.2g} HU"


def _of_neighbours(mixture: Mixture) -> Iterator[str]:
    tissues = tuple(Tissue)
    for one, other, overlap in zip(tissues, tissues[1:], bhattacharyya(mixture), strict=False):
        if overlap > OVERLAP:
            yield (
                f"{_name(one)} and {_name(other)} coincide: their overlap is {overlap:.2f}, "
                f"above {OVERLAP}"
            )


def _of_labels(mixture: Mixture, lowest_hu: int) -> Iterator[str]:
    boundaries = mixture.boundaries(lowest_hu, LAST_HU)
    before = [int(mixture.table[hu - 1 + (1 << 15)]) for hu in boundaries]
    after = [int(mixture.table[hu + (1 << 15)]) for hu in boundaries]
    for hu, one, other in zip(boundaries, before, after, strict=True):
        if other < one:
            yield f"labels fall from {_name(one)} to {_name(other)} at {hu} HU"
    labelled = {*before, *after} or {int(mixture.table[lowest_hu + (1 << 15)])}
    for tissue in Tissue:
        if tissue not in labelled:
            yield f"{_name(tissue)} is nowhere the most probable tissue"


def _name(tissue: int) -> str:
    return Tissue(tissue).key.replace("_", " ")
