"""Reading a chest CT from a file, a DICOM folder or a zip of one.

SimpleITK reads NRRD and MetaImage, and the grid of every format. NIfTI voxels are read by
nibabel, because ITK fills what a truncated file lacks with zeros and says nothing. What a header
claims is checked against the size of the file before anything is allocated for it.
"""

import hashlib
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from gmmlabel.archive import read_dicom_zip
from gmmlabel.dicom import read_dicom_folder
from gmmlabel.errors import GeometryError, InputError, UnreadableError
from gmmlabel.volume import Geometry, Volume

FORMATS = (".nrrd", ".nii", ".nii.gz", ".mha", ".zip")
"""Suffixes of the files that can be read."""

MAX_VOXELS = 2**31
"""More voxels than this (2048 slices of 1024 x 1024) are taken for a damaged header."""

_MOST_DEFLATED = 1032
"""Deflate makes nothing smaller than to 1/1032 of its size."""

_LONGEST_HEADER = 1 << 20


def read_volume(path: str | Path, *, hu_offset: int = 0) -> Volume:
    """Read a chest CT.

    Parameters
    ----------
    path
        A ``.nrrd``, ``.nii``, ``.nii.gz`` or ``.mha`` file, a folder that holds a DICOM series, or
        a ``.zip`` of one.
    hu_offset
        Added to every value; -1024 mends an export that lost its rescale intercept.

    Raises
    ------
    InputError
        If the input is missing, damaged, or no CT in Hounsfield units on a straight grid.
    """
    path = Path(path)
    start = time.perf_counter()
    if path.is_dir():
        volume = read_dicom_folder(path, hu_offset=hu_offset)
    elif not path.exists():
        raise UnreadableError(f"{path}: no such file or folder")
    elif path.name.lower().endswith(".zip"):
        volume = read_dicom_zip(path, hu_offset=hu_offset)
    elif path.name.lower().endswith(FORMATS):
        volume = _read_file(path, hu_offset)
    else:
        raise UnreadableError(
            f"{path}: not a format that is read; give {', '.join(FORMATS[:-1])}, "
            "the folder of a DICOM series or a .zip of one"
        )
    return replace(volume, read_seconds=time.perf_counter() - start)


def _read_file(path: Path, hu_offset: int) -> Volume:
    with _naming(path), _quiet():
        header = _read_header(path)
        geometry = _read_geometry(path, header)
        nifti = path.name.lower().endswith((".nii", ".nii.gz"))
        stored = _nifti_voxels(path) if nifti else _itk_voxels(path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Volume.from_stored(
            stored, geometry, hu_offset=hu_offset, name=path.name, sha256=sha256
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the path before the message of every error, and turn foreign ones into ours."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    except (RuntimeError, OSError, EOFError, ValueError, zlib.error, MemoryError) as error:
        # ITK's message is many lines, of which the last one that says anything is the reason.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1].removeprefix("Reason: ") if lines else type(error).__name__
        raise UnreadableError(
            f"{path}: cannot be read, damaged or truncated ({reason[:200]}); get the file again"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ITK's warnings off stderr."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def _read_header(path: Path) -> bytes:
    """Check that a file's header is whole, and that its voxels lie in the file itself."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    if path.suffix.lower() == ".nrrd":
        head = head.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        if not head.startswith(b"NRRD"):
            raise UnreadableError("not an NRRD file; get the file again")
        detached = _field(head, b":", b"data file", b"datafile") is not None
    elif path.suffix.lower() == ".mha":
        head = head.partition(b"LOCAL")[0]
        detached = not head.endswith((b"ElementDataFile = ", b"ElementDataFile ="))
    else:
        return b""
    if detached:
        raise UnreadableError(
            "the header names another file for its voxels; save the image as one file"
        )
    return head


def _field(head: bytes, mark: bytes, *names: bytes) -> bytes | None:
    """Value of the first line ``name: value`` or ``name = value`` of a header."""
    for line in head.split(b"\n"):
        name, found, value = line.partition(mark)
        if found and name.strip().lower() in names:
            return value.strip()
    return None


def _read_geometry(path: Path, head: bytes) -> Geometry:
    """Read the grid of a file and hold its claims against the size of the file."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    size = tuple(reader.GetSize())
    while len(size) > 3 and size[-1] == 1:
        size = size[:-1]
    if len(size) != 3:
        raise GeometryError(f"{len(size)}-D image; a chest CT is one 3-D volume")
    if reader.GetNumberOfComponents() != 1:
        raise UnreadableError(
            f"{reader.GetNumberOfComponents()} values a voxel (a colour picture or vectors); "
            "export the CT itself"
        )
    _check_claim(path, head, size, reader.GetPixelID())
    kept = b""
    if path.suffix.lower() == ".nrrd":
        if (_field(head, b":", b"space directions", b"spacings")) is None:
            raise GeometryError("the header holds no voxel spacing; write it with its spacing")
        kept = b"\n".join(line for line in head.split(b"\n") if line.startswith(b"space"))
    elif path.suffix.lower() != ".mha":
        header = nibabel.load(path).header
        kept = header.binaryblock
        if not (header["pixdim"][1:4] != 0).all():
            raise GeometryError("voxel spacing is 0 along an axis; write it with its true spacing")
    direction = np.reshape(reader.GetDirection(), (len(reader.GetSize()),) * 2)[:3, :3]
    return Geometry(
        size,
        tuple(reader.GetSpacing()[:3]),
        tuple(reader.GetOrigin()[:3]),
        tuple(direction.ravel().tolist()),
        kept or None,
    )


def _check_claim(path: Path, head: bytes, size: tuple[int, ...], pixel: int) -> None:
    """Refuse a header that claims more voxels than its file can hold."""
    voxels = int(np.prod(size, dtype=object))
    claimed = voxels * sitk.Image([1, 1], pixel).GetSizeOfPixelComponent()
    compressed = (
        path.name.lower().endswith(".nii.gz")
        or _field(head, b":", b"encoding") not in (None, b"raw")
        or (_field(head, b"=", b"compresseddata") or b"").lower() == b"true"
    )
    packed = _field(head, b"=", b"compresseddatasize") or b""
    held = path.stat().st_size
    room = held * _MOST_DEFLATED if compressed else held - len(head)
    if voxels > MAX_VOXELS or claimed > room or (packed.isdigit() and int(packed) > held - len(head)):
        raise UnreadableError(
            f"the header claims {claimed:,} bytes of voxels, more than a file of {held:,} bytes "
            "can hold; it is damaged or truncated: get the file again"
        )


def _itk_voxels(path: Path) -> NDArray[Any]:
    voxels: NDArray[Any] = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    return voxels.reshape(voxels.shape[-3:])


def _nifti_voxels(path: Path) -> NDArray[Any]:
    voxels: NDArray[Any] = np.asanyarray(nibabel.load(path).dataobj)
    return voxels.reshape(voxels.shape[:3]).T
