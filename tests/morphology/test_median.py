"""Medians by box counts equal SciPy's, and inside the lungs those of a plain loop."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.morphology.median import Window, median_labels

shapes = st.tuples(st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 2, 5, 9, 17]))
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(*[st.integers(1, 6)] * 3)
reaches = st.tuples(*[st.integers(0, 3)] * 3)


def _labels(shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    """Random labels with patches and with much background, so that all ranks occur."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 6, [-(-n // 3) for n in shape])
    labels = coarse.repeat(3, 0).repeat(3, 1).repeat(3, 2)[tuple(map(slice, shape))]
    return np.where(rng.random(shape) < 0.3, rng.integers(0, 6, shape), labels).astype(np.uint8)


def _scipy_window(size: tuple[int, ...]) -> Window:
    """SciPy's window of a size: an even one reaches one further back than ahead."""
    return Window(tuple(n // 2 for n in size), tuple((n - 1) // 2 for n in size))


def _median_inside(labels: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    smoothed = np.zeros_like(labels)
    for place in np.argwhere(labels):
        around = tuple(
            slice(max(at - back, 0), at + ahead + 1)
            for at, back, ahead in zip(place, window.before, window.after, strict=True)
        )
        values = np.sort(labels[around][labels[around] > 0])
        smoothed[tuple(place)] = values[len(values) // 2]
    return smoothed


@given(shape=shapes, seed=seeds, size=sizes)
def test_over_the_whole_array_it_is_the_median_filter_of_scipy(shape, seed, size) -> None:
    labels = _labels(shape, seed)
    found = median_labels(labels, _scipy_window(size), inside=False)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ndimage.median_filter(labels, size))


@pytest.mark.parametrize("size", range(1, 7))
def test_a_cube_of_any_size_is_the_median_filter_of_scipy(size: int) -> None:
    labels = _labels((11, 12, 70), size)
    found = median_labels(labels, _scipy_window((size,) * 3), inside=False)
    np.testing.assert_array_equal(found, ndimage.median_filter(labels, size))


@given(shape=shapes, seed=seeds, size=sizes, data=st.data())
def test_a_window_may_reach_to_either_side(shape, seed, size, data) -> None:
    labels = _labels(shape, seed)
    before = tuple(data.draw(st.integers(0, n - 1)) for n in size)
    after = tuple(n - 1 - back for n, back in zip(size, before, strict=True))
    found = median_labels(labels, Window(before, after), inside=False)
    # SciPy's origin moves the window's centre back from n // 2.
    origin = [back - n // 2 for n, back in zip(size, before, strict=True)]
    np.testing.assert_array_equal(found, ndimage.median_filter(labels, size, origin=origin))


@given(shape=shapes, seed=seeds, before=reaches, after=reaches)
def test_inside_it_is_the_median_of_the_labels_in_the_window(shape, seed, before, after) -> None:
    labels, window = _labels(shape, seed), Window(before, after)
    found = median_labels(labels, window, inside=True)
    np.testing.assert_array_equal(found, _median_inside(labels, window))


@given(shape=shapes, seed=seeds, reach=reaches)
def test_inside_the_mask_stays_as_it_is(shape, seed, reach) -> None:
    labels = _labels(shape, seed)
    found = median_labels(labels, Window(reach, reach), inside=True)
    np.testing.assert_array_equal(found > 0, labels > 0)


@pytest.mark.parametrize("inside", [False, True])
@given(shape=shapes, seed=seeds)
def test_a_window_of_one_voxel_changes_nothing(inside, shape, seed) -> None:
    labels = _labels(shape, seed)
    window = Window((0, 0, 0), (0, 0, 0))
    np.testing.assert_array_equal(median_labels(labels, window, inside=inside), labels)


@pytest.mark.parametrize("pair", [p for p in product(range(1, 6), repeat=2) if p[0] < p[1]])
def test_of_two_middle_labels_the_upper_one_is_taken(pair: tuple[int, int]) -> None:
    labels = np.array([[pair]], np.uint8)
    window = Window((0, 0, 1), (0, 0, 1))
    assert median_labels(labels, window, inside=True).tolist() == [[[pair[1]] * 2]]


def test_background_counts_as_a_value_only_over_the_whole_array() -> None:
    labels = np.array([[[0, 4, 0, 0, 4]]], np.uint8)
    window = Window((0, 0, 1), (0, 0, 1))
    assert median_labels(labels, window, inside=False).tolist() == [[[0, 0, 0, 0, 4]]]
    assert median_labels(labels, window, inside=True).tolist() == [[[0, 4, 0, 0, 4]]]


def test_the_labels_given_are_not_written_over() -> None:
    labels = _labels((4, 5, 6), 0)
    before = labels.copy()
    for inside in (False, True):
        median_labels(labels, Window((1, 1, 1), (1, 1, 1)), inside=inside)
    np.testing.assert_array_equal(labels, before)


def test_a_window_knows_how_many_voxels_it_holds() -> None:
    assert Window((2, 2, 2), (1, 1, 1)).voxels == 64
    assert Window((0, 1, 3), (0, 1, 2)).voxels == 18


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("slices", [1, 2, 3, 9])
def test_the_number_of_threads_changes_nothing(monkeypatch, threads, slices) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", threads)
    labels = _labels((slices, 7, 19), slices)
    found = median_labels(labels, _scipy_window((4, 4, 4)), inside=False)
    np.testing.assert_array_equal(found, ndimage.median_filter(labels, 4))
    window = Window((1, 2, 3), (2, 0, 1))
    found = median_labels(labels, window, inside=True)
    np.testing.assert_array_equal(found, _median_inside(labels, window))
