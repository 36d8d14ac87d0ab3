"""The synthetic chest is deterministic, the same at any sampling, and what its truth map says."""

import numpy as np
import pytest
from scipy import ndimage

from gmmlabel.anatomy import STOMACH, Texture
from gmmlabel.phantom import Phantom, make_head, make_phantom
from gmmlabel.tissues import Tissue
from gmmlabel.volume import check_hounsfield

SIZE, SPACING = (92, 72, 80), (4.0, 4.0, 4.0)

# HU from which each tissue is the most probable one under the published mixture
RANGES = {
    Tissue.AIR: (-1024, -893),
    Tissue.HEALTHY: (-893, -721),
    Tissue.GROUND_GLASS: (-721, -472),
    Tissue.CONSOLIDATION: (-472, -235),
    Tissue.DENSE: (-235, 3071),
}


@pytest.fixture(scope="module")
def chest() -> Phantom:
    return make_phantom(SIZE, SPACING)


@pytest.fixture(scope="module")
def finer() -> Phantom:
    return make_phantom((120, 90, 214), (3.0, 3.0, 1.5))


def _ml(phantom: Phantom, tissue: int) -> float:
    return float((phantom.truth == tissue).sum()) * phantom.volume.geometry.voxel_ml


def test_the_same_seed_gives_the_same_scan_and_another_seed_another_patient() -> None:
    small = {"size": (40, 30, 12), "spacing": (8.0, 8.0, 8.0)}
    first, again, other = (make_phantom(**small, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.volume.hu, again.volume.hu)
    np.testing.assert_array_equal(first.truth, again.truth)
    assert (first.truth != other.truth).any()
    assert (first.volume.hu != other.volume.hu).mean() > 0.5


def test_arrays_and_geometry_agree(chest: Phantom) -> None:
    geometry = chest.volume.geometry
    assert chest.volume.hu.shape == chest.truth.shape == SIZE[::-1]
    assert chest.volume.hu.dtype == np.int16
    assert chest.truth.dtype == np.uint8
    assert geometry.size == SIZE
    assert geometry.spacing == SPACING
    assert geometry.origin == (-182.0, -142.0, -158.0)
    np.testing.assert_array_equal(chest.lungs, chest.truth > 0)
    check_hounsfield(chest.volume.hu)


def test_two_samplings_are_one_patient(chest: Phantom, finer: Phantom) -> None:
    lungs = [p.lungs.sum() * p.volume.geometry.voxel_ml for p in (chest, finer)]
    assert lungs[0] == pytest.approx(lungs[1], rel=0.02)
    for tissue in Tissue:
        assert _ml(chest, tissue) == pytest.approx(_ml(finer, tissue), rel=0.1)


def test_voxels_at_the_same_place_have_the_same_tissue_whatever_the_spacing() -> None:
    # every third voxel of the fine grid is a voxel of the coarse one
    fine = make_phantom((93, 63, 25), (3.0, 3.0, 1.0), noise_hu=0)
    coarse = make_phantom((31, 21, 9), (9.0, 9.0, 3.0), noise_hu=0)
    np.testing.assert_array_equal(fine.truth[::3, 1::3, 1::3], coarse.truth)


def test_both_lungs_have_the_volume_of_lungs(chest: Phantom) -> None:
    parts, count = ndimage.label(chest.lungs)
    volumes = np.sort(np.bincount(parts.ravel())[1:])[::-1] * chest.volume.geometry.voxel_ml
    assert count >= 2
    assert 1500 < volumes[1] < volumes[0] < 3500
    right = chest.lungs[:, :, : SIZE[0] // 2].sum() * chest.volume.geometry.voxel_ml
    assert volumes[0] == pytest.approx(right, rel=0.01)  # the heart lies to the left


@pytest.mark.parametrize("tissue", [t for t in Tissue if t is not Tissue.DENSE])
def test_inside_a_tissue_the_mean_is_what_the_mixture_calls_it(
    finer: Phantom, tissue: Tissue
) -> None:
    inside = ndimage.binary_erosion(finer.truth == tissue, iterations=1)
    low, high = RANGES[tissue]
    assert inside.sum() > 30
    assert low < finer.volume.hu[inside].mean() < high


def test_vessels_are_dense_and_thin_ones_fade() -> None:
    hilum = make_phantom((80, 80, 30), (0.7, 0.7, 1.0), centre_mm=(70, 15, 5), noise_hu=0)
    vessels = hilum.truth == Tissue.DENSE
    inside = ndimage.binary_erosion(vessels, iterations=2)
    assert hilum.volume.hu[inside].mean() > RANGES[Tissue.DENSE][0]
    assert hilum.volume.hu[inside].mean() > hilum.volume.hu[vessels & ~inside].mean() + 100


def test_vessels_blur_away_in_thick_voxels(chest: Phantom) -> None:
    dense = chest.volume.hu[chest.truth == Tissue.DENSE]
    assert np.mean(dense < RANGES[Tissue.DENSE][0]) > 0.5


def test_consolidation_touches_the_dorsal_pleura(chest: Phantom) -> None:
    depth = ndimage.distance_transform_edt(chest.lungs, sampling=SPACING)
    patch = chest.truth == Tissue.CONSOLIDATION
    assert depth[patch].min() <= 4.0
    front_half = np.arange(SIZE[1]) < SIZE[1] // 2
    assert not patch[:, front_half].any()


def test_dependent_lung_is_denser() -> None:
    healthy = make_phantom((46, 36, 24), (8.0, 8.0, 8.0), lesions=False)
    inside = ndimage.binary_erosion(healthy.truth == Tissue.HEALTHY)
    y = np.nonzero(inside)[1]
    assert np.polyfit(y * 8.0, healthy.volume.hu[inside], 1)[0] > 0.2  # HU per mm


def test_without_lesions_only_healthy_lung_and_vessels_are_left() -> None:
    phantom = make_phantom((46, 36, 24), (8.0, 8.0, 8.0), lesions=False)
    assert set(np.unique(phantom.truth)) == {0, Tissue.HEALTHY, Tissue.DENSE}


def test_padding_is_there_only_when_asked_for_and_is_never_lung(chest: Phantom) -> None:
    padded = make_phantom((30, 30, 8), (8.0, 8.0, 8.0), pad_hu=-3024)
    outside = padded.volume.hu == -3024
    assert chest.volume.hu.min() >= -1024
    assert outside[:, 0, 0].all()
    assert outside.mean() == pytest.approx(1 - np.pi / 4, abs=0.03)
    assert not padded.lungs[outside].any()


def test_a_small_field_of_view_crops_the_chest_around_its_centre(chest: Phantom) -> None:
    cropped = make_phantom((31, 36, 20), SPACING, centre_mm=(2.0, 0.0, 0.0))
    window = np.s_[30:50, 18:54, 31:62]
    np.testing.assert_array_equal(cropped.truth, chest.truth[window])
    assert cropped.lungs[:, :, 0].any()
    assert cropped.lungs[:, :, -1].any()


def test_gas_of_the_stomach_and_the_airways_is_air_in_hu_and_outside_the_lungs() -> None:
    x, y, z = STOMACH.centre
    stomach = make_phantom((8, 8, 8), (3.0, 3.0, 3.0), centre_mm=(x - 10, y - 22, z))
    assert (stomach.volume.hu < -800).mean() > 0.9
    assert not stomach.lungs.any()
    trachea = make_phantom((4, 4, 8), (2.0, 2.0, 2.0), centre_mm=(1.0, 10.0, 95.0))
    assert (trachea.volume.hu < -850).all()
    assert not trachea.lungs.any()


def test_threshold_and_opening_part_the_lungs_from_the_air_outside(chest: Phantom) -> None:
    gas = ndimage.binary_opening(chest.volume.hu < -155, iterations=1)
    parts, _ = ndimage.label(gas)
    around = parts[SIZE[2] // 2, 2, 2]
    lungs = ndimage.binary_erosion(chest.lungs)
    assert around > 0
    assert not (parts[lungs] == around).any()
    assert (parts[lungs] > 0).mean() > 0.95


def test_noise_has_the_standard_deviation_asked_for() -> None:
    # within the liver, where nothing but noise varies
    noisy = make_phantom((40, 40, 8), (1.0, 1.0, 1.0), centre_mm=(-70, 0, -130), noise_hu=40.0)
    assert noisy.volume.hu.std() == pytest.approx(40, rel=0.05)
    assert noisy.volume.hu.mean() == pytest.approx(58, abs=2)


def test_texture_depends_on_the_place_alone() -> None:
    x, y = np.arange(60, dtype=np.float32)[None, :], np.arange(50, dtype=np.float32)[:, None]
    texture = Texture(seed=3, pitch=2.5)
    whole = texture.plane(x, y, 7.0)
    np.testing.assert_array_equal(texture.plane(x[:, 10:20], y[::4], 7.0), whole[::4, 10:20])
    assert whole.std() == pytest.approx(1, abs=0.2)


def test_a_head_is_a_ct_without_lungs() -> None:
    head = make_head((64, 64, 64), (3.5, 3.5, 3.5))
    check_hounsfield(head.hu)
    gas, _ = ndimage.label(head.hu < -500)
    volumes = np.bincount(gas.ravel())[1:] * head.geometry.voxel_ml
    assert (np.sort(volumes)[:-1] < 20).all()  # all but the air around
    assert np.sort(volumes)[-3] > 8  # two sinuses
