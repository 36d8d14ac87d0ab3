"""What the header of one DICOM file says: its series, its kind, and where its pixels lie.

Section and tag numbers are those of DICOM PS3.3, PS3.5 and PS3.10.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import dist, prod
from pathlib import Path
from sys import intern
from typing import IO, Any

import numpy as np
import SimpleITK

from gmmlabel.errors import UnreadableError
from gmmlabel.formats.dicom_structure import UnsoundError, check_structure
from gmmlabel.formats.dicom_tags import FIRST_READ, Tags, read_tags
from gmmlabel.formats.itk import is_itk_path

MULTI_FRAME = "multi-frame"
"""The fault of an image of several frames."""

NO_PLACE = "without position, orientation or pixel spacing"
"""The fault of an image that cannot be placed in space."""

DAMAGED = "truncated, damaged or not to be opened"
"""The fault of a CT image of which no more than the start can be read, if that."""

_SUFFIXES_WITHOUT_PREAMBLE = ("", ".dcm", ".dicom", ".dic", ".ima", ".img")
_CT_IMAGE_STORAGE = b"1.2.840.10008.5.1.4.1.1.2\0"
_ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", *_ENHANCED_CT)

_IMAGE_TYPE, _CLASS, _INSTANCE, _MODALITY = 0x0008_0008, 0x0008_0016, 0x0008_0018, 0x0008_0060
_PATIENT, _THICKNESS, _KERNEL = 0x0010_0020, 0x0018_0050, 0x0018_1210
_STUDY, _SERIES, _NUMBER, _INSTANCE_NUMBER = 0x0020_000D, 0x0020_000E, 0x0020_0011, 0x0020_0013
_POSITION, _AXES = 0x0020_0032, 0x0020_0037
_COMPONENTS, _FRAMES, _ROWS, _COLUMNS = 0x0028_0002, 0x0028_0008, 0x0028_0010, 0x0028_0011
_SPACING, _BITS = 0x0028_0030, 0x0028_0100
_TAGS = (
    *(_IMAGE_TYPE, _CLASS, _INSTANCE, _MODALITY, _PATIENT, _THICKNESS, _KERNEL, _STUDY, _SERIES),
    *(_NUMBER, _INSTANCE_NUMBER, _POSITION, _AXES, _COMPONENTS, _FRAMES, _ROWS, _COLUMNS, _SPACING),
)

_FARTHEST = 1e6  # mm: a kilometre, of which squares still are numbers
_SAME_AXES = 0.01  # of a direction cosine: half a degree, wider than any rounding of the six
_SAME_PIXELS = 1e-3  # relative: a third of a millimetre over 512 pixels of 0.7 mm


@dataclass(frozen=True, slots=True)
class DicomSlice:
    """What the header of one DICOM file says.

    Parameters
    ----------
    file, label
        Where the file is, and what to call it in messages.
    series
        Series Instance UID; may be empty.
    owner
        Patient ID and Study Instance UID, which all images of a series share; may be empty.
    number
        Series Number, or None.
    image
        SOP Instance UID and Instance Number; may be empty.
    fault
        Why the image cannot be a slice of an axial CT, in words for a note, or None.
    modality
        Of the DICOM alphabet, or "unknown".
    size
        Columns, rows and frames.
    spacing
        Distance of columns and of rows, in mm; empty if unknown.
    position
        Centre of the first pixel, in mm, LPS; empty if unknown.
    axes
        Unit vectors along a row and along a column, six numbers, LPS; empty if unknown.
    kernel
        Convolution Kernel (0018,1210), or None.
    thickness
        Slice Thickness (0018,0050), in mm, or None.
    """

    file: Path
    label: str
    series: str
    owner: tuple[str, str]
    number: int | None
    image: tuple[str, str]
    fault: str | None
    modality: str
    size: tuple[int, int, int]
    spacing: tuple[float, ...]
    position: tuple[float, ...]
    axes: tuple[float, ...]
    kernel: str | None
    thickness: float | None

    def stacks_with(self, other: "DicomSlice") -> bool:
        """Whether both are cut alike: the same plane and pixel size."""
        return (
            dist(self.axes, other.axes) < _SAME_AXES
            and dist(self.spacing, other.spacing) < _SAME_PIXELS * self.spacing[0]
        )


def read_header(file: Path, label: str) -> DicomSlice | None:
    """Read what is needed of the header of a file.

    Parameters
    ----------
    file
        Any file; GDCM is asked only if it starts like DICOM.
    label
        What to call it in messages; its suffix matters where the DICOM preamble is missing.

    Returns
    -------
    DicomSlice or None
        None if the file is no DICOM image. What is wrong with an image is its `fault`.

    Raises
    ------
    UnreadableError
        If the file cannot be opened, or is a CT image and damaged.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(FIRST_READ)
            if not _starts_like_dicom(head, label):
                return None
            # GDCM takes what is not there from memory that was another's.
            pixels = check_structure(head, stream, os.fstat(stream.fileno()).st_size)
        reader = open_gdcm(file, label)
        reader.ReadImageInformation()
    except OSError as error:
        raise UnreadableError(f"{label!r} cannot be opened ({error.strerror})") from error
    except (UnsoundError, RuntimeError) as error:
        if _CT_IMAGE_STORAGE in head[:512]:
            raise damaged_slice(label) from error
        return None  # DICOMDIR, structured report, contours: DICOM, but no image

    def text(tag: int) -> str:
        key = f"{tag >> 16:04x}|{tag & 0xFFFF:04x}"
        return str(reader.GetMetaData(key)).strip(" \0") if reader.HasMetaDataKey(key) else ""

    columns, rows, *frames = (int(length) for length in reader.GetSize())
    size = (columns, rows, max(frames, default=1))
    components, bits = reader.GetNumberOfComponents(), text(_BITS)
    if pixels is not None and bits.isdecimal() and prod(size) * components * int(bits) > 8 * pixels:
        raise damaged_slice(label)
    return _slice_of(text, size, components, file, label)


def scan_header(stream: IO[bytes], file: Path, label: str) -> DicomSlice | None:
    """Read what is needed of the header of a file, and no more of the file than that.

    Says the same as `read_header` of every image that this one can read, seven times as fast.

    Parameters
    ----------
    stream
        At the first byte of the file, or of a member of an archive.
    file, label
        As of `read_header`.

    Returns
    -------
    DicomSlice or None
        None if no image is seen: the file is no DICOM, holds something else, or is stored in a
        way that only GDCM knows. The fault of a CT image that ends in its header is `DAMAGED`.
    """
    head = stream.read(FIRST_READ)
    if not _starts_like_dicom(head, label):
        return None
    tags = read_tags(head, stream, _TAGS)
    columns, rows = tags.number(_COLUMNS), tags.number(_ROWS)
    if columns and rows:
        frames = tags.text(_FRAMES)
        count = int(frames) if re.fullmatch("[0-9]{1,9}", frames) else 1
        size = (columns, rows, max(count, 1))
        return _slice_of(tags.text, size, tags.number(_COMPONENTS) or 1, file, label)
    if tags.text(_CLASS) in _CT_CLASSES:
        return damaged_header(file, label, tags)
    return None


def damaged_header(file: Path, label: str, tags: Tags | None = None) -> DicomSlice:
    """Make the slice of a file of which no more than some tags can be read."""
    tags = tags or Tags({})
    return DicomSlice(
        file=file,
        label=label,
        series=tags.text(_SERIES),
        owner=(tags.text(_PATIENT), tags.text(_STUDY)),
        number=None,
        image=(tags.text(_INSTANCE), ""),
        fault=DAMAGED,
        modality="CT",
        size=(0, 0, 1),
        spacing=(),
        position=(),
        axes=(),
        kernel=None,
        thickness=None,
    )


def _starts_like_dicom(head: bytes, label: str) -> bool:
    # PS3.10 7.1: 128 bytes, then DICM. Older files start with group 0002 or 0008 at once.
    bare = head[:2] in (b"\2\0", b"\10\0") and _suffix(label) in _SUFFIXES_WITHOUT_PREAMBLE
    return head[128:132] == b"DICM" or bare


def _slice_of(
    text: Callable[[int], str],
    size: tuple[int, int, int],
    components: int,
    file: Path,
    label: str,
) -> DicomSlice:
    modality, number = text(_MODALITY), text(_NUMBER)
    spacing = _decimals(text(_SPACING), 2)[::-1]  # PS3.3 10.7.1.3: rows first
    position = _decimals(text(_POSITION), 3)  # PS3.3 C.7.6.2.1.1
    axes = _decimals(text(_AXES), 6)
    fault = None
    if modality != "CT":
        modality = modality if re.fullmatch("[A-Z0-9]{1,16}", modality) else "unknown"
        fault = f"modality {modality}"
    elif "LOCALIZER" in text(_IMAGE_TYPE).upper():  # PS3.3 C.8.2.1.1.1
        fault = "localizer"
    elif size[2] > 1 or text(_CLASS) in _ENHANCED_CT:
        fault = MULTI_FRAME
    elif components > 1:
        fault = "colour pictures"
    elif not (spacing and min(spacing) > 0 and position and _are_axes(axes)):
        fault = NO_PLACE
    else:
        fault = _plane(axes)
    return DicomSlice(
        file=file,
        label=label,
        series=intern(text(_SERIES)),  # one copy for all slices
        owner=(intern(text(_PATIENT)), intern(text(_STUDY))),
        number=int(number) if re.fullmatch("[0-9]{1,12}", number) else None,
        image=(text(_INSTANCE), text(_INSTANCE_NUMBER)),
        fault=fault,
        modality=intern(modality),
        size=size,
        spacing=spacing,
        position=position,
        axes=axes,
        kernel=_kernel(text(_KERNEL)),
        thickness=next((mm for mm in _decimals(text(_THICKNESS), 1) if mm > 0), None),
    )


def _kernel(text: str) -> str | None:
    """Read the values of Convolution Kernel (PS3.3 C.8.2.1), such as ``Br40d`` and ``3``."""
    values = " ".join(part.strip() for part in text.split("\\")).strip()
    return values if re.fullmatch("[ -~]{1,64}", values) else None


@lru_cache(maxsize=64)
def _decimals(text: str, count: int) -> tuple[float, ...]:
    """Parse a decimal string (PS3.5 6.2, VR DS) of mm or cosines; empty if it is not one."""
    try:
        numbers = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return ()
    plausible = len(numbers) == count and all(abs(number) < _FARTHEST for number in numbers)
    return numbers if plausible else ()


@lru_cache(maxsize=64)  # all slices of a series have the same
def _are_axes(axes: tuple[float, ...]) -> bool:
    """Whether six cosines are two unit vectors at right angles (PS3.3 C.7.6.2.1.1)."""
    pair = np.reshape(axes, (-1, 3))
    return len(pair) == 2 and bool(np.abs(pair @ pair.T - np.eye(2)).max() < 1e-3)


@lru_cache(maxsize=64)
def _plane(axes: tuple[float, ...]) -> str | None:
    """Name the plane that the slices lie in, or None if it is nearest to axial."""
    normal = np.abs(np.cross(axes[:3], axes[3:]))
    return ("sagittal", "coronal", None)[int(normal.argmax())]


def open_gdcm(file: Path, label: str) -> Any:
    """Make a SimpleITK reader that takes a file for DICOM, whatever its name.

    Parameters
    ----------
    file, label
        As of `read_header`.

    Returns
    -------
    SimpleITK.ImageFileReader
        Nothing has been read yet.

    Raises
    ------
    UnreadableError
        If the path is not UTF-8.
    """
    if not is_itk_path(file):
        raise UnreadableError(f"the path of {label!r} is not UTF-8; rename it")
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file))
    return reader


def damaged_slice(label: str) -> UnreadableError:
    """Make the error for an image of that name that GDCM cannot read."""
    return UnreadableError(
        f"{label!r} is truncated, damaged or compressed in an unknown way; "
        "copy it again, or export the series uncompressed"
    )


def _suffix(label: str) -> str:
    return Path(label).suffix.lower()
