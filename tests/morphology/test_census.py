"""The census of zones equals NumPy's bincount of the voxels of each zone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.morphology.census import count_rows, take_census

LIMITS = (-1024, 3071)
ZONES = 12


def _case(shape, seed):
    rng = np.random.default_rng(seed)
    hu = rng.integers(-32768, 32768, shape).astype(np.int16)
    hu[rng.random(shape) < 0.8] = rng.integers(-1100, 200)  # most values are crowded
    mask, labels = rng.integers(0, 3, shape), rng.integers(0, 6, shape)
    marks = rng.integers(0, 2, shape)
    zones = rng.integers(0, ZONES, (2, *shape[:2]))
    return hu, *(array.astype(np.uint8) for array in (mask, labels, marks, zones))


def _expected(hu, mask, labels, marks, zones):
    z, y, x = np.nonzero(mask)
    zone = zones[mask[z, y, x] - 1, z, y].astype(int)
    place = np.clip(hu[z, y, x].astype(int), *LIMITS) - LIMITS[0]
    bins = LIMITS[1] - LIMITS[0] + 1
    marked = marks[z, y, x] > 0

    def count(zone, kind, kinds):
        return np.bincount(zone * kinds + kind, minlength=ZONES * kinds).reshape(ZONES, kinds)

    return (
        count(zone, place, bins),
        count(zone[marked], place[marked], bins),
        count(zone, labels[z, y, x], 6),
    )


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 5), (7, 1, 5), (7, 5, 1), (5, 4, 65)])
def test_counts_are_those_of_numpy(monkeypatch, threads, shape) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", threads)
    case = _case(shape, sum(shape))
    for found, expected in zip(take_census(*case, ZONES, LIMITS), _expected(*case), strict=True):
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)


@given(shape=st.tuples(*[st.integers(1, 8)] * 3), seed=st.integers(0, 2**32 - 1))
def test_counts_agree_for_any_shape(shape, seed) -> None:
    case = _case(shape, seed)
    for found, expected in zip(take_census(*case, ZONES, LIMITS), _expected(*case), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("value", "counted"),
    [(-32768, -1024), (-1025, -1024), (-1024, -1024), (0, 0), (3071, 3071), (32767, 3071)],
)
def test_values_beyond_the_limits_count_as_the_limits(value, counted) -> None:
    ones = np.ones((1, 1, 1), np.uint8)
    histograms, _, _ = take_census(
        np.full((1, 1, 1), value, np.int16), ones, ones, ones, np.zeros((2, 1, 1), np.uint8), 1,
        LIMITS,
    )  # fmt: skip
    assert np.flatnonzero(histograms[0]).tolist() == [counted + 1024]


def test_a_region_of_a_larger_volume_is_counted_without_a_copy() -> None:
    hu, mask, labels, marks, zones = _case((6, 8, 70), 3)
    window = np.s_[1:5, 2:7, 3:66]
    parts = (*(array[window] for array in (hu, mask, labels, marks)), zones[:, 1:5, 2:7])
    for found, expected in zip(take_census(*parts, ZONES, LIMITS), _expected(*parts), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(shape=st.tuples(*[st.integers(1, 8)] * 3), seed=st.integers(0, 2**32 - 1))
def test_rows_are_counted_as_by_numpy(shape, seed) -> None:
    mask = np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)
    rows = count_rows(mask, 2)
    for value in (1, 2):
        np.testing.assert_array_equal(rows[value - 1], (mask == value).sum(axis=2))
