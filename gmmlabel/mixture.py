"""The model: a mixture of five Gaussians over Hounsfield units, one for each tissue.

The most probable tissue of a voxel depends on its HU alone, so a table over all int16 values is
an exact classifier, and the HU at which the label changes - the boundaries - say all there is to
know about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmmlabel.tissues import Tissue


@dataclass(frozen=True, eq=False)
class Mixture:
    """Five Gaussians over HU, in the order of the tissues.

    Parameters
    ----------
    name
        What the model is called.
    means
        Mean of each tissue, HU, float64, (5,).
    variances
        Variance of each tissue, HU squared.
    weights
        Share of each tissue; positive, with a sum of 1.
    sha256
        Hash of the model file, or None.
    training
        What is known of how it was fitted, as in the model file; nothing in it is required.
    citation
        What to cite.
    """

    name: str
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    weights: NDArray[np.float64]
    sha256: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    citation: str = ""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why its components may not be the five tissues, if it was kept all the same; or empty."""
        found = self.training.get("implausible") or ()
        return tuple(map(str, found if isinstance(found, (list, tuple)) else [found]))

    def log_posterior(self, hu: ArrayLike) -> NDArray[np.float64]:
        """Unnormalised log-probability of each tissue at each value.

        Parameters
        ----------
        hu
            Values in HU, (n,).

        Returns
        -------
        ndarray
            ``log(weight) + log N(hu; mean, variance)`` up to a constant, float64, (n, 5).
        """
        away = np.asarray(hu, np.float64)[:, np.newaxis] - self.means
        return np.asarray(
            np.log(self.weights) - 0.5 * (np.log(self.variances) + away**2 / self.variances)
        )

    @cached_property
    def table(self) -> NDArray[np.uint8]:
        """Most probable tissue of each int16 value: the label of `hu` is ``table[hu + 32768]``."""
        values = np.arange(-(1 << 15), 1 << 15)
        return np.asarray(self.log_posterior(values).argmax(axis=1) + Tissue.AIR, np.uint8)

    def boundaries(self, low: int = -1000, high: int = 3071) -> tuple[int, ...]:
        """Every HU above `low`, up to `high`, whose label differs from that of the HU below."""
        labels = self.table[low + (1 << 15) : high + (1 << 15) + 1]
        return tuple(int(i) + low + 1 for i in np.flatnonzero(np.diff(labels)))
