"""Reading MetaImage: https://itk.org/Wiki/ITK/MetaIO/Documentation.

The header is read here, not by ITK, whose MetaIO prints what it finds wrong.
"""

import io
import re
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
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


def read_metaimage(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read the voxels and the grid of a ``.mha`` file.

    Parameters
    ----------
    path
        One file with header and voxels, raw or compressed.

    Returns
    -------
    ndarray
        Last stored axis first.
    Geometry
        The grid.

    Raises
    ------
    InputError
        If the header is none, names another file, or states no grid of one 3-D volume. Damage
        is raised as zlib finds it, and a number that is none as a ValueError.
    """
    with path.open("rb") as file:
        header = read_metaimage_header(file)
        voxels = read_voxels(path, inflated(file) if header.deflated else file, header)
        return voxels, header.geometry


def read_metaimage_header(file: io.BufferedReader) -> ImageHeader:
    """Read the header of a ``.mha`` file.

    Parameters
    ----------
    file
        The file, open; is left at the first voxel. `read_metaimage` says what is raised.
    """
    head = file.read(_LONGEST_HEADER)
    last = re.search(rb"^ElementDataFile {0,9}[=:]([^\n]*)\n", head, re.MULTILINE)
    if not last:
        raise UnreadableError("not a MetaImage, or a truncated one; get the file again")
    fields = _fields(head[: last.start()].decode("latin-1"))
    if last[1].strip(b" \r") != b"LOCAL" or fields.get("HeaderSize", "0") != "0":
        raise UnreadableError(
            "the header names another file for its voxels, or a place in it; "
            "save the image as one plain file"
        )
    geometry = _geometry(fields)
    dtype = _TYPES.get(fields.get("ElementType", ""))
    if dtype is None or not _is_true(fields, "BinaryData"):
        raise UnreadableError(
            "the voxels are no binary numbers; save the image in binary form, as int16"
        )
    file.seek(last.end())
    big = _is_true(fields, "BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    return ImageHeader(
        geometry,
        np.dtype(dtype).newbyteorder(">" if big else "<"),
        _is_true(fields, "CompressedData"),
    )


def _fields(head: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in re.split(r"[\r\n]+", head))
    return {name.strip(): value.strip() for name, found, value in pairs if found}


def _is_true(fields: dict[str, str], *names: str) -> bool:
    return any(fields.get(name, "")[:1] in {"T", "t", "1"} for name in names)


def _numbers(fields: dict[str, str], *names: str) -> list[float]:
    """Numbers of the first field that is there, of those that MetaIO takes for the same."""
    stated = next((fields[name] for name in names if name in fields), "")
    return [float(number) for number in short_value(stated).split()]


def _geometry(fields: dict[str, str]) -> Geometry:
    values = int(fields.get("ElementNumberOfChannels", "1"))
    lengths = [int(length) for length in short_value(fields.get("DimSize", "")).split()]
    size = one_volume(lengths, values)
    spacing = _numbers(fields, "ElementSpacing", "ElementSize")
    if not spacing:
        raise GeometryError("the header holds no voxel spacing; write it with its spacing")
    along_x, along_y, along_z = spacing[:3]
    x, y, z = (_numbers(fields, "Offset", "Position", "Origin") or [0.0] * len(lengths))[:3]
    axes = _numbers(fields, "TransformMatrix", "Rotation", "Orientation") or np.eye(len(lengths))
    direction = np.reshape(axes, (len(lengths), len(lengths)))[:3, :3].T  # a row is an axis
    return Geometry(
        size,
        (along_x, along_y, along_z),
        (x, y, z),
        tuple(float(cosine) for cosine in direction.ravel()),
    )
