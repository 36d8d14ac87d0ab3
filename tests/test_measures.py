"""Percentages, volumes, lung involvement and its score, to the limits of each class."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gmmlabel.measures import Involvement, measure_involvement, measure_tissues
from gmmlabel.tissues import Tissue

voxels = st.integers(0, 10**9)


def _counts(air=0, healthy=0, ground_glass=0, consolidation=0, dense=0, outside=0):
    return np.array([outside, air, healthy, ground_glass, consolidation, dense], np.int64)


def _involvement(**counts: int) -> Involvement:
    return measure_involvement(measure_tissues(_counts(**counts), 0.001))


def test_tissues_are_measured_in_voxels_millilitres_and_percent_of_lung() -> None:
    tissues = measure_tissues(_counts(10, 50, 20, 15, 5, outside=900), 0.5)
    assert {t: m.voxels for t, m in tissues.items()} == dict(
        zip(Tissue, (10, 50, 20, 15, 5), strict=True)
    )
    assert [m.volume_ml for m in tissues.values()] == [5, 25, 10, 7.5, 2.5]
    assert [m.percent for m in tissues.values()] == [10, 50, 20, 15, 5]


def test_measures_are_plain_numbers() -> None:
    measure = measure_tissues(_counts(1, 2, 3, 4, 5), 0.001)[Tissue.DENSE]
    assert [type(value) for value in (measure.voxels, measure.volume_ml, measure.percent)] == [
        int, float, float,
    ]  # fmt: skip


def test_without_lung_every_measure_is_zero() -> None:
    tissues = measure_tissues(_counts(outside=1000), 0.5)
    assert all((m.voxels, m.volume_ml, m.percent) == (0, 0, 0) for m in tissues.values())
    assert measure_involvement(tissues) == Involvement(0.0, 0)


@given(counts=st.lists(voxels, min_size=6, max_size=6))
def test_percentages_add_up_and_what_is_outside_does_not_count(counts: list[int]) -> None:
    assume(sum(counts[1:]))
    tissues = measure_tissues(np.array(counts, np.int64), 0.002)
    assert sum(m.percent for m in tissues.values()) == pytest.approx(100)
    assert sum(m.voxels for m in tissues.values()) == sum(counts[1:])
    assert tissues == measure_tissues(np.array([0, *counts[1:]], np.int64), 0.002)


@pytest.mark.parametrize(
    ("percent", "score"),
    [
        (0, 0),
        (0.04, 0),
        (0.05, 1),
        (0.06, 1),
        (4.99, 1),
        (5, 2),
        (25, 2),
        (25.01, 3),
        (50, 3),
        (50.01, 4),
        (75, 4),
        (75.01, 5),
        (100, 5),
    ],
)
def test_the_score_follows_from_the_percentage(percent: float, score: int) -> None:
    assert Involvement.of_percent(percent) == Involvement(percent, score)


def test_involvement_is_ground_glass_and_consolidation_of_what_is_not_dense() -> None:
    assert _involvement(air=20, healthy=40, ground_glass=12, consolidation=8, dense=20) == (
        Involvement(25.0, 2)
    )
    assert _involvement(healthy=60, ground_glass=40).percent == 40
    assert _involvement(healthy=60, consolidation=40).percent == 40


def test_dense_tissue_alone_is_no_involvement() -> None:
    assert _involvement(dense=1000) == Involvement(0.0, 0)


def test_involvement_of_all_that_is_not_dense_is_100_percent() -> None:
    assert _involvement(ground_glass=3, consolidation=4, dense=1000).percent == pytest.approx(100)


@given(counts=st.lists(voxels, min_size=5, max_size=5))
def test_involvement_is_the_exact_fraction(counts: list[int]) -> None:
    air, healthy, ground_glass, consolidation, _ = counts
    counted = air + healthy + ground_glass + consolidation
    assume(counted)
    expected = 100 * Fraction(ground_glass + consolidation, counted)
    found = _involvement(**dict(zip((t.key for t in Tissue), counts, strict=True)))
    assert found.percent == pytest.approx(float(expected), rel=1e-9)
    assert found.percent <= 100


@pytest.mark.parametrize(("percent", "score"), [(5, 2), (25, 2), (50, 3), (75, 4)])
@given(data=st.data())
def test_exactly_at_a_limit_the_score_does_not_hang_on_rounding(percent, score, data) -> None:
    unit, dense = data.draw(st.integers(1, 10**5)), data.draw(st.integers(0, 10**7))
    involved = percent * unit
    ground_glass = data.draw(st.integers(0, involved))
    found = _involvement(
        healthy=100 * unit - involved,
        ground_glass=ground_glass,
        consolidation=involved - ground_glass,
        dense=dense,
    )
    assert found.score == score
