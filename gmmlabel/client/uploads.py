"""What is sent: a file as it lies on the disk, or a folder of DICOM as a zip."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gmmlabel.errors import UnreadableError

Progress = Callable[[int, int], object]
"""Is told how many bytes have been sent, and how many there are."""

_BLOCK = 1 << 20
_NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Upload:
    """A file to send.

    Parameters
    ----------
    file
        The file, open.
    size
        Its size in bytes.
    on_progress
        See `Progress`.
    """

    file: BinaryIO
    size: int
    on_progress: Progress | None = None

    def blocks(self) -> Iterator[bytes]:
        """Read it from its beginning, a piece at a time.

        Raises
        ------
        UnreadableError
            If it cannot be read.
        """
        try:
            self.file.seek(0)
            while block := self.file.read(_BLOCK):
                yield block
        except OSError as error:
            raise _unreadable(self.file.name, error) from error

    def tell(self, sent: int) -> None:
        """Say how much of it has been sent."""
        if self.on_progress:
            self.on_progress(sent, self.size)


@contextmanager
def uploading(path: Path, on_progress: Progress | None) -> Iterator[Upload]:
    """Make a CT ready to be sent.

    Parameters
    ----------
    path
        A file, or a folder of a DICOM series, which is packed into a temporary file.
    on_progress
        See `Progress`.

    Yields
    ------
    Upload
        What to send.

    Raises
    ------
    UnreadableError
        If it is not there, cannot be read, or holds no file.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_packed(path) if path.is_dir() else path.open("rb"))
            size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise _unreadable(path, error) from error
        yield Upload(file, size, on_progress)


@contextmanager
def _packed(folder: Path) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile(prefix="gmmlabel-") as packed:
        _pack(folder, packed)
        yield packed


def _pack(folder: Path, packed: BinaryIO) -> None:
    """Pack the files below a folder.

    The names in the zip are numbers, because those of the files may name a patient, and the zip is
    the same each time, so that a series that is sent again is known by its hash.
    """
    files = list(_files_below(folder))
    if not files:
        raise UnreadableError(f"{folder}: holds no file; give the folder of a DICOM series")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for number, file in enumerate(files):
            member = zipfile.ZipInfo(f"{number:06}.dcm", _NO_DATE)
            member.file_size = file.stat().st_size  # `zipfile` then knows whether it takes ZIP64
            with file.open("rb") as source, archive.open(member, "w") as target:
                shutil.copyfileobj(source, target, _BLOCK)


def _files_below(folder: Path) -> Iterator[Path]:
    """Find all files but hidden ones and links, in a fixed order."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(root, name)
            if not name.startswith(".") and file.is_file() and not file.is_symlink():
                yield file


def _unreadable(path: Path | str, error: OSError) -> UnreadableError:
    return UnreadableError(f"{path}: cannot be read ({error.strerror}); give a CT to send")
