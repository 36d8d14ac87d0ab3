"""Damaged headers of every format against every reader: only errors of ours may come out.

    python benchmarks/fuzz.py [--inputs 50000] [--first 0] [--seconds 1.0]

Each input is a small real CT of which the header or the archive is damaged as its number decides,
so that one that shows a fault can be read again: ``--first NUMBER --inputs 1``. They are read in
processes of their own with a limit of memory, of which one that dies is a fault as well. The exit
status is 1 if there was one.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

# In the place of this folder, whose modules would hide folders of the tests.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from formats.damaged_files import whole_files
from formats.fuzzing import (
    Reading,
    limit_memory,
    numbered_file,
    peak_bytes,
    readings,
)

_HANGS_AFTER = 60.0


@dataclass
class _Found:
    """What came out."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    grown: int = 0

    def take(self, number: int, found: list[Reading], grown: int, seconds: float) -> None:
        self.grown = max(self.grown, grown)
        for one in found:
            self.outcomes[f"{one.reader}: {one.outcome}"] += 1
            self.slowest = max(self.slowest, one.seconds)
            if not one.expected or one.seconds > seconds:
                self.fault(number, f"{one.reader}: {one.outcome} ({one.seconds:.2f} s)")

    def fault(self, number: int, what: str) -> None:
        self.faults.append(f"{number}: {what}")
        print(f"fault {number}: {what}", flush=True)


def main() -> int:
    """Read as many inputs as are asked for; tell what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1.0, help="the longest that one may take")
    options = parser.parse_args()
    found, start = _Found(), time.perf_counter()
    first, last = options.first, options.first + options.inputs
    while first < last:
        for number, told in _read_from(first, last):
            if told:
                found.take(number, *told, options.seconds)
            else:
                found.fault(number, "the process died or hung")
            first = number + 1
    seconds = time.perf_counter() - start
    for outcome, count in found.outcomes.most_common():
        print(f"{count:8} {outcome}")
    print(
        f"{options.inputs:,} inputs, {sum(found.outcomes.values()):,} readings, "
        f"{len(found.outcomes)} distinct outcomes, {seconds:.0f} s, the slowest "
        f"{found.slowest:.2f} s, {found.grown >> 20} MiB more at the peak, "
        f"{len(found.faults)} faults"
    )
    return bool(found.faults)


def _read_from(first: int, last: int) -> Iterator[tuple[int, tuple[list[Reading], int] | None]]:
    """Read inputs in one process, until it dies: its last number comes with None then."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_read, args=(first, last, theirs))
    process.start()
    theirs.close()
    number = first
    try:
        while number < last:
            if not ours.poll(_HANGS_AFTER):
                raise EOFError
            yield number, ours.recv()
            number += 1
    except EOFError:
        yield number, None
    finally:
        process.kill()
        process.join()


def _read(first: int, last: int, pipe: Connection) -> None:
    whole = whole_files()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # what is unpacked when the process dies goes with it
        limit_memory()
        before = 0
        for number in range(first, last):
            file = numbered_file(number, whole)
            path = Path(folder, f"ct{file.suffix}")
            path.write_bytes(file.content)
            found = list(readings(path))
            path.unlink()
            before = before or peak_bytes()  # with all that is imported on the way
            pipe.send((found, peak_bytes() - before))


if __name__ == "__main__":
    sys.exit(main())
