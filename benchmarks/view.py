"""Time and memory of the view of a labelled CT against SimpleITK resampling and writing it.

    python benchmarks/view.py [--slices 150 600] [--runs 5]

For each number of slices a phantom of 512 x 512 voxels is labelled. Then, in turn, its view is
written, and SimpleITK resamples the CT (linear) and the label maps (nearest) to the same grid and
writes them as .nii.gz. The medians of wall and processor time, of the ratios of wall time pair by
pair, the memory that the view takes beyond what labelling took at its peak, and the size of its
files are printed. All of it runs in one process for each phantom.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from gmmlabel.cohort.memory import peak_bytes
from gmmlabel.pages.view import MOST_VOXELS, write_view
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import Labelling, label_volume


def peak() -> int:
    """Tell the peak resident memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(work: Callable[[Path], None]) -> tuple[float, float, int]:
    """Wall and processor seconds of work in a folder of its own, and the bytes that it leaves."""
    with TemporaryDirectory() as folder:
        wall, processor = time.perf_counter(), time.process_time()
        work(Path(folder))
        taken = time.perf_counter() - wall, time.process_time() - processor
        return *taken, sum(path.stat().st_size for path in Path(folder).iterdir())


def images_of(labelling: Labelling) -> dict[str, sitk.Image]:
    """Make images of the CT and its label maps."""
    arrays = {
        "ct": labelling.volume.hu,
        "labels": labelling.labels,
        "smoothed": labelling.smoothed,
        "lungs": labelling.lung_mask,
        "opacity": labelling.opacity_map,
    }
    images = {name: sitk.GetImageFromArray(array) for name, array in arrays.items()}
    for image in images.values():
        image.SetSpacing(labelling.volume.geometry.spacing)
    return images


def resample(images: dict[str, sitk.Image], folder: Path) -> None:
    """Do as `write_view` does with the CT and its label maps, by SimpleITK alone."""
    full = images["ct"]
    size = [min(MOST_VOXELS, length) for length in full.GetSize()]
    ratio = np.divide(full.GetSize(), size)
    spacing = (ratio * full.GetSpacing()).tolist()
    origin = ((ratio - 1) / 2 * full.GetSpacing()).tolist()
    for name, image in images.items():
        how = sitk.sitkLinear if name == "ct" else sitk.sitkNearestNeighbor
        small = sitk.Resample(image, size, sitk.Transform(), how, origin, spacing)
        sitk.WriteImage(small, folder / f"{name}.nii.gz")


def measure(slices: int, runs: int) -> None:
    """Print a line for a phantom of so many slices."""
    labelling = label_volume(make_phantom((512, 512, slices), (0.7, 0.7, 300 / slices)).volume)
    before = peak()
    timed(lambda folder: write_view(labelling, folder))
    more, most = peak() - before, peak()
    images = images_of(labelling)
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(timed(lambda folder: write_view(labelling, folder)))
        theirs.append(timed(lambda folder: resample(images, folder)))
    wall, processor, size = map(statistics.median, zip(*ours, strict=True))
    ratio = statistics.median(our[0] / their[0] for our, their in zip(ours, theirs, strict=True))
    estimate = peak_bytes((512, 512, slices))
    print(
        f"{slices:4} slices: {wall:.2f} s, {processor:.2f} s of processor, {ratio:.2f} of "
        f"SimpleITK's {statistics.median(their[0] for their in theirs):.2f} s; "
        f"{more / 1e6:+.0f} MB to {most / 1e6:.0f} of {estimate / 1e6:.0f} estimated; "
        f"{size / 1e6:.1f} MB of files"
    )


def main() -> None:
    """Read the options, and measure each phantom in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, nargs="+", default=[150, 600])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    if len(options.slices) == 1:
        measure(options.slices[0], options.runs)
        return
    for slices in options.slices:
        command = [sys.executable, __file__, "--slices", str(slices), "--runs", str(options.runs)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
