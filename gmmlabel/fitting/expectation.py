"""Expectation-maximisation on a histogram.

A Gaussian mixture in one dimension sees of the voxels only how often each HU occurs, so EM on the
bins, weighted by their counts, is EM on the voxels: the same sums in another order. The steps,
the floor under the variances and the stopping rule are those of scikit-learn's GaussianMixture.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmmlabel.fitting.pool import Bins
from gmmlabel.fitting.prior import Prior
from gmmlabel.mixture import Mixture

VARIANCE_FLOOR = 1e-6
"""Added to each variance, HU squared, so that a component on one bin has one: scikit-learn's."""

_LOG_2PI = float(np.log(2 * np.pi))
_TINY = 10 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Maximum:
    """Where EM stopped.

    Parameters
    ----------
    mixture
        The parameters, components in the order of their means.
    log_likelihood
        Mean log-likelihood of a voxel, in nats.
    objective
        The same, with the log-density of the prior; what EM climbs. Equal without a prior.
    iterations
        Steps taken.
    converged
        Whether the objective rose by less than the tolerance in the last of them.
    """

    mixture: Mixture
    log_likelihood: float
    objective: float
    iterations: int
    converged: bool


def maximise(
    start: Mixture, bins: Bins, prior: Prior | None, *, tolerance: float, iterations: int
) -> Maximum:
    """Climb from a start to the nearest maximum of the likelihood, or of the posterior.

    Parameters
    ----------
    start
        Parameters to start from.
    bins
        The histogram.
    prior
        What was known before; None for maximum likelihood.
    tolerance
        Stop when a step raises the objective, per voxel, by less.
    iterations
        Most steps to take.
    """
    mixture, before = start, -np.inf
    converged = False
    step = 0
    while step < iterations and not converged:
        shares, objective = _expect(mixture, bins, prior)[1:]
        mixture = maximisation(mixture, bins, shares, prior)
        converged = abs(objective - before) < tolerance
        before, step = objective, step + 1
    log_likelihood, _, objective = _expect(mixture, bins, prior)
    return Maximum(_in_order(mixture), log_likelihood, objective, step, converged)


def _expect(
    mixture: Mixture, bins: Bins, prior: Prior | None
) -> tuple[float, NDArray[np.float64], float]:
    """Share of each component in each bin, (n, 5), between log-likelihood and objective."""
    joint = mixture.log_posterior(bins.hu)
    highest = joint.max(axis=1)
    shares = np.exp(joint - highest[:, np.newaxis])
    sums = shares.sum(axis=1)
    shares /= sums[:, np.newaxis]
    voxels = bins.voxels.sum()
    log_likelihood = float(bins.voxels @ (highest + np.log(sums)) / voxels - _LOG_2PI / 2)
    if prior is None:
        return log_likelihood, shares, log_likelihood
    return log_likelihood, shares, log_likelihood + prior.log_density(mixture) / float(voxels)


def maximisation(
    mixture: Mixture, bins: Bins, shares: NDArray[np.float64], prior: Prior | None
) -> Mixture:
    """Take the most probable parameters, given the share of each component in each bin.

    Parameters
    ----------
    mixture
        Where name and all else that is no parameter comes from.
    bins
        The histogram.
    shares
        Share of each component in each bin, (n, 5).
    prior
        What was known before, or None.
    """
    voxels = bins.voxels[:, np.newaxis] * shares
    counts = voxels.sum(axis=0) + _TINY
    sums = bins.hu @ voxels
    known = prior.voxels if prior else np.zeros(len(counts))
    means = (sums + (known * prior.model.means if prior else 0)) / (counts + known)
    squares = (voxels * (bins.hu[:, np.newaxis] - means) ** 2).sum(axis=0)
    if prior:
        squares = squares + known * (prior.model.variances + (prior.model.means - means) ** 2)
    variances = squares / (counts + known) + VARIANCE_FLOOR
    weights = counts + known
    return replace(mixture, means=means, variances=variances, weights=weights / weights.sum())


def _in_order(mixture: Mixture) -> Mixture:
    """Name the components by their means, from air to dense tissue."""
    order = mixture.means.argsort(kind="stable")
    return replace(
        mixture,
        means=mixture.means[order],
        variances=mixture.variances[order],
        weights=mixture.weights[order],
    )
