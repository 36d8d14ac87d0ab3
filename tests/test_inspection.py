"""Air, soft tissue, blood, noise and cuts of a chest of boxes, where all of them are known."""

from dataclasses import replace

import numpy as np
import pytest

from gmmlabel.inspection import inspect
from gmmlabel.lungs import Lungs, find_lungs
from gmmlabel.method import DefaultMethod
from gmmlabel.readers import read_volume
from gmmlabel.volume import Geometry, Volume

SHAPE = (30, 120, 160)
SPACING = (2.0, 2.0, 3.0)
RIGHT, LEFT = np.s_[4:26, 30:90, 30:65], np.s_[4:26, 30:90, 95:130]


def _chest(noise=10.0, *, air=-1000.0, soft=50.0, blood=40.0, seed=0):
    """Two boxes of lung in a body of soft tissue, with blood between them, in air."""
    hu = np.full(SHAPE, float(air))
    hu[:, 15:105, 15:145] = soft
    hu[4:26, 30:90, 70:90] = blood
    mask = np.zeros(SHAPE, np.uint8)
    for side, lung in enumerate((RIGHT, LEFT), start=1):
        hu[lung] = -850
        mask[lung] = side
    hu += np.random.default_rng(seed).normal(0, noise, SHAPE)
    return hu.round().astype(np.int16), mask


def _inspect(hu, mask, spacing=SPACING):
    box = tuple(slice(hits.min(), hits.max() + 1) for hits in np.nonzero(mask))
    lungs = Lungs(mask[box], tuple(int(part.start) for part in box))
    return inspect(Volume(hu, Geometry(hu.shape[::-1], spacing)), lungs)


def test_a_plain_chest_is_seen_as_it_is() -> None:
    shown = _inspect(*_chest())
    assert shown.air_hu == pytest.approx(-1000, abs=3)
    assert shown.soft_tissue_hu == pytest.approx(48, abs=4)
    assert shown.blood_hu == pytest.approx(42, abs=4)
    assert shown.noise_hu == pytest.approx(10, abs=1.5)
    assert (shown.edge_cm2, shown.ends_percent) == (0, 0)
    assert shown.step == pytest.approx(1)


@pytest.mark.parametrize("noise", [5.0, 20.0, 40.0, 80.0])
def test_noise_is_measured(noise) -> None:
    assert _inspect(*_chest(noise)).noise_hu == pytest.approx(noise, rel=0.15)


@pytest.mark.parametrize("air", [-1060, -1030, -970])
@pytest.mark.parametrize("noise", [2, 30])
def test_air_is_measured(air, noise) -> None:
    assert _inspect(*_chest(noise, air=air)).air_hu == pytest.approx(air, abs=8)


@pytest.mark.parametrize("padding", [-3024, -2000, -1024, -900])
def test_padding_is_not_air(padding) -> None:
    hu, mask = _chest()
    hu[:, :, :8] = hu[:, :, -8:] = padding
    assert _inspect(hu, mask).air_hu == pytest.approx(-1000, abs=3)


def test_air_clipped_at_the_lowest_value_is_not_mistaken() -> None:
    hu, mask = _chest(40)
    assert _inspect(np.maximum(hu, -1024), mask).air_hu == pytest.approx(-1000, abs=8)


def test_without_air_around_the_patient_none_is_measured() -> None:
    hu, mask = _chest()
    assert _inspect(hu[:, 15:105, 15:145], mask[:, 15:105, 15:145]).air_hu is None


@pytest.mark.parametrize("soft", [0, 30, 90])
def test_soft_tissue_is_measured(soft) -> None:
    assert _inspect(*_chest(soft=soft, blood=soft)).soft_tissue_hu == pytest.approx(soft, abs=4)


@pytest.mark.parametrize("blood", [45, 120, 250])
def test_blood_is_measured_between_the_lungs(blood) -> None:
    assert _inspect(*_chest(blood=blood)).blood_hu == pytest.approx(blood, abs=8)


def test_a_dense_spine_behind_and_sternum_in_front_are_not_blood() -> None:
    hu, mask = _chest()
    hu[:, 70:100, 70:90] = hu[:, 20:38, 70:90] = 400
    assert _inspect(hu, mask).blood_hu == pytest.approx(42, abs=4)


def test_with_one_lung_there_is_no_blood_to_measure() -> None:
    hu, mask = _chest()
    mask[mask == 2] = 0
    assert _inspect(hu, mask).blood_hu is None


def test_the_area_at_the_edge_of_the_image_is_measured() -> None:
    hu, mask = _chest()
    cut = np.s_[:, :, 40:]  # through the right lung: 22 slices of 60 rows
    assert _inspect(hu[cut], mask[cut]).edge_cm2 == pytest.approx(22 * 3 * 60 * 2 / 100)
    cut = np.s_[:, 40:, :]  # through both: 22 slices of 70 columns
    assert _inspect(hu[cut], mask[cut]).edge_cm2 == pytest.approx(22 * 3 * 70 * 2 / 100)


@pytest.mark.parametrize("padding", [-3024, 0])
def test_padding_is_an_edge_of_the_image(padding) -> None:
    hu, mask = _chest()
    hu[:, :, :40], mask[:, :, :40] = padding, 0
    hu[:, [0, -1], -1] = padding  # it fills the corners of every slice
    assert _inspect(hu, mask).edge_cm2 == pytest.approx(22 * 3 * 60 * 2 / 100)


@pytest.mark.parametrize("cut", [np.s_[10:], np.s_[:20], np.s_[10:20]])
def test_lungs_in_the_first_or_last_slice_are_cut_off(cut) -> None:
    hu, mask = _chest()
    assert _inspect(hu[cut], mask[cut]).ends_percent == 100


def test_a_tip_of_lung_in_the_end_slice_is_in_proportion() -> None:
    hu, mask = _chest()
    mask[3], mask[3, 40:50, 40:54] = 0, 1
    assert _inspect(hu[3:], mask[3:]).ends_percent == pytest.approx(100 * 140 / (2 * 60 * 35))


@pytest.mark.parametrize("rows", [4, 8])
def test_a_step_between_two_slices_is_seen(rows) -> None:
    hu, mask = _chest()
    assert _inspect(hu, mask).step < 1.1
    mask[15:] = np.roll(mask[15:], rows, axis=1)
    # All of the front and the back, and none of the sides, of the outline moves that far.
    share = 35 / (35 + 60)
    assert _inspect(hu, mask).step == pytest.approx(1 + rows * 2 * share / 0.5, rel=0.1)


@pytest.mark.parametrize("name", ["healthy_4mm.nrrd", "one_lung.mha", "slab_normal_000061.nrrd"])
def test_a_patient_who_moved_8_mm_is_told_from_one_who_did_not(shared, name) -> None:
    volume = read_volume(shared / "data" / name)
    found = find_lungs(volume, DefaultMethod())
    mask = np.zeros(volume.hu.shape, np.uint8)
    mask[found.region] = found.mask
    still = inspect(volume, found).step
    middle = found.corner[0] + found.mask.shape[0] * 6 // 10
    rows = round(8 / volume.geometry.spacing_zyx[1])
    mask[middle:] = np.roll(mask[middle:], rows, axis=1)
    assert still < 2
    assert inspect(volume, Lungs(mask, (0, 0, 0))).step > 3


def test_too_few_slices_show_no_step() -> None:
    hu, mask = _chest()
    assert _inspect(hu[:8], mask[:8]).step is None


def test_a_patch_holds_enough_voxels_of_any_size() -> None:
    hu, mask = _chest()
    for spacing in ((0.7, 0.7, 1.0), (4.0, 4.0, 4.0), (8.0, 8.0, 8.0)):
        shown = _inspect(hu, mask, spacing)
        assert shown.noise_hu == pytest.approx(10, abs=2)
        assert replace(shown, edge_cm2=0.0) == shown
