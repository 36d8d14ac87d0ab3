"""Lungs are found whole in any chest, wherever it is cut, and nowhere else."""

from functools import cache
from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from gmmlabel import anatomy
from gmmlabel.errors import NoLungsError
from gmmlabel.lungs import find_lungs
from gmmlabel.method import DefaultMethod, Method, PublishedMethod
from gmmlabel.phantom import Phantom, make_head, make_phantom
from gmmlabel.pipeline import label_volume
from gmmlabel.volume import Geometry, Volume

SPACING = (3.0, 3.0, 5.0)
SIZE = (124, 92, 66)
MIDDLE = SIZE[0] // 2
DEFAULT = DefaultMethod()
SMALL = PublishedMethod(island_voxels=5000, closing_voxels=(3, 2))

Mask = NDArray[np.bool_]


@cache
def _scan(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> Phantom:
    return make_phantom(size, spacing)


@pytest.fixture(scope="module")
def chest() -> Phantom:
    return _scan(SIZE, SPACING)


@pytest.fixture(scope="module")
def found(chest: Phantom) -> Mask:
    return _lungs(chest.volume)


def _lungs(volume: Volume, method: Method = DEFAULT) -> Mask:
    lungs = find_lungs(volume, method)
    mask = np.zeros(volume.hu.shape, bool)
    mask[lungs.region] = lungs.mask > 0
    return mask


def _volume(hu: NDArray[np.int16], spacing: tuple[float, float, float] = SPACING) -> Volume:
    return Volume(np.ascontiguousarray(hu), Geometry(hu.shape[::-1], spacing))


def _dice(one: Mask, other: Mask) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def _millimetres() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """x (1, nx), y (ny, 1) and z (nz) of the chest's voxels, in mm of the patient."""
    x, y, z = (
        ((np.arange(n) - (n - 1) / 2) * step).astype(np.float32)
        for n, step in zip(SIZE, SPACING, strict=True)
    )
    return x[None, :], y[:, None], z


def _inside(*shapes: anatomy.Shape) -> Mask:
    x, y, z = _millimetres()
    return np.array([[s.distance(x, y, float(h)) < 0 for h in z] for s in shapes]).any(axis=0)


# Dice measured: 0.960, 0.967, 0.969, 0.983, 0.969. What is missing from 1 is the rim of partial
# volume, which grows with the voxel: all that is lighter than -155 HU counts as lung.
@pytest.mark.parametrize(
    ("size", "spacing", "least"),
    [
        ((92, 72, 80), (4.0, 4.0, 4.0), 0.95),
        ((124, 92, 66), (3.0, 3.0, 5.0), 0.96),
        ((134, 98, 66), (2.75, 2.75, 5.0), 0.96),
        ((244, 180, 216), (1.5, 1.5, 1.5), 0.975),
        ((410, 300, 40), (0.9, 0.9, 8.0), 0.96),
    ],
)
def test_both_lungs_are_found_at_any_sampling(size, spacing, least) -> None:
    phantom = _scan(size, spacing)
    lungs = _lungs(phantom.volume)
    for half in np.s_[:, :, : size[0] // 2], np.s_[:, :, size[0] // 2 :]:
        assert _dice(lungs[half], phantom.lungs[half]) > least
    missed = (phantom.lungs & ~lungs).sum() / phantom.lungs.sum()
    assert missed < 0.01  # 0.005 at 4 mm, where half of the voxels of the rim are soft tissue


def test_lesions_and_vessels_belong_to_the_lungs(chest, found) -> None:
    for tissue in range(1, 6):
        assert found[chest.truth == tissue].mean() > 0.96  # consolidation lies at the pleura


def test_the_volume_of_one_chest_hardly_depends_on_the_sampling() -> None:
    volumes = [
        label_volume(_scan(size, spacing).volume).lungs_ml
        for size, spacing in (
            ((244, 180, 216), (1.5, 1.5, 1.5)),
            ((92, 72, 80), (4.0, 4.0, 4.0)),
            ((410, 300, 40), (0.9, 0.9, 8.0)),
        )
    ]
    assert max(volumes) < 1.05 * min(volumes)


@pytest.mark.parametrize(("seed", "noise"), [(1, 0.0), (2, 60.0)])
def test_other_patients_and_other_noise_change_little(seed, noise) -> None:
    phantom = make_phantom((92, 72, 64), (4.0, 4.0, 5.0), seed=seed, noise_hu=noise)
    assert _dice(_lungs(phantom.volume), phantom.lungs) > 0.94


@pytest.mark.parametrize(("first", "stop"), [(20, 50), (30, 42), (25, 40), (28, 36)])
def test_lungs_that_run_through_the_end_slices_keep_them(chest, first, stop) -> None:
    truth = chest.lungs[first:stop]
    lungs = _lungs(_volume(chest.volume.hu[first:stop]))
    for z in range(stop - first):
        assert _dice(lungs[z], truth[z]) > 0.93


# The fields of view end within the right lung, within both, in front and behind.
@pytest.mark.parametrize(
    "window",
    [np.s_[16:, :, 29:], np.s_[16:, :, 25:98], np.s_[16:, 23:, :], np.s_[16:, :69, :]],
    ids=["right", "both", "front", "back"],
)
def test_lungs_that_touch_the_border_of_the_image_are_lungs(chest, found, window) -> None:
    lungs = _lungs(_volume(chest.volume.hu[window]))
    truth = chest.lungs[window]
    for side in (0, -1):
        for axis in (1, 2):
            edge, cut = lungs.take(side, axis), truth.take(side, axis)
            if cut.any():
                assert _dice(edge, cut) > 0.85
    assert _dice(lungs, truth) > 0.96
    assert _dice(lungs, found[window]) > 0.99


def test_a_field_of_view_within_one_lung_is_lung() -> None:
    within = make_phantom((40, 40, 24), (2.0, 2.0, 4.0), centre_mm=(-75, 10, 10))
    assert within.lungs.mean() > 0.85
    assert _dice(_lungs(within.volume), within.lungs) > 0.96


STORED = [
    (order, flips) for order in permutations(range(3)) for flips in product((1, -1), repeat=3)
]


@pytest.fixture(scope="module")
def coarse() -> Phantom:
    return make_phantom((62, 42, 40), (6.0, 7.0, 8.0))


@pytest.mark.parametrize(("order", "flips"), STORED)
def test_labels_do_not_depend_on_how_the_axes_are_stored(coarse, order, flips) -> None:
    """Stored axis i runs along patient axis order[i], forwards or backwards."""
    expected = label_volume(coarse.volume)
    axes = tuple(2 - order[2 - axis] for axis in range(3))
    steps = tuple(slice(None, None, flips[2 - axis]) for axis in range(3))
    direction = np.zeros((3, 3))
    direction[order, range(3)] = flips
    stored = coarse.volume.hu.transpose(axes)[steps]
    geometry = Geometry(
        stored.shape[::-1],
        tuple(coarse.volume.geometry.spacing[axis] for axis in order),
        direction=tuple(direction.ravel()),
    )
    found = label_volume(Volume.from_stored(stored, geometry))
    for ours, theirs in (
        (found.labels, expected.labels),
        (found.smoothed, expected.smoothed),
        (found.lung_mask, expected.lung_mask),
    ):
        np.testing.assert_array_equal(geometry.to_stored(ours), theirs.transpose(axes)[steps])
    assert found.tissues == expected.tissues


@pytest.mark.parametrize("axis", range(3))
def test_a_mirrored_chest_has_mirrored_lungs(chest, found, axis) -> None:
    # Airways are followed from the head, so head and foot exchanged is the hardest.
    mirrored = _lungs(_volume(np.flip(chest.volume.hu, axis)))
    assert _dice(np.flip(mirrored, axis), found) > 0.99


@pytest.mark.parametrize("axis", range(3))
def test_a_mirrored_chest_of_small_voxels_has_nearly_the_same_lungs(axis) -> None:
    # Cells for gas are counted from one end, so their rim may move by a voxel: 0.9992 measured.
    spacing = (1.8, 1.8, 8.0)
    hu = _scan((205, 150, 40), spacing).volume.hu
    mirrored = _lungs(_volume(np.flip(hu, axis), spacing))
    assert _dice(np.flip(mirrored, axis), _lungs(_volume(hu, spacing))) > 0.998


def _round_view(
    phantom: Phantom, millimetres: float, padding: int, slices: slice = np.s_[:]
) -> tuple[Volume, Mask, Mask]:
    """Cut a round field of view out: the volume, the true lungs in it, and what is padding."""
    half = int(millimetres / 2 / SPACING[0])
    middle = SIZE[1] // 2
    window = np.s_[slices, max(middle - half, 0) : middle + half, MIDDLE - half : MIDDLE + half]
    hu, truth = phantom.volume.hu[window].copy(), phantom.lungs[window].copy()
    y, x = (np.arange(length) - (length - 1) / 2 for length in hu.shape[1:])
    outside = np.broadcast_to(np.hypot(x, y[:, None]) * SPACING[0] > millimetres / 2, hu.shape)
    hu[outside], truth[outside] = padding, False
    return _volume(hu), truth, outside


@pytest.mark.parametrize("padding", [-3024, -2048, -2000, -1201, -1024])
def test_padding_outside_the_patient_changes_nothing(chest, padding) -> None:
    view, _, outside = _round_view(chest, 372, padding)
    assert outside.mean() > 0.08
    expected, labelled = label_volume(chest.volume), label_volume(view)
    np.testing.assert_array_equal(labelled.labels, expected.labels)
    np.testing.assert_array_equal(labelled.smoothed, expected.smoothed)
    assert not labelled.labels[outside].any()


@pytest.mark.parametrize("slices", [np.s_[:], np.s_[19:59]], ids=["whole", "upper"])
@pytest.mark.parametrize("millimetres", [280, 262, 240, 222, 210])
def test_lungs_cut_by_a_round_field_of_view_are_lungs(chest, millimetres, slices) -> None:
    view, truth, _ = _round_view(chest, millimetres, -2000, slices)
    lungs = _lungs(view)
    middle = truth.shape[2] // 2
    for half in np.s_[:, :, :middle], np.s_[:, :, middle:]:
        assert _dice(lungs[half], truth[half]) > 0.95


def test_padding_of_several_values_does_not_join_the_lungs_to_the_outside(chest) -> None:
    view, truth, outside = _round_view(chest, 262, -2000)
    view.hu[::2][outside[::2]] = -3024
    assert _dice(_lungs(view), truth) > 0.95


def test_a_round_field_of_view_does_not_lose_one_of_two_lungs() -> None:
    # Just so small that about half of each lung sees three sides of the body: one a bit more.
    view = make_phantom((76, 76, 40), SPACING, pad_hu=-2000, centre_mm=(0, 0, 30))
    lungs = _lungs(view.volume)
    for half in np.s_[:, :, :38], np.s_[:, :, 38:]:
        assert _dice(lungs[half], view.lungs[half]) > 0.95


@pytest.mark.parametrize("millimetres", [280, 262, 240])
def test_padding_that_cuts_the_lungs_is_not_lung(chest, millimetres) -> None:
    view, _, outside = _round_view(chest, millimetres, -2000)
    assert not _lungs(view)[outside].any()


def test_gas_of_the_stomach_is_not_lung(chest, found) -> None:
    y = _millimetres()[1]
    gas = _inside(anatomy.STOMACH) & (y < anatomy.STOMACH_LEVEL)
    assert chest.volume.hu[gas].mean() < -900
    assert gas.sum() > 3000
    assert found[gas].mean() < 0.2


def test_gas_of_the_bowel_is_not_lung(chest, found) -> None:
    gas = _inside(*anatomy.BOWEL)
    assert chest.volume.hu[gas].mean() < -800
    assert found[gas].mean() < 0.2


def test_the_trachea_is_not_lung(chest, found) -> None:
    z = _millimetres()[2]
    trachea = _inside(*anatomy.AIRWAYS) & (z > 50)[:, None, None]
    assert chest.volume.hu[trachea].mean() < -800
    assert trachea.sum() > 500
    assert found[trachea].mean() < 0.05


def test_neither_couch_nor_air_around_the_patient_is_lung(found) -> None:
    x, y, z = _millimetres()
    couch = np.broadcast_to(y > 136 - x * x / 700, found.shape)
    outside = np.array([anatomy.body(x, y, float(height)) > 0 for height in z])
    assert couch.sum() > 10_000
    assert not found[couch].any()
    assert not found[outside].any()


def _two_boxes(first: slice, second: slice) -> NDArray[np.int16]:
    """A body with a box of lung on each side."""
    hu = np.full((40, 60, 90), -1000, np.int16)
    hu[:, 5:55, 5:85] = 40
    hu[first, 12:48, 12:38] = -850
    hu[second, 12:48, 52:78] = -850
    return hu


@pytest.mark.parametrize("method", [DEFAULT, SMALL], ids=["default", "published"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (slice(4, 20), slice(20, 36)),
        (slice(20, 36), slice(4, 20)),
        (slice(4, 36), slice(4, 36)),
    ],
)
def test_the_first_and_the_last_island_are_both_kept(method, first, second) -> None:
    hu = _two_boxes(first, second)
    lungs = _lungs(_volume(hu), method)
    for half in np.s_[:, :, :45], np.s_[:, :, 45:]:
        # An opening rounds off the edges of a box.
        assert _dice(lungs[half], hu[half] == -850) > 0.9
    assert not lungs[hu == -1000].any()


def test_a_vessel_that_runs_on_beyond_the_end_slices_is_closed_there_too() -> None:
    hu = _two_boxes(slice(0, 40), slice(0, 40))
    hu[:, 28:33, 22:27] = 40  # 15 mm
    assert _lungs(_volume(hu))[:, 28:33, 22:27].all()


def test_a_dense_lesion_wrapped_in_lung_is_lung_however_large() -> None:
    hu = _two_boxes(slice(4, 36), slice(4, 36))
    hu[14:26, 22:38, 17:33] = 40  # 48 mm: no ball of 10 mm closes it
    assert _lungs(_volume(hu))[14:26, 22:38, 17:33].all()


def test_a_small_island_beside_the_lungs_is_left_out() -> None:
    hu = _two_boxes(slice(4, 36), slice(4, 36))
    hu[15:21, 24:30, 43:47] = -850  # 6.5 mL
    assert not _lungs(_volume(hu))[15:21, 24:30, 43:47].any()


def test_a_head_has_no_lungs() -> None:
    with pytest.raises(NoLungsError, match=r"no lungs found.*give a chest CT"):
        find_lungs(make_head((60, 60, 60), (4.0, 4.0, 4.0)), DEFAULT)


@pytest.mark.parametrize("noise", [0, 20])
@pytest.mark.parametrize("radius", [24, 40])
def test_pockets_of_air_in_a_body_are_not_lungs(radius, noise) -> None:
    hu = np.full((60, 90, 110), -1000.0)
    hu[:, 8:82, 8:102] = 40
    z, y, x = np.ogrid[:60, :90, :110]
    for side in (30, 80):  # 58 or 267 mL each
        hu[(3 * z - 90) ** 2 + (2 * y - 90) ** 2 + (2 * x - 2 * side) ** 2 < radius**2] = -1000
    hu += np.random.default_rng(0).normal(0, noise, hu.shape)
    with pytest.raises(NoLungsError):
        find_lungs(_volume(hu.astype(np.int16), (2.0, 2.0, 3.0)), DEFAULT)


NO_CHESTS = {
    "air": (-1000, -1000),
    "soft tissue": (40, 40),
    "a tube of air": (40, -1000),
    "a block in air": (-1000, 40),
}


@pytest.mark.parametrize("method", [DEFAULT, SMALL], ids=["default", "published"])
@pytest.mark.parametrize(("outer", "inner"), NO_CHESTS.values(), ids=NO_CHESTS)
def test_air_and_soft_tissue_alone_are_no_lungs(method, outer, inner) -> None:
    hu = np.full((40, 60, 60), outer, np.int16)
    hu[:, 20:40, 20:40] = inner
    if method is SMALL and outer > inner:
        hu[:, :20, 20:40] = inner  # the published method takes any light island clear of the border
    with pytest.raises(NoLungsError):
        find_lungs(_volume(hu, (3.0, 3.0, 3.0)), method)


def test_the_published_method_sends_coarse_volumes_to_the_default_one(chest) -> None:
    with pytest.raises(NoLungsError, match=r"500000 voxels.*try --method default"):
        find_lungs(chest.volume, PublishedMethod())


def test_the_published_method_leaves_out_islands_at_the_border_of_the_image(chest) -> None:
    cut = _volume(chest.volume.hu[16:, :, 29:98])
    with pytest.raises(NoLungsError, match="clear of the image border"):
        find_lungs(cut, SMALL)


def test_the_found_lungs_are_cropped_and_keep_their_place(chest, found) -> None:
    lungs = find_lungs(chest.volume, DEFAULT)
    assert lungs.mask.dtype == np.uint8
    for axis in range(3):
        there = np.flatnonzero(found.any(axis=tuple({0, 1, 2} - {axis})))
        assert lungs.corner[axis] == there[0]
        assert lungs.mask.shape[axis] == there[-1] - there[0] + 1
