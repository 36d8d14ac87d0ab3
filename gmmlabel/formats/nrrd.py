"""Reading NRRD: https://teem.sourceforge.net/nrrd/format.html.

The header is read here, not by ITK, whose Teem writes beyond its memory when a number is long. It
is understood as ITK's NrrdImageIO does, bit for bit.
"""

import io
import re
from collections.abc import Mapping, Sequence
from math import nan, prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError, UnreadableError
from gmmlabel.formats.stored import (
    ImageHeader,
    inflated,
    one_volume,
    read_voxels,
    short_value,
)
from gmmlabel.volume import Geometry

_LONGEST_HEADER = 1 << 20
_GRID_FIELDS = ("space", "space dimension", "space units", "space directions", "space origin")
_TYPES = {
    name: code
    for code, names in {
        "i1": "signed char, int8, int8_t",
        "u1": "uchar, unsigned char, uint8, uint8_t",
        "i2": "short, short int, signed short, signed short int, int16, int16_t",
        "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
        "i4": "int, signed int, int32, int32_t",
        "u4": "uint, unsigned int, uint32, uint32_t",
        "i8": "longlong, long long, long long int, signed long long, signed long long int, "
        "int64, int64_t",
        "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
    for name in names.split(", ")
}
_TO_LPS = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
_AS_IT_IS = (1.0, 1.0, 1.0)  # of spaces that are not those of a patient
_OTHER_SPACES = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
_DOMAINS = ("domain", "space", "time", "???", "none")


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
        is raised as zlib finds it, and a number that is none as a ValueError.
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
    dtype = np.dtype(_TYPES.get(_value(fields, "type").lower(), "V"))
    endian = _value(fields, "endian").lower()
    if dtype.kind == "V" or (dtype.itemsize > 1 and endian not in {"little", "big"}):
        raise UnreadableError(
            "the header does not say what numbers the voxels are; save the image as int16"
        )
    grid = "\n".join(line for line in lines if _name(line) in _GRID_FIELDS)
    # Vectors of four axes are no lines for a label map, which has three.
    kept = grid.encode("latin-1") if grid and _value(fields, "dimension") == "3" else None
    geometry = _geometry(fields, kept)
    file.seek(end.end())
    deflated = _value(fields, "encoding").lower() != "raw"
    return ImageHeader(geometry, dtype.newbyteorder(">" if endian == "big" else "<"), deflated)


def _name(line: str) -> str:
    """Name of the field that a line of the header is, in small letters; empty for others."""
    name, found, value = line.partition(":")
    return name.strip().lower() if found and not value.startswith("=") else ""


def _fields(lines: list[str]) -> dict[str, str]:
    return {_name(line): line.partition(":")[2].strip() for line in lines[1:] if _name(line)}


def _value(fields: Mapping[str, str], *names: str) -> str:
    """Value of the first field that is there, of those that mean the same; or empty."""
    return short_value(next((fields[name] for name in names if name in fields), ""))


def _check_fields(fields: Mapping[str, str]) -> None:
    skipped = {fields.get("line skip", "0"), fields.get("byte skip", "0")} != {"0"}
    if "data file" in fields or "datafile" in fields or skipped:
        raise UnreadableError(
            "the header names another file for its voxels, or a place in it; "
            "save the image as one plain file"
        )
    encoding = _value(fields, "encoding")
    if encoding.lower() not in {"raw", "gzip", "gz"}:
        raise UnreadableError(f"encoding {encoding or 'missing'!r}; save the image as raw or gzip")
    if "spacings" not in fields and "space directions" not in fields:
        raise GeometryError("the header holds no voxel spacing; write it with its spacing")


def _geometry(fields: Mapping[str, str], kept: bytes | None) -> Geometry:
    sizes = [int(length) for length in _value(fields, "sizes").split()]
    kinds = _value(fields, "kinds").lower().split() or ["domain"] * len(sizes)
    if not len(sizes) == len(kinds) == int(_value(fields, "dimension")):
        raise UnreadableError("the header states sizes of other axes; get the file again")
    axes = [axis for axis, kind in enumerate(kinds) if kind in _DOMAINS]
    values = prod(length for length, kind in zip(sizes, kinds, strict=True) if kind not in _DOMAINS)
    size = one_volume([sizes[axis] for axis in axes], values)
    space = _value(fields, "space").lower()
    if space or "space dimension" in fields:
        signs = _signs(space, _value(fields, "space dimension"))
        spacing, direction = _along_vectors(fields, axes[:3], signs)
        stated = _value(fields, "space origin")
        origin = _vector(stated, signs) if stated and stated.lower() != "none" else (0.0,) * 3
    else:
        direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        spacing, origin = _along_axes(fields, axes[:3], len(sizes))
    return Geometry(size, spacing, origin, direction, kept)


def _signs(space: str, dimension: str) -> tuple[float, float, float]:
    """Tell what the coordinates of a space are multiplied with to be LPS."""
    if space in _TO_LPS:
        return _TO_LPS[space]
    if space in _OTHER_SPACES or (not space and dimension == "3"):
        return _AS_IT_IS
    raise GeometryError("the space of the header is none of three axes; save the image in LPS")


def _vector(text: str, signs: Sequence[float]) -> tuple[float, float, float]:
    if not (text.startswith("(") and text.endswith(")")):
        raise GeometryError("a vector of the header is none; write the file again")
    x, y, z = (
        float(number) * sign for number, sign in zip(text[1:-1].split(","), signs, strict=True)
    )
    return x, y, z


def _along_vectors(
    fields: Mapping[str, str], axes: Sequence[int], signs: Sequence[float]
) -> tuple[tuple[float, float, float], tuple[float, ...]]:
    """Spacing and direction by ``space directions``, with the arithmetic of Teem."""
    vectors = re.findall(r"\([^()]*\)|[^\s()]+", _value(fields, "space directions"))
    if len(vectors) != int(_value(fields, "dimension")):
        raise GeometryError("there is no voxel spacing for each axis; write it with its spacing")
    spacing, columns = [], []
    for axis in axes:
        x, y, z = _vector(vectors[axis], signs)
        length = sqrt(x * x + y * y + z * z)
        if not 0 < length < np.inf:
            raise GeometryError(
                f"voxel spacing {length} is not positive; write the file again with its true "
                "spacing"
            )
        spacing.append(length)
        columns.append([number * (1.0 / length) for number in (x, y, z)])
    along_x, along_y, along_z = spacing
    return (along_x, along_y, along_z), tuple(
        float(cosine) for row in zip(*columns, strict=True) for cosine in row
    )


def _along_axes(
    fields: Mapping[str, str], axes: Sequence[int], count: int
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Spacing and origin by ``spacings`` and ``axis mins``, in the space of the array."""
    spacings = [float(number) for number in _value(fields, "spacings").split()]
    stated = _value(fields, "axis mins", "axismins")
    mins = [float(number) for number in stated.split()] or [nan] * count
    centers = _value(fields, "centerings", "centers").lower().split() or ["cell"] * count
    if not len(spacings) == len(mins) == len(centers) == count:
        raise GeometryError("there is no voxel spacing for each axis; write it with its spacing")
    along_x, along_y, along_z = (spacings[axis] for axis in axes)
    origin = [
        mins[axis] + (0.0 if centers[axis] == "node" else spacings[axis] / 2) for axis in axes
    ]
    x, y, z = origin if np.isfinite(origin).all() else (0.0, 0.0, 0.0)
    return (along_x, along_y, along_z), (x, y, z)
