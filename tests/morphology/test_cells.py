"""Means over cells are NumPy's, and cells lie over the voxels they were made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.morphology.cells import cell_means, pack_cells
from gmmlabel.morphology.packed import unpack

shapes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 5, 64, 67]))
cells = st.tuples(*[st.integers(1, 4)] * 3)
seeds = st.integers(0, 2**32 - 1)


def _blocks(shape, cell):
    """Each cell's place among the cells, and the voxels it takes in."""
    counts = [-(-length // size) for length, size in zip(shape, cell, strict=True)]
    for place in np.ndindex(*counts):
        yield place, tuple(slice(p * n, (p + 1) * n) for p, n in zip(place, cell, strict=True))


@given(shape=shapes, cell=cells, seed=seeds)
def test_a_cell_has_the_mean_of_its_voxels_down_to_the_lowest_value(shape, cell, seed) -> None:
    hu = np.random.default_rng(seed).integers(-3024, 3071, shape).astype(np.int16)
    found = cell_means(hu, cell, -1000)
    assert found.dtype == np.float32
    for place, voxels in _blocks(shape, cell):
        expected = hu[voxels].astype(np.float64).clip(min=-1000).mean()
        assert found[place] == pytest.approx(expected, rel=1e-6)
    assert found.shape == tuple(n + 1 for n in place)


@given(shape=shapes, cell=cells, seed=seeds)
def test_a_cell_that_is_set_sets_its_voxels(shape, cell, seed) -> None:
    counts = [-(-length // size) for length, size in zip(shape, cell, strict=True)]
    chosen = np.random.default_rng(seed).integers(0, 2, counts).astype(np.uint8)
    expected = np.zeros(shape, bool)
    for place, voxels in _blocks(shape, cell):
        expected[voxels] = chosen[place]
    packed = pack_cells(chosen, cell, shape)
    assert packed.shape == (*shape[:2], -(-shape[2] // 64))
    np.testing.assert_array_equal(unpack(packed, shape[2]), expected)
    assert sum(int(word).bit_count() for word in packed.flat) == expected.sum()


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("slices", [1, 2, 7])
def test_the_number_of_threads_changes_nothing(monkeypatch, threads, slices) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", threads)
    hu = np.random.default_rng(slices).integers(-1000, 100, (2 * slices, 6, 8)).astype(np.int16)
    expected = hu.reshape(slices, 2, 2, 3, 4, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(cell_means(hu, (2, 3, 2), -1000), expected, rtol=1e-6)
