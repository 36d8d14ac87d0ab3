"""Components are those of scipy.ndimage.label, numbered in scan order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.morphology.components import Components, components
from gmmlabel.morphology.packed import pack

WIDTHS = (1, 2, 5, 63, 64, 65, 127, 128, 130)

shapes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.sampled_from(WIDTHS))
seeds = st.integers(0, 2**32 - 1)
# Around 0.3 a mask falls into components of all sizes and winding shapes.
fills = st.sampled_from([0.0, 0.05, 0.25, 0.32, 0.4, 0.6, 0.95, 1.0])


def _mask(shape: tuple[int, int, int], seed: int, filled: float) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(shape) < filled


def _of(mask: NDArray[np.bool_]) -> Components:
    return components(pack(mask), mask.shape[2])


def _painted(found: Components, *numbers: int) -> NDArray[np.bool_]:
    into = np.zeros(found.shape, np.uint8)
    chosen = np.isin(np.arange(len(found.sizes)), numbers)
    found.paint(chosen, into, np.zeros(3, np.int64))
    return into > 0


def _labels(found: Components) -> NDArray[np.int32]:
    """The label volume that the runs stand for, as SciPy would number it."""
    labels = np.zeros((found.shape[0] * found.shape[1], found.shape[2]), np.int32)
    for row in range(len(labels)):
        for run in range(found.row_start[row], found.row_start[row + 1]):
            start, stop = found.runs[run]
            labels[row, start:stop] = found.owner[run] + 1
    return labels.reshape(found.shape)


def _scipy_boxes(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    boxes = [[(s.start, s.stop) for s in box] for box in ndimage.find_objects(labels)]
    return np.array(boxes, np.int64).reshape(-1, 3, 2)


@given(shape=shapes, seed=seeds, filled=fills)
def test_components_are_those_of_scipy(shape, seed, filled) -> None:
    mask = _mask(shape, seed, filled)
    labels, count = ndimage.label(mask)
    found = _of(mask)
    assert found.shape == shape
    assert len(found.sizes) == count
    np.testing.assert_array_equal(found.sizes, np.bincount(labels.ravel(), minlength=1)[1:])
    np.testing.assert_array_equal(found.boxes, _scipy_boxes(labels))
    np.testing.assert_array_equal(_labels(found), labels)
    if count:
        number = seed % count
        np.testing.assert_array_equal(_painted(found, number), labels == number + 1)


@given(shape=shapes, seed=seeds)
def test_painting_all_components_gives_the_mask_again(shape, seed) -> None:
    mask = _mask(shape, seed, 0.4)
    found = _of(mask)
    np.testing.assert_array_equal(_painted(found, *range(len(found.sizes))), mask)
    # Values that are there already stay.
    into = np.full(shape, 1, np.uint8)
    found.paint(np.ones(len(found.sizes), bool), into, np.zeros(3, np.int64))
    assert into.all()


@pytest.mark.parametrize("pad", [0, 1, 40, 70])
@pytest.mark.parametrize("length", [1, 2, 23, 24, 25, 64, 90])
def test_a_run_over_a_word_boundary_is_one_run(pad: int, length: int) -> None:
    mask = np.zeros((1, 1, 200), bool)
    mask[0, 0, pad : pad + length] = True
    found = _of(mask)
    assert found.runs.tolist() == [[pad, pad + length]]
    assert found.sizes.tolist() == [length]
    assert found.boxes.tolist() == [[[0, 1], [0, 1], [pad, pad + length]]]


def test_voxels_that_meet_at_an_edge_or_a_corner_are_apart() -> None:
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = mask[1, 0, 1] = mask[1, 1, 0] = True
    assert _of(mask).sizes.tolist() == [1, 1, 1, 1]


def test_the_end_of_a_row_does_not_touch_the_start_of_the_next() -> None:
    mask = np.zeros((2, 3, 64), bool)
    mask[0, 0, 63] = mask[0, 1, 0] = mask[0, 2, 63] = mask[1, 0, 0] = True
    assert _of(mask).sizes.tolist() == [1, 1, 1, 1]


def test_the_last_row_of_a_slice_does_not_touch_the_first_of_the_next() -> None:
    mask = np.zeros((2, 3, 5), bool)
    mask[0, 2] = mask[1, 0] = True
    assert _of(mask).sizes.tolist() == [5, 5]


def test_arms_that_join_late_are_one_component_numbered_by_its_first_voxel() -> None:
    mask = np.zeros((1, 4, 9), bool)
    mask[0, :3, 0] = mask[0, :, 4] = mask[0, :, 8] = mask[0, 3, 4:] = True
    found = _of(mask)
    assert found.sizes.tolist() == [3, 11]
    assert found.boxes[1].tolist() == [[0, 1], [0, 4], [4, 9]]


@given(shape=shapes, seed=seeds, filled=st.sampled_from([0.05, 0.25, 0.32]))
def test_touching_the_border_is_meant_in_the_plane(shape, seed, filled) -> None:
    mask = _mask(shape, seed, filled)
    labels, count = ndimage.label(mask)
    rim = np.ones(shape, bool)
    rim[:, 1:-1, 1:-1] = False
    expected = [bool((labels[rim] == number).any()) for number in range(1, count + 1)]
    assert _of(mask).touches_border().tolist() == expected


@pytest.mark.parametrize(
    ("voxel", "touches"),
    [
        ((1, 0, 3), True),
        ((1, 3, 3), True),
        ((1, 2, 0), True),
        ((1, 2, 69), True),
        ((1, 1, 1), False),
        ((1, 2, 68), False),
        ((0, 2, 3), False),
        ((2, 2, 3), False),
    ],
)
def test_each_side_of_the_plane_is_border_and_the_end_slices_are_not(voxel, touches) -> None:
    mask = np.zeros((3, 4, 70), bool)
    mask[voxel] = True
    assert _of(mask).touches_border().tolist() == [touches]


@given(shape=shapes, seed=seeds, data=st.data())
def test_the_box_of_some_components_is_the_box_of_their_voxels(shape, seed, data) -> None:
    mask = _mask(shape, seed, 0.1)
    mask[0, 0, 0] = True
    found = _of(mask)
    count = len(found.sizes)
    numbers = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3))
    chosen = np.isin(np.arange(count), numbers)
    there = np.nonzero(_painted(found, *numbers))
    expected = [[axis.min(), axis.max() + 1] for axis in there]
    assert found.box(chosen).tolist() == expected


@given(shape=shapes, seed=seeds, room=st.integers(0, 3))
def test_painting_into_a_box_is_painting_and_then_cropping(shape, seed, room) -> None:
    mask = _mask(shape, seed, 0.1)
    mask[-1, -1, -1] = True
    found = _of(mask)
    number = len(found.sizes) // 2
    chosen = np.arange(len(found.sizes)) == number
    box = found.box(chosen)
    corner = box[:, 0] - room
    into = np.zeros(box[:, 1] + room - corner, np.uint8)
    found.paint(chosen, into, corner)
    z, y, x = (slice(first, stop) for first, stop in found.boxes[number])
    inner = tuple(slice(room, length - room) for length in into.shape)
    np.testing.assert_array_equal(into[inner] > 0, _painted(found, number)[z, y, x])
    assert into.sum() == found.sizes[number]


@given(shape=shapes, seed=seeds)
def test_histograms_are_those_of_the_values_clipped_to_the_range(shape, seed) -> None:
    mask = _mask(shape, seed, 0.3)
    hu = np.random.default_rng(seed + 1).integers(-1300, 100, shape).astype(np.int16)
    labels, count = ndimage.label(mask)
    low, high = -1200, 0
    expected = [
        np.bincount(hu[labels == number].clip(low, high) - low, minlength=high - low + 1)
        for number in range(1, count + 1)
    ]
    counts = _of(mask).histograms(hu, low, high)
    assert counts.shape == (count, 1201)
    np.testing.assert_array_equal(counts, np.array(expected).reshape(counts.shape))


@pytest.mark.parametrize("value", [-32768, -1201, -1200, 0, 1, 32767])
def test_values_beyond_the_range_are_counted_at_its_ends(value: int) -> None:
    counts = _of(np.ones((1, 1, 3), bool)).histograms(np.full((1, 1, 3), value, np.int16), -1200, 0)
    assert np.flatnonzero(counts[0]).tolist() == [0 if value <= -1200 else 1200]
    assert counts.sum() == 3


def test_an_empty_mask_has_no_components() -> None:
    found = _of(np.zeros((3, 4, 70), bool))
    assert found.sizes.shape == (0,)
    assert found.boxes.shape == (0, 3, 2)
    assert found.runs.shape == (0, 2)
    assert found.touches_border().shape == (0,)
    assert found.histograms(np.zeros((3, 4, 70), np.int16), -5, 5).shape == (0, 11)


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_components_are_numbered_as_by_scipy(seed: int) -> None:
    mask = _mask((40, 50, 200), seed, 0.3)
    labels, count = ndimage.label(mask)
    found = _of(mask)
    assert count > 1000
    assert len(found.sizes) == count
    np.testing.assert_array_equal(found.sizes, np.bincount(labels.ravel())[1:])
    np.testing.assert_array_equal(found.boxes, _scipy_boxes(labels))
    np.testing.assert_array_equal(_labels(found), labels)


@given(shape=shapes, seed=seeds, filled=fills)
def test_keeping_components_is_finding_them_in_what_is_kept(shape, seed, filled) -> None:
    mask = _mask(shape, seed, filled)
    found = _of(mask)
    chosen = found.sizes % 2 == 0
    kept = found.keep(chosen)
    painted = np.zeros(mask.shape, np.uint8)
    found.paint(chosen, painted, np.zeros(3, np.int64))
    again = _of(painted > 0)
    for ours, theirs in (
        (kept.row_start, again.row_start),
        (kept.runs, again.runs),
        (kept.owner, again.owner),
        (kept.sizes, again.sizes),
        (kept.boxes, again.boxes),
    ):
        np.testing.assert_array_equal(ours, theirs)
