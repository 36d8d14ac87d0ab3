import hashlib
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ct_files import GRIDS, ct, write_itk, write_nifti, write_nrrd
from dicom_series import UID, chest, write_series, write_slice

from gmmlabel.cohort.finding import Finding, find_cts, read_found
from gmmlabel.errors import GeometryError, InputError, UnreadableError

AXIAL = GRIDS["axial"]


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


def nrrd(path, voxels=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_nrrd(path, ct() if voxels is None else voxels, AXIAL)


def zipped(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            packed.write(file, f"study/{file.parent.name}/{file.name}")
    return path


def by_uid(uid):
    return f"ct-{hashlib.sha256(uid.encode()).hexdigest()[:12]}"


def reasons(finding: Finding, folder):
    return {one.path.relative_to(folder).as_posix(): one.reason for one in finding.skipped}


def names(finding):
    return [ct.name for ct in finding.cts]


# Files


def test_files_of_every_format_are_found_at_any_depth(tree):
    nrrd(tree / "a.nrrd")
    (tree / "deep" / "down").mkdir(parents=True)
    write_nifti(tree / "deep" / "b.nii", ct(), AXIAL)
    write_nifti(tree / "deep" / "down" / "c.NII.GZ", ct(np.float32), AXIAL)
    write_itk(tree / "deep" / "d.mha", ct(np.float64), AXIAL)
    (tree / "notes.txt").write_text("hello")
    finding = find_cts([tree])
    assert names(finding) == ["a", "b", "c", "d"]
    assert [one.source for one in finding.cts] == [
        tree / "a.nrrd",
        tree / "deep" / "b.nii",
        tree / "deep" / "down" / "c.NII.GZ",
        tree / "deep" / "d.mha",
    ]
    assert {one.size for one in finding.cts} == {(14, 12, 10)}
    assert [one.voxel_bytes for one in finding.cts] == [4, 4, 8, 12]
    assert finding.skipped == ()
    for found in finding.cts:
        assert found.paths == (found.source,)
        assert read_found(found).geometry.size == (14, 12, 10)


def test_files_of_one_name_are_told_apart_by_their_folder(tree):
    for patient in ("p1", "p2"):
        nrrd(tree / patient / "ct.nrrd")
    nrrd(tree / "p3" / "CT.nrrd")
    nrrd(tree / "p3" / "alone.nrrd")
    found = {one.source.relative_to(tree).as_posix(): one.name for one in find_cts([tree]).cts}
    for path in ("p1/ct.nrrd", "p2/ct.nrrd", "p3/CT.nrrd"):
        digits = hashlib.sha256(path.encode()).hexdigest()[:12]
        assert found[path] == f"{Path(path).stem}-{digits}"
    assert found["p3/alone.nrrd"] == "alone"


def test_names_do_not_depend_on_the_order_of_inputs_or_on_what_is_given_twice(tree):
    files = [nrrd(tree / folder / "ct.nrrd") for folder in ("a", "b")]
    expected = find_cts([tree]).cts
    assert find_cts([files[1], tree, tree / "a", files[0], tree]).cts == expected
    one_by_one = find_cts(files).cts
    assert find_cts(files[::-1]).cts == one_by_one
    assert len(one_by_one) == 2


def test_masks_and_pictures_are_skipped_by_their_header(tree):
    mask = (ct() > 0).astype(np.uint8)
    nrrd(tree / "case_lungs.nrrd", mask)
    nrrd(tree / "case.seg.nrrd")
    write_nifti(tree / "mask.nii.gz", mask, AXIAL)
    write_itk(tree / "signed.mha", mask.astype(np.int8), AXIAL)
    nrrd(tree / "case.nrrd")
    finding = find_cts([tree])
    assert names(finding) == ["case"]
    eight = "8 bits a voxel: a mask or a picture"
    assert reasons(finding, tree) == {
        "case.seg.nrrd": "a segmentation",
        "case_lungs.nrrd": eight,
        "mask.nii.gz": eight,
        "signed.mha": eight,
    }


def test_a_damaged_image_is_a_case_that_fails(tree):
    path = nrrd(tree / "ct.nrrd")
    path.write_bytes(path.read_bytes()[:100])
    (found,) = find_cts([tree]).cts
    assert (found.source, found.size) == (path, None)
    with pytest.raises(UnreadableError, match="truncated"):
        read_found(found)


def test_what_is_not_read_is_said(tree):
    for name in ("a.nhdr", "b.mhd", "c.tar.gz", "d.7z", "e.dcm", "f.png"):
        (tree / name).write_bytes(b"anything")
    finding = find_cts([tree])
    assert finding.cts == ()
    assert [reason.split(";")[0] for reason in reasons(finding, tree).values()] == [
        "a format that is not read",
        "a format that is not read",
        "an archive",
        "an archive",
        "named like DICOM, and holds no image",
    ]


def test_a_file_that_is_named_is_taken_whatever_it_is(tree):
    mask = nrrd(tree / "mask.nrrd", (ct() > 0).astype(np.uint8))
    text, archive, pipe = tree / "notes.txt", tree / "MUELLER_HANS.zip", tree / "pipe.nrrd"
    text.write_text("hello")
    archive.write_text("no zip")
    os.mkfifo(pipe)
    finding = find_cts([mask, text, archive, pipe])
    assert {one.source for one in finding.cts} == {mask, text, archive, pipe}
    assert finding.skipped == ()
    for found in finding.cts:
        with pytest.raises(InputError, match=str(found.source)):
            read_found(found)
    assert not any("MUELLER" in name for name in names(finding))


def test_an_input_that_does_not_exist_is_an_error_at_once(tree):
    with pytest.raises(InputError, match=r"absent.nrrd: no such file or folder; check the path"):
        find_cts([tree, tree / "absent.nrrd"])


# Which folders


def test_the_folder_of_the_results_is_not_looked_into(tree):
    nrrd(tree / "ct.nrrd")
    nrrd(tree / "out" / "old.nrrd")
    assert names(find_cts([tree], exclude=tree / "out")) == ["ct"]
    assert names(find_cts([tree], exclude=tree / "not_there")) == ["ct", "old"]
    for given in (tree / "out", tree / "out" / "old.nrrd"):
        with pytest.raises(InputError, match="lies in the folder for the results"):
            find_cts([given], exclude=tree / "out")


@pytest.mark.parametrize("form", ["nrrd", "seg.nrrd", "nii.gz", "mha"])
def test_the_maps_of_a_labelled_case_are_no_cts(tree, form):
    case = tree / "case"
    nrrd(case / "ct.nrrd")
    (case / "result.json").write_text("{}")
    for name in ("labels", "smoothed", "lungs", "opacity"):
        nrrd(case / "x.nrrd").rename(case / f"{name}.{form}")
    finding = find_cts([tree])
    assert names(finding) == ["ct"]
    assert reasons(finding, tree) == {"case": "a labelled case: its label maps are no CTs"}


def test_hidden_files_and_folders_are_passed_over(tree):
    nrrd(tree / ".hidden.nrrd")
    nrrd(tree / ".git" / "ct.nrrd")
    nrrd(tree / "__MACOSX" / "ct.nrrd")
    nrrd(tree / "._ct.nrrd")
    finding = find_cts([tree])
    assert finding.cts == ()
    assert reasons(finding, tree) == {".": "no CT in it"}


def test_a_folder_without_a_ct_is_said(tree):
    nrrd(tree / "some" / "ct.nrrd")
    (tree / "none" / "deeper").mkdir(parents=True)
    finding = find_cts([tree / "some", tree / "none"])
    assert names(finding) == ["ct"]
    assert reasons(finding, tree) == {"none": "no CT in it"}


def test_links_are_followed_and_each_file_taken_once(tree, tmp_path):
    outside = nrrd(tmp_path / "archive" / "x.nrrd")
    nrrd(tmp_path / "archive" / "y" / "z.nrrd")
    nrrd(tree / "ct.nrrd")
    (tree / "a_copy.nrrd").symlink_to(tree / "ct.nrrd")
    for number in (7, 3, 1, 9, 0, 5, 8, 2, 6, 4):
        (tree / f"x{number}.nrrd").symlink_to(outside)
    (tree / "loop").symlink_to(tree)
    (tree / "self").symlink_to(tree / "self")
    (tree / "y").symlink_to(tmp_path / "archive" / "y")
    (tree / "broken.nrrd").symlink_to(tree / "nothing")
    finding = find_cts([tree])
    assert names(finding) == ["ct", "x0", "z"]
    assert reasons(finding, tree) == {
        "broken.nrrd": "a link to nothing",
        "self": "a link to nothing",
    }


def test_a_folder_that_may_not_be_listed_is_skipped(tree, monkeypatch):
    nrrd(tree / "ct.nrrd")
    nrrd(tree / "closed" / "ct.nrrd")
    scandir = os.scandir

    def refuse(folder):
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    finding = find_cts([tree])
    assert names(finding) == ["ct"]
    assert reasons(finding, tree) == {"closed": "cannot be listed (Permission denied)"}


def test_a_dicom_file_that_may_not_be_opened_fails_the_series_beside_it(tree, monkeypatch):
    """It may be a slice: a volume that lacks its last one must not be labelled without a word."""
    write_series(tree / "a")
    write_series(tree / "b", number=3)
    (tree / "c").mkdir()
    (tree / "c" / "IM2_0011.dcm").write_bytes(bytes(900))
    opened = Path.open

    def refuse(path, *options, **more):
        if path.name == "IM2_0011.dcm":
            raise PermissionError(13, "Permission denied")
        return opened(path, *options, **more)

    monkeypatch.setattr(Path, "open", refuse)
    finding = find_cts([tree])
    bad, good = sorted(finding.cts, key=lambda one: one.series)
    with pytest.raises(UnreadableError, match=r"'IM2_0011.dcm' cannot be opened"):
        read_found(bad)
    assert np.array_equal(read_found(good).hu, chest())
    assert list(reasons(finding, tree)) == ["c"]


# DICOM


def test_every_series_of_every_patient_is_a_case_of_its_own(tree):
    """Two patients, two series each, in one folder, and all of them are read unmixed."""
    hu = {}
    for patient in (1, 2):
        for number in (3, 4):
            uid = f"{UID}.{patient}.{number}"
            hu[by_uid(uid)] = chest(8 + number) + np.int16(10 * patient)
            options = {"PatientID": f"P{patient}", "SeriesInstanceUID": uid}
            files = write_series(tree, hu[by_uid(uid)], number=number, **options)
            for file in files:
                file.rename(tree / f"{patient}{file.stem}")  # no suffix
    finding = find_cts([tree])
    assert set(names(finding)) == set(hu)
    assert finding.skipped == ()
    for found in finding.cts:
        assert found.source == tree
        assert found.size == (16, 16, len(hu[found.name]))
        assert len(found.files) == len(found.paths) == len(hu[found.name])
        volume = read_found(found)
        assert np.array_equal(volume.hu, hu[found.name])
        assert (volume.name, volume.notes) == (found.name, ())


def test_a_series_spread_over_folders_is_one_case(tree):
    files = write_series(tree / "patient", chest())
    for step, file in enumerate(files):
        part = tree / "patient" / ("one" if step % 2 else "two/deep")
        part.mkdir(parents=True, exist_ok=True)
        file.rename(part / file.name)
    (found,) = find_cts([tree]).cts
    assert found.source == tree / "patient"
    assert set(found.files) == {
        f"{'one' if step % 2 else 'two/deep'}/IM2_{step:04}.dcm" for step in range(12)
    }
    assert np.array_equal(read_found(found).hu, chest())
    again = find_cts([tree / "patient" / "two", tree / "patient" / "one"])
    assert (again.cts, again.skipped) == ((found,), ())


def test_no_name_of_a_patient_is_in_a_name(tree):
    write_series(tree / "MUELLER_HANS", PatientName="MUELLER^HANS", PatientID="MUELLER1")
    files = write_series(tree / "SCHMIDT", number=3)
    zipped(tree / "SCHMIDT_ANNA.zip", files)
    for file in files:
        file.unlink()
    finding = find_cts([tree])
    assert set(names(finding)) == {by_uid(f"{UID}.2"), by_uid(f"{UID}.3")}
    for found in finding.cts:
        assert read_found(found).name == found.name


def test_two_patients_with_one_series_uid_are_not_mixed(tree):
    """As of an anonymiser that writes one UID everywhere; the upper half is of another patient."""
    low = write_series(tree / "a", chest(12), PatientID="A")
    high = write_series(
        tree / "b", chest(9), positions=[(-5, -6, 40 + 2.5 * z) for z in range(9)], PatientID="B"
    )
    finding = find_cts([tree])
    stem = by_uid(f"{UID}.2")
    digits = [hashlib.sha256(folder.encode()).hexdigest()[:12] for folder in ("a", "b")]
    assert set(names(finding)) == {f"{stem}-{part}" for part in digits}
    assert {(one.source, one.size[2]) for one in finding.cts} == {
        (low[0].parent, 12),
        (high[0].parent, 9),
    }


def test_series_without_uid_are_told_apart_by_folder_and_number(tree):
    for folder in ("a", "b"):
        for number in (1, 2):
            write_series(tree / folder, chest(8 + number), number=number, SeriesInstanceUID=None)
    finding = find_cts([tree])
    assert len(set(names(finding))) == 4
    assert all(one.series is None for one in finding.cts)
    assert sorted(read_found(one).geometry.size[2] for one in finding.cts) == [9, 9, 10, 10]


def test_series_that_are_no_axial_ct_are_skipped(tree):
    write_series(tree / "a", number=4)
    write_series(tree / "a", chest(2), number=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(tree / "b", chest(20), number=3, orientation=(0, 1, 0, 0, 0, -1))
    write_series(tree / "c", chest(3), number=6)
    write_series(tree / "d", chest(20), number=8, Modality="PT")
    write_series(tree / "e", chest(1), number=9, ImagePositionPatient=None)
    finding = find_cts([tree])
    assert names(finding) == [by_uid(f"{UID}.4")]
    assert reasons(finding, tree) == {
        "a": "series 1 (2 slices, localizer)",
        "b": "series 3 (20 slices, sagittal)",
        "c": "series 6 (3 slices, fewer than 8)",
        "d": "series 8 (20 slices, modality PT)",
        "e": "series 9 (1 slice, without position, orientation or pixel spacing)",
    }


@pytest.mark.parametrize(
    ("tags", "error", "words"),
    [
        ({"ImagePositionPatient": None}, GeometryError, "without position"),
        (
            {"positions": [(0, 0, step // 2) for step in range(12)]},
            GeometryError,
            "2 images at each",
        ),
    ],
)
def test_a_ct_in_a_form_that_is_not_read_is_a_case_that_fails(tree, tags, error, words):
    write_series(tree, **tags)
    (found,) = find_cts([tree]).cts
    with pytest.raises(error, match=words):
        read_found(found)


def test_the_size_is_that_of_the_part_of_a_series_that_is_read(tree):
    write_series(tree / "a")
    other = {"SeriesInstanceUID": f"{UID}.2", "ImagePositionPatient": None}
    write_series(tree / "b", chest(20, side=32), number=3, **other)
    (found,) = find_cts([tree]).cts
    assert found.size == read_found(found).geometry.size == (16, 16, 12)


def test_a_multi_frame_ct_is_a_case_that_fails(tree):
    write_slice(tree / "one", chest(), NumberOfFrames=12)
    (found,) = find_cts([tree]).cts
    assert found.size == (16, 16, 12)
    with pytest.raises(UnreadableError, match="multi-frame"):
        read_found(found)


@pytest.mark.parametrize("size", [1150, 1250])
def test_a_truncated_slice_fails_its_series_and_no_other(tree, size):
    for number in (2, 3):
        files = write_series(tree, number=number, PatientComments="x" * 600)
    files[-1].write_bytes(files[-1].read_bytes()[:size])
    finding = find_cts([tree])
    good, bad = sorted(finding.cts, key=lambda one: one.series)
    assert np.array_equal(read_found(good).hu, chest())
    with pytest.raises(UnreadableError, match=r"'IM3_0011.dcm' is truncated"):
        read_found(bad)
    assert finding.skipped == ()


def test_a_truncated_slice_that_does_not_say_its_series_fails_all_of_its_folder(tree):
    write_series(tree / "a")
    files = write_series(tree / "b", number=3)
    files[-1].write_bytes(files[-1].read_bytes()[:360])
    finding = find_cts([tree])
    good, bad = sorted(finding.cts, key=lambda one: one.series)
    assert np.array_equal(read_found(good).hu, chest())
    with pytest.raises(UnreadableError, match=r"'IM3_0011.dcm' is truncated"):
        read_found(bad)


def test_copies_of_a_series_are_one_case(tree):
    files = write_series(tree / "a")
    (tree / "b").mkdir()
    for file in files:
        (tree / "b" / file.name).write_bytes(file.read_bytes())
    (found,) = find_cts([tree]).cts
    assert found.size == (16, 16, 12)
    assert np.array_equal(read_found(found).hu, chest())


def test_dicom_files_that_are_named_one_by_one_are_their_series(tree):
    files = write_series(tree)
    write_series(tree, chest(1), number=7, ImageType=["DERIVED", "SECONDARY", "LOCALIZER"])
    finding = find_cts(sorted(tree.iterdir()))
    (found,) = finding.cts
    assert found.paths == tuple(files)


def test_strange_dicom_objects_do_no_harm(tree):
    write_series(tree)
    (tree / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(500))
    (tree / "empty").touch()
    (tree / "short.dcm").write_bytes(b"\x08\x00")
    (tree / "noise").write_bytes(bytes(128) + b"DICM" + bytes(range(256)) * 9)
    finding = find_cts([tree])
    assert names(finding) == [by_uid(f"{UID}.2")]
    assert reasons(finding, tree) == {"short.dcm": "named like DICOM, and holds no image"}


# Zip


def test_each_series_of_a_zip_is_a_case(tree, tmp_path):
    files = [
        *write_series(tmp_path / "a", number=4),
        *write_series(tmp_path / "a", chest(9), number=5),
    ]
    files += write_series(tmp_path / "b", chest(2), number=6)
    path = zipped(tree / "deep" / "both.zip", files)
    finding = find_cts([tree])
    assert {(one.name, one.source, one.size) for one in finding.cts} == {
        (by_uid(f"{UID}.4"), path, (16, 16, 12)),
        (by_uid(f"{UID}.5"), path, (16, 16, 9)),
    }
    assert reasons(finding, tree) == {"deep/both.zip": "series 6 (2 slices, fewer than 8)"}
    for found in finding.cts:
        assert found.paths == (path,)
        assert read_found(found).geometry.size == found.size


def test_a_zip_that_is_no_ct_is_skipped(tree, tmp_path):
    (tree / "none.zip").write_text("no zip")
    with zipfile.ZipFile(tree / "text.zip", "w") as packed:
        packed.writestr("readme.txt", "hello")
    locked = zipped(tree / "locked.zip", write_series(tmp_path / "a"))
    data = bytearray(locked.read_bytes())
    data[data.find(b"PK\1\2") + 8] |= 1
    locked.write_bytes(data)
    finding = find_cts([tree])
    assert finding.cts == ()
    assert reasons(finding, tree) == {
        "none.zip": "no .zip or a damaged one; copy it again",
        "text.zip": "no DICOM image in it",
        "locked.zip": "encrypted; pack it again without a password",
    }


def test_the_same_series_in_a_folder_and_a_zip_is_not_lost(tree):
    files = write_series(tree / "a")
    zipped(tree / "a.zip", files)
    finding = find_cts([tree])
    assert len(set(names(finding))) == 2
    assert all(name.startswith(by_uid(f"{UID}.2")) for name in names(finding))


# What a worker gets


def test_a_found_ct_can_be_sent_to_another_process(tree):
    write_series(tree)
    (found,) = find_cts([tree]).cts
    again = pickle.loads(pickle.dumps(found))  # noqa: S301
    assert again == found
    assert np.array_equal(read_found(again).hu, chest())


def test_a_relative_input_is_found_by_its_absolute_path(tree, monkeypatch):
    nrrd(tree / "ct.nrrd")
    monkeypatch.chdir(tree)
    (found,) = find_cts([Path()]).cts
    assert found.source == tree / "ct.nrrd"


def test_a_reserved_name_is_not_given(tree):
    nrrd(tree / "thumbnails.nrrd")
    (name,) = names(find_cts([tree], reserved=["thumbnails"]))
    assert name.startswith("thumbnails-")


def test_progress_counts_files(tree):
    write_series(tree)
    counts = []
    find_cts([tree], progress=counts.append)
    assert counts == [12]
