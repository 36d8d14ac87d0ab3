import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import slicerio
from ct_files import (
    GRIDS,
    STRAIGHT,
    ct,
    raw_nrrd,
    read_nifti,
    read_nrrd,
    write_itk,
    write_nifti,
    write_nrrd,
)

from gmmlabel.errors import OutputError
from gmmlabel.readers import read_volume
from gmmlabel.tissues import LUNG_SEGMENTS, TISSUE_SEGMENTS
from gmmlabel.volume import Geometry, Volume
from gmmlabel.writers import FORMATS, write_label_map, write_volume

FLOAT32 = {"rtol": 1e-6, "atol": 1e-5}
DOUBLE = {"rtol": 0, "atol": 1e-12}


def write_ras_nrrd(path, voxels, affine):
    return write_nrrd(path, voxels, affine, space="right-anterior-superior")


SOURCES = {
    "nrrd": write_nrrd,
    "ras.nrrd": write_ras_nrrd,
    "nii": write_nifti,
    "nii.gz": write_nifti,
    "mha": write_itk,
}


@pytest.fixture
def source(tmp_path):
    """Write a CT in one of the formats and one of the grids; its file."""
    return lambda form, name="axial": SOURCES[form](tmp_path / f"ct.{form}", ct(), GRIDS[name])


def labelled(source, form, segments=TISSUE_SEGMENTS):
    """A label map of that file, of values that tell where in the file each voxel was."""
    volume = read_volume(source)
    path = source.with_name(f"labels.{form}")
    write_label_map(path, (volume.hu % 251).astype(np.uint8), volume.geometry, segments)
    return path


def places(path):
    """Size, spacing, origin and direction as SimpleITK reads them."""
    image = SimpleITK.ReadImage(str(path))
    return image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()


def near(path, other, tolerance):
    for one, two in zip(places(path), places(other), strict=True):
        np.testing.assert_allclose(one, two, **tolerance)


# The same place as the input


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", STRAIGHT)
@pytest.mark.parametrize("source_form", SOURCES)
def test_on_straight_axes_the_grid_is_that_of_the_input_to_the_last_digit(
    source, source_form, name, form
):
    path = source(source_form, name)
    written = labelled(path, form)
    if form == "nii.gz" and "nii" not in source_form:
        near(written, path, FLOAT32)  # NIfTI states its grid in float32
    else:
        assert places(written) == places(path)


@pytest.mark.parametrize(
    ("source_form", "form"),
    [
        ("nrrd", "nrrd"),
        ("nrrd", "seg.nrrd"),
        ("ras.nrrd", "nrrd"),
        ("ras.nrrd", "seg.nrrd"),
        ("mha", "mha"),
        ("nii", "nii.gz"),
        ("nii.gz", "nii.gz"),
    ],
)
@pytest.mark.parametrize("name", ["oblique", "oblique_flipped"])
def test_in_its_own_format_an_oblique_grid_is_that_of_the_input_to_the_last_digit(
    source, name, source_form, form
):
    path = source(source_form, name)
    assert places(labelled(path, form)) == places(path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["oblique", "oblique_flipped"])
@pytest.mark.parametrize("source_form", SOURCES)
def test_in_another_format_an_oblique_grid_is_that_of_the_input(source, source_form, name, form):
    path = source(source_form, name)
    near(labelled(path, form), path, FLOAT32 if "nii" in source_form + form else DOUBLE)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("source_form", SOURCES)
def test_each_label_is_where_its_voxel_was(source, source_form, name, form):
    path = source(source_form, name)
    here = SimpleITK.ReadImage(str(path))
    there = SimpleITK.ReadImage(str(labelled(path, form)))
    assert there.GetPixelID() == SimpleITK.sitkUInt8
    for index in np.random.default_rng(3).integers(0, here.GetSize(), (50, 3)).tolist():
        point = here.TransformIndexToPhysicalPoint(index)
        assert there[there.TransformPhysicalPointToIndex(point)] == here[index] % 251


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("space", ["nrrd", "ras.nrrd"])
def test_pynrrd_reads_the_very_numbers_of_the_input(source, space, name):
    path = source(space, name)
    voxels, affine = read_nrrd(labelled(path, "nrrd"))
    expected, expected_affine = read_nrrd(path)
    assert np.array_equal(affine, expected_affine)
    assert np.array_equal(voxels, expected % 251)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("codes", [(1, 0), (0, 2), (1, 2), (3, 4), (0, 0)], ids=str)
@pytest.mark.parametrize("name", ["axial", "oblique_flipped"])
def test_nibabel_reads_the_very_numbers_of_the_input(tmp_path, name, codes, endian):
    path = write_nifti(tmp_path / "ct.nii", ct(), GRIDS[name], qform=codes[0], sform=codes[1])
    image = nibabel.load(path)
    image = nibabel.Nifti1Image(ct(), None, image.header.as_byteswapped(endian))
    image.header["cal_max"] = 300
    nibabel.save(image, path)
    written = nibabel.load(labelled(path, "nii.gz"))
    expected = nibabel.load(path)
    for field in ("qform_code", "sform_code", "xyzt_units"):
        assert written.header[field] == expected.header[field]
    for field in ("pixdim", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "qoffset_x"):
        assert np.array_equal(written.header[field], expected.header[field])
    assert np.array_equal(written.affine, expected.affine)
    assert written.get_data_dtype() == np.uint8
    assert written.header.get_slope_inter() in {(None, None), (1, 0)}
    assert written.header["cal_max"] == 0  # a window for HU would show labels black
    assert np.array_equal(written.dataobj, ct() % 251)


# Inputs of other kinds


def scaled(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", ct(), GRIDS["oblique"])
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[112:120] = np.array([2, 0], "<f4").tobytes()
    path.write_bytes(gzip.compress(data))
    return path


def test_the_slope_of_the_input_is_not_that_of_the_labels(tmp_path):
    written = read_nifti(labelled(scaled(tmp_path), "nii.gz"))[0]
    assert np.array_equal(written, 2 * ct() % 251)


@pytest.mark.parametrize("form", FORMATS)
def test_one_volume_in_four_dimensions_gives_labels_in_three(tmp_path, form):
    lines = ["type: short", "dimension: 4", "space: left-posterior-superior"]
    lines += ["sizes: 14 12 10 1", "kinds: domain domain domain list", "endian: little"]
    lines += ["space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5) none", "encoding: raw"]
    nrrd = raw_nrrd(tmp_path / "four.nrrd", ct(), *lines)
    nifti = write_nifti(tmp_path / "four.nii.gz", ct()[..., None], GRIDS["axial"])
    for path in (nrrd, nifti):
        size, spacing, *_ = places(labelled(path, form))
        assert size == (14, 12, 10)
        assert spacing == pytest.approx((0.7, 0.8, 2.5))


@pytest.mark.parametrize("form", FORMATS)
def test_a_nifti2_gives_labels_in_its_place(tmp_path, form):
    path = tmp_path / "ct.nii"
    affine = np.diag([-0.7, -0.8, 2.5, 1])
    nibabel.save(nibabel.Nifti2Image(ct(), affine), path)
    size, spacing, origin, direction = places(labelled(path, form))
    assert size == (14, 12, 10)
    assert spacing == pytest.approx((0.7, 0.8, 2.5))
    assert origin == (0, 0, 0)
    assert direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)


LINES = ["type: short", "dimension: 3", "sizes: 14 12 10", "endian: little", "encoding: raw"]
OBLIQUE = "(0.56,0.42,0) (-0.48,0.64,0) (0,0,2.5)"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "lines",
    [
        ["space: RAS", "space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)"],
        ["space: left-anterior-superior", "space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)"],
        ["space dimension: 3", "space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)"],
        ["Space: LPS", "Space Directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)"],
        ["spacings: 0.7 0.8 2.5"],
        ["space: LPS", 'space units: "mm" "mm" "mm"', "space directions: (0,0,1) (1,0,0) (0,1,0)"],
    ],
    ids=lambda lines: lines[0],
)
def test_an_nrrd_that_states_its_grid_in_other_words(tmp_path, lines, form):
    path = raw_nrrd(tmp_path / "ct.nrrd", ct(), *LINES[:2], *lines, *LINES[2:], newline="\r\n")
    written = labelled(path, form)
    if form == "nii.gz":
        near(written, path, FLOAT32)
    else:
        assert places(written) == places(path)
    if form == "seg.nrrd":
        assert len(slicerio.read_segmentation(str(written))["segments"]) == 5


def test_lines_on_the_grid_as_long_as_a_nifti_header_are_no_nifti_header(tmp_path):
    origin = "space origin: (1,2,3.{})"
    lines = ["space: left-posterior-superior", f"space directions: {OBLIQUE}"]
    length = len("\n".join([*lines, origin.format("")]))
    lines.append(origin.format("0" * (348 - length)))
    path = raw_nrrd(tmp_path / "ct.nrrd", ct(), *LINES[:2], *lines, *LINES[2:])
    assert len(read_volume(path).geometry.header) == 348
    for form in FORMATS:
        near(labelled(path, form), path, FLOAT32 if form == "nii.gz" else DOUBLE)


@pytest.mark.parametrize("form", FORMATS)
def test_a_grid_from_no_file_is_written_as_it_is(tmp_path, form):
    geometry = Geometry((9, 10, 11), (0.5, 0.25, 2.0), (1.0, -2.0, 3.0))
    path = tmp_path / f"labels.{form}"
    write_label_map(path, np.ones((11, 10, 9), np.uint8), geometry, LUNG_SEGMENTS)
    assert places(path) == (geometry.size, geometry.spacing, geometry.origin, geometry.direction)


@pytest.mark.parametrize("form", ["nrrd", "nii.gz", "mha"])
@pytest.mark.parametrize("name", GRIDS)
def test_a_volume_that_is_written_is_read_back(source, name, form):
    volume = read_volume(source("mha", name))
    path = source("mha").with_name(f"copy.{form}")
    write_volume(path, volume)
    again = read_volume(path)
    assert isinstance(again, Volume)
    assert np.array_equal(again.hu, volume.hu)
    assert again.geometry.spacing == pytest.approx(volume.geometry.spacing)
    assert again.geometry.origin == pytest.approx(volume.geometry.origin)
    assert again.geometry.direction == pytest.approx(volume.geometry.direction, abs=1e-6)


# 3D Slicer segmentations


@pytest.mark.parametrize("source_form", SOURCES)
def test_slicerio_reads_name_colour_value_and_codes_of_each_tissue(source, source_form):
    path = labelled(source(source_form), "seg.nrrd")
    segmentation = slicerio.read_segmentation(str(path))
    assert segmentation["masterRepresentation"] == "Binary labelmap"
    assert segmentation["containedRepresentationNames"] == ["Binary labelmap"]
    assert segmentation["referenceImageExtentOffset"] == [0, 0, 0]
    assert segmentation["encoding"] == "gzip"
    assert len(segmentation["segments"]) == 5
    for read, tissue in zip(segmentation["segments"], TISSUE_SEGMENTS, strict=True):
        category, kind = tissue.category, tissue.type
        assert read["id"] == tissue.key
        assert read["name"] == tissue.name
        assert read["labelValue"] == tissue.value
        assert read["layer"] == 0
        assert read["color"] == pytest.approx([part / 255 for part in tissue.rgb], abs=1e-6)
        assert not read["nameAutoGenerated"]
        assert not read["colorAutoGenerated"]
        assert read["extent"] == [0, 13, 0, 11, 0, 9]  # Slicer crops all segments to the first's
        assert read["terminology"] == {
            "contextName": "Segmentation category and type - DICOM master list",
            "category": [category.scheme, category.value, category.meaning],
            "type": [kind.scheme, kind.value, kind.meaning],
            "anatomicContextName": "Anatomic codes - DICOM master list",
            "anatomicRegion": ["SCT", "39607008", "Lung"],
        }


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("space", ["nrrd", "ras.nrrd", "mha"])
def test_slicerio_finds_the_voxels_of_a_segment_where_they_were(source, space, name):
    path = source(space, name)
    segmentation = slicerio.read_segmentation(str(labelled(path, "seg.nrrd")))
    assert np.array_equal(segmentation["voxels"], ct() % 251)
    np.testing.assert_allclose(segmentation["ijkToLPS"], GRIDS[name], **DOUBLE)
    consolidation = slicerio.segment_from_name(segmentation, "Consolidation")
    assert consolidation["labelValue"] == 4


def test_tissues_without_any_voxel_are_described(source):
    volume = read_volume(source("nrrd"))
    path = source("nrrd").with_name("labels.seg.nrrd")
    write_label_map(path, np.zeros_like(volume.hu, np.uint8), volume.geometry, TISSUE_SEGMENTS)
    segmentation = slicerio.read_segmentation(str(path))
    assert [one["labelValue"] for one in segmentation["segments"]] == [1, 2, 3, 4, 5]
    assert not segmentation["voxels"].any()


def test_a_lung_mask_has_a_segment_for_each_lung(source):
    path = labelled(source("nrrd"), "seg.nrrd", LUNG_SEGMENTS)
    segmentation = slicerio.read_segmentation(str(path))
    assert slicerio.segment_names(segmentation) == ["Right lung", "Left lung"]
    assert [segment["labelValue"] for segment in segmentation["segments"]] == [1, 2]


# What is refused


@pytest.mark.parametrize("form", ["nrrd", "seg.nrrd", "mha"])
def test_a_folder_that_is_not_utf8_is_an_error_not_an_abort(tmp_path, form):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system knows UTF-8 names only")
    geometry = Geometry((9, 10, 11), (0.5, 0.25, 2.0))
    with pytest.raises(OutputError, match="not UTF-8; give another --out"):
        write_label_map(
            folder / f"labels.{form}", np.ones((11, 10, 9), np.uint8), geometry, LUNG_SEGMENTS
        )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_itk_cuts_short_and_says_nothing_of_is_refused(tmp_path, form, monkeypatch):
    write = SimpleITK.WriteImage

    def lose_the_end(image, path, **options):
        write(image, path, **options)
        os.truncate(path, Path(path).stat().st_size - 3)

    monkeypatch.setattr(SimpleITK, "WriteImage", lose_the_end)
    geometry = Geometry((10, 12, 14), (1.0, 1.0, 2.0))
    with pytest.raises(RuntimeError, match="cut short"):
        write_label_map(
            tmp_path / f"x.{form}", np.ones((14, 12, 10), np.uint8), geometry, TISSUE_SEGMENTS
        )
