"""Balls dilate and close as those of SimpleITK in voxels, and as Euclidean distances in mm."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.morphology.ball import Ball, close_ball, dilate_ball

shapes = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 5, 63, 64, 65, 130]))
seeds = st.integers(0, 2**32 - 1)
fills = st.sampled_from([0.0, 0.002, 0.02, 0.2, 0.7, 1.0])
spacings = st.tuples(*[st.floats(0.5, 5.0)] * 3)


def _mask(shape: tuple[int, ...], seed: int, filled: float) -> NDArray[np.uint8]:
    return (np.random.default_rng(seed).random(shape) < filled).astype(np.uint8)


def _dilated(mask: NDArray[np.uint8], ball: Ball) -> NDArray[np.uint8]:
    mask = mask.copy()
    dilate_ball(mask, ball)
    return mask


def _closed(mask: NDArray[np.uint8], ball: Ball) -> NDArray[np.uint8]:
    mask = mask.copy()
    close_ball(mask, ball)
    return mask


def _within(mask: NDArray[np.uint8], radius: float, spacing: tuple[float, ...] = (1, 1, 1)):
    """What lies within a radius of the mask, by SciPy's exact Euclidean distances."""
    if not mask.any():
        return np.zeros_like(mask)
    distance = ndimage.distance_transform_edt(mask == 0, sampling=spacing)
    return (distance <= radius).astype(np.uint8)


def _closed_by_distance(mask: NDArray[np.uint8], radius: float, spacing: tuple[float, ...]):
    return 1 - _within(1 - _within(mask, radius, spacing), radius, spacing)


def _off_the_grid(radius: float, spacing: tuple[float, ...]) -> bool:
    """Whether no offset of voxels is as long as the radius, to within 5e-5 of it."""
    reach = [np.arange(int(radius / step) + 2) * step for step in spacing]
    z, y, x = np.meshgrid(*reach, indexing="ij")
    lengths = np.sqrt(z**2 + y**2 + x**2)
    return bool((np.abs(lengths - radius) > 5e-5 * radius).all())


@pytest.mark.parametrize("radius", [1, 2, 3, 5, 8, 20, 30])
def test_a_voxel_grows_to_the_ball_of_simpleitk(radius: int) -> None:
    mask = np.zeros((2 * radius + 3,) * 3, np.uint8)
    mask[radius + 1, radius + 1, radius + 1] = 1
    expected = sitk.BinaryDilate(sitk.GetImageFromArray(mask), (radius,) * 3, sitk.sitkBall, 0, 1)
    dilate_ball(mask, Ball.of_voxels(radius))
    np.testing.assert_array_equal(mask, sitk.GetArrayFromImage(expected))


@given(shape=shapes, seed=seeds, filled=fills, radius=st.integers(1, 5))
def test_dilation_in_voxels_is_that_of_simpleitk(shape, seed, filled, radius) -> None:
    mask = _mask(shape, seed, filled)
    image = sitk.GetImageFromArray(mask)
    expected = sitk.BinaryDilate(image, (radius,) * 3, sitk.sitkBall, 0, 1)
    found = _dilated(mask, Ball.of_voxels(radius))
    np.testing.assert_array_equal(found, sitk.GetArrayFromImage(expected))


@given(shape=shapes, seed=seeds, filled=fills, radius=st.integers(1, 5))
def test_closing_in_empty_space_is_that_of_simpleitk(shape, seed, filled, radius) -> None:
    mask = np.pad(_mask(shape, seed, filled), radius + 1)
    image = sitk.GetImageFromArray(mask)
    expected = sitk.BinaryMorphologicalClosing(image, (radius,) * 3, sitk.sitkBall, 1)
    found = _closed(mask, Ball.of_voxels(radius))
    np.testing.assert_array_equal(found, sitk.GetArrayFromImage(expected))


@pytest.mark.parametrize("radius", [20, 60, 140])
def test_closing_with_a_large_ball_agrees_with_distances(radius: int) -> None:
    mask = np.zeros((40, 60, 150), np.uint8)
    mask[::13, ::17, ::29] = 1
    expected = _closed_by_distance(mask, radius + 0.5, (1, 1, 1))
    np.testing.assert_array_equal(_closed(mask, Ball.of_voxels(radius)), expected)


@given(shape=shapes, seed=seeds, filled=fills, spacing=spacings, voxels=st.floats(0.3, 7.0))
def test_dilation_in_mm_takes_in_what_is_within_the_radius(
    shape, seed, filled, spacing, voxels
) -> None:
    radius = voxels * min(spacing)
    assume(_off_the_grid(radius, spacing))
    mask = _mask(shape, seed, filled)
    found = _dilated(mask, Ball.of_mm(radius, spacing))
    np.testing.assert_array_equal(found, _within(mask, radius, spacing))


@given(shape=shapes, seed=seeds, filled=fills, spacing=spacings, voxels=st.floats(0.3, 7.0))
def test_closing_in_mm_agrees_with_distances(shape, seed, filled, spacing, voxels) -> None:
    radius = voxels * min(spacing)
    assume(_off_the_grid(radius, spacing))
    mask = _mask(shape, seed, filled)
    found = _closed(mask, Ball.of_mm(radius, spacing))
    np.testing.assert_array_equal(found, _closed_by_distance(mask, radius, spacing))


@pytest.mark.parametrize(
    ("radius", "spacing"),
    [
        (10.0, (5.0, 0.7, 0.7)),
        (10.0, (8.0, 0.65, 0.65)),
        (10.0, (1.25, 0.7, 0.7)),
        (10.0, (0.5, 0.5, 0.5)),
        (50.0, (0.3, 3.0, 1.0)),
    ],
)
def test_a_ball_in_mm_reaches_in_whole_voxels_what_fits_in_the_radius(radius, spacing) -> None:
    assert Ball.of_mm(radius, spacing).reach == tuple(
        int(np.floor(radius / step + 1e-9)) for step in spacing
    )


@given(spacing=spacings, offset=st.tuples(*[st.integers(0, 9)] * 3))
def test_a_radius_in_mm_is_exact_to_a_twenty_thousandth(spacing, offset) -> None:
    length = float(np.linalg.norm(np.multiply(offset, spacing)))
    assume(length > 0)
    for radius, within in ((length * (1 - 5e-5), 0), (length * (1 + 5e-5), 1)):
        mask = np.zeros((10, 10, 10), np.uint8)
        mask[0, 0, 0] = 1
        dilate_ball(mask, Ball.of_mm(radius, spacing))
        assert mask[offset] == within


@pytest.mark.parametrize("spacing", [0.1, 0.3, 0.7, 0.78125, 1.1, 3.3])
@pytest.mark.parametrize("voxels", [1, 3, 7, 10])
def test_a_radius_of_whole_voxels_takes_in_the_voxel_at_its_end(spacing, voxels) -> None:
    ball = Ball.of_mm(voxels * spacing, (spacing, spacing, spacing))
    for axis in range(3):
        shape = [1, 1, 1]
        shape[axis] = 2 * voxels + 5
        line = np.zeros(shape, np.uint8)
        line.flat[voxels + 2] = 1
        dilate_ball(line, ball)
        assert line.ravel().tolist() == [0, 0, *[1] * (2 * voxels + 1), 0, 0]


@given(shape=shapes, seed=seeds, filled=fills, radius=st.integers(1, 4))
def test_closing_at_the_edge_takes_the_mask_to_go_on_in_mirror_image(
    shape, seed, filled, radius
) -> None:
    mask = _mask(shape, seed, filled)
    room = 2 * radius + 1
    wide = np.pad(mask, room, mode="symmetric")
    expected = _closed_by_distance(wide, radius + 0.5, (1, 1, 1))[(slice(room, -room),) * 3]
    np.testing.assert_array_equal(_closed(mask, Ball.of_voxels(radius)), expected)


def test_a_slab_through_a_mask_keeps_its_end_slices() -> None:
    mask = np.zeros((8, 30, 30), np.uint8)
    mask[:, 10:20, 10:20] = 1
    mask[:, 14:16, 14:16] = 0
    closed = _closed(mask, Ball.of_voxels(4))
    assert (closed[:, 14:16, 14:16] == 1).all()
    np.testing.assert_array_equal(closed, np.repeat(closed[:1], 8, axis=0))


@given(shape=shapes, seed=seeds, filled=fills, spacing=spacings, voxels=st.floats(0.3, 7.0))
def test_closing_adds_only_and_closing_again_adds_nothing(
    shape, seed, filled, spacing, voxels
) -> None:
    mask = _mask(shape, seed, filled)
    ball = Ball.of_mm(voxels * min(spacing), spacing)
    closed = _closed(mask, ball)
    assert set(np.unique(closed)) <= {0, 1}
    assert (closed >= mask).all()
    np.testing.assert_array_equal(_closed(closed, ball), closed)


@given(seed=seeds, spacing=spacings, voxels=st.floats(0.3, 7.0))
def test_flips_and_permutations_of_the_axes_commute_with_dilation(seed, spacing, voxels) -> None:
    mask = _mask((7, 9, 66), seed, 0.01)
    radius = voxels * min(spacing)
    expected = _dilated(mask, Ball.of_mm(radius, spacing))
    for order in ((0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0)):
        turned = np.ascontiguousarray(mask.transpose(order)[::-1, :, ::-1])
        ball = Ball.of_mm(radius, tuple(spacing[axis] for axis in order))
        found = _dilated(turned, ball)
        np.testing.assert_array_equal(found, expected.transpose(order)[::-1, :, ::-1])


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 70), (2, 1, 70), (9, 2, 5), (10, 11, 130)])
def test_the_number_of_threads_changes_nothing(monkeypatch, threads, shape) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", threads)
    mask = _mask(shape, sum(shape), 0.05)
    expected = _closed_by_distance(mask, 3.5, (1, 1, 1))
    np.testing.assert_array_equal(_closed(mask, Ball.of_voxels(3)), expected)


@pytest.mark.parametrize("radius", [-1, 0, 141])
def test_a_ball_in_voxels_has_a_radius_from_1_to_140(radius: int) -> None:
    with pytest.raises(ValueError, match=f"{radius} voxels; it must be from 1 to 140"):
        Ball.of_voxels(radius)


@pytest.mark.parametrize("radius", [-1.0, 0.0, 175.1, float("inf"), float("nan")])
def test_a_ball_in_mm_has_a_radius_of_at_most_250_voxels(radius: float) -> None:
    with pytest.raises(ValueError, match="out of range"):
        Ball.of_mm(radius, (5.0, 0.7, 0.9))


def test_the_largest_balls_reach_as_far_as_they_say() -> None:
    for ball, reach in ((Ball.of_voxels(140), 140), (Ball.of_mm(125.0, (0.5, 0.5, 0.5)), 250)):
        for axis in range(3):
            shape = [1, 1, 1]
            shape[axis] = 600
            line = np.zeros(shape, np.uint8)
            line.flat[300] = 1
            dilate_ball(line, ball)
            assert np.flatnonzero(line).tolist() == list(range(300 - reach, 301 + reach))
