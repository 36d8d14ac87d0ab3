import gzip
import hashlib
import os
import re
import time
import tracemalloc
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from ct_files import (
    GRIDS,
    affine_of,
    ct,
    patient,
    raw_nrrd,
    read_itk,
    read_nifti,
    read_nrrd,
    write_itk,
    write_nifti,
    write_nrrd,
)
from dicom_series import UID, chest, write_series

from gmmlabel.errors import GeometryError, InputError, IntensityError, UnreadableError
from gmmlabel.formats import dicom
from gmmlabel.formats.image_file import read_image_file, read_image_header
from gmmlabel.readers import read_volume

AXIAL = GRIDS["axial"]
INTEGERS = [np.int16, np.int32]
FLOATS = [np.float32, np.float64]
LPS = "space: left-posterior-superior"
STRAIGHT = "space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)"


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd):
    yield
    assert capfd.readouterr() == ("", "")


def same(path, voxels, affine, *, atol=1e-12):
    """Check that gmmlabel reads these voxels in this place."""
    volume = read_volume(path)
    assert np.array_equal(volume.geometry.to_stored(volume.hu), voxels.T)
    assert np.array_equal(volume.hu, patient(voxels, affine))
    assert volume.hu.dtype == np.int16
    np.testing.assert_allclose(affine_of(volume.geometry), affine, rtol=0, atol=atol)
    assert volume.name == path.name
    return volume


def refused(path, error, *words, **options):
    """Check that reading ends in one line that starts with the path and has these words."""
    with pytest.raises(error) as caught:
        read_volume(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.count(f"{path}: ") == 1
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


# NRRD


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior"])
@pytest.mark.parametrize("name", GRIDS)
def test_an_nrrd_is_read_as_pynrrd_reads_it(tmp_path, name, space, encoding):
    path = write_nrrd(tmp_path / "ct.nrrd", ct(), GRIDS[name], space=space, encoding=encoding)
    same(path, *read_nrrd(path))


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_an_nrrd_of_any_number_type_is_read(tmp_path, dtype, endian):
    stored = ct(np.dtype(dtype).newbyteorder(">" if endian == "big" else "<"))
    path = write_nrrd(tmp_path / "ct.nrrd", stored, AXIAL, endian=endian)
    same(path, *read_nrrd(path))


def test_an_nrrd_with_crlf_line_ends_is_read(tmp_path):
    path = raw_nrrd(
        tmp_path / "ct.nrrd",
        ct(),
        "type: short",
        "dimension: 3",
        LPS,
        "sizes: 14 12 10",
        STRAIGHT,
        "endian: little",
        "encoding: raw",
        "space origin: (1,2,3)",
        newline="\r\n",
    )
    affine = np.diag([0.7, 0.8, 2.5, 1])
    affine[:3, 3] = 1, 2, 3
    same(path, ct(), affine)


def test_an_nrrd_with_spacings_only_is_read(tmp_path):
    lines = ["type: short", "dimension: 3", "sizes: 14 12 10", "spacings: 0.7 0.8 2.5"]
    path = raw_nrrd(tmp_path / "ct.nrrd", ct(), *lines, "endian: little", "encoding: raw")
    same(path, *read_nrrd(path))


def test_an_nrrd_of_another_encoding_is_refused(tmp_path):
    for encoding in ("ascii", "bzip2"):
        path = write_nrrd(tmp_path / f"{encoding}.nrrd", ct(), AXIAL, encoding=encoding)
        refused(path, UnreadableError, f"encoding '{encoding}'", "save the image as raw or gzip")


def test_the_nrrd_of_one_volume_in_four_dimensions_is_read(tmp_path):
    path = raw_nrrd(
        tmp_path / "ct.nrrd",
        ct(),
        "type: short",
        "dimension: 4",
        LPS,
        "sizes: 14 12 10 1",
        f"{STRAIGHT} none",
        "kinds: domain domain domain list",
        "endian: little",
        "encoding: raw",
    )
    same(path, ct(), np.diag([0.7, 0.8, 2.5, 1]))


# NIfTI


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("forms", [(1, 0), (0, 2), (1, 2), (1, 1)], ids=str)
@pytest.mark.parametrize("name", GRIDS)
def test_a_nifti_is_read_as_nibabel_reads_it(tmp_path, name, forms, suffix):
    qform, sform = forms
    path = write_nifti(tmp_path / f"ct{suffix}", ct(), GRIDS[name], qform=qform, sform=sform)
    same(path, *read_nifti(path), atol=1e-5)  # NIfTI states its grid in float32


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_a_nifti_of_any_number_type_is_read(tmp_path, dtype):
    path = write_nifti(tmp_path / "ct.nii.gz", ct(dtype), AXIAL)
    same(path, *read_nifti(path), atol=1e-5)


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (0.5, -1024), (2, 0)])
def test_the_slope_and_intercept_of_a_nifti_are_applied(tmp_path, slope, intercept):
    hu = ct() // 2 * 2
    stored = nibabel.Nifti1Image(((hu - intercept) / slope).astype(np.int16), np.eye(4))
    stored.header.set_slope_inter(1, 0)
    path = tmp_path / "ct.nii"
    nibabel.save(stored, path)
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(data)
    voxels, affine = read_nifti(path)
    assert np.array_equal(voxels, hu)
    same(path, voxels, affine, atol=1e-5)


def test_the_nifti_of_one_volume_in_four_dimensions_is_read(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", ct()[..., None], AXIAL)
    voxels, affine = read_nifti(path)
    same(path, voxels[..., 0], affine, atol=1e-5)


@pytest.mark.parametrize(("unit", "mm"), [("meter", 1000), ("micron", 0.001), ("unknown", 1)])
def test_a_nifti_in_metres_or_micrometres_is_read_in_mm(tmp_path, unit, mm):
    in_unit = GRIDS["oblique"] / [[mm], [mm], [mm], [1]]
    path = write_nifti(tmp_path / "ct.nii", ct(), in_unit)
    image = nibabel.load(path)
    image.header.set_xyzt_units(unit)
    nibabel.save(nibabel.Nifti1Image(ct(), None, image.header), path)
    same(path, ct(), GRIDS["oblique"], atol=1e-4)


def test_of_two_forms_that_differ_the_sform_is_taken(tmp_path):
    path = write_nifti(tmp_path / "ct.nii", ct(), GRIDS["axial"], qform=1, sform=0)
    image = nibabel.load(path)
    image.header.set_sform(np.diag([-1, -1, 1, 1]) @ GRIDS["oblique_flipped"], 1)
    nibabel.save(nibabel.Nifti1Image(ct(), None, image.header), path)
    same(path, *read_nifti(path), atol=1e-5)


def test_the_spacing_of_an_sform_is_not_that_of_pixdim(tmp_path):
    path = write_nifti(tmp_path / "ct.nii", ct(), GRIDS["oblique"], qform=0)
    data = bytearray(path.read_bytes())
    data[80:92] = np.ones(3, "<f4").tobytes()
    path.write_bytes(data)
    same(path, *read_nifti(path), atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_sform_that_is_no_grid(tmp_path, value):
    path = write_nifti(tmp_path / "ct.nii", ct(), AXIAL, qform=0)
    data = bytearray(path.read_bytes())
    data[280:284] = np.array(value, "<f4").tobytes()
    path.write_bytes(data)
    refused(path, GeometryError, "the sform states no voxel spacing")


def test_a_big_endian_nifti_is_read(tmp_path):
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    path = tmp_path / "ct.nii"
    nibabel.save(nibabel.Nifti1Image(ct(), np.diag([-0.7, -0.8, 2.5, 1]), header), path)
    same(path, *read_nifti(path), atol=1e-5)


# MetaImage


@pytest.mark.parametrize("compress", [False, True], ids=["raw", "zlib"])
@pytest.mark.parametrize("name", GRIDS)
def test_a_metaimage_is_read_as_simpleitk_reads_it(tmp_path, name, compress):
    path = write_itk(tmp_path / "ct.mha", ct(), GRIDS[name], compress=compress)
    same(path, *read_itk(path))


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_a_metaimage_of_any_number_type_is_read(tmp_path, dtype):
    path = write_itk(tmp_path / "ct.mha", ct(dtype), AXIAL, compress=True)
    same(path, *read_itk(path))


# What all formats share


FORMATS = {".nrrd": write_nrrd, ".nii": write_nifti, ".nii.gz": write_nifti, ".mha": write_itk}


@pytest.fixture(params=FORMATS)
def write(request, tmp_path):
    """Write a stored array in one of the formats; its file."""
    return lambda voxels, affine=AXIAL: FORMATS[request.param](
        tmp_path / f"ct{request.param}", voxels, affine
    )


def test_an_upper_case_suffix_is_read(write):
    path = write(ct())
    upper = path.rename(path.with_name(path.name.upper()))
    assert np.array_equal(read_volume(upper).hu, patient(ct(), AXIAL))


def test_fractions_of_a_hounsfield_unit_are_rounded(write):
    hu = ct(np.float32) + np.float32(0.4)
    assert np.array_equal(read_volume(write(hu)).hu, patient(ct(), AXIAL))


def test_values_beyond_int16_are_clipped(write):
    hu = ct(np.float64)
    hu[3, 4, :2] = -1e9, 1e9
    stored = read_volume(write(hu)).hu
    assert (stored.min(), stored.max()) == (-32768, 32767)


def test_the_offset_mends_a_ct_that_lost_its_own(write):
    path = write((ct().astype(int) + 1024).astype(np.uint16))
    refused(path, IntensityError, "values run from 28 to 1922", "--hu-offset -1024")
    assert np.array_equal(read_volume(path, hu_offset=-1024).hu, patient(ct(), AXIAL))


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_voxels_that_look_like_line_ends_are_voxels(tmp_path, encoding):
    hu = ct()
    hu[:9, 0, 0] = 0x0A0A, 0x0D0A, 0x0A0D, 0x2020, 0x0A0A, 0x0A0A, 0x0909, 0x0A0A, 0x0D0D
    nrrd = write_nrrd(tmp_path / "ct.nrrd", hu, AXIAL, encoding=encoding)
    same(nrrd, hu, AXIAL)
    same(write_itk(tmp_path / "ct.mha", hu, AXIAL, compress=encoding == "gzip"), hu, AXIAL)
    same(write_nifti(tmp_path / "ct.nii", hu, AXIAL), hu, AXIAL, atol=1e-5)


def test_the_hash_is_of_the_bytes_of_the_file(write):
    path = write(ct())
    volume = read_volume(str(path))
    assert volume.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert volume.notes == ()
    assert volume.read_seconds > 0


def test_a_nan_or_an_infinity_is_refused(write):
    for value in (np.nan, np.inf):
        hu = ct(np.float32)
        hu[3, 4, 5] = value
        refused(write(hu), IntensityError, "not a number (NaN or infinite)")


def test_values_that_are_no_hounsfield_units_are_refused(write):
    noise = ct().astype(int)
    eight_bit = ((noise + 1000) % 256).astype(np.uint8)
    refused(write(eight_bit), IntensityError, "8-bit picture", "export the CT itself")
    window = noise.clip(-160, 240).astype(np.int16)
    refused(write(window), IntensityError, "values run from -160 to 240", "Hounsfield units is")
    mask = (noise > 0).astype(np.uint8)
    refused(write(mask), IntensityError, "8-bit picture")
    refused(write(np.full_like(ct(), 40)), IntensityError, "every voxel is 40", "empty")
    refused(write(np.full_like(ct(), -3024)), IntensityError, "every voxel is -3024")


def test_too_few_slices_are_refused(write):
    refused(write(ct()[..., :7]), GeometryError, "7 axial slices; at least 8")


def test_a_picture_of_two_dimensions_is_refused(tmp_path):
    flat = ct()[..., 5]
    refused(write_nifti(tmp_path / "a.nii", flat, AXIAL), GeometryError, "2-D image", "3-D volume")
    picture = SimpleITK.GetImageFromArray(flat)
    for name in ("a.mha", "a.nrrd"):
        SimpleITK.WriteImage(picture, str(tmp_path / name))
        refused(tmp_path / name, GeometryError, "2-D image", "3-D volume")


def test_several_volumes_in_one_file_are_refused(tmp_path):
    series = np.stack([ct()] * 3, axis=3)
    path = write_nifti(tmp_path / "a.nii.gz", series, AXIAL)
    refused(path, GeometryError, "4-D image", "one 3-D volume")
    for name in ("a.mha", "a.nrrd"):
        image = SimpleITK.GetImageFromArray(series.T, isVector=False)
        SimpleITK.WriteImage(image, str(tmp_path / name))
        refused(tmp_path / name, GeometryError, "4-D image", "one 3-D volume")


def test_colours_and_vectors_are_refused(tmp_path):
    colours = SimpleITK.GetImageFromArray(np.stack([ct().T] * 3, axis=3), isVector=True)
    for name in ("a.mha", "a.nrrd"):
        SimpleITK.WriteImage(colours, str(tmp_path / name))
        refused(tmp_path / name, UnreadableError, "3 values a voxel", "export the CT itself")
    SimpleITK.WriteImage(colours, str(tmp_path / "a.nii"))
    refused(tmp_path / "a.nii", GeometryError, "5-D image", "one 3-D volume")
    rgb = np.zeros(ct().shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    path = write_nifti(tmp_path / "rgb.nii", rgb, AXIAL)
    refused(path, UnreadableError, "colours", "export the CT itself")


# What is no image, or a damaged one


def test_a_missing_file(tmp_path):
    refused(tmp_path / "absent.nrrd", UnreadableError, "no such file or folder; check the path")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("content", [b"", b"hello " * 100, bytes(1000)], ids=["", "text", "zeros"])
def test_a_file_that_is_no_image(tmp_path, suffix, content):
    path = tmp_path / f"notes{suffix}"
    path.write_bytes(content)
    refused(path, UnreadableError, "get the file again")


@pytest.mark.parametrize("name", ["ct.txt", "ct", "nrrd", "ct.nrrd.bak", "ct.img", "ct.tar.gz"])
def test_an_unknown_suffix(tmp_path, name):
    (tmp_path / name).write_bytes(b"anything")
    refused(tmp_path / name, UnreadableError, "not a format that is read; give .nrrd, .nii")


@pytest.mark.parametrize("name", ["slice.dcm", "slice.DCM", "IM0001.ima"])
def test_one_file_of_a_dicom_series(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(128) + b"DICM" + bytes(100))
    refused(tmp_path / name, UnreadableError, "one DICOM file", f"give its folder {tmp_path}")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_a_truncated_file(write, share):
    path = write(ct())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, UnreadableError, "get the file again")


@pytest.mark.parametrize("share", [0.3, 0.7, 0.999])
def test_a_truncated_file_of_the_other_encoding(tmp_path, share):
    raw = write_nrrd(tmp_path / "raw.nrrd", ct(), AXIAL, encoding="raw")
    packed = write_itk(tmp_path / "packed.mha", ct(), AXIAL, compress=True)
    for path in (raw, packed):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        refused(path, UnreadableError, "get the file again")


def test_a_compressed_file_with_a_flipped_byte(tmp_path):
    files = (
        write_nrrd(tmp_path / "a.nrrd", ct(), AXIAL),
        write_nifti(tmp_path / "a.nii.gz", ct(), AXIAL),
        write_itk(tmp_path / "a.mha", ct(), AXIAL, compress=True),
    )
    for path in files:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
        refused(path, UnreadableError, "get the file again")


def claiming(path, size):
    """A file like this one, but for its header, which claims another size."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    x, y, z = size
    for old, new in (
        (b"sizes: 14 12 10", f"sizes: {x} {y} {z}".encode()),
        (b"DimSize = 14 12 10", f"DimSize = {x} {y} {z}".encode()),
        (np.array([3, 14, 12, 10], "<i2").tobytes(), np.array([3, *size]).astype("<u2").tobytes()),
    ):
        data = data.replace(old, new, 1)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("size", [(32000, 32000, 100), (1400, 1200, 10)], ids=str)
@pytest.mark.parametrize(
    "name", ["raw.nrrd", "gzip.nrrd", "raw.nii", "gzip.nii.gz", "raw.mha", "gzip.mha"]
)
def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path, name, size):
    path, encoding = tmp_path / name, name.split(".")[0]
    if path.suffix == ".nrrd":
        write_nrrd(path, ct(), AXIAL, encoding=encoding)
    elif path.suffix == ".mha":
        write_itk(path, ct(), AXIAL, compress=encoding == "gzip")
    else:
        write_nifti(path, ct(), AXIAL)
    claiming(path, size)
    tracemalloc.start()
    start = time.perf_counter()
    refused(path, UnreadableError, "the header claims", "can hold", "get the file again")
    assert time.perf_counter() - start < 1
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize("size", [(0, 12, 10), (14, 12, 2**62), (14, 12, -10)], ids=str)
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_header_of_an_impossible_size(tmp_path, suffix, size):
    path = claiming(FORMATS[suffix](tmp_path / f"ct{suffix}", ct(), AXIAL), size)
    refused(path, UnreadableError, "get the file again")


def test_voxels_that_begin_elsewhere_are_not_read(tmp_path):
    path = write_nrrd(tmp_path / "ct.nrrd", ct(), AXIAL, encoding="raw")
    path.write_bytes(path.read_bytes().replace(b"encoding:", b"byte skip: -1\nencoding:", 1))
    refused(path, UnreadableError, "save the image as one plain file")
    path = write_itk(tmp_path / "ct.mha", ct(), AXIAL)
    path.write_bytes(path.read_bytes().replace(b"NDims", b"HeaderSize = -1\nNDims", 1))
    refused(path, UnreadableError, "save the image as one plain file")


def test_gzip_members_one_after_the_other_are_read(tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", ct(), AXIAL)
    data = gzip.decompress(path.read_bytes())
    parts = [gzip.compress(data[at : at + 700]) for at in range(0, len(data), 700)]
    path.write_bytes(b"".join(parts))
    same(path, ct(), AXIAL, atol=1e-5)


def header_of(path):
    head, _, voxels = path.read_bytes().partition(b"\n\n")
    return head, voxels


@pytest.mark.parametrize(
    "line",
    [
        b"data file: /etc/passwd",
        b"datafile: /etc/passwd",
        b"Data File: /etc/passwd",
        b"data file: LIST\n/etc/passwd",
        b"content: harmless\rdata file: /etc/passwd",
    ],
)
def test_an_nrrd_whose_voxels_are_in_another_file(tmp_path, line):
    path = write_nrrd(tmp_path / "ct.nrrd", ct(), AXIAL, encoding="raw")
    head, voxels = header_of(path)
    path.write_bytes(head + b"\n" + line + b"\n\n" + voxels)
    refused(path, UnreadableError, "another file for its voxels", "as one plain file")


@pytest.mark.parametrize(
    "line",
    [
        b"ElementDataFile = /etc/passwd",
        b"ElementDataFile = ct.raw",
        b"ElementDataFile=ct.raw",
        b"ElementDataFile = LIST\n/etc/passwd",
        b"Comment = ElementDataFile = LOCAL\nElementDataFile = /etc/passwd",
        b"Comment = a\rElementDataFile = LOCAL\nElementDataFile = /etc/passwd",
        b"ElementDataFile: /etc/passwd",
    ],
)
def test_a_metaimage_whose_voxels_are_in_another_file(tmp_path, line):
    path = write_itk(tmp_path / "ct.mha", ct(), AXIAL)
    path.write_bytes(path.read_bytes().replace(b"ElementDataFile = LOCAL", line))
    refused(path, UnreadableError, "another file for its voxels", "as one plain file")


def test_a_metaimage_that_mentions_local_elsewhere_is_read(tmp_path):
    path = write_itk(tmp_path / "ct.mha", ct(), AXIAL)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"NDims", b"Comment = LOCAL\nNDims", 1))
    same(path, ct(), AXIAL)


# Geometry that is none


@pytest.mark.parametrize(
    "directions",
    [
        "(0,0,0) (0,0.8,0) (0,0,2.5)",
        "(nan,0,0) (0,0.8,0) (0,0,2.5)",
        "(0.7,0,0) (0,inf,0) (0,0,2.5)",
    ],
)
def test_an_nrrd_of_impossible_spacing(tmp_path, directions):
    lines = ["type: short", "dimension: 3", LPS, "sizes: 14 12 10"]
    lines += [f"space directions: {directions}", "endian: little", "encoding: raw"]
    path = raw_nrrd(tmp_path / "ct.nrrd", ct(), *lines)
    refused(path, GeometryError, "spacing")


@pytest.mark.parametrize("spacings", ["0 0.8 2.5", "-0.7 0.8 2.5", "nan 0.8 2.5", "0.7 0.8 inf"])
def test_an_nrrd_of_impossible_spacings(tmp_path, spacings):
    lines = ["type: short", "dimension: 3", "sizes: 14 12 10"]
    lines += [f"spacings: {spacings}", "endian: little", "encoding: raw"]
    path = raw_nrrd(tmp_path / "ct.nrrd", ct(), *lines)
    refused(path, GeometryError, "spacing")


def test_an_nrrd_without_spacing(tmp_path):
    lines = ["type: short", "dimension: 3", "sizes: 14 12 10", "endian: little", "encoding: raw"]
    path = raw_nrrd(tmp_path / "ct.nrrd", ct(), *lines)
    refused(path, GeometryError, "no voxel spacing", "write it with its spacing")


@pytest.mark.parametrize("spacing", [b"0 0.8 2.5", b"-0.7 0.8 2.5", b"nan 0.8 2.5", b"0.7 0.8 inf"])
def test_a_metaimage_of_impossible_spacing(tmp_path, spacing):
    path = write_itk(tmp_path / "ct.mha", ct(), AXIAL)
    changed = re.sub(rb"(?<=ElementSpacing = ).*", spacing, path.read_bytes(), count=1)
    path.write_bytes(changed)
    refused(path, GeometryError, "write the file again with its true")


def test_a_metaimage_without_spacing(tmp_path):
    path = write_itk(tmp_path / "ct.mha", ct(), AXIAL)
    path.write_bytes(re.sub(rb"ElementSpacing.*\n", b"", path.read_bytes(), count=1))
    refused(path, GeometryError, "no voxel spacing", "write it with its spacing")


@pytest.mark.parametrize("spacing", [0, -0.7, np.nan, np.inf])
@pytest.mark.parametrize("forms", [(1, 0), (0, 2), (0, 0)], ids=str)
def test_a_nifti_of_impossible_spacing(tmp_path, forms, spacing):
    qform, sform = forms
    path = write_nifti(tmp_path / "ct.nii", ct(), AXIAL, qform=qform, sform=sform)
    data = bytearray(path.read_bytes())
    data[80:84] = np.array(spacing, "<f4").tobytes()
    path.write_bytes(data)
    refused(path, GeometryError, "spacing")


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".mha"])
def test_tilted_axes(tmp_path, suffix):
    sheared = AXIAL.copy()
    sheared[1, 2] = 0.6  # y runs off with z: 13 degrees
    path = tmp_path / f"ct{suffix}"
    if suffix == ".nrrd":
        write_nrrd(path, ct(), sheared)
    elif suffix == ".nii":
        write_nifti(path, ct(), sheared, qform=0)
    else:
        write_itk(path, ct(), sheared)
    refused(path, GeometryError, "not at right angles (gantry tilt)", "resample")


# One series of many


@pytest.fixture
def study(tmp_path):
    """A folder and a zip of two series, of 12 and 9 slices."""
    folder = tmp_path / "study"
    files = [*write_series(folder, number=4), *write_series(folder / "b", chest(9) + 1, number=5)]
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as packed:
        for file in files:
            packed.write(file, file.relative_to(folder))
    return folder, tmp_path / "study.zip"


def test_a_series_is_chosen_by_its_uid(study):
    for path in study:
        smaller = read_volume(path, series=f"{UID}.5")
        assert np.array_equal(smaller.hu, chest(9) + 1)
        assert smaller.notes == ()
        assert np.array_equal(read_volume(path, series=f"{UID}.4").hu, chest())
        assert np.array_equal(read_volume(path).hu, chest())
        refused(
            path, UnreadableError, f"no image of series 1.2 in it; it holds {UID}.4", series="1.2"
        )


def test_only_the_files_that_are_named_are_looked_at(study, monkeypatch):
    names = [f"b/IM5_{step:04}.dcm" for step in range(9)]
    looked_at = []
    read_header = dicom.read_header

    def watched(file, label):
        looked_at.append(label)
        return read_header(file, label)

    monkeypatch.setattr(dicom, "read_header", watched)
    for path in study:
        looked_at.clear()
        volume = read_volume(path, series=f"{UID}.5", files=names)
        assert sorted(looked_at) == names
        assert np.array_equal(volume.hu, chest(9) + 1)
        refused(path, UnreadableError, "no image of series", series=f"{UID}.4", files=names)


def test_a_file_that_is_gone_is_said(study):
    refused(study[0], UnreadableError, "'b/gone' cannot be opened (No such file", files=["b/gone"])


def test_an_image_file_has_no_series_to_choose_from(write):
    refused(write(ct()), UnreadableError, "it holds no series to choose from", series="1.2")


# The header alone


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, np.uint8])
def test_a_header_says_size_and_type_without_the_voxels(write, dtype):
    path = write(ct().astype(dtype))
    header = read_image_header(path)
    assert header.geometry == read_image_file(path)[1]
    assert header.geometry.size == (14, 12, 10)
    assert header.dtype == dtype


def test_a_header_is_read_of_a_file_that_lost_its_voxels(tmp_path):
    for suffix in (".nrrd", ".nii", ".mha"):
        path = FORMATS[suffix](tmp_path / f"ct{suffix}", ct(), AXIAL)
        path.write_bytes(path.read_bytes()[:-2000])
        assert read_image_header(path).geometry.size == (14, 12, 10)


def test_the_header_of_no_image(tmp_path):
    path = tmp_path / "ct.nrrd"
    path.write_text("hello")
    with pytest.raises(UnreadableError, match=f"{path}: not an NRRD file"):
        read_image_header(path)


@pytest.mark.parametrize(
    ("dtype", "endian", "expected"),
    [
        ("i2", "little", 4),
        ("i2", "big", 4),
        ("u2", "little", 6),
        ("f4", "big", 12),
        ("f8", "little", 12),
    ],
)
def test_the_memory_of_a_voxel_grows_with_its_type(tmp_path, dtype, endian, expected):
    stored = ct(np.dtype(dtype).newbyteorder(">" if endian == "big" else "<"))
    path = write_nrrd(tmp_path / "ct.nrrd", stored, AXIAL, endian=endian)
    assert read_image_header(path).voxel_bytes == expected


def test_scaling_takes_memory_for_the_values(tmp_path):
    path = tmp_path / "ct.nii"
    image = nibabel.Nifti1Image(ct(), np.eye(4))
    image.header.set_slope_inter(2, -1024)
    nibabel.save(image, path)
    assert read_image_header(path).voxel_bytes == 2 + 4 + 4


# What is no file


def test_a_folder_without_dicom(tmp_path):
    folder = tmp_path / "ct.nrrd"
    folder.mkdir()
    (folder / "notes.txt").write_text("hello")
    refused(folder, UnreadableError, "no DICOM image in it; give a folder or .zip")


@pytest.mark.parametrize("suffix", [*FORMATS, ".zip"])
def test_a_pipe_is_not_waited_for(tmp_path, suffix):
    path = tmp_path / f"ct{suffix}"
    os.mkfifo(path)
    refused(path, UnreadableError, "not a file")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_name_that_is_not_utf8_is_an_error_not_an_abort(tmp_path, suffix):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).with_suffix(suffix)
    try:
        path.write_bytes(b"anything")
    except OSError:
        pytest.skip("this file system knows UTF-8 names only")
    refused(path, UnreadableError, "not UTF-8; rename it")


def test_a_file_that_may_not_be_read(write, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = write(ct())
    monkeypatch.setattr(Path, "open", refuse)
    refused(path, UnreadableError, "cannot be read (Permission denied); check the file and its")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_header_ends_in_an_error_of_ours_or_in_a_volume(tmp_path, suffix):
    path = FORMATS[suffix](tmp_path / f"ct{suffix}", ct(), AXIAL)
    packed = suffix.endswith(".gz")
    whole = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    random = np.random.default_rng(1)
    for _ in range(300):
        data = bytearray(whole)
        for at in random.integers(0, 352, random.integers(1, 4)):
            data[at] = random.integers(256)
        path.write_bytes(gzip.compress(data, 1) if packed else data)
        try:
            read_volume(path)
        except InputError as error:
            message = str(error)
            assert message.startswith(f"{path}: ")
            assert "\n" not in message
