"""One image file, whatever its format: its voxels and its grid, or one line that says why not."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import InputError, UnreadableError
from gmmlabel.formats.itk import is_itk_path, quiet_itk
from gmmlabel.formats.metaimage import read_metaimage, read_metaimage_header
from gmmlabel.formats.nrrd import read_nrrd, read_nrrd_header
from gmmlabel.formats.stored import ImageHeader
from gmmlabel.volume import Geometry

FORMATS = (".nrrd", ".nii", ".nii.gz", ".mha")
"""Suffixes of the image files that can be read."""


def _read_nifti(path: Path) -> tuple[NDArray[Any], Geometry]:
    from gmmlabel.formats.nifti import read_nifti  # imports nibabel, a fifth of a second

    return read_nifti(path)


def _nifti_header(file: io.BufferedReader) -> ImageHeader:
    from gmmlabel.formats.nifti import read_nifti_header

    return read_nifti_header(file)


_READERS = {".nrrd": read_nrrd, ".nii": _read_nifti, ".gz": _read_nifti, ".mha": read_metaimage}
_HEADERS = {
    ".nrrd": read_nrrd_header,
    ".nii": _nifti_header,
    ".gz": _nifti_header,
    ".mha": read_metaimage_header,
}
_DAMAGED = (RuntimeError, EOFError, ValueError, OverflowError)


def read_image_file(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read the voxels of a file as they are stored, and its grid.

    Parameters
    ----------
    path
        A file with one of the suffixes `FORMATS`.

    Returns
    -------
    ndarray
        Any integer or floating dtype, last stored axis first.
    Geometry
        The grid.

    Raises
    ------
    InputError
        If the file is missing, damaged, or not one 3-D volume on a straight grid.
    """
    with _careful(path):
        return _READERS[path.suffix.lower()](path)


def read_image_header(path: Path) -> ImageHeader:
    """Read what the header of a file says of its voxels, and none of them.

    Parameters
    ----------
    path
        As of `read_image_file`, which says what is raised.
    """
    with _careful(path), path.open("rb") as file:
        return _HEADERS[path.suffix.lower()](file)


@contextmanager
def _careful(path: Path) -> Iterator[None]:
    if not is_itk_path(path):
        raise UnreadableError(f"{path}: the path is not UTF-8; rename it")
    # What NumPy would warn of in numbers of a damaged file is refused by the checks that follow.
    with naming(path), quiet_itk(), np.errstate(all="ignore"):
        yield


@contextmanager
def naming(path: Path) -> Iterator[None]:
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
