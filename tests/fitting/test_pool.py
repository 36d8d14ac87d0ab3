"""Histograms add up: order and grouping do not matter."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.errors import InputError
from gmmlabel.fitting.pool import Pool, Weighting, pool_histograms
from gmmlabel.fitting.prior import named_prior
from gmmlabel.fitting.refit import refit
from gmmlabel.histogram import LungHistogram
from gmmlabel.method import DefaultMethod, PublishedMethod

BINS = 4072


def _histogram(seed: int, voxels: int = 20_000) -> LungHistogram:
    random = np.random.default_rng(seed)
    means, deviations = [-930, -820, -640, -350, 0], [40, 50, 90, 150, 180]
    tissue = random.choice(5, voxels, p=random.dirichlet([6, 6, 3, 1, 2]))
    hu = random.normal(np.take(means, tissue), np.take(deviations, tissue))
    counts = np.bincount((np.rint(hu).astype(int) + 1000).clip(0, BINS - 1), minlength=BINS)
    return LungHistogram(-1000, counts, asdict(DefaultMethod()), input_sha256=f"{seed:064x}")


def _pool(histograms: list[LungHistogram], weighting: Weighting = Weighting.VOXELS) -> Pool:
    return pool_histograms(((f"case {i}", it) for i, it in enumerate(histograms)), weighting)


def _parameters(pool: Pool) -> list[float]:
    model = refit(pool, "any", prior=named_prior("zaffino2021", pool)).model
    return [*model.means.tolist(), *model.variances.tolist(), *model.weights.tolist()]


COHORT = [_histogram(seed, 5_000 * (seed + 1)) for seed in range(6)]


@given(st.permutations(COHORT), st.sampled_from(Weighting))
def test_any_order_gives_the_identical_pool(order: list[LungHistogram], weights: Weighting) -> None:
    ours, sorted_ = _pool(order, weights), _pool(COHORT, weights)
    assert ours.counts.tobytes() == sorted_.counts.tobytes()
    assert (ours.cases, ours.voxels) == (sorted_.cases, sorted_.voxels)


@given(st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_any_grouping_gives_the_identical_pool(groups: list[int]) -> None:
    sums = []
    for group in set(groups):
        members = [it for it, of in zip(COHORT, groups, strict=True) if of == group]
        sums.append(_pool(members).histogram())
    ours, whole = _pool(sums), _pool(COHORT)
    assert ours.counts.tobytes() == whole.counts.tobytes()
    assert (ours.cases, ours.voxels) == (whole.cases, whole.voxels)


def test_and_so_the_identical_model() -> None:
    expected = _parameters(_pool(COHORT))
    grouped = [_pool(COHORT[3:]).histogram(), _pool(COHORT[:3]).histogram()]
    assert _parameters(_pool(COHORT[::-1])) == expected
    assert _parameters(_pool(grouped)) == expected


def test_patients_weigh_by_their_voxels_or_equally() -> None:
    small, large = _histogram(0, 1_000), _histogram(1, 99_000)
    by_voxels, equally = _pool([small, large]), _pool([small, large], Weighting.PATIENTS)
    np.testing.assert_array_equal(by_voxels.counts, small.counts + large.counts)
    shares = small.counts / small.voxels + large.counts / large.voxels
    np.testing.assert_allclose(equally.counts, shares / 2 * 100_000, rtol=1e-6)
    assert equally.counts.sum() == pytest.approx(equally.voxels)


def test_a_histogram_of_several_cases_counts_as_several() -> None:
    several = _pool(COHORT[:3]).histogram()
    assert (several.cases, several.input_sha256) == (3, None)
    equally = _pool([several, COHORT[3]], Weighting.PATIENTS)
    share = 0.75 * several.counts / several.voxels + 0.25 * COHORT[3].counts / COHORT[3].voxels
    np.testing.assert_allclose(equally.counts, share * equally.voxels, rtol=1e-6)
    assert equally.cases == 4


def test_the_same_input_counts_once() -> None:
    pool = _pool([COHORT[0], COHORT[1], COHORT[0]])
    assert (pool.cases, pool.duplicates) == (2, ("case 2",))


def test_two_methods_are_not_mixed() -> None:
    other = replace(COHORT[1], method=asdict(PublishedMethod()))
    with pytest.raises(InputError, match=r"case 1: .* another method than those of case 0"):
        _pool([COHORT[0], other])
    changed = replace(COHORT[1], method={**COHORT[1].method, "closing_mm": 11.0})
    with pytest.raises(InputError, match=r"\(not the same: closing_mm\)"):
        _pool([COHORT[0], changed])


def test_nothing_is_no_pool() -> None:
    with pytest.raises(InputError, match="no histogram"):
        _pool([])
