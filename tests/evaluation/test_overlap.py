"""Against scikit-learn on flattened masks, all pairs of surface voxels, and SimpleITK."""

import math

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from sklearn import metrics

from gmmlabel.evaluation.overlap import Overlap, compare, pool, surface_distance

SPACING = (5.0, 0.7, 1.3)
shapes = st.tuples(*(st.integers(1, 6) for _ in range(3)))
spacings = st.tuples(*(st.floats(0.3, 8) for _ in range(3)))


@st.composite
def pairs(draw, number=2):
    """Masks of one shape, any of which may be empty or full."""
    shape = draw(shapes)
    return [draw(arrays(bool, shape)) for _ in range(number)]


def image(mask, spacing=SPACING):
    made = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    made.SetSpacing(spacing[::-1])
    return made


def surface_points(mask, spacing):
    """All voxels of a mask with one of six neighbours that is not, one by one."""
    padded = np.pad(mask, 1)
    steps = [step for axis in np.eye(3, dtype=int) for step in (axis, -axis)]
    points = [
        at for at in np.argwhere(padded) if not all(padded[tuple(at + step)] for step in steps)
    ]
    return np.reshape(points, (-1, 3)) * spacing


def ball(centre, radius, spacing=SPACING, shape=(12, 50, 40)):
    z, y, x = (np.arange(n) * step for n, step in zip(shape, spacing, strict=True))
    cz, cy, cx = centre
    return ((z[:, None, None] - cz) ** 2 + (y[:, None] - cy) ** 2 + (x - cx) ** 2) <= radius**2


@given(masks=pairs())
def test_ratios_are_those_of_scikit_learn(masks):
    ours, reference = masks
    found = compare(ours, reference, SPACING)
    truth, answer = reference.ravel(), ours.ravel()
    options = {"zero_division": np.nan}
    for mine, theirs in (
        (found.dice, metrics.f1_score(truth, answer, **options)),
        (found.f1, metrics.f1_score(truth, answer, **options)),
        (found.precision, metrics.precision_score(truth, answer, **options)),
        (found.recall, metrics.recall_score(truth, answer, **options)),
        (found.accuracy, metrics.accuracy_score(truth, answer)),
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


@given(masks=pairs(3))
def test_accuracy_within_a_region_counts_true_negatives_there_only(masks):
    ours, reference, within = masks
    found = compare(ours, reference, SPACING, within=within)
    everywhere = compare(ours, reference, SPACING)
    counted = within | ours | reference
    expected = (
        metrics.accuracy_score(reference[counted], ours[counted]) if counted.any() else np.nan
    )
    np.testing.assert_allclose(found.accuracy, expected, rtol=1e-12)
    for name in ("dice", "precision", "recall", "volume_error_ml", "surface_95_mm"):
        np.testing.assert_array_equal(getattr(found, name), getattr(everywhere, name))


@given(masks=pairs(), spacing=spacings)
def test_volumes_are_voxels_by_their_volume(masks, spacing):
    ours, reference = masks
    found = compare(ours, reference, spacing)
    voxel_ml = math.prod(spacing) / 1000
    np.testing.assert_allclose(found.volume_ml, ours.sum() * voxel_ml, rtol=1e-12)
    np.testing.assert_allclose(found.reference_ml, reference.sum() * voxel_ml, rtol=1e-12)
    error = (int(ours.sum()) - int(reference.sum())) * voxel_ml
    np.testing.assert_allclose(found.volume_error_ml, error, atol=1e-9)
    if reference.any():
        percent = 100 * (ours.sum() / reference.sum() - 1)
        np.testing.assert_allclose(found.volume_error_percent, percent, atol=1e-9)


@pytest.mark.parametrize("shift", [0.0, 3.0, 11.0])
def test_measures_are_those_of_simple_itk(shift):
    ours, reference = ball((28, 17, 25 + shift), 11), ball((25, 17, 25), 12)
    measured = SimpleITK.LabelOverlapMeasuresImageFilter()
    measured.Execute(image(ours), image(reference))
    found = compare(ours, reference, SPACING)
    assert found.dice == pytest.approx(measured.GetDiceCoefficient())
    assert 1 - found.precision == pytest.approx(measured.GetFalseDiscoveryRate())
    assert 1 - found.recall == pytest.approx(measured.GetFalseNegativeError())


@pytest.mark.parametrize("radius", [6.0, 12.0, 14.0])
def test_the_hundredth_percentile_is_the_hausdorff_distance_of_the_surfaces(radius):
    ours, reference = ball((25, 20, 22), radius), ball((30, 17, 25), 12)
    surfaces = [SimpleITK.BinaryContour(image(np.pad(mask, 1))) for mask in (ours, reference)]
    measured = SimpleITK.HausdorffDistanceImageFilter()
    measured.Execute(*surfaces)
    found = surface_distance(ours, reference, SPACING, percentile=100)
    assert found == pytest.approx(measured.GetHausdorffDistance(), rel=1e-6)


@given(masks=pairs(), spacing=spacings)
def test_the_surface_distance_is_that_of_all_pairs_of_surface_voxels(masks, spacing):
    ours, reference = (surface_points(mask, spacing) for mask in masks)
    found = surface_distance(*masks, spacing)
    if not (len(ours) and len(reference)):
        assert math.isnan(found)
        return
    distances = cdist(ours, reference)
    expected = max(np.percentile(distances.min(axis), 95) for axis in (0, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@given(masks=pairs(), spacing=spacings)
def test_exchanging_the_masks_exchanges_precision_and_recall(masks, spacing):
    there, back = compare(*masks, spacing), compare(*masks[::-1], spacing)
    np.testing.assert_equal(there.precision, back.recall)
    np.testing.assert_equal(there.dice, back.dice)
    np.testing.assert_equal(there.surface_95_mm, back.surface_95_mm)
    np.testing.assert_allclose(there.volume_error_ml, -back.volume_error_ml)


@given(masks=pairs(), spacing=spacings, axis=st.integers(0, 2))
def test_flips_and_turns_change_nothing(masks, spacing, axis):
    found = compare(*masks, spacing)
    flipped = compare(*(np.flip(mask, axis) for mask in masks), spacing)
    turned = compare(*(mask.transpose(1, 2, 0) for mask in masks), (*spacing[1:], spacing[0]))
    for other in (flipped, turned):
        for name in ("dice", "accuracy", "volume_ml", "reference_ml", "surface_95_mm"):
            np.testing.assert_allclose(getattr(found, name), getattr(other, name), rtol=1e-9)


def test_a_mask_is_all_right_against_itself():
    mask = ball((25, 17, 25), 12)
    found = compare(mask, mask.copy(), SPACING)
    assert (found.dice, found.precision, found.recall, found.accuracy) == (1, 1, 1, 1)
    assert (found.volume_error_ml, found.volume_error_percent, found.surface_95_mm) == (0, 0, 0)


@pytest.mark.parametrize(("axis", "step"), list(enumerate(SPACING)))
def test_a_slab_that_is_moved_along_an_axis_is_as_far_off_as_it_was_moved(axis, step):
    mask = np.zeros((12, 30, 30), bool)
    mask[3:8, 5:20, 5:20] = True
    moved = np.roll(mask, 2, axis)
    assert surface_distance(mask, moved, SPACING) == pytest.approx(2 * step)


def test_a_speck_far_away_moves_the_distance_less_than_the_hausdorff_distance():
    mask = ball((25, 17, 25), 12)
    speckled = mask.copy()
    speckled[11, 49, 39] = True
    assert surface_distance(speckled, mask, SPACING) == 0
    assert surface_distance(speckled, mask, SPACING, percentile=100) > 30


def test_nothing_found_where_something_is_scores_zero():
    mask = ball((25, 17, 25), 12)
    found = compare(np.zeros_like(mask), mask, SPACING)
    assert (found.dice, found.f1, found.recall) == (0, 0, 0)
    assert (found.volume_error_ml, found.volume_error_percent) == (-found.reference_ml, -100)
    assert math.isnan(found.precision)
    assert math.isnan(found.surface_95_mm)


def test_something_found_where_nothing_is_scores_zero():
    mask = ball((25, 17, 25), 12)
    found = compare(mask, np.zeros_like(mask), SPACING)
    assert (found.dice, found.f1, found.precision) == (0, 0, 0)
    assert found.volume_error_ml == found.volume_ml > 0
    assert all(map(math.isnan, (found.recall, found.volume_error_percent, found.surface_95_mm)))


def test_nothing_found_where_nothing_is_has_no_score_and_no_error():
    empty = np.zeros((3, 4, 5), bool)
    found = compare(empty, empty, SPACING)
    assert all(map(math.isnan, (found.dice, found.f1, found.precision, found.recall)))
    assert (found.accuracy, found.volume_error_ml) == (1, 0)
    assert math.isnan(found.surface_95_mm)


def test_pooled_cases_are_as_one_case_that_holds_them_all():
    one = ball((25, 17, 25), 12), ball((28, 17, 27), 11)
    two = ball((25, 17, 20), 9), ball((25, 19, 21), 12)
    cases = [compare(*one, SPACING), compare(*two, SPACING)]
    pooled = pool(cases)
    together = compare(
        *(np.stack(pair).reshape(-1, 50, 40) for pair in zip(one, two, strict=True)), SPACING
    )
    for name in ("dice", "precision", "recall", "accuracy", "volume_ml", "volume_error_percent"):
        assert getattr(pooled, name) == pytest.approx(getattr(together, name))
    assert pooled.surface_95_mm == np.median([case.surface_95_mm for case in cases])


def test_small_voxels_do_not_count_for_more_when_cases_are_pooled():
    mask, empty = np.ones((4, 4, 4), bool), np.zeros((4, 4, 4), bool)
    fine = compare(mask.repeat(2, 0), mask.repeat(2, 0), (0.5, 1.0, 1.0))
    assert pool([fine, compare(empty, mask, (1.0, 1.0, 1.0))]).dice == pytest.approx(2 / 3)


def test_the_pooled_distance_is_over_the_cases_that_have_one():
    distances = [math.nan, 4.0, 1.0, 2.0, math.nan]
    assert pool([Overlap(1, 0, 0, 0, distance) for distance in distances]).surface_95_mm == 2
    assert math.isnan(pool([Overlap(1, 0, 0, 0, math.nan)]).surface_95_mm)
