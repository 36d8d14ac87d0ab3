"""Headers that were made, or found by fuzzing, to do harm; each once did."""

import gzip
import io
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import SimpleITK
from ct_files import GRIDS, ct, raw_nrrd, turned, write_itk, write_nrrd
from dicom_series import write_series
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import RLELossless

from gmmlabel.errors import GeometryError, UnreadableError
from gmmlabel.formats.archive import read_dicom_zip, unpacked_bytes
from gmmlabel.formats.dicom import read_dicom_folder
from gmmlabel.formats.dicom_structure import UnsoundError, check_structure
from gmmlabel.formats.image_file import read_image_header
from gmmlabel.formats.stored import inflated, one_volume
from gmmlabel.readers import read_volume

AXIAL = GRIDS["axial"]
LINES = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "14 12 10",
    "space directions": "(0.7,0,0) (0,0.8,0) (0,0,2.5)",
    "endian": "little",
    "encoding": "raw",
}


def nrrd_of(path, **lines):
    """Write an NRRD with these lines in the place of those that can be read."""
    lines = LINES | {name.replace("_", " "): value for name, value in lines.items()}
    return raw_nrrd(path / "ct.nrrd", ct(), *(f"{name}: {value}" for name, value in lines.items()))


def soon(act, *arguments):
    """Do what once took minutes."""
    start = time.process_time()
    with pytest.raises((UnreadableError, GeometryError)):
        act(*arguments)
    assert time.process_time() - start < 5


# NRRD


@pytest.mark.parametrize("field", ["sizes", "dimension", "space directions", "space", "type"])
@pytest.mark.parametrize("text", ["9" * 400, "9" * 100_000, "(" * 500_000, "(1,0,0) " * 100_000])
def test_long_numbers_of_an_nrrd_end_nothing(tmp_path, field, text):
    soon(read_volume, nrrd_of(tmp_path, **{field: text}))  # Teem wrote beyond its memory


SPACES = [
    "space: left-posterior-superior",
    "space: RAS",
    "space: left-anterior-superior",
    "space: scanner-xyz",
    "space dimension: 3",
]
numbers = st.floats(0.5, 3)
coordinates = st.floats(-300, 300)


@given(
    space=st.sampled_from(SPACES),
    angles=st.tuples(st.floats(-40, 40), st.floats(-40, 40)),
    spacing=st.tuples(numbers, numbers, numbers),
    origin=st.none() | st.tuples(coordinates, coordinates, coordinates),
    kinds=st.none() | st.sampled_from(["domain", "space"]),
)
def test_a_grid_of_vectors_is_that_which_itk_reads(tmp_path, space, angles, spacing, origin, kinds):
    vectors = turned(*angles) * np.reshape(spacing, (3, 1))
    lines = ["type: short", "dimension: 3", space, "sizes: 14 12 10"]
    lines.append("space directions: " + " ".join(map(vector, vectors)))
    lines += [] if origin is None else [f"space origin: {vector(origin)}"]
    lines += [] if kinds is None else [f"kinds: {kinds} {kinds} {kinds}"]
    as_itk(raw_nrrd(tmp_path / "ct.nrrd", ct(), *lines, "endian: little", "encoding: raw"))


@given(
    spacing=st.tuples(numbers, numbers, numbers),
    mins=st.none() | st.tuples(coordinates, coordinates, coordinates),
    centers=st.none() | st.lists(st.sampled_from(["cell", "node", "???"]), min_size=3, max_size=3),
)
def test_a_grid_of_spacings_is_that_which_itk_reads(tmp_path, spacing, mins, centers):
    lines = ["type: short", "dimension: 3", "sizes: 14 12 10"]
    lines.append(f"spacings: {' '.join(map(repr, spacing))}")
    lines += [] if mins is None else [f"axis mins: {' '.join(map(repr, mins))}"]
    lines += [] if centers is None else [f"centers: {' '.join(centers)}"]
    as_itk(raw_nrrd(tmp_path / "ct.nrrd", ct(), *lines, "endian: little", "encoding: raw"))


def vector(numbers):
    return f"({','.join(repr(float(number)) for number in numbers)})"


def as_itk(path):
    image = SimpleITK.ReadImage(str(path))
    geometry = read_image_header(path).geometry
    assert geometry.size == image.GetSize()
    assert geometry.spacing == image.GetSpacing()
    assert geometry.origin == image.GetOrigin()
    assert geometry.direction == image.GetDirection()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("space", "left-posterior-superior-time"),
        ("space", "nowhere"),
        ("space directions", "none none none"),
        ("space directions", "(1,0,0) (0,1,0)"),
        ("space directions", "(1,0) (0,1) (1,1)"),
        ("space origin", "1 2 3"),
        ("endian", ""),
        ("type", "block"),
        ("kinds", "domain domain"),
        ("kinds", "vector domain domain"),
        ("sizes", "14 12"),
        ("sizes", "-14 12 10"),
        ("dimension", "4"),
    ],
)
def test_an_nrrd_that_states_no_grid_of_numbers(tmp_path, field, value):
    with pytest.raises((UnreadableError, GeometryError)):
        read_volume(nrrd_of(tmp_path, **{field: value}))


# MetaImage


@pytest.mark.parametrize(
    "lines",
    [
        b"ElementDataFile =" + b" " * 1_000_000,
        b"ElementDataFile =" + b" \r" * 500_000,
        b"DimSize = " + b"1 " * 400_000 + b"\nElementSpacing = 1 1 1\nElementDataFile = LOCAL\n",
        b"DimSize = 9 9 9\nElementSpacing = " + b"1 " * 400_000 + b"\nElementDataFile = LOCAL\n",
        b"DimSize = " + b"9" * 5_000 + b" 1 1\nElementSpacing = 1 1 1\nElementDataFile = LOCAL\n",
    ],
    ids=["spaces", "returns", "axes", "spacings", "digits"],
)
def test_long_lines_of_a_metaimage_take_no_time(tmp_path, lines):
    path = tmp_path / "ct.mha"
    path.write_bytes(b"ObjectType = Image\nElementType = MET_SHORT\nBinaryData = True\n" + lines)
    soon(read_volume, path)


def test_many_axes_are_refused_and_not_counted():
    with pytest.raises(UnreadableError, match="1000000 axes"):
        one_volume([1] * 1_000_000)


# gzip


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "a byte each"])
def test_many_members_of_gzip_take_time_as_their_bytes_do(tmp_path, content):
    member = gzip.compress(content, mtime=0)
    seconds = []
    for count in (10_000, 40_000):
        path = tmp_path / "many"
        path.write_bytes(member * count)
        start = time.process_time()
        with path.open("rb") as packed:
            assert len(inflated(packed).read()) == len(content) * count
        seconds.append(time.process_time() - start)
    assert seconds[1] < 10 * seconds[0]
    assert seconds[1] < 5  # it was a minute when what came after each was copied whole


# .zip


def zip_of(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, file in enumerate(files):
            archive.write(file, f"IM{number}.dcm")
    return packed.getvalue()


def test_members_that_share_bytes_are_refused(tmp_path):
    packed = zip_of(write_series(tmp_path / "series"))
    at = packed.index(b"PK\1\2")
    directory, end = packed[at : packed.index(b"PK\5\6")], bytearray(packed[-22:])
    first = directory[: directory.index(b"PK\1\2", 4)]
    count = 300
    end[8:12] = struct.pack("<HH", count, count)
    end[12:16] = struct.pack("<I", len(first) * count)
    path = tmp_path / "overlap.zip"
    path.write_bytes(packed[:at] + first * count + end)
    for act in (read_dicom_zip, unpacked_bytes):
        with pytest.raises(UnreadableError, match="overlap"):
            act(path)


def test_what_an_archive_unpacks_to_is_told_without_unpacking(tmp_path):
    files = write_series(tmp_path / "series")
    path = tmp_path / "ct.zip"
    path.write_bytes(zip_of(files))
    assert unpacked_bytes(path) == sum(file.stat().st_size for file in files)
    path.write_bytes(b"PK\3\4")
    with pytest.raises(UnreadableError, match=r"no \.zip"):
        unpacked_bytes(path)


# DICOM


def element(tag, kind, length, value=b""):
    if kind in {b"OB", b"OW", b"SQ", b"UN"}:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, kind, 0, length) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, kind, length) + value


UNDEFINED = 0xFFFF_FFFF
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
ENDS = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
BEGIN = element(0x0008_1140, b"SQ", UNDEFINED)
SOUND = {
    "plain": b"",
    "a sequence": BEGIN + ITEM + element(0x0008_0005, b"CS", 2, b"AB") + ENDS,
    "an empty sequence": BEGIN + ENDS[8:],
    "a sequence of known length": element(0x0008_1140, b"SQ", 8, ITEM[:4] + bytes(4)),
    "unknown kind": element(0x0009_1001, b"UN", UNDEFINED)
    + ITEM
    + struct.pack("<HHI2s", 0x0008, 0x0005, 2, b"AB")
    + ENDS,
    "fragments": element(0x7FE0_0010, b"OB", UNDEFINED, ITEM[:4] + b"\4\0\0\0\1\2\3\4") + ENDS[8:],
    "deep": (BEGIN + ITEM) * 32 + ENDS * 32,
}
UNSOUND = {
    "a value beyond the file": element(0x0008_1140, b"OB", 0x7FFF_FFFE),
    "a sequence beyond the file": element(0x0008_1140, b"SQ", 0x7FFF_FFFE),
    "an item beyond its sequence": element(0x0008_1140, b"SQ", 8, ITEM[:4] + b"\xff\0\0\0"),
    "a value beyond its item": element(
        0x0008_1140, b"SQ", 16, ITEM[:4] + b"\10\0\0\0" + element(0x0008_0005, b"CS", 9999)
    ),
    "too deep": (BEGIN + ITEM) * 33 + ENDS * 33,
    "without end": (BEGIN + ITEM) * 20,
    "no item": BEGIN + element(0x0008_0005, b"CS", 2, b"AB"),
    "no kind": element(0x0008_0005, b"??", 0) + b"\xff\xff\0\0",
}


@pytest.mark.parametrize("body", SOUND.values(), ids=SOUND)
def test_elements_that_end_where_they_should_are_sound(body):
    data = bytes(128) + b"DICM" + body
    for read in (len(data), 140):
        assert check_structure(data[:read], io.BytesIO(data[read:]), len(data)) is None


@pytest.mark.parametrize("body", UNSOUND.values(), ids=UNSOUND)
def test_elements_that_do_not_are_not(body):
    data = bytes(128) + b"DICM" + body
    with pytest.raises(UnsoundError):
        check_structure(data, io.BytesIO(), len(data))


@pytest.mark.parametrize("body", UNSOUND.values(), ids=UNSOUND)
def test_gdcm_is_not_given_what_is_unsound(tmp_path, body):
    files = write_series(tmp_path / "series")
    image = files[3].read_bytes()
    at = image.index(b"\x10\0\x10\0PN")
    files[3].write_bytes(image[:at] + body + image[at:])
    program = (
        "import resource, sys\n"
        "from gmmlabel.errors import UnreadableError\n"
        "from gmmlabel.formats.dicom import read_dicom_folder\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    read_dicom_folder(__import__('pathlib').Path(sys.argv[1]))\n"
        "except UnreadableError as error:\n    assert 'IM2_0003.dcm' in str(error), error\n"
        "else:\n    raise SystemExit('read')\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "series"], check=True, timeout=60)


@pytest.mark.parametrize("number", ["1e308", "-1e200", "nan", "1e400"])
def test_numbers_that_are_no_place_are_none(tmp_path, number):
    for file in write_series(tmp_path / "series"):
        image = file.read_bytes()
        at = image.index(struct.pack("<HH2s", 0x0020, 0x0037, b"DS"))
        (length,) = struct.unpack_from("<H", image, at + 6)
        axes = "\\".join([number] * 6).encode()
        axes += b" " * (len(axes) % 2)
        changed = element(0x0020_0037, b"DS", len(axes), axes)
        file.write_bytes(image[:at] + changed + image[at + 8 + length :])
    with pytest.raises(GeometryError, match="cannot be placed"):
        read_dicom_folder(tmp_path / "series")


@pytest.mark.parametrize("tags", [{"Rows": 65_535}, {"Columns": 17}, {"BitsAllocated": 32}])
def test_pixels_that_are_not_there_are_not_made_up(tmp_path, tags):
    write_series(tmp_path / "series", **tags)  # GDCM gave what was in its memory
    with pytest.raises(UnreadableError, match=r"'IM2_0000\.dcm' is truncated"):
        read_dicom_folder(tmp_path / "series")


def test_slices_that_claim_more_than_there_can_be_take_no_memory(tmp_path):
    for file in write_series(tmp_path / "series"):
        image = dcmread(file)
        image.compress(RLELossless)  # of which nobody knows what it holds
        image.Rows = image.Columns = 65_535
        image.save_as(file)
    with pytest.raises(UnreadableError, match="claim 51,538,034,700 voxels"):
        read_dicom_folder(tmp_path / "series")


def test_the_files_that_these_are_made_of_can_be_read(tmp_path):
    assert read_volume(nrrd_of(tmp_path)).hu.shape == (10, 12, 14)
    write_nrrd(tmp_path / "a.nrrd", ct(), AXIAL)
    write_itk(tmp_path / "a.mha", ct(), AXIAL)
    for name in ("a.nrrd", "a.mha"):
        assert read_volume(tmp_path / name).hu.shape == (10, 12, 14)
