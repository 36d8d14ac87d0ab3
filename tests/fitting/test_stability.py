"""The fold experiment: what is drawn, what is fitted, and what is called stable."""

import statistics
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from fitting.cohorts import patient
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmlabel.errors import InputError
from gmmlabel.fitting.folds import Experiment, Fold, fold_sizes
from gmmlabel.fitting.pool import Weighting, pool_histograms
from gmmlabel.fitting.prior import Prior, named_prior
from gmmlabel.fitting.refit import ANCHORED, FREE, refit
from gmmlabel.fitting.stability import (
    COLUMNS,
    PARAMETERS,
    SPREAD_COLUMNS,
    Stability,
    measure_stability,
)
from gmmlabel.model_files import load_model
from gmmlabel.tissues import Tissue

SCANNER = ([-935, -815, -630, -310, 10], [38, 50, 80, 140, 170])
FEW_VALUES = (SCANNER[0], [2.0] * 5)
"""Tissues so even that their few values are fitted at once."""

QUICK = replace(FREE, starts=1)
BOUNDARIES = (-893, -721, -472, -235)

anchored = partial(named_prior, "zaffino2021")


def free(_pool):
    """No prior."""


def cohort(n, *, means=SCANNER[0], deviations=SCANNER[1], **numbers):
    return [(f"ct_{i}", patient(i, means, deviations, **numbers)) for i in range(n)]


def measured(patients, *sizes, prior=free, method=QUICK, **numbers):
    experiment = Experiment(tuple(sizes) or None, **numbers)
    return measure_stability(patients, experiment, prior=prior, method=method)


def fold(size, draw, boundaries, *, implausible=(), prior_percent=0.0):
    return Fold(size, draw, load_model(), boundaries, size, 1000, prior_percent, 9, implausible)


def made(moved, *, everyone=100, within=10.0, whole=BOUNDARIES, **numbers):
    """An experiment whose draws have their boundaries moved by so many HU, four each."""
    folds = [
        fold(size, draw, tuple(np.add(BOUNDARIES, by).tolist()), **numbers)
        for size, draws in moved.items()
        for draw, by in enumerate(draws, 1)
    ]
    return Stability(
        Experiment(within_hu=within), "none", (*folds, fold(everyone, 1, whole, **numbers))
    )


def test_each_fold_is_of_so_many_different_patients():
    """The voxels of each patient are a power of two more than 20,000: their sum tells who is in."""
    patients = [(f"ct_{i}", patient(i, *FEW_VALUES, voxels=20_000 + (1 << i))) for i in range(9)]
    found = measured(patients, 2, 5)
    assert [(it.patients, it.draw) for it in found.folds] == [
        *[(2, draw) for draw in (1, 2, 3)],
        *[(5, draw) for draw in (1, 2, 3)],
        (9, 1),
    ]
    members = [it.voxels - 20_000 * it.patients for it in found.folds]
    assert [it.bit_count() for it in members] == [it.patients for it in found.folds]
    assert len(set(members)) > 4


def test_each_patient_is_drawn_as_often_as_another():
    patients = [(f"ct_{i}", patient(i, *FEW_VALUES, voxels=20_000 + (1 << i))) for i in range(6)]
    found = measured(patients, 3, draws=80)
    members = [it.voxels - 60_000 for it in found.folds[:-1]]
    often = [sum(member >> i & 1 for member in members) for i in range(6)]
    assert sum(often) == 240
    assert all(abs(count - 40) < 5 * 20**0.5 for count in often)


@settings(max_examples=5)
@given(st.permutations(range(7)))
def test_the_order_of_the_inputs_does_not_matter(order):
    patients = cohort(7, deviations=FEW_VALUES[1], voxels=5_000)
    shuffled = [patients[at] for at in order]
    assert measured(shuffled, 2, 4).document() == measured(patients, 2, 4).document()


def test_a_fold_does_not_depend_on_other_sizes_nor_on_the_number_of_draws():
    patients = cohort(6, voxels=5_000)
    few = {
        (row["patients"], row["draw"], row["tissue"]): row for row in measured(patients, 3).rows()
    }
    many = measured(patients, 5, 2, 3, draws=4).rows()
    assert few.items() <= {(it["patients"], it["draw"], it["tissue"]): it for it in many}.items()


def test_the_seed_decides_what_is_drawn():
    patients = cohort(12, voxels=5_000)
    ours, again, other = (measured(patients, 4, seed=seed) for seed in (1, 1, 2))
    assert ours.document() == again.document()
    assert list(ours.rows()) != list(other.rows())


@pytest.mark.parametrize(("prior", "usual"), [(free, FREE), (anchored, ANCHORED)])
def test_the_fit_to_all_is_the_refit_with_the_same_seed(prior, usual):
    patients = cohort(5, voxels=20_000)
    found = measured(patients, 3, prior=prior, method=None, seed=4)
    pool = pool_histograms(patients)
    alone = refit(pool, "any", prior=prior(pool), method=replace(usual, seed=4))
    assert found.whole.mixture.means.tobytes() == alone.model.means.tobytes()
    assert found.whole.boundaries_hu == alone.drift.boundaries_hu
    assert found.prior == ("none" if prior is free else "zaffino2021")


def test_patients_of_one_kind_are_stable_from_the_smallest_fold_and_recover_the_truth():
    narrow = [deviation / 2 for deviation in SCANNER[1]]
    patients = cohort(40, deviations=narrow, shares=(8000, 9000, 4000, 1500, 2500))
    nearly_free = partial(anchored, patients=0.1)
    found = measured(patients, 10, 20, prior=nearly_free, method=replace(ANCHORED, starts=1))
    assert found.stable_from == 10
    assert np.abs(found.whole.mixture.means - SCANNER[0]).max() < 10


def test_patients_who_differ_are_not_stable_in_small_folds_and_an_anchor_holds_them():
    patients = cohort(24, shares=(2, 2, 1, 0.5, 0.5), jitter_hu=30.0)
    without = measured(patients, 3, 12)
    with_prior = measured(patients, 3, 12, prior=partial(anchored, patients=50))
    assert not without.sizes[0].within
    assert without.sizes[0].farthest_hu > 2 * with_prior.sizes[0].farthest_hu
    assert with_prior.stable_from == 3


@pytest.mark.parametrize("size", [2, 5, 8])
def test_a_prior_of_so_many_patients_weighs_less_in_larger_folds(size):
    found = measured(cohort(8, voxels=5_000), 2, 5, prior=partial(anchored, patients=10))
    (summary,) = [it for it in found.sizes if it.patients == size]
    assert summary.prior_percent == pytest.approx(100 * 10 / (10 + size))


def test_patients_count_by_their_voxels_or_equally():
    large = patient(1, [-970, -870, -600, -300, 0], SCANNER[1], voxels=900_000)
    patients = [*cohort(5, voxels=9_000), ("large", replace(large, input_sha256="f" * 64))]
    by_voxels, equally = (measured(patients, 4, weighting=it).folds for it in Weighting)
    with_large = [at for at, it in enumerate(by_voxels) if it.voxels > 900_000]
    assert len(with_large) > 1
    for at in with_large:
        assert by_voxels[at].mixture.means[1] + 30 < equally[at].mixture.means[1]


def test_the_same_input_is_drawn_once():
    patients = cohort(5, voxels=5_000)
    twice = measured([*patients, ("copy", patients[2][1])], 3)
    assert twice.duplicates == ("copy",)
    assert list(twice.rows()) == list(measured(patients, 3).rows())


def test_a_histogram_of_several_cases_is_drawn_as_one_patient():
    patients = cohort(7, voxels=5_000)
    pooled = pool_histograms(patients[:3]).histogram()
    found = measured([*patients[3:], ("pooled", pooled)], 2)
    assert (found.whole.patients, found.whole.cases) == (5, 7)


def test_implausible_fits_are_counted_and_stop_nothing():
    healthy = {"means": [-930, -840, -690, -400, -20], "shares": (300, 500, 12, 6, 6)}
    found = measured(cohort(6, **healthy), 2, 4)
    assert [it.implausible for it in found.sizes] == [
        sum(bool(it.implausible) for it in folds) for folds in found.by_size.values()
    ]
    assert found.whole.implausible
    assert found.whole.implausible[0] in found.reservations[0]
    rows = [row for row in found.rows() if row["patients"] == 6]
    assert all(found.whole.implausible[0] in row["implausible"] for row in rows)


moves = st.lists(st.tuples(*[st.integers(-15, 15)] * 4), min_size=1, max_size=3)


@given(st.dictionaries(st.integers(1, 99), moves, min_size=1, max_size=6), st.integers(0, 15))
def test_stable_is_the_smallest_size_from_which_on_every_boundary_is_within_the_bound(
    moved, within
):
    moved = dict(sorted(moved.items()))
    stable = [
        size
        for size in moved
        if all(
            abs(hu) <= within
            for other, draws in moved.items()
            if other >= size
            for by in draws
            for hu in by
        )
    ]
    found = made(moved, within=within)
    assert found.stable_from == min(stable, default=None)
    assert found.verdict.startswith("Stable from" if stable else "Not stable within these 100")


def test_a_size_that_strays_again_ends_what_was_stable_before():
    near, far = [(0, 0, 0, 1)], [(0, 0, 0, 0), (0, -11, 0, 0)]
    assert made({10: near, 20: far, 30: near}).stable_from == 30
    lost = made({10: near, 20: near, 30: far})
    assert lost.stable_from is None
    assert "at 30 a boundary is still 11 HU" in lost.verdict


def test_a_fold_without_all_boundaries_is_not_stable():
    lacking = Stability(
        Experiment(), "none", (fold(10, 1, None), fold(20, 1, None), fold(40, 1, BOUNDARIES))
    )
    assert (lacking.stable_from, lacking.sizes[0].farthest_hu) == (None, None)
    assert "a fit to 20 does not label the five tissues in their order" in lacking.verdict
    whole = made({10: [(0, 0, 0, 0)]}, whole=None)
    assert whole.stable_from is None
    assert "the labels of the fit to all of them" in whole.verdict


def test_labels_that_skip_a_tissue_have_no_boundaries():
    """So strong a prior is the fit: a millionth of consolidation is nowhere the most probable."""
    skipping = replace(load_model(), weights=np.array([0.4, 0.4, 0.17, 1e-6, 0.03 - 1e-6]))
    assert len(skipping.boundaries()) == 3
    found = measured(cohort(3, voxels=5_000), 2, prior=lambda _pool: Prior(skipping, 1e12))
    assert found.whole.boundaries_hu is None
    assert {row["upper_boundary_hu"] for row in found.rows()} == {None}
    assert {row["upper_boundary_hu_mean"] for row in found.spread_rows()} == {None}


@pytest.mark.parametrize(
    ("moved", "prior_percent", "words"),
    [
        ({40: [(0, 0, 0, 0)]}, 0.0, []),
        ({60: [(0, 0, 0, 0)]}, 0.0, ["share more than half"]),
        ({40: [(0, 0, 0, 0)]}, 60.0, ["The prior is 60 %"]),
        ({40: [(0, 0, 0, 99)]}, 60.0, []),
    ],
)
def test_what_takes_weight_from_the_verdict_is_said(moved, prior_percent, words):
    found = made(moved, prior_percent=prior_percent).reservations
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_the_spread_is_that_of_the_draws():
    found = measured(cohort(8, voxels=5_000), 3, 5, draws=4)
    rows = list(found.rows())
    for row in found.spread_rows():
        mine = [
            it for it in rows if (it["patients"], it["tissue"]) == (row["patients"], row["tissue"])
        ]
        assert row["draws"] == len(mine) == (1 if row["patients"] == 8 else 4)
        for name in PARAMETERS:
            values = [it[name] for it in mine]
            if None in values:
                assert row["tissue"] == "dense"
                continue
            assert row[f"{name}_mean"] == pytest.approx(statistics.mean(values), rel=1e-4)
            assert (row[f"{name}_low"], row[f"{name}_high"]) == (min(values), max(values))
            if len(mine) > 1:
                deviation = statistics.stdev(values)
                assert row[f"{name}_sd"] == pytest.approx(deviation, rel=0.02, abs=1e-3)
            else:
                assert row[f"{name}_sd"] is None


def test_tables_have_a_row_for_each_tissue_with_their_columns():
    found = measured(cohort(5, voxels=20_000), 2, 3)
    rows, spread = list(found.rows()), list(found.spread_rows())
    assert (len(rows), len(spread)) == ((2 * 3 + 1) * 5, 3 * 5)
    assert all(tuple(row) == COLUMNS for row in rows)
    assert all(tuple(row) == SPREAD_COLUMNS for row in spread)
    whole = rows[-5:]
    assert [row["tissue"] for row in whole] == [tissue.key for tissue in Tissue]
    assert sum(row["weight"] for row in whole) == pytest.approx(1, abs=1e-5)
    boundaries = found.whole.mixture.boundaries()
    assert [row["upper_boundary_hu"] for row in whole] == [*boundaries, None]


@given(st.integers(11, 300))
def test_sizes_are_tens_and_all(patients):
    sizes = fold_sizes(patients)
    assert sizes[-1] == patients
    assert all(size == 10 * at for at, size in enumerate(sizes[:-1], 1))
    assert 0 < patients - sizes[-2] <= 10


def test_given_sizes_are_put_in_order_once_each_and_all_is_added():
    assert fold_sizes(9, (6, 2, 6)) == (2, 6, 9)
    assert fold_sizes(9, (9, 2)) == (2, 9)


@pytest.mark.parametrize(
    ("patients", "sizes", "words"),
    [
        (1, None, "need at least 11 patients and there is 1; give more, or smaller folds"),
        (10, None, "need at least 11 patients and there are 10"),
        (5, (2, 6), "a fold of 6 cannot be drawn from 5 patients; give --sizes from 1 to 4"),
        (5, (0,), "a fold of 0 cannot be drawn"),
        (5, (5,), "no fold smaller than all 5"),
        (5, (), "no fold smaller than all 5"),
    ],
)
def test_sizes_that_cannot_be_drawn_are_refused(patients, sizes, words):
    with pytest.raises(InputError, match=words):
        fold_sizes(patients, sizes)
