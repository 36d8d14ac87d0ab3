"""Labels through a table equal NumPy's indexing, and counts its bincount."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.morphology.lookup import count_labels, look_up

SHAPES = [(1, 1, 1), (1, 7, 5), (7, 1, 5), (7, 5, 1), (2, 3, 64), (5, 4, 65)]


def _case(shape, seed):
    rng = np.random.default_rng(seed)
    hu = rng.integers(-32768, 32768, shape).astype(np.int16)
    mask = rng.integers(0, 2, shape).astype(np.uint8)
    table = rng.integers(1, 6, 1 << 16).astype(np.uint8)
    return hu, mask, table


def _expected(hu, mask, table):
    place = hu.astype(np.int64) + 32768
    return table[place] * mask, np.bincount(place[mask > 0], minlength=1 << 16)


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("shape", SHAPES)
def test_labels_are_those_of_numpy_indexing(monkeypatch, threads, shape) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", threads)
    case = _case(shape, sum(shape))
    labels, counts = look_up(*case)
    expected, expected_counts = _expected(*case)
    assert labels.dtype == np.uint8
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(counts, expected_counts)


@given(shape=st.tuples(*[st.integers(1, 8)] * 3), seed=st.integers(0, 2**32 - 1))
def test_labels_and_counts_agree_for_any_shape(shape, seed) -> None:
    case = _case(shape, seed)
    for found, expected in zip(look_up(*case), _expected(*case), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [-32768, -1, 0, 1, 32767])
def test_each_value_has_a_place_of_its_own(value: int) -> None:
    table = np.ones(1 << 16, np.uint8)
    table[value + 32768] = 5
    labels, counts = look_up(
        np.full((1, 1, 2), value, np.int16), np.array([[[1, 0]]], np.uint8), table
    )
    assert labels.tolist() == [[[5, 0]]]
    assert np.flatnonzero(counts).tolist() == [value + 32768]
    assert counts.sum() == 1


def test_a_region_of_a_larger_volume_is_labelled_without_a_copy() -> None:
    hu, mask, table = _case((6, 8, 70), 3)
    window = np.s_[1:5, 2:7, 3:66]
    region, inside = hu[window], np.ascontiguousarray(mask[window])
    assert not region.flags.c_contiguous
    labels, counts = look_up(region, inside, table)
    expected, expected_counts = _expected(region, inside, table)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(counts, expected_counts)


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("shape", SHAPES)
def test_labels_are_counted_as_by_bincount(monkeypatch, threads, shape) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", threads)
    for highest in range(6):
        labels = np.random.default_rng(highest).integers(0, highest + 1, shape).astype(np.uint8)
        counts = count_labels(labels)
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts, np.bincount(labels.ravel(), minlength=6))
