"""The short way through a header, against GDCM and pydicom, which read all of it."""

import io

import numpy as np
import pydicom
import pytest
from dicom_series import chest, write_slice
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from gmmlabel.formats.dicom_header import DAMAGED, read_header, scan_header
from gmmlabel.formats.dicom_tags import FIRST_READ, read_tags

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
COLUMNS = 0x0028_0011


def scan(file):
    with file.open("rb") as stream:
        return scan_header(stream, file, file.name)


def rewrite(file, syntax=ExplicitVRLittleEndian, **tags):
    """Save the file again, in another transfer syntax and with more elements."""
    image = pydicom.dcmread(file)
    for name, value in tags.items():
        setattr(image, name, value)
    if syntax == ExplicitVRBigEndian:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
    image.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(
        file,
        image,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return file


def nested(depth, *, undefined):
    item = Dataset()
    item.Columns = 7  # a decoy
    item.SeriesInstanceUID = "1.2.3"
    if depth:
        item.ReferencedImageSequence = nested(depth - 1, undefined=undefined)
    item.is_undefined_length_sequence_item = undefined
    sequence = Sequence([item, Dataset()])
    sequence.is_undefined_length = undefined
    return sequence


@pytest.fixture
def file(tmp_path):
    return write_slice(
        tmp_path / "one",
        chest(1)[0],
        (1, 2, 3),
        PatientID="P7",
        StudyInstanceUID="1.2.3.4",
        ConvolutionKernel=["Br40d", "3"],
        SliceThickness="1.25",
        InstanceNumber="5",
    )


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_it_says_what_gdcm_says(file, syntax, undefined):
    rewrite(file, syntax, ReferencedImageSequence=nested(3, undefined=undefined))
    header = scan(file)
    assert header == read_header(file, file.name)
    assert header.series
    assert header.owner == ("P7", "1.2.3.4")
    assert header.size == (16, 16, 1)


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"Modality": "MR"},
        {"NumberOfFrames": "1"},
        {"ImagePositionPatient": None},
        {"SeriesInstanceUID": ""},
        {"SeriesNumber": None, "PixelSpacing": ""},
        {"orientation": (0, 1, 0, 0, 0, -1)},
        {"preamble": False},
    ],
    ids=str,
)
def test_it_says_what_gdcm_says_of_strange_images(tmp_path, tags):
    file = write_slice(tmp_path / "one", chest(1)[0], **tags)
    header = scan(file)
    assert header is not None
    assert header == read_header(file, file.name)


def test_a_real_ct_is_read_as_gdcm_reads_it(shared):
    for file in sorted((shared / "data" / "covid_ricord1a_dicom").iterdir())[::31]:
        assert scan(file) == read_header(file, file.name)


def test_a_header_longer_than_the_first_read_is_read(file):
    image = pydicom.dcmread(file)
    block = image.private_block(0x0009, "SOMEBODY", create=True)
    block.add_new(1, "OB", bytes(5 * FIRST_READ))
    image.save_as(file)
    assert scan(file) == read_header(file, file.name)
    assert scan(file).size == (16, 16, 1)


def test_a_sequence_of_unknown_kind_is_passed_over(file):
    """PS3.5 6.2.2: UN of undefined length holds implicit elements."""
    data = file.read_bytes()
    at = data.index(b"\x20\x00\x0d\x00UI")
    item = b"\x28\x00\x11\x00\x02\0\0\0\x07\0"
    sequence = b"\x19\x00\x10\x10UN\0\0\xff\xff\xff\xff"
    sequence += b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + item + b"\xfe\xff\x0d\xe0\0\0\0\0"
    sequence += b"\xfe\xff\xdd\xe0\0\0\0\0"
    file.write_bytes(data[:at] + sequence + data[at:])
    assert scan(file).size == (16, 16, 1)
    assert scan(file).series == read_header(file, file.name).series


def test_no_more_is_read_than_the_header(file):
    image = pydicom.dcmread(file)
    image.PixelData = bytes(1 << 20)
    image.save_as(file)
    with file.open("rb", buffering=0) as stream:
        assert scan_header(stream, file, file.name)
        assert stream.tell() == FIRST_READ


def test_what_is_no_image_is_none(tmp_path):
    for number, content in enumerate((b"", b"text", bytes(200), bytes(128) + b"DICM" + b"x" * 99)):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert scan(path) is None


def test_a_ct_that_ends_in_its_header_is_damaged(file):
    data = file.read_bytes()
    file.write_bytes(data[: data.index(b"\x28\x00\x02\x00US")])
    header = scan(file)
    assert header.fault == DAMAGED
    assert header.owner == ("P7", "1.2.3.4")
    assert header.series


def test_sequences_without_end_or_too_deep_end():
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
    data = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + item * 5000
    assert read_tags(data, io.BytesIO(), [COLUMNS]).values == {}


@given(st.data())
def test_noise_in_a_header_never_raises(tmp_path, data):
    file = write_slice(tmp_path / "one", chest(1)[0])
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(132, 900))] = data.draw(st.integers(0, 255))
    scan_header(io.BytesIO(bytes(content)), file, file.name)


@given(st.binary(max_size=400))
def test_any_bytes_never_raise(noise):
    data = bytes(128) + b"DICM" + noise
    read_tags(data, io.BytesIO(), [COLUMNS])
