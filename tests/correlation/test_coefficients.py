"""Coefficients and fit, by other routes than the code takes."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from gmmlabel.correlation.coefficients import correlate, obstacle

scores_of = st.lists(st.integers(0, 10).map(lambda it: it / 2), min_size=4, max_size=15)


def cohort(n=62, seed=11):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, n).astype(float)
    return scores, 10 * scores + rng.normal(0, 12, n)


def test_coefficients_are_those_of_their_definitions():
    x, y = cohort()
    found = correlate(x, y)
    assert found.n == 62
    r = np.corrcoef(x, y)[0, 1]
    assert found.pearson.value == pytest.approx(r, abs=1e-12)
    ranks = [stats.rankdata(it) for it in (x, y)]
    assert found.spearman.value == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)
    t = r * math.sqrt(60 / (1 - r**2))
    assert found.pearson.p == pytest.approx(2 * stats.t.sf(t, 60), rel=1e-9)


def test_p_is_the_share_of_shuffled_scores_that_correlate_as_much():
    x, y = cohort(20, seed=4)
    y = y + np.random.default_rng(1).normal(0, 40, 20)
    found = correlate(x, y)
    rng = np.random.default_rng(0)
    shuffled = [abs(np.corrcoef(rng.permutation(x), y)[0, 1]) for _ in range(4000)]
    share = np.mean(np.array(shuffled) >= abs(found.pearson.value))
    assert 0.001 < found.pearson.p < 0.5
    assert found.pearson.p == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("n", [3, 5, 8])
def test_p_of_few_ranks_is_that_of_all_their_orders(n):
    x, y = np.random.default_rng(n).permutation(np.arange(2.0 * n).reshape(2, n), axis=1)
    expected = stats.permutation_test(
        (x,),
        lambda it: stats.spearmanr(it, y).statistic,
        permutation_type="pairings",
        n_resamples=5040,
    )
    tolerance = 0.02 if n == 8 else 1e-12  # scipy draws some of 40,320 orders
    assert correlate(x, y).spearman.p == pytest.approx(expected.pvalue, abs=tolerance)


def test_three_cases_in_order_prove_little():
    x = np.array([1.0, 2, 3])
    assert correlate(x, x**2).spearman.p == pytest.approx(2 / 6)


def test_p_of_few_tied_ranks_is_the_share_of_orders_that_reach_it():
    x, y = np.array([0, 1, 1, 2, 5.0]), np.array([3, 2, 4, 4, 9.0])
    found = correlate(x, y).spearman
    orders = [stats.spearmanr(it, y).statistic for it in permutations(x)]
    assert found.p == np.mean(np.abs(orders) >= found.value - 1e-9)


def test_p_of_many_ranks_is_that_of_scipy():
    x, y = cohort(9, seed=2)
    assert correlate(x, y).spearman.p == stats.spearmanr(x, y).pvalue


def test_the_fit_is_that_of_least_squares():
    x, y = cohort()
    fit = correlate(x, y).fit
    slope, intercept = np.linalg.lstsq(np.column_stack([x, np.ones(62)]), y, rcond=None)[0]
    assert (fit.slope, fit.intercept) == pytest.approx((slope, intercept), rel=1e-9)
    residual = y - slope * x - intercept
    assert fit.r2 == pytest.approx(1 - np.sum(residual**2) / np.sum((y - y.mean()) ** 2), rel=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_line_without_noise_is_perfect(sign):
    x = np.array([0, 1, 1.5, 3, 5, 5])
    found = correlate(x, 40 + sign * 7 * x)
    for coefficient in (found.pearson, found.spearman):
        assert coefficient.value == pytest.approx(sign, abs=1e-12)
        assert coefficient.p < 0.01
        assert coefficient.interval.low == pytest.approx(sign, abs=1e-12)
        assert coefficient.interval.high == pytest.approx(sign, abs=1e-12)
    assert (found.fit.slope, found.fit.intercept) == pytest.approx((sign * 7, 40))
    assert found.fit.r2 == pytest.approx(1)
    assert found.balanced.r_mean == pytest.approx(sign)
    assert found.balanced.r2_mean == pytest.approx(1)


def coefficients(found):
    return [
        found.pearson.value,
        *(found.pearson.interval.low, found.pearson.interval.high),
        found.spearman.value,
        *(found.spearman.interval.low, found.spearman.interval.high),
        found.fit.r2,
        *([found.balanced.r_mean, found.balanced.r2_sd] if found.balanced else []),
    ]


@settings(max_examples=15)
@given(scores_of, st.integers(0, 99), st.sampled_from([0.25, 3.0, 40.0]), st.integers(-50, 50))
def test_another_unit_of_the_measure_changes_no_coefficient(scores, seed, factor, offset):
    x = np.array(scores)
    y = np.random.default_rng(seed).integers(0, 50, len(x)) / 4
    assume(obstacle(x, y) is None)
    found, scaled = correlate(x, y), correlate(x, factor * y + offset)
    assert coefficients(scaled) == pytest.approx(coefficients(found), abs=1e-9)
    assert scaled.fit.slope == pytest.approx(factor * found.fit.slope, abs=1e-9)


@settings(max_examples=15)
@given(scores_of, st.integers(0, 99))
def test_a_measure_that_falls_has_the_same_coefficients_with_the_other_sign(scores, seed):
    x = np.array(scores)
    y = np.random.default_rng(seed).normal(size=len(x))
    assume(obstacle(x, y) is None)
    up, down = correlate(x, y), correlate(x, -y)
    assert down.pearson.value == pytest.approx(-up.pearson.value, abs=1e-9)
    assert down.spearman.interval.low == pytest.approx(-up.spearman.interval.high, abs=1e-9)
    assert down.fit.r2 == pytest.approx(up.fit.r2, abs=1e-9)


def test_the_seed_decides_what_is_drawn_and_nothing_else():
    x, y = cohort()
    assert correlate(x, y, seed=4) == correlate(x, y, seed=4)
    one, other = correlate(x, y, seed=4), correlate(x, y, seed=5)
    assert one.pearson.interval != other.pearson.interval
    assert one.balanced.r_mean != other.balanced.r_mean
    assert (one.pearson.value, one.fit) == (other.pearson.value, other.fit)


@pytest.mark.parametrize(
    ("scores", "values", "says"),
    [
        ([], [], "0 cases have it"),
        ([1, 2], [3, 4], "2 cases have it and a score, and 3 are needed"),
        ([2, 2, 2], [3, 4, 5], "all 3 cases have the same score"),
        ([1, 2, 3], [4, 4, 4], "it is the same in all 3 cases"),
        ([1, 2, 3], [0, 0, 0], "it is the same in all 3 cases"),
        ([1, 2, 3], [50, 50, 50 + 1e-12], "it is the same in all 3 cases"),
    ],
)
def test_what_cannot_be_correlated_is_told(scores, values, says):
    assert says in obstacle(np.array(scores, float), np.array(values, float))


def test_three_different_pairs_are_enough():
    x, y = np.array([1.0, 2, 3]), np.array([4.0, 4, 9])
    assert obstacle(x, y) is None
    assert correlate(x, y).pearson.value == pytest.approx(np.corrcoef(x, y)[0, 1])
