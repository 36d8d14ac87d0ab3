"""What one file, or the images of one DICOM series, may be: a CT, or something to skip."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmmlabel.cohort.naming import Wanted, file_name, path_name, series_name
from gmmlabel.cohort.tree import Skipped, TreeFile
from gmmlabel.errors import InputError, UnreadableError
from gmmlabel.formats.archive import scan_dicom_zip
from gmmlabel.formats.dicom import Stack, stack_slices
from gmmlabel.formats.dicom_header import (
    DAMAGED,
    MULTI_FRAME,
    NO_PLACE,
    DicomSlice,
    damaged_header,
    read_header,
    scan_header,
)
from gmmlabel.formats.image_file import FORMATS, read_image_header
from gmmlabel.volume import MIN_SLICES

_SEGMENTATION = ".seg.nrrd"
_NOT_READ = {
    (".nhdr", ".mhd", ".hdr"): "a format that is not read; save it as .nrrd, .nii.gz or .mha",
    (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".7z", ".rar"): "an archive; unpack it",
}
# A CT that was exported in a form that is not read is a case that fails, and no mere oddity.
_UNREAD = (MULTI_FRAME, NO_PLACE, DAMAGED)


@dataclass(frozen=True)
class FoundCT:
    """A CT: what to call it, and all that a process on any machine needs to read it.

    Parameters
    ----------
    name
        Name of the case, which no other CT of the finding has.
    source
        Absolute path of an image file, a folder of DICOM files or a .zip of them.
    series
        Series Instance UID; None for an image file, and where the images have none.
    files
        The DICOM files of the series: paths inside the folder, or names inside the .zip. Empty
        for an image file.
    size
        Voxels along each stored axis, or None if no header says it.
    voxel_bytes
        Most memory that a voxel takes while the CT is read, in bytes.
    """

    name: str
    source: Path
    series: str | None = None
    files: tuple[str, ...] = ()
    size: tuple[int, int, int] | None = None
    voxel_bytes: int = 4

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files on disk that the CT is read from."""
        if self.source.is_dir():
            return tuple(self.source / file for file in self.files)
        return (self.source,)


@dataclass(frozen=True)
class Candidate:
    """A CT, and what it may be named after: names are given when all are known."""

    ct: FoundCT
    wanted: Wanted


Outcome = Candidate | Skipped
"""What was made of a file or a series."""


def look_at(file: TreeFile) -> list[Outcome | DicomSlice]:
    """Tell what one file is.

    Parameters
    ----------
    file
        Any file.

    Returns
    -------
    list of Candidate, Skipped or DicomSlice
        One for an image file; one for each series of a .zip; a slice for a DICOM image, which is
        for `series_in_folders`; none for what is no concern of ours.
    """
    name = file.path.lower()
    if file.is_input and not Path(file.path).is_file():
        return [_by_file(file)]  # a pipe, on which one would wait forever
    if name.endswith(FORMATS):
        return [_image(file)]
    if name.endswith(".zip"):
        return [*_zip(file)]
    for suffixes, why in _NOT_READ.items():
        if name.endswith(suffixes):
            return [_not_read(file, why)]
    return [*_dicom(file)]


def _dicom(file: TreeFile) -> Iterator[Outcome | DicomSlice]:
    path = Path(file.path)
    try:
        with path.open("rb", buffering=0) as stream:
            found = scan_header(stream, path, file.path)
        found = found or read_header(path, path.name)
    except (OSError, UnreadableError):
        found = damaged_header(path, file.path)
    if found:
        yield found
    elif file.is_input or path.suffix.lower() == ".dcm":
        yield _not_read(file, "named like DICOM, and holds no image")


def _not_read(file: TreeFile, why: str) -> Outcome:
    return _by_file(file) if file.is_input else Skipped(Path(file.path), why)


def _image(file: TreeFile) -> Outcome:
    path = Path(file.path)
    if path.name.lower().endswith(_SEGMENTATION) and not file.is_input:
        return Skipped(path, "a segmentation")
    try:
        header = read_image_header(path)
    except InputError:
        return _by_file(file)
    if header.dtype.itemsize == 1 and not file.is_input:
        return Skipped(path, "8 bits a voxel: a mask or a picture")
    candidate = _by_file(file)
    ct = replace(candidate.ct, size=header.geometry.size, voxel_bytes=header.voxel_bytes)
    return replace(candidate, ct=ct)


def _by_file(file: TreeFile) -> Candidate:
    """Make a case of a whole file; those of DICOM are not named after it."""
    path = Path(file.path)
    suffix = next((end for end in FORMATS if path.name.lower().endswith(end)), None)
    name = file_name(path.name[: -len(suffix)]) if suffix else path_name(file.inside)
    return Candidate(FoundCT(name, path), Wanted(name, file.inside, file.path))


def _zip(file: TreeFile) -> list[Outcome]:
    path = Path(file.path)
    try:
        slices = scan_dicom_zip(path)
    except InputError as error:
        return [_not_read(file, str(error).removeprefix(f"{path}: "))]
    outcomes = [
        _series_of(group, path, tuple(one.label for one in group), file.inside)
        for group in _groups(slices)
    ]
    if not any(isinstance(one, Candidate) for one in outcomes):
        none = [] if outcomes else [Skipped(path, "no DICOM image in it")]
        return [_by_file(file)] if file.is_input else [*outcomes, *none]
    return list(outcomes)


def series_in_folders(slices: Iterable[DicomSlice], roots: Mapping[str, str]) -> Iterator[Outcome]:
    """Part the DICOM images of all folders by series, and tell what each series is.

    Parameters
    ----------
    slices
        As of `look_at`.
    roots
        Input folder that each file lies below, by its path.

    Yields
    ------
    Candidate or Skipped
        One for each series.
    """
    for group in _groups(slices):
        folder = Path(os.path.commonpath([one.file.parent for one in group]))
        root = roots[group[0].label]
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        files = tuple(str(one.file.relative_to(folder)) for one in group)
        yield _series_of(group, folder, files, inside)


def _groups(slices: Iterable[DicomSlice]) -> list[list[DicomSlice]]:
    """Part images by series; those without a UID by their folder and number.

    A damaged file that does not say its series goes with every series of its folder, and so makes
    reading each of them fail: nobody knows which one lacks a slice.
    """
    groups: dict[tuple[object, ...], list[DicomSlice]] = {}
    strays: dict[Path, list[DicomSlice]] = {}
    for one in slices:
        if one.fault == DAMAGED and not one.series:
            strays.setdefault(one.file.parent, []).append(one)
        else:
            place = one.file.drive if one.series else (one.file.parent, one.number)
            groups.setdefault((one.owner, one.series, place), []).append(one)
    joined = set()
    for group in groups.values():
        folders = {one.file.parent for one in group} & strays.keys()
        group += [stray for folder in sorted(folders) for stray in strays[folder]]
        joined |= folders
    alone = [group for folder, group in strays.items() if folder not in joined]
    return [*groups.values(), *alone]


def _series_of(
    group: Sequence[DicomSlice], source: Path, files: tuple[str, ...], inside: str
) -> Outcome:
    stacks = stack_slices(group)
    best = max((one for one in stacks if _is_case(one)), key=_worth, default=None)
    if best is None:
        return Skipped(source, ", ".join(one.told(one.fault or "") for one in stacks))
    series, owner, number = group[0].series, group[0].owner, group[0].number
    columns, rows, _ = best.slices[0].size
    path = "\0".join([str(source), *owner, series, str(number)])
    name = series_name(series) if series else path_name(f"{inside}\0{number}")
    wanted = Wanted(name, inside, path)
    size = (columns, rows, best.count) if columns else None
    return Candidate(FoundCT(wanted.name, source, series or None, files, size), wanted)


def _is_case(stack: Stack) -> bool:
    return not stack.fault or (stack.count >= MIN_SLICES and stack.slices[0].fault in _UNREAD)


def _worth(stack: Stack) -> tuple[bool, int]:
    return not stack.fault, stack.count
