import hashlib
import os
import stat
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_series import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    UID,
    chest,
    write_series,
    write_slice,
)

from gmmlabel.errors import GeometryError, IntensityError, UnreadableError
from gmmlabel.formats import archive
from gmmlabel.formats.archive import read_dicom_zip
from gmmlabel.formats.dicom import read_dicom_folder


def line(heights, shear=0.0):
    return [(-5, -6 + shear * z, z) for z in heights]


@pytest.fixture
def case(tmp_path):
    return tmp_path / "case"


def refused(case, error, *words):
    """The message of the error that reading ends in, without the path it begins with."""
    with pytest.raises(error) as caught:
        read_dicom_folder(case)
    message = str(caught.value)
    start = f"{case}: "
    assert message.startswith(start)
    assert message.count(start) == 1
    assert "\n" not in message
    assert "SECRET" not in message
    for word in words:
        assert word in message
    return message.removeprefix(start)


def test_a_real_series_equals_its_nrrd_in_grid_and_voxels(shared):
    volume = read_dicom_folder(shared / "data" / "covid_ricord1a_dicom")
    truth = SimpleITK.ReadImage(str(shared / "data" / "covid_ricord1a.nrrd"))
    assert volume.geometry.spacing == truth.GetSpacing()
    assert volume.geometry.origin == truth.GetOrigin()
    assert volume.geometry.direction == truth.GetDirection()
    stored = volume.geometry.to_stored(volume.hu)
    assert np.array_equal(stored, SimpleITK.GetArrayViewFromImage(truth))
    assert volume.notes == ()
    assert (volume.kernel, volume.slice_thickness_mm) == ("STANDARD", 1.25)


# Voxels and grid


def test_slices_are_ordered_by_position_whatever_their_names(case):
    hu = chest()
    files = write_series(case, hu)
    for step, file in enumerate(files):
        file.rename(case / f"{(step * 7) % 12:03}.dcm")
    volume = read_dicom_folder(case)
    assert np.array_equal(volume.hu, hu)
    assert volume.hu.dtype == np.int16
    assert volume.geometry.size == (16, 16, 12)
    assert volume.geometry.spacing == (0.6, 0.7, 2.5)  # Pixel Spacing is rows first
    assert volume.geometry.origin == (-5, -6, 10)
    assert volume.geometry.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert (volume.name, volume.notes) == ("case", ())


def test_an_oblique_and_a_feet_first_series_keep_their_grid(case):
    turn = np.radians(10)
    row, column = np.array([-1, 0, 0]), np.array([0, np.cos(turn), np.sin(turn)])
    normal = np.cross(row, column)
    hu = chest()
    positions = [(100, 0, 0) + 2 * step * normal for step in range(12)]
    write_series(case, hu, positions=positions, orientation=(*row, *column))
    volume = read_dicom_folder(case)
    image = SimpleITK.ReadImage([str(file) for file in sorted(case.iterdir())])
    assert volume.geometry.spacing == pytest.approx(image.GetSpacing())
    assert volume.geometry.origin == pytest.approx(image.GetOrigin())
    assert volume.geometry.direction == pytest.approx(image.GetDirection())
    assert np.array_equal(volume.geometry.to_stored(volume.hu), hu)


def test_the_spacing_is_of_the_positions_not_of_slice_thickness(case):
    write_series(case, spacing=1.25, SliceThickness="5", SpacingBetweenSlices="5")
    assert read_dicom_folder(case).geometry.spacing[2] == 1.25


@pytest.mark.parametrize(
    ("stated", "kernel"),
    [
        ("B70f", "B70f"),
        (["Br40d", "3"], "Br40d 3"),
        (" LUNG ", "LUNG"),
        ("", None),
        ("K\x1b[31m", None),
    ],
)
def test_the_kernel_is_that_of_the_header(case, stated, kernel):
    write_series(case, ConvolutionKernel=stated)
    assert read_dicom_folder(case).kernel == kernel


@pytest.mark.parametrize(
    ("stated", "thickness"), [("3", 3.0), ("1.25", 1.25), ("0", None), ("", None), ("-2", None)]
)
def test_the_slice_thickness_is_that_of_the_header(case, stated, thickness):
    write_series(case, SliceThickness=stated)
    volume = read_dicom_folder(case)
    assert volume.slice_thickness_mm == thickness
    assert volume.geometry.spacing[2] == 2.5


def test_without_kernel_and_slice_thickness_neither_is_known(case):
    write_series(case)
    volume = read_dicom_folder(case)
    assert (volume.kernel, volume.slice_thickness_mm) == (None, None)


@pytest.mark.parametrize("other", [{"ConvolutionKernel": "B70f"}, {"ConvolutionKernel": ""}])
def test_a_kernel_that_only_some_slices_have_is_not_known(case, other):
    hu = chest()
    for step, image in enumerate(hu):
        tags = {"ConvolutionKernel": "B40f", **(other if step == 5 else {})}
        write_slice(
            case / f"{step}.dcm",
            image,
            (0, 0, 3 * step),
            SOPInstanceUID=f"{UID}.2.{step}",
            SliceThickness="3",
            **tags,
        )
    volume = read_dicom_folder(case)
    assert (volume.kernel, volume.slice_thickness_mm) == (None, 3.0)


def test_a_decimal_spacing_stays_the_decimal(case):
    write_series(case, spacing=0.7)
    assert read_dicom_folder(case).geometry.spacing[2] == 0.7


def test_a_grid_of_rows_unlike_columns_is_not_mixed_up(case):
    hu = np.concatenate([chest(side=16), chest(side=16)[:, :6]], axis=1)
    write_series(case, hu)
    volume = read_dicom_folder(case)
    assert volume.geometry.size == (16, 22, 12)
    assert np.array_equal(volume.hu, hu)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (1, -2048), (0.5, -1024)])
def test_slope_and_intercept_are_applied(case, slope, intercept, signed):
    hu = chest()
    write_series(case, hu, slope=slope, intercept=intercept, signed=signed)
    assert np.array_equal(read_dicom_folder(case).hu, hu)


def test_each_slice_has_its_own_slope_and_intercept(case):
    hu = chest()
    for step, image in enumerate(hu):
        write_slice(
            case / f"{step}.dcm",
            image,
            (0, 0, 3 * step),
            slope=(1, 0.25)[step % 2],
            intercept=-1024 - step,
            SOPInstanceUID=f"{UID}.2.{step}",
        )
    assert np.array_equal(read_dicom_folder(case).hu, hu)


def test_fractions_of_a_hounsfield_unit_are_rounded(case):
    write_series(case, chest(), slope=0.3, intercept=-1024.4)
    difference = read_dicom_folder(case).hu - chest()
    assert np.abs(difference).max() <= 1


def test_the_offset_mends_a_lost_intercept(case):
    write_series(case, chest(), RescaleIntercept="0")
    refused(case, IntensityError, "--hu-offset -1024")
    assert np.array_equal(read_dicom_folder(case, hu_offset=-1024).hu, chest())


def test_padding_below_air_is_kept(case):
    hu = chest()
    hu[:, 0] = -3024
    write_series(case, hu, signed=True, PixelPaddingValue=-2000)
    assert np.array_equal(read_dicom_folder(case).hu, hu)


def test_padding_too_heavy_for_any_ct_becomes_lighter_than_air(case):
    hu = chest()
    stored = (hu[0].astype(int) + 1024).astype(np.uint16)
    stored[0] = 65535
    write_series(case, hu, stored=stored, PixelPaddingValue=65535)
    volume = read_dicom_folder(case)
    assert (volume.hu[:, 0] < -1200).all()
    assert np.array_equal(volume.hu[3, 1:], hu[0, 1:])


# Which files


def test_files_below_folders_are_found_and_strangers_passed_over(case):
    files = write_series(case)
    (case / "deep" / "down").mkdir(parents=True)
    files[3].rename(case / "deep" / "down" / "1.2.840.113619.7")
    files[4].rename(case / "deep" / "without_extension")
    (case / "readme.txt").write_text("hello " * 100)
    (case / ".DS_Store").write_bytes(bytes(500))
    (case / "._IM2_0001.dcm").write_bytes(bytes(500))
    (case / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(500))
    os.mkfifo(case / "fifo")
    volume = read_dicom_folder(case)
    assert np.array_equal(volume.hu, chest())
    assert volume.notes == ()


def test_files_without_preamble_are_read(case):
    write_series(case, preamble=False)
    assert np.array_equal(read_dicom_folder(case).hu, chest())


def test_files_of_other_dicom_objects_are_noted_not_read(case):
    write_series(case)
    report = pydicom.dcmread(next(case.iterdir()))
    for name in ("PixelData", "Rows", "Columns"):
        del report[name]
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"
    report.Modality = "SR"
    report.save_as(case / "dose.dcm")
    (case / "empty.DCM").touch()
    assert read_dicom_folder(case).notes == ("left out 2 files named .dcm that hold no image",)


def test_a_link_that_leaves_the_folder_is_not_followed(case, tmp_path):
    write_series(case)
    (outside,) = write_series(tmp_path / "outside", chest(1), positions=[(-5, -6, 40)])
    (case / "next.dcm").symlink_to(outside)
    (case / "loop").symlink_to(case)
    (case / "broken").symlink_to(case / "nothing")
    assert read_dicom_folder(case).geometry.size[2] == 12


def test_a_second_copy_of_an_image_is_dropped(case):
    files = write_series(case)
    (case / "copies").mkdir()
    for file in files:
        (case / "copies" / file.name).write_bytes(file.read_bytes())
    volume = read_dicom_folder(case)
    assert np.array_equal(volume.hu, chest())
    assert volume.notes == ()


def test_slices_that_lost_their_own_uid_are_no_copies(case):
    write_series(case, SOPInstanceUID=f"{UID}.77")
    assert np.array_equal(read_dicom_folder(case).hu, chest())


def test_the_hash_depends_on_the_chosen_files_only(case, tmp_path):
    files = write_series(case)
    digests = sorted(hashlib.sha256(file.read_bytes()).digest() for file in files)
    expected = hashlib.sha256(b"".join(digests)).hexdigest()
    write_series(case, chest(9), number=5)
    (case / "notes.txt").write_text("anything")
    assert read_dicom_folder(case).sha256 == expected
    again = tmp_path / "again"
    again.mkdir()
    for step, file in enumerate(reversed(files)):
        file.rename(again / f"{step:02}")
    assert read_dicom_folder(again).sha256 == expected


def test_a_file_name_that_is_not_utf8_is_an_error_not_an_abort(case):
    write_series(case)
    source = case / "IM2_0003.dcm"
    try:
        source.rename(Path(os.fsdecode(os.fsencode(case) + b"/\xff.dcm")))
    except OSError:
        pytest.skip("this file system knows UTF-8 names only")
    refused(case, UnreadableError, "not UTF-8", "rename")


# Which series


def test_the_axial_ct_of_most_slices_is_taken_and_the_others_noted(case):
    write_series(case, number=4)
    write_series(case, chest(2), number=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(case, chest(20), number=3, orientation=SAGITTAL)
    write_series(case, chest(20), number=5, orientation=CORONAL)
    write_series(case, chest(3), number=6)
    write_series(case, chest(9), number=7)
    write_series(case, chest(20), number=8, Modality="PT")
    write_series(case, chest(1), number=9, ImagePositionPatient=None)
    volume = read_dicom_folder(case)
    assert volume.geometry.size[2] == 12
    assert volume.notes == (
        "left out series 1 (2 slices, localizer)",
        "left out series 3 (20 slices, sagittal)",
        "left out series 5 (20 slices, coronal)",
        "left out series 6 (3 slices, fewer than 8)",
        "left out series 7 (9 slices, axial CT of fewer slices)",
        "left out series 8 (20 slices, modality PT)",
        "left out series 9 (1 slice, without position, orientation or pixel spacing)",
    )


def test_of_equal_series_the_first_by_number_is_taken(case):
    write_series(case, chest() + 1, number=10)
    write_series(case, chest(), number=9)
    volume = read_dicom_folder(case)
    assert np.array_equal(volume.hu, chest())
    assert volume.notes == ("left out series 10 (12 slices, axial CT of as many slices)",)


def test_of_equal_series_without_number_the_first_by_uid_is_taken(case):
    for uid, name in (("2", "a"), ("1", "b")):
        files = write_series(case / name, chest() + int(uid), SeriesInstanceUID=f"{UID}.{uid}")
        for file in files:
            image = pydicom.dcmread(file)
            image.SeriesNumber = None
            image.save_as(file)
    volume = read_dicom_folder(case)
    assert np.array_equal(volume.hu, chest() + 1)
    assert volume.notes[0].startswith("left out a series without number (12 slices")


@pytest.mark.parametrize(
    ("strange", "why"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"orientation": SAGITTAL}, "sagittal"),
        ({"PixelSpacing": ["1.4", "1.2"]}, "fewer than 8"),
        ({"hu": chest(1, side=32)}, "fewer than 8"),
    ],
)
def test_a_strange_image_within_the_series_does_not_poison_it(case, strange, why):
    write_series(case)
    strange = {"hu": chest(1), "orientation": AXIAL, **strange}
    write_series(case / "more", **strange, SOPInstanceUID=f"{UID}.55")
    volume = read_dicom_folder(case)
    assert np.array_equal(volume.hu, chest())
    assert volume.notes == (f"left out part of series 2 (1 slice, {why})",)


def test_a_jitter_of_orientation_does_not_part_a_series(case):
    for step, image in enumerate(chest()):
        write_slice(
            case / f"{step}.dcm",
            image,
            (0, 0, 3 * step),
            orientation=(1, 0, 1e-4 * (step % 2), 0, 1, 0),
            SOPInstanceUID=f"{UID}.2.{step}",
        )
    assert read_dicom_folder(case).geometry.size[2] == 12


# What is refused


def test_a_folder_without_dicom(case):
    refused(case, UnreadableError, "no such folder")
    case.mkdir()
    refused(case, UnreadableError, "no DICOM image")
    (case / "text.dcm").write_text("hello " * 100)
    refused(case, UnreadableError, "no DICOM image")


def test_a_folder_of_another_modality(case):
    write_series(case, Modality="MR")
    assert refused(case, IntensityError) == "modality is MR; a CT is needed"
    write_series(case, chest(9), number=3, Modality="SECRET_NAME")
    assert "modality is MR and unknown" in refused(case, IntensityError)


def test_only_localizers_and_short_series(case):
    write_series(case, chest(2), number=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(case, chest(7), number=2)
    refused(
        case, GeometryError, "at least 8", "series 1 (2 slices, localizer)", "series 2 (7 slices"
    )


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"], ids=["plain", "enhanced"]
)
def test_a_multi_frame_ct(case, uid):
    write_slice(case / "one.dcm", chest(), NumberOfFrames=12, SOPClassUID=uid)
    refused(case, UnreadableError, "12 slices, multi-frame", "single-frame")


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_slices_without_place(case, tag, value):
    write_series(case, **{tag: value})
    refused(case, GeometryError, "12 slices", "without position", "(0020,0032)")


def test_axes_that_are_no_unit_vectors(case):
    write_series(case, orientation=(1, 0, 0, 1, 0, 0))
    refused(case, GeometryError, "without position, orientation")


def test_several_phases_in_one_series(case):
    heights = [2.5 * (step // 2) for step in range(24)]
    write_series(case, chest(24), positions=line(heights))
    refused(case, GeometryError, "2 images at each of 12 positions", "export one")


def test_one_position_taken_twice(case):
    write_series(case, positions=line([0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10]))
    refused(case, GeometryError, "2 images at one position")


def test_one_missing_slice(case):
    files = write_series(case)
    files[4].unlink()
    refused(case, GeometryError, "1 slice is missing, between z = 17.5 and 22.5 mm")


def test_many_missing_slices(case):
    files = write_series(case, chest(40))
    for step in (3, 4, 5, 10, 20, 30, 31):
        files[step].unlink()
    message = refused(case, GeometryError, "7 slices are missing", "and 1 gaps more")
    assert "z = 15 and 25 mm, z = 32.5 and 37.5 mm" in message


def test_uneven_spacing(case):
    heights = [2.5 * step for step in range(6)] + [12.5 + 3.25 * step for step in range(1, 7)]
    write_series(case, positions=line(heights))
    refused(case, GeometryError, "unevenly spaced, 2.5 to 3.25 mm")


def test_a_slow_drift_of_spacing(case):
    write_series(case, chest(40), positions=line([z + 0.001 * z * z for z in range(40)]))
    refused(case, GeometryError, "unevenly spaced, 1.001 to 1.077 mm")


@pytest.mark.parametrize("spacing", [0.625, 0.75, 1.25, 2.53])
@pytest.mark.parametrize("digits", [1, 2])
def test_rounded_positions_are_even(case, spacing, digits):
    heights = [round(spacing * step, digits) for step in range(60)]
    write_series(case, chest(60), positions=line(heights))
    measured = read_dicom_folder(case).geometry.spacing[2]
    assert measured == pytest.approx(spacing, abs=0.1 / 59)


@pytest.mark.parametrize("degrees", [0.5, 15, -20])
def test_gantry_tilt(case, degrees):
    heights = [2.5 * step for step in range(12)]
    write_series(case, positions=line(heights, np.tan(np.radians(degrees))))
    refused(case, GeometryError, f"gantry tilt of {abs(degrees):.1f} degrees")


def test_a_tilt_within_rounding_is_none(case):
    write_series(case, positions=line([1.0 * step for step in range(12)], np.tan(np.radians(0.2))))
    assert read_dicom_folder(case).geometry.spacing[2] == 1


def test_slices_shifted_sideways(case):
    places = [(-5 + 8 * (4 < step < 8), -6, step) for step in range(12)]
    write_series(case, positions=places)
    refused(case, GeometryError, "sideways by up to 8.0 mm")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_slice(case, share):
    file = write_series(case)[5]
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    refused(case, UnreadableError, "'IM2_0005.dcm'", "truncated", "copy it again")


def test_a_file_that_may_not_be_read(case, monkeypatch):
    write_series(case)
    opened = Path.open

    def refuse(path, *options):
        if path.name == "IM2_0003.dcm":
            raise PermissionError(13, "Permission denied")
        return opened(path, *options)

    monkeypatch.setattr(Path, "open", refuse)
    refused(case, UnreadableError, "'IM2_0003.dcm' cannot be opened (Permission denied)")


def test_warnings_are_silenced_for_reading_only(case, capfd):
    write_series(case, chest(), PixelSpacing="")
    (case / "empty.dcm").touch()
    (case / "damaged").write_bytes(bytes(128) + b"DICM" + bytes(range(250)))
    refused(case, GeometryError)
    assert SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    assert capfd.readouterr() == ("", "")


# Zip


@pytest.fixture
def zipped(tmp_path, case, monkeypatch):
    """A zip of a series, and a temporary folder that is empty when the test ends."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    files = write_series(case)
    path = tmp_path / "case.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            packed.write(file, f"study/{file.name}")
    yield path
    assert list(temporary.iterdir()) == []


def refused_zip(path, error, *words):
    with pytest.raises(error) as caught:
        read_dicom_zip(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_zip_reads_as_its_folder(zipped, case):
    volume, folder = read_dicom_zip(zipped), read_dicom_folder(case)
    assert np.array_equal(volume.hu, folder.hu)
    assert volume.geometry == folder.geometry
    assert volume.sha256 == folder.sha256
    assert (volume.name, volume.notes) == ("case.zip", ())


def test_the_offset_reaches_a_zip(zipped):
    assert np.array_equal(read_dicom_zip(zipped, hu_offset=-7).hu, chest() - 7)


def test_no_path_or_link_climbs_out_of_a_zip(zipped, case, tmp_path):
    with zipfile.ZipFile(zipped, "a") as packed:
        more = write_series(case, chest(3), number=3)
        for file, name in zip(more, ("../../out.dcm", "/out.dcm", "..\\out.dcm"), strict=True):
            packed.writestr(name, file.read_bytes())
        link = zipfile.ZipInfo("link.dcm")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
        packed.writestr("__MACOSX/study/._IM2_0001.dcm", bytes(500))
        packed.writestr("study/empty/", b"")
    before = sorted(tmp_path.rglob("*"))
    volume = read_dicom_zip(zipped)
    assert sorted(tmp_path.rglob("*")) == before
    assert volume.notes == ("left out series 3 (3 slices, fewer than 8)",)


def test_a_member_without_name_is_passed_over(zipped):
    with zipfile.ZipFile(zipped, "a") as packed:
        packed.writestr("xyzzy", b"")
    zipped.write_bytes(zipped.read_bytes().replace(b"xyzzy", b"\0yzzy"))
    assert read_dicom_zip(zipped).geometry.size[2] == 12


def test_a_damaged_slice_of_a_zip_is_named(zipped):
    with zipfile.ZipFile(zipped, "a") as packed:
        packed.writestr("study/bad.dcm", packed.read("study/IM2_0003.dcm")[:900])
    refused_zip(zipped, UnreadableError, "'study/bad.dcm' is truncated")


def test_a_zip_without_dicom(tmp_path):
    path = tmp_path / "text.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readme.txt", "hello")
    refused_zip(path, UnreadableError, "no DICOM image")


def test_a_zip_that_is_none_or_damaged(zipped, tmp_path):
    refused_zip(tmp_path / "absent.zip", UnreadableError, "No such file")
    data = zipped.read_bytes()
    zipped.write_bytes(b"no zip at all" * 100)
    refused_zip(zipped, UnreadableError, "damaged", "copy it again")
    zipped.write_bytes(data[: len(data) // 2])
    refused_zip(zipped, UnreadableError, "damaged", "copy it again")
    with zipfile.ZipFile(zipped, "w"):
        pass
    zipped.write_bytes(data[:300] + bytes(40) + data[340:])
    refused_zip(zipped, UnreadableError, "damaged", "copy it again")


def test_an_encrypted_zip(zipped):
    data = bytearray(zipped.read_bytes())
    data[data.find(b"PK\1\2") + 8] |= 1
    zipped.write_bytes(data)
    refused_zip(zipped, UnreadableError, "encrypted", "without a password")


def test_zip_bombs(zipped, monkeypatch):
    with monkeypatch.context() as small:
        small.setattr(archive, "MAX_MEMBERS", 11)
        refused_zip(zipped, UnreadableError, "12 files, more than 11")
    with monkeypatch.context() as small:
        small.setattr(archive, "MAX_BYTES", 12 * 1000)
        refused_zip(zipped, UnreadableError, "unpacks to", "GiB")
    with zipfile.ZipFile(zipped, "a", zipfile.ZIP_LZMA) as packed:
        packed.writestr("zeros.dcm", bytes(1 << 22))
    refused_zip(zipped, UnreadableError, "'zeros.dcm' is packed more than 1100 times")


def test_no_room_for_the_temporary_files(zipped, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "copyfileobj", full)
    refused_zip(zipped, UnreadableError, "No space left on device", "free room")
