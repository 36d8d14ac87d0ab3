"""Reading a chest CT from a file, a DICOM folder or a zip of one."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gmmlabel.errors import UnreadableError
from gmmlabel.formats.archive import read_dicom_zip
from gmmlabel.formats.dicom import read_dicom_folder
from gmmlabel.formats.image_file import FORMATS as IMAGE_FORMATS
from gmmlabel.formats.image_file import naming, read_image_file
from gmmlabel.volume import Volume

FORMATS = (*IMAGE_FORMATS, ".zip")
"""Suffixes of the files that can be read."""


def read_volume(
    path: str | Path,
    *,
    hu_offset: int = 0,
    series: str | None = None,
    files: Sequence[str] | None = None,
) -> Volume:
    """Read a chest CT.

    Parameters
    ----------
    path
        A ``.nrrd``, ``.nii``, ``.nii.gz`` or ``.mha`` file, a folder that holds a DICOM series, or
        a ``.zip`` of one.
    hu_offset
        Added to every value; -1024 mends an export that lost its rescale intercept.
    series
        Series Instance UID of the series to read of a folder or .zip of DICOM files; None takes
        the axial CT of most slices.
    files
        Paths inside the folder, or names inside the .zip, of the only DICOM files to look at;
        spares the search where they are known.

    Raises
    ------
    InputError
        If the input is missing, damaged, or no CT in Hounsfield units on a straight grid, or the
        series is not in it.
    """
    path = Path(path)
    start = time.perf_counter()
    name = path.name.lower()
    if path.is_dir():
        volume = read_dicom_folder(path, hu_offset=hu_offset, series=series, files=files)
    elif not path.exists():
        raise UnreadableError(f"{path}: no such file or folder; check the path")
    elif not path.is_file():
        raise UnreadableError(f"{path}: not a file; give a file or the folder of a DICOM series")
    elif name.endswith(".zip"):
        volume = read_dicom_zip(path, hu_offset=hu_offset, series=series, files=files)
    elif series is not None or files is not None:
        raise UnreadableError(f"{path}: no folder or .zip, so it holds no series to choose from")
    elif name.endswith(FORMATS):
        volume = _read_file(path, hu_offset)
    else:
        raise _unknown(path)
    return replace(volume, read_seconds=time.perf_counter() - start)


def _read_file(path: Path, hu_offset: int) -> Volume:
    stored, geometry = read_image_file(path)
    # What NumPy would warn of in numbers of a damaged file is refused by the checks.
    with naming(path), np.errstate(all="ignore"):
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Volume.from_stored(
            stored, geometry, hu_offset=hu_offset, name=path.name, sha256=sha256
        )


def _unknown(path: Path) -> UnreadableError:
    with naming(path), path.open("rb") as file:
        dicom = file.read(132).endswith(b"DICM") or path.suffix.lower() == ".dcm"
    if dicom:
        return UnreadableError(f"{path}: one DICOM file; give its folder {path.parent}")
    return UnreadableError(
        f"{path}: not a format that is read; give {', '.join(FORMATS[:-1])}, "
        "the folder of a DICOM series or a .zip of one"
    )
