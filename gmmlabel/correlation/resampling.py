"""Coefficients of resampled pairs: the bootstrap, and draws that balance the scores."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

RESAMPLES = 9_999
"""Resamples of a bootstrap, as `scipy.stats.bootstrap` takes."""

DRAWS = 100
"""Balanced draws: the n = 100 of Zaffino et al. 2021."""

CONFIDENCE = 0.95
"""What an interval holds."""

_ELEMENTS_AT_ONCE = 1 << 20  # a few arrays of 8 MB each, however many pairs there are


@dataclass(frozen=True)
class Interval:
    """An interval of a coefficient."""

    low: float
    high: float


@dataclass(frozen=True)
class Balanced:
    """Coefficients of draws that have the same number of pairs of each class of scores.

    Parameters
    ----------
    classes
        Scores that occur, each rounded to a whole number.
    per_class
        Pairs that are drawn of each.
    draws
        Draws for which the coefficients are defined.
    r_mean, r_sd
        Mean and sample standard deviation of Pearson's r.
    r2_mean, r2_sd
        The same of R2 of a linear fit to the draw.
    """

    classes: tuple[int, ...]
    per_class: int
    draws: int
    r_mean: float
    r_sd: float
    r2_mean: float
    r2_sd: float


def score_classes(scores: Floats) -> NDArray[np.intp]:
    """Round scores to the whole scores that they are nearest to; halves go up."""
    return np.floor(scores + 0.5).astype(np.intp)


def bootstrap_intervals(
    x: Floats, y: Floats, rng: np.random.Generator
) -> tuple[Interval, Interval]:
    """Estimate the intervals of Pearson's r and Spearman's rho by the percentile bootstrap.

    Pairs are resampled with replacement, as many as there are. Resamples in which `x` or `y` is
    constant have no coefficient and are left out.

    Parameters
    ----------
    x, y
        The pairs, shape (n,); neither is constant.
    rng
        What draws.

    Returns
    -------
    pearson, spearman : Interval
        Percentiles 2.5 and 97.5 of the resamples.
    """
    pearson, spearman = [], []
    for chosen in _chunks(len(x), rng):
        xs, ys = x[chosen], y[chosen]
        pearson.append(pearson_rows(xs, ys))
        spearman.append(pearson_rows(rankdata(xs, axis=1), rankdata(ys, axis=1)))
    return _interval(np.concatenate(pearson)), _interval(np.concatenate(spearman))


def balanced_draws(scores: Floats, y: Floats, rng: np.random.Generator) -> Balanced | None:
    """Correlate draws in which every class of scores counts the same.

    Each of `DRAWS` draws takes, with replacement, as many pairs of each class as the largest has.

    Parameters
    ----------
    scores, y
        The pairs, shape (n,); neither is constant.
    rng
        What draws.

    Returns
    -------
    Balanced or None
        None if all scores are of one class, or fewer than two draws have a coefficient.
    """
    classes = score_classes(scores)
    names, counts = np.unique(classes, return_counts=True)
    if len(names) < 2:
        return None
    per_class = int(counts.max())
    chosen = np.concatenate(
        [rng.choice(np.flatnonzero(classes == name), (DRAWS, per_class)) for name in names], axis=1
    )
    r = pearson_rows(scores[chosen], y[chosen])
    r = r[~np.isnan(r)]
    if len(r) < 2:
        return None
    return Balanced(
        tuple(names.tolist()),
        per_class,
        len(r),
        *(float(r.mean()), float(r.std(ddof=1))),
        *(float((r**2).mean()), float((r**2).std(ddof=1))),
    )


def pearson_rows(x: Floats, y: Floats) -> Floats:
    """Correlate each row of `x` with that of `y`, both of shape (rows, n).

    Returns
    -------
    numpy.ndarray
        Pearson's r, shape (rows,); NaN where a row is constant.
    """
    constant = (np.ptp(x, axis=1) == 0) | (np.ptp(y, axis=1) == 0)
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    scale[constant] = np.nan  # a mean is off by a rounding error, so that zero may not be zero
    r: Floats = (x * y).sum(axis=1) / scale
    return r.clip(-1, 1)


def _chunks(n: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    rows = max(1, _ELEMENTS_AT_ONCE // n)
    for start in range(0, RESAMPLES, rows):
        yield rng.integers(0, n, (min(rows, RESAMPLES - start), n))


def _interval(values: Floats) -> Interval:
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high))
