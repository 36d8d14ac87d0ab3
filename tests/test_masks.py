import re
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
import slicerio
from ct_files import (
    GRIDS,
    affine_of,
    grid,
    patient,
    raw_nrrd,
    turned,
    write_itk,
    write_nifti,
    write_nrrd,
)
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.errors import GeometryError, GmmlabelError, IntensityError, UnreadableError
from gmmlabel.masks import MOST_LABELS, corner_on, read_mask, read_mask_on
from gmmlabel.tissues import TISSUE_SEGMENTS
from gmmlabel.volume import Geometry
from gmmlabel.writers import FORMATS, write_label_map

AXIAL = GRIDS["axial"]
WRITERS = {".nrrd": write_nrrd, ".nii": write_nifti, ".nii.gz": write_nifti, ".mha": write_itk}


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd):
    yield
    assert capfd.readouterr() == ("", "")


def labels(dtype=np.uint8):
    """A stored array of labels 0 to 5, of three different lengths."""
    return np.random.default_rng(3).integers(0, 6, (14, 12, 10)).astype(dtype)


def geometry(affine=AXIAL, size=(14, 12, 10)):
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return Geometry(
        size,
        tuple(spacing.tolist()),
        tuple(affine[:3, 3].tolist()),
        tuple((affine[:3, :3] / spacing).ravel().tolist()),
    )


def refused(error, *words, of, on=None):
    """Check that reading ends in one line that starts with the path and has these words."""
    with pytest.raises(error) as caught:
        read_mask(of) if on is None else read_mask_on(of, on)
    message = str(caught.value)
    assert message.startswith(f"{of}: ")
    assert message.count(str(of)) == 1
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_mask_is_read_in_the_axes_of_the_patient(tmp_path, suffix, name):
    path = WRITERS[suffix](tmp_path / f"mask{suffix}", labels(), GRIDS[name])
    found, at = read_mask(path)
    np.testing.assert_array_equal(found, patient(labels(), GRIDS[name]))
    assert found.dtype == np.uint8
    np.testing.assert_allclose(affine_of(at), GRIDS[name], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("form", FORMATS)
def test_a_label_map_of_our_own_is_read_back(tmp_path, form):
    written = patient(labels(), GRIDS["oblique_flipped"])
    at = geometry(GRIDS["oblique_flipped"])
    write_label_map(tmp_path / f"labels.{form}", written, at, TISSUE_SEGMENTS)
    np.testing.assert_array_equal(read_mask_on(tmp_path / f"labels.{form}", at), written)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_whole_numbers_of_any_type_are_labels(tmp_path, dtype):
    path = write_nrrd(tmp_path / "mask.nrrd", labels(dtype), AXIAL)
    np.testing.assert_array_equal(read_mask(path)[0], patient(labels(), AXIAL))


def test_labels_above_255_keep_their_value(tmp_path):
    path = write_nrrd(tmp_path / "mask.nrrd", labels(np.int32) * 1000, AXIAL)
    assert sorted(set(read_mask(path)[0].ravel().tolist())) == [0, 1000, 2000, 3000, 4000, 5000]


def test_an_empty_mask_is_a_mask(tmp_path):
    assert not read_mask(write_itk(tmp_path / "mask.mha", labels() * 0, AXIAL))[0].any()


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (labels(np.float32) * np.float32(0.2), "fractions"),
        (np.where(labels() == 3, np.nan, 0.0), "NaN"),
        (labels(np.int16) - 3, "values run from -3 to 2"),
        (labels(np.int32) * 20_000, "values run from 0 to 100000"),
        (np.arange(1680, dtype=np.int16).reshape(14, 12, 10), "1,680 different values"),
    ],
    ids=["fractions", "nan", "negative", "too large", "a picture"],
)
def test_what_cannot_be_labels_is_refused(tmp_path, values, word):
    refused(IntensityError, word, of=write_nrrd(tmp_path / "mask.nrrd", values, AXIAL))


def test_as_many_labels_as_allowed_are_read_and_one_more_is_refused(tmp_path):
    for most, read in ((MOST_LABELS, True), (MOST_LABELS + 1, False)):
        values = (np.arange(1680) % most).astype(np.int16).reshape(14, 12, 10)
        path = write_nrrd(tmp_path / f"{most}.nrrd", values, AXIAL)
        if read:
            assert len(np.unique(read_mask(path)[0])) == most
        else:
            refused(IntensityError, "different values", of=path)


def test_what_is_no_whole_file_of_a_known_format_is_refused(tmp_path):
    refused(UnreadableError, "no such file", of=tmp_path / "none.nrrd")
    refused(UnreadableError, "no such file", of=tmp_path)
    (tmp_path / "mask.png").write_bytes(b"")
    refused(UnreadableError, "not a format of masks", of=tmp_path / "mask.png")
    for suffix, write in WRITERS.items():
        path = write(tmp_path / f"mask{suffix}", labels(), AXIAL)
        path.write_bytes(path.read_bytes()[:-40])
        refused(UnreadableError, "truncated", of=path)


def test_several_values_a_voxel_are_no_mask(tmp_path):
    path = raw_nrrd(
        tmp_path / "mask.seg.nrrd",
        np.zeros((2, 14, 12, 10), np.uint8),
        "type: uint8",
        "dimension: 4",
        "space: left-posterior-superior",
        "sizes: 2 14 12 10",
        "space directions: none (0.7,0,0) (0,0.8,0) (0,0,2.5)",
        "kinds: list domain domain domain",
        "encoding: raw",
    )
    refused(UnreadableError, "2 values a voxel", of=path)


# On the grid of a CT


@pytest.mark.parametrize("ct", ["axial", "flipped", "feet_first", "sagittal", "coronal"])
@pytest.mark.parametrize("mask", ["axial", "flipped", "feet_first", "sagittal", "coronal"])
def test_a_mask_of_other_stored_axes_is_laid_on_the_same_voxels(tmp_path, mask, ct):
    image = SimpleITK.GetImageFromArray(patient(labels(), AXIAL))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-12.3, 45.6, -78.9))
    codes = {"axial": "LPS", "flipped": "RAS", "feet_first": "RPI", "sagittal": "PIL"}
    for name, path in ((mask, "mask.nrrd"), (ct, "ct.nrrd")):
        turned_image = SimpleITK.DICOMOrient(image, codes.get(name, "LIP"))
        SimpleITK.WriteImage(turned_image, str(tmp_path / path))
    found = read_mask_on(tmp_path / "mask.nrrd", read_mask(tmp_path / "ct.nrrd")[1])
    np.testing.assert_array_equal(found, patient(labels(), AXIAL))


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("name", GRIDS)
def test_the_rounding_of_formats_is_no_other_grid(tmp_path, name, suffix):
    affine = GRIDS[name].copy()
    affine[:3, 3] *= 7.123456789
    path = WRITERS[suffix](tmp_path / f"mask{suffix}", labels(), np.round(affine, 4))
    assert read_mask_on(path, geometry(affine)).any()


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (grid(*np.eye(3), spacing=(0.7, 0.8, 2.0)), "spacing 0.7 x 0.8 x 2 mm where the CT has"),
        (grid(*np.eye(3), origin=(-12.3, 45.6, -76.4)), "it lies up to 2.5 mm off the CT"),
        (grid(*np.eye(3), origin=(-11.95, 45.6, -78.9)), "it lies up to 0.35 mm off the CT"),
        (grid(*turned(1, 1)), "mm off the CT"),
    ],
    ids=["spacing", "a voxel off", "half a voxel off", "turned"],
)
def test_a_mask_of_another_grid_is_refused(tmp_path, other, reason):
    path = write_nrrd(tmp_path / "mask.nrrd", labels(), other)
    refused(GeometryError, "not on the grid of the CT", reason, of=path, on=geometry())


def test_a_mask_of_fewer_slices_is_refused(tmp_path):
    path = write_nrrd(tmp_path / "mask.nrrd", labels()[..., :9], AXIAL)
    refused(
        GeometryError, "14 x 12 x 9 voxels where the CT has 14 x 12 x 10", of=path, on=geometry()
    )


def test_a_segmentation_of_a_part_is_empty_elsewhere(tmp_path):
    """As 3D Slicer writes one, by slicerio: cropped to what is segmented."""
    affine = GRIDS["flipped"].copy()
    affine[:3, 3] += affine[:3, :3] @ (3, 2, 4)
    part = labels()[3:10, 2:9, 4:8]
    header = {"ijkToLPS": affine, "encoding": "gzip"}
    segments = [{"labelValue": value, "name": str(value)} for value in range(1, 6)]
    path = tmp_path / "mask.seg.nrrd"
    slicerio.write_segmentation(str(path), {"voxels": part, "segments": segments, **header})
    expected = np.zeros_like(labels())
    expected[3:10, 2:9, 4:8] = part
    found = read_mask_on(path, geometry(GRIDS["flipped"]))
    np.testing.assert_array_equal(found, patient(expected, GRIDS["flipped"]))


def test_a_segmentation_that_reaches_beyond_the_ct_is_refused(tmp_path):
    for shift in (-1, 3):
        affine = AXIAL.copy()
        affine[:3, 3] += affine[:3, :3] @ (shift, 0, 0)
        path = write_nrrd(tmp_path / "mask.seg.nrrd", labels()[:12], affine)
        refused(GeometryError, "reaches beyond the CT", of=path, on=geometry())


def test_a_segmentation_between_the_voxels_is_refused(tmp_path):
    affine = AXIAL.copy()
    affine[:3, 3] += affine[:3, :3] @ (2.5, 0, 0)
    path = write_nrrd(tmp_path / "mask.seg.nrrd", labels()[:8], affine)
    refused(GeometryError, "not on the grid of the CT", of=path, on=geometry())


@given(
    name=st.sampled_from(sorted(GRIDS)),
    first=st.tuples(*(st.integers(-20, 20) for _ in range(3))),
    size=st.tuples(*(st.integers(1, 9) for _ in range(3))),
)
def test_the_corner_of_a_part_is_where_it_was_cut(name, first, size):
    whole = geometry(GRIDS[name])
    at = GRIDS[name][:3, :3] @ first + GRIDS[name][:3, 3]
    corner = corner_on(whole, replace(whole, size=size, origin=tuple(at.tolist())))
    where = [
        n - i - m if flip else i
        for n, i, m, flip in zip(
            whole.size, first, size, _by_stored_axis(whole, whole.flipped), strict=True
        )
    ]
    assert corner == tuple(_by_patient_axis(whole, where))


def _order(whole):
    """Stored axis of each patient axis (z, y, x), told by lengths that differ."""
    return [whole.size.index(n) for n in whole.turn(np.empty(whole.size[::-1], np.bool_)).shape]


def _by_stored_axis(whole, of_patient):
    return [of_patient[_order(whole).index(axis)] for axis in range(3)]


def _by_patient_axis(whole, of_stored):
    return [of_stored[axis] for axis in _order(whole)]


def test_every_error_says_what_to_do(tmp_path):
    path = write_nrrd(tmp_path / "mask.nrrd", labels(np.float64) / 7, AXIAL)
    with pytest.raises(GmmlabelError, match=re.escape("cut the probabilities at a threshold")):
        read_mask(path)
