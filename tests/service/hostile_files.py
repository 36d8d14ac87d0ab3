"""Uploads that were made to do harm. Each is small; what it would become is not."""

import gzip
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from dicom_series import chest, write_series

from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

_MIB = 1 << 20
_NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "48 48 48",
    "space directions": "(1,0,0) (0,1,0) (0,0,1)",
    "endian": "little",
    "encoding": "raw",
}
_META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "DimSize": "48 48 48",
    "ElementSpacing": "1 1 1",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
_AIR = np.full(48**3, -900, "<i2").tobytes()


def good_nrrd() -> bytes:
    """A chest that can be labelled."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ct.nrrd")
        write_volume(path, make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)
        return path.read_bytes()


def nrrd(voxels: bytes = _AIR, **fields: str) -> bytes:
    """Make an NRRD with these fields in the place of good ones."""
    said = _NRRD | {name.replace("_", " "): value for name, value in fields.items()}
    return "\n".join(["NRRD0004", *map(": ".join, said.items()), "", ""]).encode() + voxels


def metaimage(voxels: bytes = _AIR, **fields: str) -> bytes:
    """Make a MetaImage with these fields in the place of good ones."""
    said = _META | fields
    said["ElementDataFile"] = said.pop("ElementDataFile")  # comes last
    return "\n".join([*map(" = ".join, said.items()), ""]).encode() + voxels


def nifti(voxels: bytes = _AIR, **fields: tuple[int, str, tuple[float, ...]]) -> bytes:
    """Make a NIfTI; a field is its offset, the form of its numbers, and these."""
    header = bytearray(352)
    good = {
        "sizeof_hdr": (0, "<i", (348,)),
        "dim": (40, "<8h", (3, 48, 48, 48, 1, 1, 1, 1)),
        "datatype": (70, "<2h", (4, 16)),
        "pixdim": (76, "<8f", (1, 1, 1, 1, 1, 1, 1, 1)),
        "vox_offset": (108, "<f", (352,)),
        "units": (123, "<b", (2,)),
        "codes": (252, "<2h", (0, 1)),
        "sform": (280, "<12f", (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)),
        "magic": (344, "<4b", tuple(b"n+1\0")),
    }
    for offset, form, values in (good | fields).values():
        struct.pack_into(form, header, offset, *values)
    return bytes(header) + voxels


def floats(value: float) -> bytes:
    """Voxels of which one is this."""
    voxels = np.full(48**3, -900, "<f4")
    voxels[7] = value
    return voxels.tobytes()


def zeros(mib: int) -> bytes:
    """So many MiB of zeros, deflated, without a header; takes a thousandth of that."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = deflate.compress(bytes(_MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return block * mib + b"\3\0"  # each block stands for itself, and an empty one is the last


def gzip_bomb(start: bytes, mib: int) -> bytes:
    """Gzip something, and so many MiB of zeros after it."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = deflate.compress(start) + deflate.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08" + bytes(7) + head + zeros(mib) + bytes(8)


def gzip_members(count: int) -> bytes:
    """So many empty members of gzip."""
    return gzip.compress(b"", mtime=0) * count


Member = tuple[str, bytes, int]
"""A member of an archive: its name, its deflated content, and the size of that when inflated."""


def raw_zip(members: Iterable[Member], *, flags: int = 0, shared: bool = False) -> bytes:
    """Make a .zip by hand; if `shared`, all members have the bytes of the first."""
    body, directory, count = bytearray(), bytearray(), 0
    for name, packed, size in members:
        said = struct.pack("<HHHHHIIIHH", 20, flags, 8, 0, 0, 0, len(packed), size, len(name), 0)
        at = 0 if shared else len(body)
        if not (shared and body):
            body += b"PK\3\4" + said + name.encode() + packed
        directory += (
            b"PK\1\2" + struct.pack("<H", 20) + said + struct.pack("<HHHII", 0, 0, 0, 0, at)
        )
        directory += name.encode()
        count += 1
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory) + b"PK\5\6" + end


def dicom_series(change: Callable[[int, bytes], bytes] = lambda _, image: image) -> list[bytes]:
    """Make the files of a series, each changed by its number and content."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_series(Path(folder), chest(12, 32))
        return [change(number, file.read_bytes()) for number, file in enumerate(files)]


def dicom_zip(images: list[bytes], *more: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """Pack images, and members that are none."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, image in enumerate(images):
            archive.writestr(f"IM{number}.dcm", image)
        for name, content in more:
            archive.writestr(name, content)
    return packed.getvalue()


def with_element(element: bytes, *, before: int = 0x0010_0010) -> Callable[[int, bytes], bytes]:
    """Put an element into each image, before that of a tag."""
    start = struct.pack("<HH", before >> 16, before & 0xFFFF)

    def change(_: int, image: bytes) -> bytes:
        at = image.index(start, 132)
        return image[:at] + element + image[at:]

    return change


def with_value(tag: int, value: bytes) -> Callable[[int, bytes], bytes]:
    """Give an element of a short kind another value, in each image."""
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF)

    def change(_: int, image: bytes) -> bytes:
        at = image.index(start, 132)
        (length,) = struct.unpack_from("<H", image, at + 6)
        padded = value + b" " * (len(value) % 2)
        stated = struct.pack("<H", len(padded))
        return image[: at + 6] + stated + padded + image[at + 8 + length :]

    return change


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    """Make a member that is a symbolic link."""
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, 0o120777 << 16
    return member, target.encode()


_SEQUENCE = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFF_FFFF)
_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFF_FFFF)
_ENDS = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
DEEP_SEQUENCES = (_SEQUENCE + _ITEM) * 2000 + _ENDS * 2000
ENDLESS_SEQUENCE = (_SEQUENCE + _ITEM) * 24
LONG_VALUE = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 0x7FFF_FFFE)
