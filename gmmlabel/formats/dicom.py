"""A chest CT from DICOM files: find them, choose the series, read its voxels.

GDCM, through SimpleITK, decodes the files; which of them make up the volume is decided here.
Section and tag numbers are those of DICOM PS3.3.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError, InputError, IntensityError, UnreadableError
from gmmlabel.formats.dicom_header import (
    MULTI_FRAME,
    NO_PLACE,
    DicomSlice,
    damaged_slice,
    open_gdcm,
    read_header,
)
from gmmlabel.formats.itk import quiet_itk
from gmmlabel.formats.stacking import arrange
from gmmlabel.formats.stored import MAX_VOXELS
from gmmlabel.morphology.slabs import thread_count
from gmmlabel.volume import MIN_SLICES, Volume

T = TypeVar("T")

_MAX_THREADS = 4
_LIGHTEST_HU = np.iinfo(np.int16).min
_HEAVIEST_HU = np.iinfo(np.int16).max


@dataclass(frozen=True)
class Stack:
    """The slices of one series that are of one kind and cut alike."""

    slices: tuple[DicomSlice, ...]

    @property
    def count(self) -> int:
        """Number of images; that of frames, where one image has several."""
        return sum(one.size[2] for one in self.slices)

    @property
    def fault(self) -> str | None:
        """Why the slices cannot be a volume, in words for a note, or None."""
        few = f"fewer than {MIN_SLICES}" if self.count < MIN_SLICES else None
        return self.slices[0].fault or few

    @property
    def place(self) -> tuple[float, str]:
        """Where the series stands among others: by its number, then by its UID."""
        first = self.slices[0]
        return (inf if first.number is None else first.number, first.series)

    @property
    def name(self) -> str:
        """What to call the series in messages; no name of a patient is in it."""
        number = self.slices[0].number
        return "a series without number" if number is None else f"series {number}"

    def told(self, why: str) -> str:
        """Say in few words what the stack is, and why it was not taken."""
        return f"{self.name} ({self.count} slice{'s' if self.count > 1 else ''}, {why})"


def read_dicom_folder(
    folder: Path,
    *,
    hu_offset: int = 0,
    series: str | None = None,
    files: Sequence[str] | None = None,
) -> Volume:
    """Read the chest CT of a folder of DICOM files.

    Parameters
    ----------
    folder
        Searched with all folders below it. Hidden files, links that lead out of it, DICOMDIR and
        files that are no DICOM images are passed over.
    hu_offset
        Added to every voxel, in HU; see `Volume.from_stored`.
    series
        Series Instance UID of the only series to read; None takes the CT of most slices.
    files
        Paths, inside the folder, of the only files to read; None searches the folder.

    Returns
    -------
    Volume
        The axial CT of most slices; `notes` name every other one that could have been read.

    Raises
    ------
    UnreadableError
        If there is no folder, no DICOM image or no such series, an image is damaged, or the CT is
        multi-frame.
    GeometryError
        If no axial CT has enough slices, or its slices are not evenly and squarely stacked.
    IntensityError
        If no image is a CT, or the voxels are not Hounsfield units.
    """
    found = _files_below(folder) if files is None else {folder / name: name for name in files}
    return read_dicom_files(found, folder, hu_offset=hu_offset, series=series)


def read_dicom_files(
    files: Mapping[Path, str], source: Path, *, hu_offset: int = 0, series: str | None = None
) -> Volume:
    """Read the chest CT of some DICOM files.

    Parameters
    ----------
    files
        Where each file is, and what to call it in messages.
    source
        Folder or archive that the files are of: the start of every message, and the name of the
        volume.
    hu_offset, series
        As of `read_dicom_folder`, which says what is returned and raised.
    """
    try:
        # GDCM lets go of the interpreter: two threads halve the time of JPEG and of raw slices.
        with quiet_itk(), ThreadPoolExecutor(min(_MAX_THREADS, thread_count())) as pool:
            headers = list(pool.map(read_header, files, files.values()))
            images = [header for header in headers if header is not None]
            chosen, notes = _choose(stack_slices(_of_series(images, series)))
            slices, geometry = arrange(chosen.slices)
            _check_size(slices)
            stored = np.empty(geometry.size[::-1], np.int16)
            digests = list(pool.map(_read_pixels, slices, stored))
        return Volume.from_stored(
            stored,
            geometry,
            hu_offset=hu_offset,
            name=source.name or source.resolve().name,
            sha256=hashlib.sha256(b"".join(sorted(digests))).hexdigest(),
            notes=(*notes, *_passed_over(files.values(), headers)),
            kernel=_common(one.kernel for one in slices),
            slice_thickness_mm=_common(one.thickness for one in slices),
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


def _check_size(slices: Sequence[DicomSlice]) -> None:
    """Refuse slices that claim more pixels than there can be, before memory is taken for them."""
    voxels = sum(prod(one.size) for one in slices)
    if voxels > MAX_VOXELS:
        raise UnreadableError(
            f"the headers claim {voxels:,} voxels, more than any CT has; copy the files again"
        )


def _of_series(images: Sequence[DicomSlice], series: str | None) -> list[DicomSlice]:
    """Take the images of a series, or all if it is None."""
    of_series = [image for image in images if series is None or image.series == series]
    if images and not of_series:
        others = sorted({image.series or "one without UID" for image in images})
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise UnreadableError(
            f"no image of series {series} in it; it holds {', '.join(others[:3])}{more}"
        )
    return of_series


def _passed_over(labels: Iterable[str], headers: Sequence[DicomSlice | None]) -> tuple[str, ...]:
    """Note the files that are named like DICOM and hold no image: a copy may have failed."""
    pairs = zip(labels, headers, strict=True)
    named = sum(1 for label, header in pairs if not header and label.lower().endswith(".dcm"))
    files = "1 file named .dcm that holds" if named == 1 else f"{named} files named .dcm that hold"
    return (f"left out {files} no image",) if named else ()


def _common(values: Iterable[T]) -> T | None:
    """Take the value that all slices have, or None if they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def stack_slices(slices: Sequence[DicomSlice]) -> list[Stack]:
    """Part slices by series, kind and cut, and drop second copies of an image.

    Parameters
    ----------
    slices
        Of any number of series.

    Returns
    -------
    list of Stack
        In the order in which the first slice of each comes.
    """
    seen = set()
    kinds: dict[tuple[Any, ...], list[list[DicomSlice]]] = {}
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
    return [Stack(tuple(stack)) for stacks in kinds.values() for stack in stacks]


def _choose(stacks: Sequence[Stack]) -> tuple[Stack, tuple[str, ...]]:
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


def _no_axial_ct(stacks: Sequence[Stack]) -> InputError:
    if not stacks:
        return UnreadableError("no DICOM image in it; give a folder or .zip of one CT series")
    modalities = sorted({stack.slices[0].modality for stack in stacks})
    if "CT" not in modalities:
        return IntensityError(f"modality is {' and '.join(modalities)}; a CT is needed")
    largest = max(
        (stack for stack in stacks if stack.slices[0].modality == "CT"), key=lambda one: one.count
    )
    if largest.fault == MULTI_FRAME:
        return UnreadableError(
            f"{largest.told(MULTI_FRAME)} is an enhanced CT, which is not supported; "
            "export it as a series of single-frame CT images"
        )
    if largest.fault == NO_PLACE:
        return GeometryError(
            f"{largest.told(NO_PLACE)} cannot be placed in space; "
            "export the CT again with tags (0020,0032), (0020,0037) and (0028,0030)"
        )
    found = ", ".join(stack.told(stack.fault or "") for stack in stacks)
    return GeometryError(f"no axial CT of at least {MIN_SLICES} slices; found {found}")


def _read_pixels(one: DicomSlice, hu: NDArray[np.int16]) -> bytes:
    """Read a slice, in HU, into `hu` (rows, columns); the SHA-256 digest of its file."""
    reader = open_gdcm(one.file, one.label)
    try:
        image = reader.Execute()  # GDCM applies slope and intercept (PS3.3 C.11.1.1.2)
        with one.file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
    except (RuntimeError, OSError) as error:
        raise damaged_slice(one.label) from error
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
