"""How a measure follows the score: coefficients with their uncertainty, and a linear fit."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy import stats

from gmmlabel.correlation.resampling import (
    Balanced,
    Floats,
    Interval,
    balanced_draws,
    bootstrap_intervals,
    pearson_rows,
)

FEWEST = 3
"""So many pairs a correlation needs: a line through two points is always perfect."""

_MOST_FOR_EXACT_P = 8  # 40,320 orders; from nine pairs on the t approximation is within 0.02
_ROUNDING = 1e-12
_CONSTANT = 1e-9  # relative; below it differences are rounding errors


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of correlation.

    Parameters
    ----------
    value
        From -1 to 1.
    p
        Two-sided p value of no correlation. That of Spearman's rho is exact for up to 8 pairs.
    interval
        Its 95 % interval by bootstrap.
    """

    value: float
    p: float
    interval: Interval


@dataclass(frozen=True)
class Fit:
    """The line of least squares, measure = slope x score + intercept.

    Parameters
    ----------
    slope
        Units of the measure for one point of the score.
    intercept
        The measure at score 0.
    r2
        Share of the measure's variance that the line explains.
    """

    slope: float
    intercept: float
    r2: float


@dataclass(frozen=True)
class Correlation:
    """How a measure follows the score."""

    n: int
    pearson: Coefficient
    spearman: Coefficient
    fit: Fit
    balanced: Balanced | None


def obstacle(scores: Floats, values: Floats) -> str | None:
    """Say what keeps pairs from being correlated, in words for a message; None if nothing does."""
    if len(scores) < FEWEST:
        return f"{len(scores)} cases have it and a score, and {FEWEST} are needed"
    if _is_constant(scores):
        return f"all {len(scores)} cases have the same score"
    if _is_constant(values):
        return f"it is the same in all {len(values)} cases"
    return None


def correlate(scores: Floats, values: Floats, *, seed: int = 0) -> Correlation:
    """Correlate a measure with the score.

    Parameters
    ----------
    scores, values
        Score and measure of each case, shape (n,), with no `obstacle`.
    seed
        Of the resampling: the same seed and pairs in the same order give the same result.

    Returns
    -------
    Correlation
        Coefficients, fit and balanced draws.
    """
    bootstrap_rng, balanced_rng = np.random.default_rng(seed).spawn(2)
    pearson, rho = stats.pearsonr(scores, values), stats.spearmanr(scores, values).statistic
    line = stats.linregress(scores, values)
    r_interval, rho_interval = bootstrap_intervals(scores, values, bootstrap_rng)
    return Correlation(
        len(scores),
        Coefficient(float(pearson.statistic), float(pearson.pvalue), r_interval),
        Coefficient(float(rho), _spearman_p(scores, values), rho_interval),
        Fit(float(line.slope), float(line.intercept), float(line.rvalue) ** 2),
        balanced_draws(scores, values, balanced_rng),
    )


def _spearman_p(scores: Floats, values: Floats) -> float:
    """Take the p value of Spearman's rho; of few pairs the share of orders that reach it.

    The t approximation gives p = 0 for three pairs in order, which one order of three is by chance.
    """
    if len(scores) > _MOST_FOR_EXACT_P:
        return float(stats.spearmanr(scores, values).pvalue)
    ranks = stats.rankdata(values)
    orders = np.array(list(permutations(stats.rankdata(scores))))
    rho = np.abs(pearson_rows(orders, np.broadcast_to(ranks, orders.shape)))
    return float(np.mean(rho >= rho[0] - _ROUNDING))  # the first order is the one that was found


def _is_constant(values: Floats) -> bool:
    return bool(np.ptp(values) <= _CONSTANT * np.abs(values).max())
