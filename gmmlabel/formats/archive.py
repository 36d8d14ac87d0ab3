"""A chest CT from a .zip of DICOM files, which may come from anywhere.

Members are unpacked into a temporary folder under numbers of our own, so that no path or link of
the archive leads out of it, and only after the sizes that the archive states have been checked;
`zipfile` never unpacks more of a member than it states.
"""

import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from itertools import pairwise
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory

from gmmlabel.errors import UnreadableError
from gmmlabel.formats.dicom import read_dicom_files
from gmmlabel.formats.dicom_header import DicomSlice, scan_header
from gmmlabel.volume import Volume

MAX_MEMBERS = 20_000
"""More files than this are no CT of one patient."""

MAX_BYTES = 8 * 2**30
"""Largest unpacked size, in bytes: 16,000 slices of 512 x 512 pixels."""

MAX_RATIO = 1100
"""Largest unpacked over packed size of a member; that of deflate cannot pass 1032 (zlib.net)."""

_LEAST_HEADER = 30  # APPNOTE.TXT 4.3.7, without the name
_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4, bit 0


def unpacked_bytes(archive: Path) -> int:
    """Tell how much disk `read_dicom_zip` takes for a while, in bytes, without unpacking.

    Parameters
    ----------
    archive
        The .zip.

    Raises
    ------
    UnreadableError
        As of `read_dicom_zip`, but for its images.
    """
    with _plain_errors(archive), zipfile.ZipFile(archive) as packed:
        members = _members(packed)
        _refuse_unsafe(archive, members)
    return sum(member.file_size for member in members)


def read_dicom_zip(
    archive: Path,
    *,
    hu_offset: int = 0,
    series: str | None = None,
    files: Sequence[str] | None = None,
) -> Volume:
    """Read the chest CT of a .zip of DICOM files.

    Parameters
    ----------
    archive
        The .zip. Folders, links, hidden files and `__MACOSX` in it are passed over.
    hu_offset
        Added to every voxel, in HU; see `Volume.from_stored`.
    series
        As of `read_dicom_folder`.
    files
        Names, in the archive, of the only members to unpack; None unpacks all.

    Returns
    -------
    Volume
        As of `read_dicom_folder`, with the name of the archive.

    Raises
    ------
    UnreadableError
        If it is no zip, is damaged, encrypted or too large when unpacked, and as of
        `read_dicom_folder`.
    GeometryError, IntensityError
        As of `read_dicom_folder`.
    """
    with TemporaryDirectory(prefix="gmmlabel-", ignore_cleanup_errors=True) as folder:
        unpacked = _unpack(archive, Path(folder), files)
        return read_dicom_files(unpacked, archive, hu_offset=hu_offset, series=series)


def scan_dicom_zip(archive: Path) -> list[DicomSlice]:
    """Read the headers of the DICOM images in a .zip, without unpacking them.

    Parameters
    ----------
    archive
        The .zip; what is passed over in it is what `read_dicom_zip` passes over.

    Returns
    -------
    list of DicomSlice
        In order of their names; `file` and `label` are the name in the archive.

    Raises
    ------
    UnreadableError
        If it is no zip, is damaged or encrypted.
    """
    with _plain_errors(archive), zipfile.ZipFile(archive) as packed:
        members = _members(packed)
        _refuse_encrypted(archive, members)
        found = []
        for member in members:
            with packed.open(member) as stream:
                found.append(scan_header(stream, Path(member.filename), member.filename))
    return [one for one in found if one is not None]


def _unpack(archive: Path, folder: Path, names: Sequence[str] | None) -> dict[Path, str]:
    """Unpack the members that may be images; the file and the name in the archive of each."""
    files = {}
    with _plain_errors(archive), zipfile.ZipFile(archive) as packed:
        members = _members(packed)
        if names is not None:
            wanted = frozenset(names)
            members = [member for member in members if member.filename in wanted]
        _refuse_unsafe(archive, members)
        for number, member in enumerate(members):
            file = folder / str(number)
            with packed.open(member) as source, file.open("xb") as target:
                copyfileobj(source, target, 1 << 20)
            files[file] = member.filename
    return files


@contextmanager
def _plain_errors(archive: Path) -> Iterator[None]:
    """Say in one line of ours what `zipfile` and the file system raise."""
    try:
        yield
    except OSError as error:
        todo = "free room for temporary files" if error.errno == ENOSPC else "check the file"
        why = error.strerror or error
        raise UnreadableError(f"{archive}: cannot be unpacked ({why}); {todo}") from error
    except NotImplementedError as error:
        raise UnreadableError(f"{archive}: {error}; pack it again as a plain .zip") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise UnreadableError(f"{archive}: no .zip or a damaged one; copy it again") from error


def _members(packed: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Members that may be images, in order of their names."""
    return sorted(filter(_is_file, packed.infolist()), key=lambda one: one.filename)


def _is_file(member: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(member.external_attr >> 16)
    parts = member.filename.replace("\\", "/").split("/")
    hidden = any(part == "__MACOSX" or (part[:1] == "." and part != "..") for part in parts)
    return kind in (0, stat.S_IFREG) and bool(parts[-1]) and not hidden


def _refuse_unsafe(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise UnreadableError(
            f"{archive}: {len(members)} files, more than {MAX_MEMBERS}; pack one series only"
        )
    _refuse_encrypted(archive, members)
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        raise UnreadableError(
            f"{archive}: unpacks to {total / 2**30:.1f} GiB, more than {MAX_BYTES / 2**30:.1f}; "
            "pack one series only"
        )
    for member in members:
        if member.file_size > MAX_RATIO * member.compress_size:
            raise UnreadableError(
                f"{archive}: {member.filename!r} is packed more than {MAX_RATIO} times, which no "
                "image is; pack the images only"
            )
    _refuse_overlapping(archive, members)


def _refuse_overlapping(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse members that share bytes: a small archive unpacks to as much as is wanted by these."""
    in_place = sorted(members, key=lambda member: member.header_offset)
    for one, after in pairwise(in_place):
        if one.header_offset + _LEAST_HEADER + one.compress_size > after.header_offset:
            raise UnreadableError(
                f"{archive}: {one.filename!r} and {after.filename!r} overlap, which no files do; "
                "pack the images again"
            )


def _refuse_encrypted(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise UnreadableError(f"{archive}: encrypted; pack it again without a password")
