"""Reading NRRD: https://teem.sourceforge.net/nrrd/format.html."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError, UnreadableError
from gmmlabel.formats.stored import ImageHeader, inflated, one_volume, read_voxels
from gmmlabel.volume import Geometry

_GRID_FIELDS = ("space", "space dimension", "space units", "space directions", "space origin")
_LONGEST_HEADER = 1 << 20


def read_nrrd(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read the voxels and the grid of a ``.nrrd`` file.

    Parameters
    ----------
    path
        One file with header and voxels, raw or gzip.

    Returns
    -------
    ndarray
        Last stored axis first.
    Geometry
        Its `header` has the lines that state the grid.

    Raises
    ------
    InputError
        If the header is none, names another file, or states no grid of one 3-D volume. Damage
        that ITK or zlib finds is raised as they do.
    """
    with path.open("rb") as file:
        header = read_nrrd_header(file)
        voxels = read_voxels(path, inflated(file) if header.deflated else file, header)
        return voxels, header.geometry


def read_nrrd_header(file: io.BufferedReader) -> ImageHeader:
    """Read the header of a ``.nrrd`` file.

    Parameters
    ----------
    file
        The file, open; is left at the first voxel. `read_nrrd` says what is raised.
    """
    head = file.read(_LONGEST_HEADER)
    end = re.search(rb"\r?\n\r?\n", head)
    if not (head.startswith(b"NRRD") and end):
        raise UnreadableError("not an NRRD file, or a truncated one; get the file again")
    lines = re.split(r"[\r\n]+", head[: end.start()].decode("latin-1"))
    fields = _fields(lines)
    _check_fields(fields)
    grid = "\n".join(line for line in lines if _name(line) in _GRID_FIELDS)
    # Vectors of four axes are no lines for a label map, which has three.
    kept = grid.encode("latin-1") if grid and fields.get("dimension") == "3" else None
    geometry, dtype = _ask_itk(file.name, kept)
    file.seek(end.end())
    big = fields.get("endian", "").lower() == "big"
    deflated = fields["encoding"].lower() != "raw"
    return ImageHeader(geometry, dtype.newbyteorder(">" if big else "<"), deflated)


def _ask_itk(path: str, grid: bytes | None) -> tuple[Geometry, np.dtype[Any]]:
    """Ask ITK, which knows all spaces of NRRD, for the grid in LPS and the type of the voxels."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(path)
    reader.ReadImageInformation()
    size = one_volume(reader.GetSize(), reader.GetNumberOfComponents())
    direction = np.reshape(reader.GetDirection(), (len(reader.GetSize()),) * 2)[:3, :3]
    geometry = Geometry(
        size,
        reader.GetSpacing()[:3],
        reader.GetOrigin()[:3],
        tuple(direction.ravel().tolist()),
        grid,
    )
    voxel = sitk.Image([1, 1], reader.GetPixelID())
    return geometry, sitk.GetArrayViewFromImage(voxel).dtype


def _name(line: str) -> str:
    """Name of the field that a line of the header is, in small letters; empty for others."""
    name, found, value = line.partition(":")
    return name.strip().lower() if found and not value.startswith("=") else ""


def _fields(lines: list[str]) -> dict[str, str]:
    return {_name(line): line.partition(":")[2].strip() for line in lines[1:] if _name(line)}


def _check_fields(fields: dict[str, str]) -> None:
    skipped = {fields.get("line skip", "0"), fields.get("byte skip", "0")} != {"0"}
    if "data file" in fields or "datafile" in fields or skipped:
        raise UnreadableError(
            "the header names another file for its voxels, or a place in it; "
            "save the image as one plain file"
        )
    if fields.get("encoding", "").lower() not in {"raw", "gzip", "gz"}:
        raise UnreadableError(
            f"encoding {fields.get('encoding', 'missing')!r}; save the image as raw or gzip"
        )
    if "spacings" not in fields and "space directions" not in fields:
        raise GeometryError("the header holds no voxel spacing; write it with its spacing")
    vectors = fields.get("space directions", fields.get("spacings", ""))
    for vector in re.findall(r"\([^)]*\)|[^\s()]+", vectors)[:3]:
        numbers = re.split(r"[\s,]+", vector.strip("() "))
        try:
            length = np.linalg.norm([float(number) for number in numbers])
        except ValueError:  # none
            continue
        if not (0 < length < np.inf):
            raise GeometryError(
                f"voxel spacing {vector} is not positive; "
                "write the file again with its true spacing"
            )
