"""A chest CT from DICOM files: choose the series, order its slices, read its voxels.

Section and tag numbers are those of DICOM PS3.3 and PS3.6. GDCM, through SimpleITK, decodes the
files; which of them make up the volume, and whether their places are those of a straight and even
grid, is decided here.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import atan2, degrees, dist, inf, isfinite
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError, InputError, IntensityError, UnreadableError
from gmmlabel.volume import MIN_SLICES, Geometry, Volume

_MAX_THREADS = 4
_SUFFIXES_WITHOUT_PREAMBLE = ("", ".dcm", ".dicom", ".dic", ".ima", ".img")
_CT_IMAGE_STORAGE = b"1.2.840.10008.5.1.4.1.1.2\0"
_ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_MULTI_FRAME = "multi-frame"
_NO_PLACE = "without position, orientation or pixel spacing"

_SAME_AXES = 0.01  # of a direction cosine: half a degree, wider than any rounding of the six
_SAME_PIXELS = 1e-3  # relative: a third of a millimetre over 512 pixels of 0.7 mm

_SAME_PLACE_MM = 0.01
# Positions are at times written to 0.1 mm: that moves a slice by up to 0.05 mm, and each end of
# the line through the first and the last slice as much again.
_MISPLACED_MM = 0.1
_MISPLACED_SPACINGS = 0.01
# Gantries are tilted in steps of half a degree or more. Under 0.2 mm from end to end the angle of
# a short stack is nothing but rounding.
_TILT_DEGREES = 0.3
_TILT_MM = 0.2
_SIDEWAYS_MM = 0.5  # less than a pixel of a chest CT, more than rounding to 0.1 mm
_LIGHTEST_HU = np.iinfo(np.int16).min
_HEAVIEST_HU = np.iinfo(np.int16).max


@dataclass(frozen=True)
class _Slice:
    """What the header of one DICOM file says; None where it says nothing that can be used.

    Columns, rows and frames are `size`; `spacing` is the distance of columns and of rows in mm
    (PS3.3 10.7.1.3 gives rows first); `position` and `axes` are in mm and unit vectors, LPS.
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

    def stacks_with(self, other: "_Slice") -> bool:
        """Whether both are cut alike: the same plane and pixel size."""
        return (
            dist(self.axes, other.axes) < _SAME_AXES
            and dist(self.spacing, other.spacing) < _SAME_PIXELS * self.spacing[0]
        )


@dataclass(frozen=True)
class _Stack:
    """The slices of one series that are of one kind and cut alike."""

    slices: tuple[_Slice, ...]

    @property
    def count(self) -> int:
        return sum(one.size[2] for one in self.slices)

    @property
    def fault(self) -> str | None:
        few = f"fewer than {MIN_SLICES}" if self.count < MIN_SLICES else None
        return self.slices[0].fault or few

    @property
    def place(self) -> tuple[float, str]:
        first = self.slices[0]
        return (inf if first.number is None else first.number, first.series)

    @property
    def name(self) -> str:
        number = self.slices[0].number
        return "a series without number" if number is None else f"series {number}"

    def told(self, why: str) -> str:
        return f"{self.name} ({self.count} slice{'s' if self.count > 1 else ''}, {why})"


def read_dicom_folder(folder: Path, *, hu_offset: int = 0) -> Volume:
    """Read the chest CT of a folder of DICOM files.

    Parameters
    ----------
    folder
        Searched with all folders below it. Hidden files, links that lead out of it, DICOMDIR and
        files that are no DICOM images are passed over.
    hu_offset
        Added to every voxel, in HU; see `Volume.from_stored`.

    Returns
    -------
    Volume
        The axial CT of most slices; `notes` name every other series.

    Raises
    ------
    UnreadableError
        If there is no folder or no DICOM image, an image is damaged, or the CT is multi-frame.
    GeometryError
        If no axial CT has enough slices, or its slices are not evenly and squarely stacked.
    IntensityError
        If no image is a CT, or the voxels are not Hounsfield units.
    """
    return read_dicom_files(_files_below(folder), folder, hu_offset=hu_offset)


def read_dicom_files(files: Mapping[Path, str], source: Path, *, hu_offset: int = 0) -> Volume:
    """Read the chest CT of some DICOM files.

    Parameters
    ----------
    files
        Where each file is, and what to call it in messages.
    source
        Folder or archive that the files are of: the start of every message, and the name of the
        volume.
    hu_offset
        As of `read_dicom_folder`, which says what is returned and raised.
    """
    try:
        # GDCM lets go of the interpreter: two threads halve the time of JPEG and of raw slices.
        with _silence(), ThreadPoolExecutor(_threads()) as pool:
            headers = list(pool.map(_read_header, files, files.values()))
            chosen, notes = _choose(_stack([header for header in headers if header is not None]))
            slices, geometry = _arrange(chosen.slices)
            stored = np.empty(geometry.size[::-1], np.int16)
            digests = list(pool.map(_read_pixels, slices, stored))
        return Volume.from_stored(
            stored,
            geometry,
            hu_offset=hu_offset,
            name=source.name or source.resolve().name,
            sha256=hashlib.sha256(b"".join(sorted(digests))).hexdigest(),
            notes=(*notes, *_passed_over(files.values(), headers)),
        )
    except InputError as error:
        raise type(error)(f"{source}: {error}") from error


def _files_below(folder: Path) -> dict[Path, str]:
    """All files that may be read, in a fixed order, with their paths inside the folder."""
    if not folder.is_dir():
        raise UnreadableError(f"{folder}: no such folder; give a folder of DICOM files")

    def refuse(error: OSError) -> NoReturn:
        raise UnreadableError(f"{folder}: {error.filename!r} cannot be listed ({error.strerror})")

    home = folder.resolve()
    files = {}
    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(root, name)
            inside = not file.is_symlink() or file.resolve().is_relative_to(home)
            if inside and file.is_file() and not name.startswith("."):
                files[file] = str(file.relative_to(folder))
    return files


def _passed_over(labels: Iterable[str], headers: Sequence[_Slice | None]) -> tuple[str, ...]:
    """Note the files that are named like DICOM and hold no image: a copy may have failed."""
    pairs = zip(labels, headers, strict=True)
    named = sum(1 for label, header in pairs if not header and label.lower().endswith(".dcm"))
    files = "1 file named .dcm that holds" if named == 1 else f"{named} files named .dcm that hold"
    return (f"left out {files} no image",) if named else ()


def _read_header(file: Path, label: str) -> _Slice | None:
    """Read what is needed of a header; None if the file is no DICOM image."""
    try:
        with file.open("rb") as stream:
            head = stream.read(512)
    except OSError as error:
        raise UnreadableError(f"{label!r} cannot be opened ({error.strerror})") from error
    # PS3.10 7.1: 128 bytes, then DICM. Older files start with group 0002 or 0008 at once.
    bare = head[:2] in (b"\2\0", b"\10\0") and _suffix(label) in _SUFFIXES_WITHOUT_PREAMBLE
    if head[128:132] != b"DICM" and not bare:
        return None
    reader = _reader(file, label)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if _CT_IMAGE_STORAGE in head:
            raise _damaged(label) from error
        return None  # DICOMDIR, structured report, contours: DICOM, but no image
    return _parse_header(reader, file, label)


def _parse_header(reader: Any, file: Path, label: str) -> _Slice:
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
        fault = _MULTI_FRAME
    elif reader.GetNumberOfComponents() > 1:
        fault = "colour pictures"
    elif not (spacing and min(spacing) > 0 and position and _are_axes(axes)):
        fault = _NO_PLACE
    else:
        fault = _plane(axes)
    return _Slice(
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
    )


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


def _stack(slices: Sequence[_Slice]) -> list[_Stack]:
    """Part the slices by series, kind and cut, and drop second copies of an image."""
    seen = set()
    kinds: dict[tuple[Any, ...], list[list[_Slice]]] = {}
    for one in slices:
        copy = (one.series, *one.image, one.position)  # some anonymisers repeat the UID alone
        if one.image[0] and copy in seen:
            continue
        seen.add(copy)
        kind = (one.series, one.fault) if one.fault else (one.series, one.size)
        stacks = kinds.setdefault(kind, [])
        for stack in stacks:
            if one.fault or stack[0].stacks_with(one):
                stack.append(one)
                break
        else:
            stacks.append([one])
    return [_Stack(tuple(stack)) for stacks in kinds.values() for stack in stacks]


def _choose(stacks: Sequence[_Stack]) -> tuple[_Stack, tuple[str, ...]]:
    """Take the axial CT of most slices; a note on each of the others."""
    stacks = sorted(stacks, key=lambda stack: stack.place)
    chosen = max((one for one in stacks if not one.fault), key=lambda one: one.count, default=None)
    if chosen is None:
        raise _no_axial_ct(stacks)
    notes = []
    for other in stacks:
        if other is not chosen:
            fewer = "as many" if other.count == chosen.count else "fewer"
            part = "part of " if other.place == chosen.place else ""
            why = other.fault or f"axial CT of {fewer} slices"
            notes.append(f"left out {part}{other.told(why)}")
    return chosen, tuple(notes)


def _no_axial_ct(stacks: Sequence[_Stack]) -> InputError:
    if not stacks:
        return UnreadableError("no DICOM image in it; give a folder or .zip of one CT series")
    modalities = sorted({stack.slices[0].modality for stack in stacks})
    if "CT" not in modalities:
        return IntensityError(f"modality is {' and '.join(modalities)}; a CT is needed")
    largest = max(
        (stack for stack in stacks if stack.slices[0].modality == "CT"), key=lambda one: one.count
    )
    if largest.fault == _MULTI_FRAME:
        return UnreadableError(
            f"{largest.told(_MULTI_FRAME)} is an enhanced CT, which is not supported; "
            "export it as a series of single-frame CT images"
        )
    if largest.fault == _NO_PLACE:
        return GeometryError(
            f"{largest.told(_NO_PLACE)} cannot be placed in space; "
            "export the CT again with tags (0020,0032), (0020,0037) and (0028,0030)"
        )
    found = ", ".join(stack.told(stack.fault or "") for stack in stacks)
    return GeometryError(f"no axial CT of at least {MIN_SLICES} slices; found {found}")


def _arrange(slices: Sequence[_Slice]) -> tuple[list[_Slice], Geometry]:
    """Order slices by their place along the normal, and state the grid that they lie on."""
    first = slices[0]
    row, column = np.reshape(first.axes, (2, 3))
    normal = np.cross(row, column)
    normal /= np.linalg.norm(normal)
    slices = sorted(slices, key=lambda one: float(np.dot(one.position, normal)))
    positions = np.array([one.position for one in slices])
    spacing = (first.spacing[0], first.spacing[1], _even_spacing(positions, normal))
    x, y, z = slices[0].position
    direction = np.stack([row, column, normal], axis=1).ravel()
    return slices, Geometry(
        (first.size[0], first.size[1], len(slices)),
        spacing,
        (x, y, z),
        tuple(float(cosine) for cosine in direction),
    )


def _even_spacing(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """Measure the distance of slices, and refuse those that lie on no straight and even grid.

    Parameters
    ----------
    positions
        Image Position (Patient) of each slice in order, mm, (n, 3).
    normal
        Unit vector of the slices, (3,).

    Returns
    -------
    float
        Distance from first to last over the number of steps, in mm: free of the rounding of
        single positions.

    Raises
    ------
    GeometryError
        If slices coincide, are missing, tilted, shifted sideways or unevenly spaced.
    """
    steps = np.diff(positions @ normal)
    _refuse_coincident(steps)
    _refuse_gaps(steps, positions[:, 2])
    travel = positions[-1] - positions[0]
    length = float(travel @ normal)
    aside = float(np.linalg.norm(travel - length * normal))
    tilt = degrees(atan2(aside, length))
    if tilt > _TILT_DEGREES and aside > _TILT_MM:
        raise GeometryError(
            f"gantry tilt of {tilt:.1f} degrees: the slices are stacked askew; "
            "resample the scan onto a straight grid first"
        )
    spacing = length / len(steps)
    off = positions - positions[0] - np.linspace(0, 1, len(positions))[:, None] * travel
    along = off @ normal
    if np.abs(along).max() > max(_MISPLACED_MM, _MISPLACED_SPACINGS * spacing) + 1e-6:
        raise GeometryError(
            f"slices are unevenly spaced, {steps.min():.4g} to {steps.max():.4g} mm apart; "
            "export a series of even spacing"
        )
    shift = float(np.linalg.norm(off - along[:, None] * normal, axis=1).max())
    if shift > _SIDEWAYS_MM:
        raise GeometryError(
            f"slices are shifted sideways by up to {shift:.1f} mm; "
            "export a series with one field of view"
        )
    return round(spacing, 9)  # 0.7, where the decimals of the file add up to 0.7000000000000003


def _refuse_coincident(steps: NDArray[np.float64]) -> None:
    """Refuse several images at one position: phases, or reconstructions, in one series."""
    places = np.split(np.arange(len(steps) + 1), np.flatnonzero(steps > _SAME_PLACE_MM) + 1)
    shared = [len(images) for images in places if len(images) > 1]
    if shared:
        most = f"{max(shared)}" if min(shared) == max(shared) else f"up to {max(shared)}"
        at = f"at each of {len(shared)} positions" if len(shared) > 1 else "at one position"
        raise GeometryError(
            f"{most} images {at}: several phases or reconstructions in one series; export one"
        )


def _refuse_gaps(steps: NDArray[np.float64], heights: NDArray[np.float64]) -> None:
    """Refuse missing slices: steps, in mm, that are a multiple of the usual one."""
    usual = float(np.median(steps))
    times = np.rint(steps / usual)
    near = np.abs(steps - times * usual) <= 0.1 * usual + _MISPLACED_MM
    if not near.all() or times.max() < 2:
        return
    gaps = [
        f"z = {low:g} and {high:g} mm"
        for (low, high), count in zip(pairwise(heights), times, strict=True)
        if count > 1
    ]
    shown = ", ".join(gaps[:3]) + (f" and {len(gaps) - 3} gaps more" if len(gaps) > 3 else "")
    missing = int((times - 1).clip(0).sum())
    are = "slice is" if missing == 1 else "slices are"
    raise GeometryError(f"{missing} {are} missing, between {shown}; export the whole series")


def _read_pixels(one: _Slice, hu: NDArray[np.int16]) -> bytes:
    """Read a slice, in HU, into `hu` (rows, columns); the SHA-256 digest of its file."""
    reader = _reader(one.file, one.label)
    try:
        image = reader.Execute()  # GDCM applies slope and intercept (PS3.3 C.11.1.1.2)
        with one.file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
    except (RuntimeError, OSError) as error:
        raise _damaged(one.label) from error
    values = SimpleITK.GetArrayViewFromImage(image)[0]  # a view: the image must outlive it
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise IntensityError(f"{one.label!r} holds voxels that are not a number")
        values = np.rint(values)
    if values.dtype != np.int16:
        # Only padding (0028,0120) is heavier than any CT number. It must be light, or the air
        # around the patient is walled in and taken for lung.
        values = np.where(values > _HEAVIEST_HU, _LIGHTEST_HU, values).clip(_LIGHTEST_HU)
    hu[:] = values
    return digest


def _reader(file: Path, label: str) -> Any:
    path = str(file)
    try:
        path.encode()
    except UnicodeEncodeError as error:  # SimpleITK would abort the whole process
        raise UnreadableError(f"the path of {label!r} is not UTF-8; rename it") from error
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(path)
    return reader


def _damaged(label: str) -> UnreadableError:
    return UnreadableError(
        f"{label!r} is truncated, damaged or compressed in an unknown way; "
        "copy it again, or export the series uncompressed"
    )


def _suffix(label: str) -> str:
    return Path(label).suffix.lower()


def _threads() -> int:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(_MAX_THREADS, cores)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the warnings of ITK and GDCM off stderr: what matters is raised or noted."""
    shown = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(shown)
