"""Packed masks equal NumPy's, and their opening equals SciPy's, whatever the width of a row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.morphology.packed import full_rows, open_cross, pack, pack_range, unpack

WIDTHS = (1, 2, 5, 63, 64, 65, 127, 128, 130)
CROSS = ndimage.generate_binary_structure(3, 1)

shapes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.sampled_from(WIDTHS))
seeds = st.integers(0, 2**32 - 1)


def _mask(shape: tuple[int, int, int], seed: int, filled: float) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(shape) < filled


def _axes_cross(share: tuple[bool, ...]) -> NDArray[np.bool_]:
    """The cross without the arms along the axes that sit a step out."""
    cross = np.zeros((3, 3, 3), bool)
    cross[1, 1, 1] = True
    for axis in np.flatnonzero(share):
        np.moveaxis(cross, axis, 0)[:, 1, 1] = True
    return cross


def _open(mask: NDArray[np.bool_], crosses: list[NDArray[np.bool_]], edge: bool):
    for cross in crosses:
        mask = ndimage.binary_erosion(mask, cross, border_value=edge)
    for cross in crosses:
        mask = ndimage.binary_dilation(mask, cross, border_value=0)
    return mask


def _opened(mask: NDArray[np.bool_], steps: tuple[int, int, int], edge: bool):
    width = mask.shape[2]
    opened = open_cross(pack(mask), width, steps, edge=edge)
    # Bits beyond the row's end must be 0, or the next kernel would count them.
    np.testing.assert_array_equal(opened, opened & full_rows(width))
    return unpack(opened, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_mask_is_the_same_after_packing_and_unpacking(width: int) -> None:
    mask = _mask((3, 4, width), width, 0.5)
    packed = pack(mask)
    assert packed.dtype == np.uint64
    assert packed.shape == (3, 4, -(-width // 64))
    unpacked = unpack(packed, width)
    assert unpacked.dtype == np.bool_
    np.testing.assert_array_equal(unpacked, mask)


@given(shape=shapes, seed=seeds)
def test_voxel_x_is_bit_x_modulo_64_of_word_x_over_64(shape, seed) -> None:
    mask = _mask(shape, seed, 0.5)
    packed = pack(mask)
    z, y, x = np.nonzero(mask)
    expected = np.zeros_like(packed)
    np.bitwise_or.at(expected, (z, y, x // 64), np.uint64(1) << (x % 64).astype(np.uint64))
    np.testing.assert_array_equal(packed, expected)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_full_row_has_as_many_bits_as_voxels(width: int) -> None:
    row = full_rows(width)
    assert sum(int(word).bit_count() for word in row) == width
    np.testing.assert_array_equal(row, pack(np.ones((1, 1, width), bool))[0, 0])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("low", "high"), [(-1200, -155), (-(1 << 15), -155), (-155, 1 << 15), (0, 0), (5, 6)]
)
def test_a_range_is_packed_with_its_low_end_and_without_its_high_end(width, low, high) -> None:
    rng = np.random.default_rng(width)
    hu = rng.choice(
        [-32768, -1201, -1200, -1199, -156, -155, -154, 0, 5, 6, 32767], (3, 5, width)
    ).astype(np.int16)
    expected = pack((hu.astype(np.int64) >= low) & (hu.astype(np.int64) < high))
    np.testing.assert_array_equal(pack_range(hu, low, high), expected)


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3])
@given(shape=shapes, seed=seeds, filled=st.sampled_from([0.7, 0.9, 0.97]))
def test_whole_crosses_open_as_those_of_scipy(edge, steps, shape, seed, filled) -> None:
    mask = _mask(shape, seed, filled)
    expected = ndimage.binary_erosion(mask, CROSS, iterations=steps, border_value=edge)
    expected = ndimage.binary_dilation(expected, CROSS, iterations=steps, border_value=0)
    np.testing.assert_array_equal(_opened(mask, (steps,) * 3, edge), expected)


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("steps", [(0, 1, 1), (1, 0, 0), (0, 0, 1), (1, 1, 0)])
def test_one_step_leaves_axes_of_no_steps_alone(edge, width, steps) -> None:
    mask = _mask((5, 6, width), width, 0.85)
    expected = _open(mask, [_axes_cross(tuple(n > 0 for n in steps))], edge)
    np.testing.assert_array_equal(_opened(mask, steps, edge), expected)


# Steps along (z, y, x), and which axes take part in the first, second, ... erosion: the axis of
# most steps in all, the others in an even share that is not all at the start.
SHARES = [
    ((1, 3, 3), ["yx", "yx", "zyx"]),
    ((2, 3, 3), ["yx", "zyx", "zyx"]),
    ((3, 2, 2), ["z", "zyx", "zyx"]),
    ((0, 2, 2), ["yx", "yx"]),
    ((1, 4, 2), ["y", "yx", "y", "zyx"]),
    ((2, 4, 4), ["yx", "zyx", "yx", "zyx"]),
    ((4, 1, 3), ["z", "zx", "zx", "zyx"]),
]


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize(("steps", "shares"), SHARES)
@given(shape=shapes, seed=seeds, filled=st.sampled_from([0.9, 0.98]))
def test_axes_of_fewer_steps_take_part_in_an_even_share(
    edge, steps, shares, shape, seed, filled
) -> None:
    mask = _mask(shape, seed, filled)
    expected = _open(
        mask, [_axes_cross(tuple(a in share for a in "zyx")) for share in shares], edge
    )
    np.testing.assert_array_equal(_opened(mask, steps, edge), expected)


def test_no_steps_change_nothing() -> None:
    mask = _mask((3, 4, 70), 0, 0.5)
    np.testing.assert_array_equal(_opened(mask, (0, 0, 0), True), mask)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_structure_cut_by_the_edge_keeps_its_end_only_with_edge(width: int) -> None:
    mask = np.ones((4, 4, width), bool)
    assert _opened(mask, (1, 1, 1), True).all()
    assert not _opened(mask, (2, 2, 2), False).any()


def test_opening_does_not_write_over_its_input() -> None:
    packed = pack(_mask((4, 5, 70), 1, 0.9))
    before = packed.copy()
    open_cross(packed, 70, (2, 2, 2), edge=True)
    np.testing.assert_array_equal(packed, before)


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("slices", [1, 2, 7])
def test_the_number_of_threads_changes_nothing(monkeypatch, threads, slices) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", threads)
    hu = np.random.default_rng(slices).integers(-1200, 200, (slices, 9, 130)).astype(np.int16)
    mask = hu < 0
    np.testing.assert_array_equal(pack_range(hu, -(1 << 15), 0), pack(mask))
    crosses = [_axes_cross((False, True, True)), CROSS]
    np.testing.assert_array_equal(_opened(mask, (1, 2, 2), True), _open(mask, crosses, True))
