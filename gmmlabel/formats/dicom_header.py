"""What the header of one DICOM file says: its series, its kind, and where its pixels lie.

Section and tag numbers are those of DICOM PS3.3, PS3.5 and PS3.10.
"""

import re
from dataclasses import dataclass
from math import dist, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from gmmlabel.errors import UnreadableError
from gmmlabel.formats.itk import is_itk_path

MULTI_FRAME = "multi-frame"
"""The fault of an image of several frames."""

NO_PLACE = "without position, orientation or pixel spacing"
"""The fault of an image that cannot be placed in space."""

_SUFFIXES_WITHOUT_PREAMBLE = ("", ".dcm", ".dicom", ".dic", ".ima", ".img")
_CT_IMAGE_STORAGE = b"1.2.840.10008.5.1.4.1.1.2\0"
_ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")

_SAME_AXES = 0.01  # of a direction cosine: half a degree, wider than any rounding of the six
_SAME_PIXELS = 1e-3  # relative: a third of a millimetre over 512 pixels of 0.7 mm


@dataclass(frozen=True)
class DicomSlice:
    """What the header of one DICOM file says.

    Parameters
    ----------
    file, label
        Where the file is, and what to call it in messages.
    series
        Series Instance UID; may be empty.
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
            head = stream.read(512)
    except OSError as error:
        raise UnreadableError(f"{label!r} cannot be opened ({error.strerror})") from error
    # PS3.10 7.1: 128 bytes, then DICM. Older files start with group 0002 or 0008 at once.
    bare = head[:2] in (b"\2\0", b"\10\0") and _suffix(label) in _SUFFIXES_WITHOUT_PREAMBLE
    if head[128:132] != b"DICM" and not bare:
        return None
    reader = open_gdcm(file, label)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if _CT_IMAGE_STORAGE in head:
            raise damaged_slice(label) from error
        return None  # DICOMDIR, structured report, contours: DICOM, but no image
    return _parse_header(reader, file, label)


def _parse_header(reader: Any, file: Path, label: str) -> DicomSlice:
    def text(tag: str) -> str:
        return str(reader.GetMetaData(tag)).strip(" \0") if reader.HasMetaDataKey(tag) else ""

    modality, number = text("0008|0060"), text("0020|0011")
    columns, rows, *frames = (int(length) for length in reader.GetSize())
    spacing = _decimals(text("0028|0030"), 2)[::-1]  # PS3.3 10.7.1.3: rows first
    position = _decimals(text("0020|0032"), 3)  # PS3.3 C.7.6.2.1.1
    axes = _decimals(text("0020|0037"), 6)
    fault = None
    if modality != "CT":
        modality = modality if re.fullmatch("[A-Z0-9]{1,16}", modality) else "unknown"
        fault = f"modality {modality}"
    elif "LOCALIZER" in text("0008|0008").upper():  # PS3.3 C.8.2.1.1.1
        fault = "localizer"
    elif max(frames, default=1) > 1 or text("0008|0016") in _ENHANCED_CT:
        fault = MULTI_FRAME
    elif reader.GetNumberOfComponents() > 1:
        fault = "colour pictures"
    elif not (spacing and min(spacing) > 0 and position and _are_axes(axes)):
        fault = NO_PLACE
    else:
        fault = _plane(axes)
    return DicomSlice(
        file=file,
        label=label,
        series=text("0020|000e"),
        number=int(number) if re.fullmatch("[0-9]{1,12}", number) else None,
        image=(text("0008|0018"), text("0020|0013")),
        fault=fault,
        modality=modality,
        size=(columns, rows, max(frames, default=1)),
        spacing=spacing,
        position=position,
        axes=axes,
        kernel=_kernel(text("0018|1210")),
        thickness=next((mm for mm in _decimals(text("0018|0050"), 1) if mm > 0), None),
    )


def _kernel(text: str) -> str | None:
    """Read the values of Convolution Kernel (PS3.3 C.8.2.1), such as ``Br40d`` and ``3``."""
    values = " ".join(part.strip() for part in text.split("\\")).strip()
    return values if re.fullmatch("[ -~]{1,64}", values) else None


def _decimals(text: str, count: int) -> tuple[float, ...]:
    """Parse a decimal string (PS3.5 6.2, VR DS); no numbers if they are not as many as due."""
    try:
        numbers = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return ()
    return numbers if len(numbers) == count and all(map(isfinite, numbers)) else ()


def _are_axes(axes: tuple[float, ...]) -> bool:
    """Whether six cosines are two unit vectors at right angles (PS3.3 C.7.6.2.1.1)."""
    pair = np.reshape(axes, (-1, 3))
    return len(pair) == 2 and bool(np.abs(pair @ pair.T - np.eye(2)).max() < 1e-3)


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
