"""Files as one zip, made while it is sent: neither a disk nor memory has to hold it."""

from collections.abc import Iterator, Mapping
from io import RawIOBase
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

_BLOCK = 1 << 18


class _Outlet(RawIOBase):
    """A file that can only be written; what was written is taken out again."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, content: Any) -> int:
        self._parts.append(bytes(content))
        return len(content)

    def take(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content


def zipped(files: Mapping[str, Path], folder: str) -> Iterator[bytes]:
    """Make a zip of files, which are stored as they are: maps and pictures are compressed already.

    Parameters
    ----------
    files
        The files, by the names that they get.
    folder
        The folder in the zip in which they are.

    Yields
    ------
    bytes
        The next part of it.
    """
    outlet = _Outlet()
    with ZipFile(outlet, "w") as archive:
        for name, path in files.items():
            entry = ZipInfo.from_file(path, f"{folder}/{name}")
            with path.open("rb") as file, archive.open(entry, "w") as stored:
                while block := file.read(_BLOCK):
                    stored.write(block)
                    yield outlet.take()
    yield outlet.take()
