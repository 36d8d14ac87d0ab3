"""The bootstrap and the balanced draws, against SciPy and loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from gmmlabel.correlation import resampling
from gmmlabel.correlation.resampling import (
    balanced_draws,
    bootstrap_intervals,
    pearson_rows,
    score_classes,
)


def sample(n=40, seed=3):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 11, n) / 2
    return scores, 8 * scores + rng.normal(0, 9, n)


def test_halves_go_up_and_other_scores_to_the_nearest():
    scores = np.array([0, 0.49, 0.5, 1.5, 2.33, 2.5, 4.5, 5])
    assert score_classes(scores).tolist() == [0, 0, 1, 2, 2, 3, 5, 5]


@given(arrays(np.float64, (3, 8), elements=st.integers(-20, 20).map(float)))
def test_rows_are_correlated_as_numpy_does_each(rows):
    x, y = rows, np.roll(rows, 1, axis=0)
    for r, a, b in zip(pearson_rows(x, y), x, y, strict=True):
        if np.ptp(a) and np.ptp(b):
            assert r == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)
        else:
            assert np.isnan(r)


def test_a_constant_row_has_no_coefficient_though_its_mean_is_rounded():
    assert np.isnan(pearson_rows(np.full((1, 3), 0.1), np.array([[1.0, 2.0, 4.0]]))).all()


def test_intervals_are_those_of_scipy_from_the_same_generator(monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 999)
    x, y = sample()
    for found, statistic in zip(
        bootstrap_intervals(x, y, np.random.default_rng(5)),
        (stats.pearsonr, stats.spearmanr),
        strict=True,
    ):
        expected = stats.bootstrap(
            (x, y),
            lambda a, b, statistic=statistic: statistic(a, b).statistic,
            paired=True,
            vectorized=False,
            n_resamples=resampling.RESAMPLES,
            method="percentile",
            random_state=np.random.default_rng(5),
        ).confidence_interval
        assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-12)


def test_many_pairs_are_resampled_in_parts_with_the_same_spread(monkeypatch):
    x, y = sample()
    whole = bootstrap_intervals(x, y, np.random.default_rng(0))
    monkeypatch.setattr(resampling, "_ELEMENTS_AT_ONCE", 1000)
    parts = bootstrap_intervals(x, y, np.random.default_rng(1))
    for a, b in zip(whole, parts, strict=True):
        assert (a.low, a.high) == pytest.approx((b.low, b.high), abs=0.02)


def test_resamples_without_a_coefficient_are_left_out():
    pearson, spearman = bootstrap_intervals(
        np.array([0.0, 1.0, 5.0]), np.array([1.0, 2.0, 2.0]), np.random.default_rng(0)
    )
    assert -1 <= pearson.low <= pearson.high <= 1
    assert -1 <= spearman.low <= spearman.high <= 1


def test_the_interval_of_a_perfect_correlation_is_a_point():
    x = np.arange(6.0)
    pearson, spearman = bootstrap_intervals(x, -3 * x, np.random.default_rng(0))
    assert (pearson.low, pearson.high) == pytest.approx((-1, -1), abs=1e-12)
    assert (spearman.low, spearman.high) == pytest.approx((-1, -1), abs=1e-12)


def test_every_class_counts_the_same_in_a_draw():
    """In expectation a draw has the moments of the mixture of classes with equal weights."""
    scores, y = sample(60)
    balanced = balanced_draws(scores, y, np.random.default_rng(2))
    classes = score_classes(scores)
    names, counts = np.unique(classes, return_counts=True)
    weights = 1 / counts[np.searchsorted(names, classes)]
    assert len(names) > 3
    covariance = np.cov(scores, y, aweights=weights, ddof=0)
    r = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert abs(r - np.corrcoef(scores, y)[0, 1]) > 0.01  # or the test could not fail
    assert balanced.r_mean == pytest.approx(r, abs=4 * balanced.r_sd / np.sqrt(balanced.draws))
    assert balanced.classes == tuple(names)
    assert balanced.per_class == counts.max()
    assert balanced.draws == 100


def test_the_spread_of_draws_is_that_of_draws_made_one_by_one():
    scores, y = sample(60)
    balanced = balanced_draws(scores, y, np.random.default_rng(2))
    rng = np.random.default_rng(9)
    classes = score_classes(scores)
    r = []
    for _ in range(400):
        drawn = [
            index
            for name in balanced.classes
            for index in rng.choice(np.flatnonzero(classes == name), balanced.per_class)
        ]
        r.append(stats.linregress(scores[drawn], y[drawn]).rvalue)
    assert balanced.r_sd == pytest.approx(np.std(r, ddof=1), rel=0.35)
    assert balanced.r2_mean == pytest.approx(np.mean(np.square(r)), abs=0.01)
    assert balanced.r2_sd == pytest.approx(np.std(np.square(r), ddof=1), rel=0.35)


def test_the_mean_of_r2_is_that_of_the_squares_of_r():
    balanced = balanced_draws(*sample(12), np.random.default_rng(2))
    variance = balanced.r_sd**2 * (balanced.draws - 1) / balanced.draws
    assert balanced.r2_mean == pytest.approx(balanced.r_mean**2 + variance, rel=1e-9)
    assert balanced.r2_mean > balanced.r_mean**2 * (1 + 1e-6)


def test_one_case_of_each_class_makes_draws_that_are_all_the_same():
    scores, y = np.arange(6.0), np.array([1.0, 4.0, 2.0, 8.0, 9.0, 7.0])
    balanced = balanced_draws(scores, y, np.random.default_rng(0))
    r = stats.pearsonr(scores, y).statistic
    assert (balanced.r_mean, balanced.r2_mean) == pytest.approx((r, r**2))
    assert (balanced.r_sd, balanced.r2_sd) == pytest.approx((0, 0), abs=1e-12)


def test_scores_of_one_class_cannot_be_balanced():
    assert (
        balanced_draws(np.array([2.6, 3.0, 3.4]), np.arange(3.0), np.random.default_rng(0)) is None
    )


def test_draws_without_a_coefficient_are_left_out_and_not_counted():
    scores, y = np.array([0.0, 0.0, 0.0, 1.0]), np.array([1.0, 1.0, 9.0, 1.0])
    balanced = balanced_draws(scores, y, np.random.default_rng(0))
    assert 0 < balanced.draws < 100  # a draw misses the 9 with a chance of (2/3) ** 3
    assert np.isfinite(balanced.r_mean)
