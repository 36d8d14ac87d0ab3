"""Output files that appear whole or not at all.

They are made in a hidden folder beside their place and moved there when all of them are whole.
Whatever goes wrong before that leaves nothing behind.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gmmlabel.errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LITTLE = 1 << 20
_PREFIX = ".gmmlabel-"


@contextmanager
def staged(folder: Path, names: Sequence[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a folder to make files in, and move them to their place at the end.

    Parameters
    ----------
    folder
        Where the files are to appear; is made, with its parents, if it does not exist.
    names
        The files that must have been made, in the order in which they are to appear.
    overwrite
        Whether files of these names may be replaced.

    Yields
    ------
    Path
        The folder to make them in, on the same file system.

    Raises
    ------
    OutputError
        If a file is there already, or the file system refuses.
    """
    if not overwrite:
        refuse_present(folder, names)
    missing = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder) as stage:
            try:
                yield Path(stage)
                if not overwrite:  # another process may have written here meanwhile
                    refuse_present(folder, names)
                for name in names:  # all are there before the first one appears
                    (Path(stage) / name).stat()
                for name in names:
                    (Path(stage) / name).replace(folder / name)
            except (OSError, RuntimeError) as error:  # ITK's are RuntimeErrors
                raise _told(folder, error) from error
    except BaseException as error:
        _remove(missing)
        if isinstance(error, OSError):
            raise _told(folder, error) from error
        raise


def clear_stages(folder: Path) -> None:
    """Remove what processes that were killed while they made files left in a folder.

    No other process may be making files there.
    """
    for left in folder.glob(f"{_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


def check_writable(folder: Path) -> None:
    """Refuse a folder in which no file can be made, before any work is done for it.

    Raises
    ------
    OutputError
        If the folder cannot be made or written.
    """
    missing = _missing(folder)
    try:
        with staged(folder, []):
            pass
    finally:
        _remove(missing)


def refuse_present(folder: Path, names: Sequence[str]) -> None:
    """Refuse to go on if a file of one of these names is in the folder.

    Raises
    ------
    OutputError
        If one is.
    """
    for name in names:
        if (folder / name).exists():
            raise OutputError(
                f"{folder / name}: is there already; add --overwrite or give another --out"
            )


def _missing(folder: Path) -> list[Path]:
    """List the folder and its parents that do not exist, innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # not there, or no longer empty
            folder.rmdir()


def _told(folder: Path, error: OSError | RuntimeError) -> OutputError:
    number = error.errno if isinstance(error, OSError) else None
    # ITK does not say why it could not write.
    if number in _FULL or (number is None and shutil.disk_usage(folder).free < _LITTLE):
        return OutputError(
            f"{folder}: no space left for the results; free some or give another --out"
        )
    reason = os.strerror(number) if number else str(error).strip().splitlines()[-1]
    return OutputError(f"{folder}: cannot be written ({reason}); give another --out")
