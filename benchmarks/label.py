"""Time and memory of ``gmmlabel label`` against SimpleITK reading and writing the same files.

    python benchmarks/label.py [--slices 100 200 400 630 830] [--runs 5] [--method published]

For each number of slices a phantom of 512 x 512 voxels at 0.52 x 0.52 mm with slices of 0.5 mm
is written once as a gzip .nrrd. Then, in turn, a process of its own reads it with SimpleITK and
writes two label maps, and another runs the whole command line from start to exit. The medians of
wall time and of the ratios pair by pair are printed, and the peak resident memory of the command
against the raw volume.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_REFERENCE = """
import sys, time
import SimpleITK as sitk
source, maps, out = sys.argv[1], sys.argv[2:4], sys.argv[4]
images = [sitk.ReadImage(path) for path in maps]
start = time.perf_counter()
sitk.ReadImage(source)
for number, image in enumerate(images):
    sitk.WriteImage(image, f"{out}/{number}.nrrd", useCompression=True)
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Run:
    """Wall seconds, peak resident bytes and standard output of a process."""

    seconds: float
    peak: int
    output: str


def run(*command: str) -> Run:
    """Run a command to its end; raises CalledProcessError if it fails."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(time.perf_counter() - start, usage.ru_maxrss * 1024, output)


def measure(folder: Path, slices: int, method: str, runs: int) -> None:
    """Print one line of medians for a phantom of so many slices."""
    gmmlabel = shutil.which("gmmlabel", path=str(Path(sys.executable).parent)) or "gmmlabel"
    source = folder / f"phantom{slices}.nrrd"
    size, spacing = ("512", "512", str(slices)), ("0.52", "0.52", "0.5")
    run(gmmlabel, "phantom", "--out", str(source), "--size", *size, "--spacing", *spacing)
    case = folder / "case"
    label = (gmmlabel, "label", str(source), "--out", str(case), "--method", method, "--overwrite")
    run(*label)  # compiles the kernels and warms the page cache
    maps = [str(case / name) for name in ("labels.nrrd", "smoothed.nrrd")]
    pairs = []
    for _ in range(runs):
        reference = run(sys.executable, "-c", _REFERENCE, str(source), *maps, str(folder))
        pairs.append((float(reference.output), run(*label)))
    raw = 512 * 512 * slices * 2
    reference_seconds = statistics.median(seconds for seconds, _ in pairs)
    seconds = statistics.median(ours.seconds for _, ours in pairs)
    ratio = statistics.median(ours.seconds / seconds for seconds, ours in pairs)
    peak = max(ours.peak for _, ours in pairs)
    print(
        f"{slices:>6} {reference_seconds:>10.2f} {seconds:>10.2f} {ratio:>8.2f} "
        f"{peak / 1e6:>10.0f} {peak / raw:>12.2f}",
        flush=True,
    )
    source.unlink()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, nargs="+", default=[100, 200, 400, 630, 830])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--method", default="published", choices=["published", "default"])
    asked = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"method {asked.method}, {cores} cores, medians of {asked.runs} runs")
    print("slices  SimpleITK   gmmlabel    ratio    peak MB  peak/volume")
    with tempfile.TemporaryDirectory() as folder:
        for slices in asked.slices:
            measure(Path(folder), slices, asked.method, asked.runs)


if __name__ == "__main__":
    main()
