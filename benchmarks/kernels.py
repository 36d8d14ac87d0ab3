"""Each kernel against what SciPy or SimpleITK needs for the same result, on one phantom.

    python benchmarks/kernels.py [--slices 150] [--runs 5]

Both run in turn in one process, after a run that is not counted; the results are compared, and the
medians of the seconds and of the ratios pair by pair are printed. SciPy and SimpleITK are given
the threads that they take by themselves.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from gmmlabel.model_files import load_model
from gmmlabel.morphology.ball import Ball, close_ball
from gmmlabel.morphology.components import components
from gmmlabel.morphology.lookup import look_up
from gmmlabel.morphology.median import Window, median_labels
from gmmlabel.morphology.packed import open_cross, pack, pack_range, unpack
from gmmlabel.phantom import make_phantom

_CROSS = ndimage.generate_binary_structure(3, 1)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def compare(
    name: str, runs: int, ours: Callable[[], Any], other: Callable[[], Any], same: bool = True
) -> None:
    """Print one line, after checking that both give the same."""
    pairs = []
    for number in range(runs + 1):
        (fast, one), (slow, two) = timed(ours), timed(other)
        if same and not np.array_equal(one, two):
            raise SystemExit(f"{name}: the results differ")
        if number:
            pairs.append((fast, slow))
    fast, slow = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    ratio = statistics.median(slow / fast for fast, slow in pairs)
    print(f"{name:<44}{fast:>9.3f}{slow:>9.3f}{ratio:>9.1f}", flush=True)


def close_itk(mask: np.ndarray[Any, Any], radius: int) -> np.ndarray[Any, Any]:
    """Close with SimpleITK's ball."""
    image = sitk.GetImageFromArray(mask)
    closed = sitk.BinaryMorphologicalClosing(image, [radius] * 3, sitk.sitkBall, 1.0)
    return sitk.GetArrayFromImage(closed)


def close_ours(mask: np.ndarray[Any, Any], radius: int) -> np.ndarray[Any, Any]:
    """Close with our ball, with the room around that SimpleITK makes by itself."""
    room = np.pad(mask, radius + 1)
    close_ball(room, Ball.of_voxels(radius))
    return room[(slice(radius + 1, -radius - 1),) * 3]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=150)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    hu = make_phantom((512, 512, asked.slices), (0.7, 0.7, 2.0)).volume.hu
    width, model = hu.shape[2], load_model()
    packed = pack_range(hu, -1200, -155)
    light = (hu >= -1200) & (hu < -155)
    lungs = np.ascontiguousarray(light[:, 64:448, 64:448], np.uint8)
    labels, _ = look_up(hu, light.view(np.uint8), model.table)
    found = components(packed, width)

    print(
        f"{hu.shape}, medians of {asked.runs} runs\n{'':<44}{'ours s':>9}{'other s':>9}{'ratio':>9}"
    )
    compare(
        "opening, 3 cross steps: SciPy",
        asked.runs,
        lambda: unpack(open_cross(pack(light), width, (3, 3, 3), edge=False), width),
        lambda: ndimage.binary_opening(light, _CROSS, 3),
    )
    compare(
        "components and sizes: SciPy label, bincount",
        asked.runs,
        lambda: np.sort(components(packed, width).sizes),
        lambda: np.sort(np.bincount(ndimage.label(light, _CROSS)[0].ravel())[1:]),
    )
    for radius in (5, 10):
        compare(
            f"closing, ball of {radius} voxels: SimpleITK",
            asked.runs,
            lambda radius=radius: close_ours(lungs, radius),
            lambda radius=radius: close_itk(lungs, radius),
        )
    compare(
        "labels and histogram: NumPy take, bincount",
        asked.runs,
        lambda: look_up(hu, light.view(np.uint8), model.table)[0],
        lambda: (
            np.bincount(hu[light].astype(np.int64) + 32768),
            np.where(light, model.table[hu.astype(np.int64) + 32768], 0),
        )[1],
    )
    compare(
        "median of 4 x 4 x 4: SciPy",
        asked.runs,
        lambda: median_labels(labels, Window((2, 2, 2), (1, 1, 1)), inside=False),
        lambda: ndimage.median_filter(labels, 4),
    )
    print(f"{len(found.sizes):,} components in {len(found.runs):,} runs")


if __name__ == "__main__":
    main()
