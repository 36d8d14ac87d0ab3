"""Files that are nearly CTs: small real ones of every format, damaged as a seed decides.

Each is made of a kind and a `random.Random`, so that one that shows a fault can be made again.
"""

import gzip
import io
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import ct_files
import dicom_series
from pydicom import dcmread
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

NASTY_NUMBERS = (
    *("0", "-0", "-1", "1", "2", "7", "8", "9", "16", "17", "255", "256", "65535", "65536"),
    *("2147483647", "2147483648", "-2147483648", "4294967295", "4294967296", "1e400", "1e-400"),
    *("9223372036854775807", "18446744073709551616", "9" * 400, "9" * 5000, "nan", "-nan", "inf"),
    *("-inf", "1e308", "1e-308", "5e-324", "0x10", "1_0", "1,5", "+3", "--3", "0.05", "50", "none"),
    *("", " ", "???", "\u0661", "%d", "%03d", "..", "/etc/passwd", "LIST", "LOCAL", "a" * 300),
)
_NASTY_BYTES = tuple(
    number.to_bytes(width, order)
    for width in (1, 2, 4, 8)
    for order in ("little", "big")
    for bits in (8 * width,)
    for number in (0, 1, 2, (1 << bits) - 1, 1 << bits - 1, (1 << bits - 1) - 1, (1 << bits) - 2)
) + tuple(struct.pack("<f", number) for number in (float("nan"), float("inf"), 1e38, 1e-45, -1.0))
_NRRD_LINES = (
    *("data file: /etc/passwd", "data file: LIST", "datafile: %03d 1 9 1", "DATA FILE: ../x"),
    *("line skip: 1", "byte skip: -1", "spacings: 1 1 1", "spacings: nan 1 0", "axis mins: 1 2 3"),
    *("space dimension: 3", "space dimension: 16", "space: left-posterior-superior-time"),
    *("space: scanner-xyz", "space: right-anterior-superior", "space: 3D-left-handed"),
    *("space origin: none", "space origin: (1,2)", "space directions: none none none"),
    *("space directions: (1,0,0) (1,0,0) (1,0,0)", "space directions: (nan,0,0) (0,1,0) (0,0,1)"),
    *("kinds: domain domain vector", "kinds: RGB-color domain domain", "centerings: cell"),
    *("measurement frame: (1,0,0) (0,1,0)", "type: block", "block size: 99999999", "type: double"),
    *("type: unsigned long long int", "dimension: 0", "dimension: 17", "dimension: 4"),
    *("encoding: bzip2", "encoding: ascii", "encoding: hex", "encoding: gz", "endian: big"),
    *(
        "sizes: 1 2",
        "sizes: -1 2 3",
        "sizes: 99999 99999 99999",
        "key:=value",
        "# comment",
        ":",
        "=",
    ),
    *("content: \xff\xfe", "old min: x", "sample units: \0", 'labels: "a" "b', "number: 3"),
)
_META_LINES = (
    *("ElementDataFile = /etc/passwd", "ElementDataFile = LIST", "ElementDataFile = %03d 1 9 1"),
    *("ElementDataFile=LOCAL", "ElementDataFile : LOCAL", "HeaderSize = -1", "HeaderSize = 9"),
    *("NDims = 2", "NDims = 99999999", "DimSize = 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
    *("DimSize = 99999 99999 99999", "DimSize = -1 -1 8", "ElementSpacing = 0 0 0"),
    *("ElementSpacing = nan nan nan", "ElementSize = 1 1", "Offset = inf 0 0", "Offset = 1"),
    *("TransformMatrix = 1", "TransformMatrix = 0 0 0 0 0 0 0 0 0", "ElementType = MET_DOUBLE"),
    *("ElementType = MET_STRING", "ElementNumberOfChannels = 3", "CompressedData = True"),
    *("CompressedDataSize = -5", "BinaryDataByteOrderMSB = True", "BinaryData = False", "=", "= ="),
)
_IMAGE_TAGS = (0x0028_0010, 0x0028_0011, 0x0028_0008, 0x0028_0002, 0x0028_0100, 0x0028_0103)


@dataclass(frozen=True)
class Whole:
    """A file that can be read."""

    suffix: str
    content: bytes


def whole_files() -> dict[str, tuple[Whole, ...]]:
    """Small CTs by the name of the damage that fits them."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        texts = [
            *_written(root, ".nrrd", ct_files.write_nrrd, encoding="raw"),
            *_written(root, ".nrrd", ct_files.write_nrrd, encoding="gzip"),
            *_written(root, ".nrrd", ct_files.write_nrrd, space="right-anterior-superior"),
            *_written(root, ".mha", ct_files.write_itk, compress=False),
            *_written(root, ".mha", ct_files.write_itk, compress=True),
        ]
        niftis = [
            *_written(root, ".nii", ct_files.write_nifti),
            *_written(root, ".nii", ct_files.write_nifti, sform=0),
            *_written(root, ".nii.gz", ct_files.write_nifti),
        ]
        plain = _series(root / "plain")
        implicit = _series(root / "implicit", ImplicitVRLittleEndian)
        deflated = _series(root / "deflated", DeflatedExplicitVRLittleEndian)
    zips = [_zip(images, how) for images in (plain, implicit, deflated) for how in (0, 8)]
    return {
        "text": tuple(texts),
        "nifti": tuple(niftis),
        "zip": tuple(zips),
        "dicom": (_zip(plain, 0),),
    }


def damaged(kind: str, files: tuple[Whole, ...], random: Random) -> Whole:
    """Damage one of some files in the ways that are of a kind, and at times in any other way."""
    whole = random.choice(files)
    content = _DAMAGES[kind](whole, random)
    if random.random() < 0.15:
        content = _any_bytes(content, random, len(content))
    return Whole(whole.suffix, content)


def _written(root: Path, suffix: str, write: Callable[..., Path], **options: object) -> list[Whole]:
    path = root / f"ct{suffix}"
    write(path, ct_files.ct(), ct_files.GRIDS["axial"], **options)
    return [Whole(suffix, path.read_bytes())]


def _series(folder: Path, syntax: UID | None = None) -> list[bytes]:
    files = dicom_series.write_series(folder, dicom_series.chest(9, 12))
    for file in files if syntax else ():
        image = dcmread(file)
        image.file_meta.TransferSyntaxUID = syntax
        image.save_as(file)
    return [file.read_bytes() for file in files]


def _zip(images: list[bytes], how: int) -> Whole:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", how) as archive:
        for number, image in enumerate(images):
            archive.writestr(zipfile.ZipInfo(f"IM{number}.dcm"), image, how)
    return Whole(".zip", packed.getvalue())


def _any_bytes(content: bytes, random: Random, within: int) -> bytes:
    """Change bytes among the first ones: of another value, fewer, more, or in another place."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.randrange(max(1, min(within, len(data))))
        match random.randrange(7):
            case 0:
                data[at : at + 1] = bytes([random.randrange(256)])
            case 1 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 2:
                nasty = random.choice(_NASTY_BYTES)
                data[at : at + len(nasty)] = nasty
            case 3:
                del data[at : at + random.choice((1, 2, 4, 100, 1000))]
            case 4:
                data[at:at] = data[at : at + random.choice((1, 8, 100))] * random.randrange(1, 9)
            case 5:
                data[at:at] = random.choice(_NASTY_BYTES)
            case _:
                if random.random() < 0.3:
                    del data[at:]
    return bytes(data)


def _text(whole: Whole, random: Random) -> bytes:
    """Change lines of a header of lines, or write one of lines that do not belong together."""
    end = rb"\r?\n\r?\n" if whole.suffix == ".nrrd" else rb"ElementDataFile[^\n]*\n"
    found = re.search(end, whole.content)
    assert found
    lines = whole.content[: found.end()].decode("latin-1").rstrip("\n").split("\n")
    more = _NRRD_LINES if whole.suffix == ".nrrd" else _META_LINES
    if random.random() < 0.2:
        middle = random.choices([*lines[1:-1], *more], k=random.randrange(2, 14))
        lines = [lines[0], *middle, *lines[-1:]]
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        at = random.randrange(len(lines))
        match random.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, random.choice(more))
            case 2:
                lines.insert(at, random.choice(lines))
            case 3 | 4:
                lines[at] = _other_number(lines[at], random)
            case 5:
                lines[at] = random.choice(more)
            case _:
                name, mark, _ = lines[at].partition(":" if ":" in lines[at] else "=")
                lines[at] = f"{name}{mark} {' '.join(random.choices(NASTY_NUMBERS, k=3))}"
        lines = lines or [""]
    newline = random.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n"))
    closing = newline * 2 if whole.suffix == ".nrrd" else newline
    head = (newline.join(lines) + closing).encode(
        "utf-8" if random.random() < 0.1 else "latin-1", "replace"
    )
    return head + whole.content[found.end() :]


def _other_number(line: str, random: Random) -> str:
    numbers = list(re.finditer(r"[-+]?[0-9][-+.0-9e]*", line))
    if not numbers:
        return line + random.choice(NASTY_NUMBERS)
    one = random.choice(numbers)
    return line[: one.start()] + random.choice(NASTY_NUMBERS) + line[one.end() :]


def _nifti(whole: Whole, random: Random) -> bytes:
    packed = whole.suffix.endswith(".gz")
    data = bytearray(gzip.decompress(whole.content) if packed else whole.content)
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        nasty = random.choice(_NASTY_BYTES)
        at = random.randrange(0, 352, random.choice((1, 2, 4)))
        data[at : at + len(nasty)] = nasty
    changed = bytes(data)
    if random.random() < 0.2:
        changed = _any_bytes(changed, random, 360)
    return gzip.compress(changed, 1, mtime=0) if packed else changed


def _bytes_of_zip(whole: Whole, random: Random) -> bytes:
    """Change the bytes of an archive: its directory at the end, or anything before."""
    content = whole.content
    if random.random() < 0.5:
        start = content.rfind(b"PK\1\2", 0, random.randrange(1, len(content)))
        start = max(start, 0)
        return content[:start] + _any_bytes(content[start:], random, len(content) - start)
    return _any_bytes(content, random, len(content))


def _dicom(whole: Whole, random: Random) -> bytes:
    """Change elements of images in an archive."""
    with zipfile.ZipFile(io.BytesIO(whole.content)) as archive:
        images = [archive.read(name) for name in archive.namelist()]
    for number in random.sample(range(len(images)), random.choice((1, 1, 2, len(images)))):
        images[number] = _image(images[number], random)
    return _zip(images, random.choice((0, 8))).content


def _image(image: bytes, random: Random) -> bytes:
    elements = _elements(image)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(elements))
        tag, kind, value = elements[at]
        match random.randrange(9):
            case 0:
                del elements[at]
            case 1:
                elements[at] = (tag, kind, random.choice(NASTY_NUMBERS).encode("utf-8"))
            case 2:
                texts = random.choices(NASTY_NUMBERS, k=random.choice((2, 3, 6)))
                elements[at] = (tag, kind, "\\".join(texts).encode("utf-8"))
            case 3:
                elements[at] = (tag, kind, random.choice(_NASTY_BYTES))
            case 4:
                elements[at] = (
                    tag,
                    random.choice((b"SQ", b"UN", b"OB", b"US", b"??", b"\0\0")),
                    value,
                )
            case 5:
                elements.insert(at, (tag, b"raw", _sequences(random)))
            case 6:
                one = random.choice(_IMAGE_TAGS)
                size = random.choice((0, 1, 8, 4096, 32767, 65535))
                new = f"{size}".encode() if one == 0x0028_0008 else size.to_bytes(2, "little")
                elements = [each for each in elements if each[0] != one]
                elements.append((one, b"IS" if one == 0x0028_0008 else b"US", new))
                elements.sort(key=lambda each: each[0])
            case 7:
                length = random.choice((0, 1, 0xFFFF_FFFF, 0xFFFF_FFFE, 0x7FFF_FFFF, 1 << 24))
                head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"OB", 0, length)
                elements[at] = (tag, b"raw", head + value)
            case _:
                elements[at] = (tag, kind, _any_bytes(value or b"\0", random, len(value)))
        elements = elements or [(0x0008_0060, b"CS", b"CT")]
    changed = image[:132] + b"".join(_element(*one) for one in elements)
    return _any_bytes(changed, random, 700) if random.random() < 0.2 else changed


def _sequences(random: Random) -> bytes:
    """Make sequences in sequences, of undefined length, at times deep or without end."""
    begin = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFF_FFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFF_FFFF)
    ends = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    depth = random.choice((1, 2, 31, 33, 100, 1000))
    return (begin + item) * depth + ends * random.choice((depth, depth, depth - 1, 0))


_LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF"}


def _elements(image: bytes) -> list[tuple[int, bytes, bytes]]:
    """Part an image of explicit little endian elements, without sequences, into its elements."""
    at, found = 132, []
    while at < len(image):
        group, element, kind, length = struct.unpack_from("<HH2sH", image, at)
        at += 8
        if kind in _LONG:
            (length,) = struct.unpack_from("<I", image, at)
            at += 4
        found.append((group << 16 | element, kind, image[at : at + length]))
        at += length
    return found


def _element(tag: int, kind: bytes, value: bytes) -> bytes:
    if kind == b"raw":
        return value
    value += b" " * (len(value) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, kind)
    if kind in _LONG:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value) & 0xFFFF) + value


_DAMAGES = {"text": _text, "nifti": _nifti, "zip": _bytes_of_zip, "dicom": _dicom}
KINDS = tuple(_DAMAGES)
"""Kinds of damage."""
