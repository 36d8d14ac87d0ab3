"""Reading a chest CT from a file, a DICOM folder or a zip of one."""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.archive import read_dicom_zip
from gmmlabel.dicom import read_dicom_folder
from gmmlabel.errors import InputError, UnreadableError
from gmmlabel.itk import is_itk_path, quiet_itk
from gmmlabel.metaimage import read_metaimage
from gmmlabel.nrrd import read_nrrd
from gmmlabel.volume import Geometry, Volume

FORMATS = (".nrrd", ".nii", ".nii.gz", ".mha", ".zip")
"""Suffixes of the files that can be read."""


def _read_nifti(path: Path) -> tuple[NDArray[Any], Geometry]:
    from gmmlabel.nifti import read_nifti  # imports nibabel, a fifth of a second

    return read_nifti(path)


_READERS = {".nrrd": read_nrrd, ".nii": _read_nifti, ".gz": _read_nifti, ".mha": read_metaimage}
_DAMAGED = (RuntimeError, EOFError, ValueError, OverflowError)


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
    name = path.name.lower()
    if path.is_dir():
        volume = read_dicom_folder(path, hu_offset=hu_offset)
    elif not path.exists():
        raise UnreadableError(f"{path}: no such file or folder; check the path")
    elif not path.is_file():
        raise UnreadableError(f"{path}: not a file; give a file or the folder of a DICOM series")
    elif name.endswith(".zip"):
        volume = read_dicom_zip(path, hu_offset=hu_offset)
    elif name.endswith(FORMATS):
        volume = _read_file(path, hu_offset)
    else:
        raise _unknown(path)
    return replace(volume, read_seconds=time.perf_counter() - start)


def _read_file(path: Path, hu_offset: int) -> Volume:
    if not is_itk_path(path):
        raise UnreadableError(f"{path}: the path is not UTF-8; rename it")
    # What NumPy would warn of in numbers of a damaged file is refused by the checks that follow.
    with _naming(path), quiet_itk(), np.errstate(all="ignore"):
        stored, geometry = _READERS[path.suffix.lower()](path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Volume.from_stored(
            stored, geometry, hu_offset=hu_offset, name=path.name, sha256=sha256
        )


def _unknown(path: Path) -> UnreadableError:
    with _naming(path), path.open("rb") as file:
        dicom = file.read(132).endswith(b"DICM") or path.suffix.lower() == ".dcm"
    if dicom:
        return UnreadableError(f"{path}: one DICOM file; give its folder {path.parent}")
    return UnreadableError(
        f"{path}: not a format that is read; give {', '.join(FORMATS[:-1])}, "
        "the folder of a DICOM series or a .zip of one"
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the path before the message of every error, and turn foreign ones into ours."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    except OSError as error:
        raise UnreadableError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error
    except _DAMAGED as error:
        # ITK's message is many lines, of which the last one that says anything is the reason.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (
            re.sub(r"ITK ERROR: \w+\(0x\w+\): ", "", lines[-1]) if lines else type(error).__name__
        )
        raise UnreadableError(
            f"{path}: cannot be read, damaged or truncated ({reason[:200]}); get the file again"
        ) from error
