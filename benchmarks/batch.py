"""What `gmmlabel batch` gains by a second worker, and what it costs beside the labelling itself.

    python benchmarks/batch.py throughput [--cases 24] [--slices 150] [--runs 3]
    python benchmarks/batch.py overhead [--cases 2000]

`throughput` labels the same phantoms of 512 x 512 voxels in turn by one worker that is bound to
one core, by one worker that has all cores, and by as many workers as there are cores. Ratios are
run by run, of the wall time of the whole command; stages are medians over all cases. A stage that
takes longer with two workers than on one core waits for what the cores share.

`overhead` labels tiny phantoms by as many workers as there are cores. The label chain is the sum
of ``seconds.total`` of all ``result.json``, divided by the workers; what the wall clock shows
beyond that is overhead. Then the finished batch is run again. The resident memory of the parent
process is read every second.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")
CORES = sorted(os.sched_getaffinity(0))
STAGES = ("read", "lungs", "label", "smooth", "opacity", "measure", "write", "total")
MARKS = (100, 500, 1000, 2000, 5000, 10_000)
"""So many cases ended: then the memory of the parent is told."""

Size = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass
class Run:
    """One run of the command.

    Parameters
    ----------
    seconds
        Wall time from start to exit.
    ended
        When each case ended, in seconds from the start.
    memory
        Resident bytes of the parent process, each second: when, and how many.
    stages
        Seconds of each stage, for each case.
    """

    seconds: float = 0.0
    ended: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)

    def resident(self, count: int) -> int:
        """Memory of the parent when so many cases had ended, in bytes."""
        when = self.ended[count - 1]
        return min(self.memory, key=lambda sample: abs(sample[0] - when))[1]


def write_phantoms(folder: Path, count: int, size: Size, spacing: Spacing, distinct: int) -> None:
    """Write phantoms of a few seeds, and copies of them under other names."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"ct{number:05}.nrrd"
        if number < distinct:
            write_volume(path, make_phantom(size, spacing, seed=number).volume)
        else:
            shutil.copyfile(folder / f"ct{number % distinct:05}.nrrd", path)


def run(source: Path, out: Path, workers: int, cores: list[int]) -> Run:
    """Run the command on some cores; raises CalledProcessError if it fails."""
    command = [GMMLABEL, "batch", source, "--out", out, "--workers", workers, "--json"]
    made, start = Run(), time.perf_counter()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # processes inherit it
    process = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    os.sched_setaffinity(0, before)
    sampling = threading.Thread(target=_sample, args=(process, made, start))
    sampling.start()
    for line in process.stderr or ():
        if " of " in line:  # gmmlabel: 1 of 24: ct00000: 2.3 s
            made.ended.append(time.perf_counter() - start)
    process.wait()
    made.seconds = time.perf_counter() - start
    sampling.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, GMMLABEL)
    documents = [json.loads(path.read_bytes())["seconds"] for path in out.glob("*/result.json")]
    made.stages = {stage: [each[stage] for each in documents] for stage in STAGES}
    return made


def _sample(process: subprocess.Popen[str], made: Run, start: float) -> None:
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            return
        if "VmRSS:" in status:
            kilobytes = int(status.split("VmRSS:")[1].split()[0])
            made.memory.append((time.perf_counter() - start, 1024 * kilobytes))
        time.sleep(1)


def throughput(folder: Path, count: int, slices: int, runs: int) -> None:
    """Print cases per minute, ratios, and where the time goes."""
    write_phantoms(folder / "cts", count, (512, 512, slices), (0.7, 0.7, 300 / slices), 4)
    ways = {
        "1 worker, 1 core": (1, CORES[:1]),
        f"1 worker, {len(CORES)} cores": (1, CORES),
        f"{len(CORES)} workers": (len(CORES), CORES),
    }
    made: dict[str, list[Run]] = {way: [] for way in ways}
    for number in range(runs + 1):
        for way, (workers, cores) in ways.items():
            done = run(folder / "cts", folder / "out", workers, cores)
            shutil.rmtree(folder / "out")
            if number:  # the first compiles the kernels and warms the page cache
                made[way].append(done)
    print(f"{count} phantoms of 512 x 512 x {slices}, {len(CORES)} cores, medians of {runs} runs")
    print(f"{'':<20} cases/min   ratio to each way above")
    for place, way in enumerate(ways):
        rate = statistics.median(60 * count / it.seconds for it in made[way])
        ratios = [_ratio(made[other], made[way]) for other in list(ways)[:place]]
        print(f"{way:<20} {rate:>9.1f}   {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    print("\nmedian seconds of a case, and wall seconds of the run beyond its cases")
    print(f"{'':<20}" + "".join(f"{stage:>9}" for stage in STAGES) + "   beyond")
    for way, (workers, _) in ways.items():
        medians = [
            statistics.median(second for it in made[way] for second in it.stages[stage])
            for stage in STAGES
        ]
        beyond = statistics.median(
            it.seconds - sum(it.stages["total"]) / workers for it in made[way]
        )
        print(f"{way:<20}" + "".join(f"{median:>9.2f}" for median in medians) + f"{beyond:>9.1f}")


def _ratio(slower: list[Run], faster: list[Run]) -> float:
    pairs = zip(slower, faster, strict=True)
    return statistics.median(one.seconds / other.seconds for one, other in pairs)


def overhead(folder: Path, count: int) -> None:
    """Print what a case costs beyond its labelling, what a resume costs, and the memory."""
    workers = len(CORES)
    write_phantoms(folder / "cts", count, (64, 64, 40), (3.0, 3.0, 4.0), 8)
    first = run(folder / "cts", folder / "out", workers, CORES)
    chain = sum(first.stages["total"]) / workers
    print(f"{count} phantoms of 64 x 64 x 40, {workers} workers on {len(CORES)} cores")
    print(f"{first.seconds:>8.1f} s in all, {chain:.1f} s of them the label chain")
    for milliseconds, what in _beyond(first, chain, workers):
        print(f"{milliseconds:>8.1f} ms a case beyond the label chain: {what}")
    again = run(folder / "cts", folder / "out", workers, CORES)
    print(f"{again.seconds:>8.1f} s to run the finished batch again")
    for mark in [mark for mark in MARKS if mark < count] + [count]:
        print(f"{first.resident(mark) / 1e6:>8.0f} MB in the parent after {mark} cases")
    print(f"{max(it[1] for it in first.memory) / 1e6:>8.0f} MB at most, the overview included")
    print(f"{max(it[1] for it in again.memory) / 1e6:>8.0f} MB at most when run again")


def _beyond(made: Run, chain: float, workers: int) -> Iterator[tuple[float, str]]:
    """Part the overhead: milliseconds a case, and of what."""
    count, alone = len(made.ended), statistics.median(made.stages["total"])
    start, last = made.ended[0] - alone, made.ended[-1]
    each = 1000 / count
    yield each * (made.seconds - chain), "all of it"
    yield each * start, "until the first case is under way"
    yield each * (last - start - chain), f"between cases, of {workers} workers"
    yield each * (made.seconds - last), "after the last case, the overview"


def main() -> None:
    """Measure what is asked for, in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the temporary folder is to be")
    what = parser.add_subparsers(dest="what", required=True)
    fast = what.add_parser("throughput")
    fast.add_argument("--cases", type=int, default=24)
    fast.add_argument("--slices", type=int, default=150)
    fast.add_argument("--runs", type=int, default=3)
    small = what.add_parser("overhead")
    small.add_argument("--cases", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        if asked.what == "throughput":
            throughput(Path(folder), asked.cases, asked.slices, asked.runs)
        else:
            overhead(Path(folder), asked.cases)


if __name__ == "__main__":
    main()
