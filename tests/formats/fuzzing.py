"""What comes of reading a damaged file, and how long and how much memory that took."""

import re
import resource
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from formats.damaged_files import KINDS, Whole, damaged

from gmmlabel.errors import GmmlabelError
from gmmlabel.formats.archive import scan_dicom_zip
from gmmlabel.formats.image_file import FORMATS, read_image_header
from gmmlabel.readers import read_volume

MEMORY = 3 << 30
"""Address space in which files are read: what takes more fails."""


@dataclass(frozen=True)
class Reading:
    """How a file was read by one reader.

    Parameters
    ----------
    reader
        Name of the reader.
    outcome
        ``ok``, or the error and its message without what differs from file to file.
    expected
        Whether it is one of the two things that may come out: a result, or an error of ours.
    seconds
        Time of the processor that it took, of all threads: a busy machine makes no fault.
    """

    reader: str
    outcome: str
    expected: bool
    seconds: float


def numbered_file(number: int, whole: dict[str, tuple[Whole, ...]]) -> Whole:
    """Make the file of a number, always the same."""
    kind = KINDS[number % len(KINDS)]
    return damaged(kind, whole[kind], Random(number))  # noqa: S311 - not for secrets


def readings(path: Path) -> Iterator[Reading]:
    """Read a file in each way that there is."""
    for reader in (
        read_image_header if path.name.endswith(FORMATS) else scan_dicom_zip,
        read_volume,
    ):
        start = time.process_time()
        expected = True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                reader(path)
            outcome = "ok"
        except GmmlabelError as error:
            outcome = f"{type(error).__name__}: {_same(str(error), path)}"
        except Exception as error:  # noqa: BLE001 - whatever else comes out is what is looked for
            expected, outcome = False, f"{type(error).__name__}: {_same(str(error), path)}"
        yield Reading(reader.__name__, outcome, expected, time.process_time() - start)


def peak_bytes() -> int:
    """Tell the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def limit_memory() -> None:
    """Make the system refuse this process memory beyond `MEMORY`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _same(message: str, path: Path) -> str:
    message = message.replace(str(path), "").replace(str(path.parent), "")
    return re.sub(r"'[^']*'|\"[^\"]*\"|[-+]?[0-9][-+.,0-9e]*|\bnan\b|\binf\b", "#", message)[:120]
