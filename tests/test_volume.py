from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from ct_files import GRIDS, affine_of, ct, grid, patient, turned

from gmmlabel.errors import GeometryError, IntensityError
from gmmlabel.volume import Geometry, Volume, check_hounsfield

ORDERS = [
    (order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]
SIZE = (14, 12, 10)
LENGTHS = np.array([0.7, 0.8, 2.5])


def geometry_of(affine, size=SIZE):
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = (affine[:3, :3] / spacing).ravel()
    return Geometry(size, tuple(spacing), tuple(affine[:3, 3]), tuple(direction))


STRAIGHT = np.eye(3)


def stored_along(order, signs, turn=STRAIGHT):
    """The affine of stored axes that run along (or against) x, y and z in this order."""
    axes = [sign * turn[axis] for axis, sign in zip(order, signs, strict=True)]
    return grid(*axes, spacing=LENGTHS[list(order)])


@pytest.mark.parametrize(("order", "signs"), ORDERS, ids=str)
@pytest.mark.parametrize("turn", [STRAIGHT, turned(12, -9)], ids=["straight", "oblique"])
def test_any_order_and_direction_of_axes_is_turned_as_nibabel_turns_it(order, signs, turn):
    affine = stored_along(order, signs, turn)
    geometry = geometry_of(affine)
    turned_array = geometry.from_stored(ct().T)
    assert np.array_equal(turned_array, patient(ct(), affine))
    assert turned_array.flags.c_contiguous
    assert geometry.spacing_zyx == pytest.approx(LENGTHS[::-1])
    assert geometry.voxel_ml == pytest.approx(0.7 * 0.8 * 2.5 / 1000)
    ras = np.diag([-1, -1, 1, 1]) @ affine
    flips = nibabel.orientations.io_orientation(ras)
    against = {int(axis): sign * (-1 if axis < 2 else 1) < 0 for axis, sign in flips}
    assert geometry.flipped == (against[2], against[1], against[0])


@pytest.mark.parametrize(("order", "signs"), ORDERS, ids=str)
def test_turning_back_is_the_inverse(order, signs):
    geometry = geometry_of(stored_along(order, signs))
    stored = ct().T
    back = geometry.to_stored(geometry.from_stored(stored))
    assert np.array_equal(back, stored)
    assert back.flags.c_contiguous
    assert back.dtype == stored.dtype


@pytest.mark.parametrize("name", GRIDS)
def test_a_voxel_is_further_left_back_and_up_than_the_one_before(name):
    affine = GRIDS[name]
    geometry = geometry_of(affine)
    assert affine_of(geometry) == pytest.approx(affine)
    for axis in range(3):
        place = np.indices(SIZE)[axis]
        steps = np.stack([np.diff(geometry.from_stored(place.T), axis=n).mean() for n in (2, 1, 0)])
        towards = affine[:3, axis] / np.linalg.norm(affine[:3, axis])
        assert np.abs(towards).argmax() == np.abs(steps).argmax()
        assert np.sign(towards[np.abs(towards).argmax()]) == steps.sum()


def test_axes_halfway_between_two_take_one_each():
    geometry = geometry_of(grid(*turned(0, 45)))
    assert geometry.from_stored(ct().T).shape in {(10, 12, 14), (10, 14, 12)}
    assert np.array_equal(geometry.to_stored(geometry.from_stored(ct().T)), ct().T)


# What no grid may be


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, -1, 1), (1, 1, 0), (np.nan, 1, 1)])
def test_a_spacing_that_is_not_positive_is_refused(spacing):
    with pytest.raises(GeometryError, match=r"spacing .* mm is not positive; write the file again"):
        Geometry(SIZE, spacing)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing": (1, 1, np.inf)},
        {"spacing": (1, np.nan, 1)},
        {"spacing": (1, 1, 1), "origin": (0, np.nan, 0)},
        {"spacing": (1, 1, 1), "direction": (1, 0, 0, 0, 1, 0, 0, 0, np.nan)},
    ],
)
def test_a_number_that_is_not_finite_is_refused(wrong):
    with pytest.raises(GeometryError, match="not a finite number; write the file again"):
        Geometry(SIZE, **wrong)


@pytest.mark.parametrize("degrees", [0.2, 5, 30])
def test_a_tilted_gantry_is_refused(degrees):
    tilt = np.radians(degrees)
    direction = (1, 0, 0, 0, 1, np.sin(tilt), 0, 0, np.cos(tilt))
    with pytest.raises(GeometryError, match=r"right angles \(gantry tilt\); resample"):
        Geometry(SIZE, (1, 1, 1), direction=direction)


def test_axes_that_are_no_unit_vectors_are_refused():
    with pytest.raises(GeometryError):
        Geometry(SIZE, (1, 1, 1), direction=(2, 0, 0, 0, 1, 0, 0, 0, 1))
    with pytest.raises(GeometryError):
        Geometry(SIZE, (1, 1, 1), direction=(0,) * 9)


def test_the_rounding_of_float32_is_no_tilt():
    direction = tuple(turned(17, 5).T.astype(np.float32).ravel().tolist())
    assert Geometry(SIZE, (1, 1, 1), direction=direction).direction == direction


# Volumes


GEOMETRY = Geometry(SIZE, (0.7, 0.8, 2.5))


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u2", "<i4", "<i8", "<f4", ">f8"])
def test_voxels_of_any_number_type_become_int16(dtype):
    hu = (ct() // 10).T
    stored = np.clip(hu, *((-100, 90) if dtype[0] != "u" and dtype[1] != "u" else (0, 90)))
    stored = stored.astype(dtype)
    volume = Volume.from_stored(stored, GEOMETRY, hu_offset=-500)
    assert volume.hu.dtype == np.int16
    assert volume.hu.dtype.isnative
    assert np.array_equal(volume.hu, stored.astype(int) - 500)


def test_fractions_are_rounded_and_extremes_clipped():
    stored = ct(np.float64).T
    stored[0, 0, :6] = -1000.5, -999.5, -999.4, -999.6, 40000, -1e30
    hu = Volume.from_stored(stored, GEOMETRY).hu[0, 0, :6]
    assert hu.tolist() == [-1000, -1000, -999, -1000, 32767, -32768]


def test_an_offset_that_leads_beyond_int16_is_clipped():
    stored = ct().T.copy()
    stored[0, 0, 0] = 32700
    assert Volume.from_stored(stored, GEOMETRY, hu_offset=100).hu.max() == 32767


def test_an_array_that_is_not_of_the_grid_is_refused():
    with pytest.raises(
        GeometryError, match="array of 14 x 12 x 9 voxels on a grid of 14 x 12 x 10"
    ):
        Volume.from_stored(ct().T[1:], GEOMETRY)


def test_too_few_axial_slices_are_refused_whichever_axis_they_are_along():
    coronal = Geometry((14, 7, 12), (0.7, 2.5, 0.8), direction=(1, 0, 0, 0, 0, 1, 0, -1, 0))
    with pytest.raises(GeometryError, match="7 axial slices; at least 8 are needed"):
        Volume.from_stored(ct().T[:7].transpose(1, 0, 2), coronal)


@pytest.mark.parametrize("dtype", [bool, complex, "datetime64[s]"])
def test_voxels_that_are_no_numbers_are_refused(dtype):
    with pytest.raises(IntensityError, match="not numbers; export the CT itself"):
        Volume.from_stored(np.zeros(SIZE[::-1], dtype), GEOMETRY)


# Hounsfield units


def volume_of(*values):
    return np.resize(np.array(values, np.int16), (10, 12, 14))


@pytest.mark.parametrize("lung", [-1199, -1000, -850, -301])
def test_one_voxel_as_light_as_lung_is_enough(lung):
    hu = volume_of(0, 40, 300)
    hu[9, 11, 13] = lung
    check_hounsfield(hu)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0], "every voxel is 0; the volume is empty"),
        ([-2000], "every voxel is -2000; the volume is empty"),
        ([0, 255], "run from 0 to 255, .* 8-bit picture, not Hounsfield units: export the CT"),
        ([0, 1], "run from 0 to 1, .* 8-bit picture"),
        ([0, 256], "run from 0 to 256, .* lost its offset of -1024, add --hu-offset -1024"),
        ([24, 4095], "run from 24 to 4095, .* add --hu-offset -1024"),
        ([-160, 240], "run from -160 to 240, .*; a chest CT in Hounsfield units is needed"),
        ([-300, 400], "run from -300 to 400, none as light as lung"),
        ([-3024, 0, 3000], "run from 0 to 3000, .* add --hu-offset -1024"),
        ([-1200, 40, 60], "run from 40 to 60, .* 8-bit picture"),
    ],
)
def test_what_cannot_be_hounsfield_units_is_refused_with_what_to_do(values, message):
    with pytest.raises(IntensityError, match=message):
        check_hounsfield(volume_of(*values))


def test_slices_of_nothing_but_padding_do_not_hide_the_range():
    hu = volume_of(0, 4095)
    hu[::2] = -2048
    with pytest.raises(IntensityError, match="run from 0 to 4095"):
        check_hounsfield(hu)


@pytest.mark.parametrize("spacing", [(0.0007, 0.0007, 0.001), (700.0, 700.0, 1000.0)])
def test_a_spacing_in_other_units_than_mm_is_refused(spacing) -> None:
    hu = np.full((10, 8, 8), -800, np.int16)
    with pytest.raises(GeometryError, match="in mm"):
        Volume.from_stored(hu, Geometry((8, 8, 10), spacing))
