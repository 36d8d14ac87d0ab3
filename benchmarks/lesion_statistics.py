"""Density, grain and edges of real lesions, and of implants measured alike, as Markdown tables.

    python benchmarks/lesion_statistics.py FOLDER

The folder holds ``covid_ricord1a.nrrd`` and ``slab_covid_000006.nrrd`` (MIDRC-RICORD-1A), in which
lesions were boxed by eye, and ``slab_normal_000061.nrrd`` (MIDRC-RICORD-1B), which gets implants.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel import Volume, read_volume
from gmmlabel.implants.implant import implant
from gmmlabel.implants.lesion import LesionKind
from gmmlabel.implants.texture import Noise
from gmmlabel.lungs import find_lungs
from gmmlabel.method import METHODS

GROUND_GLASS_HU = (-700, -400)  # of the local median, to be counted as ground glass
VESSEL_HU = 120  # above the local median
BORDERS_HU = {LesionKind.GROUND_GLASS: -720, LesionKind.CONSOLIDATION: -400}
LAGS_MM = (0.7, 1.4, 2.1, 3.5, 7.0)
DEPTHS_MM = (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 8)
BOXES: dict[str, list[tuple[LesionKind, tuple[slice, slice, slice]]]] = {
    "covid_ricord1a": [
        (LesionKind.GROUND_GLASS, np.s_[48:110, 255:350, 300:430]),
        (LesionKind.GROUND_GLASS, np.s_[155:180, 250:300, 110:165]),
        (LesionKind.CONSOLIDATION, np.s_[140:152, 226:275, 110:168]),
        (LesionKind.CONSOLIDATION, np.s_[143:160, 262:312, 118:170]),
        (LesionKind.CONSOLIDATION, np.s_[70:92, 255:330, 95:215]),
    ],
    "slab_covid_000006": [
        (LesionKind.GROUND_GLASS, np.s_[0:10, 130:345, 80:250]),
        (LesionKind.GROUND_GLASS, np.s_[0:10, 250:345, 355:440]),
    ],
}


@dataclass(frozen=True, eq=False)
class Sample:
    """A box of a CT with one lesion in it."""

    name: str
    kind: LesionKind
    hu: NDArray[np.int16]
    spacing: tuple[float, float, float]
    noise_hu: float


def opened(mask: NDArray[Any], radius: float, spacing: tuple[float, ...]) -> NDArray[Any]:
    """Keep what a ball of a radius in mm fits into."""
    middles = ndimage.distance_transform_edt(mask, sampling=spacing) > radius
    if not middles.any():
        return middles
    return mask & (ndimage.distance_transform_edt(~middles, sampling=spacing) <= radius)


def local_median(sample: Sample, radius: float) -> NDArray[Any]:
    """Median in a disk of the plane: the lung without its vessels."""
    _, y, x = (np.arange(-(r := int(radius / step)), r + 1) * step for step in sample.spacing)
    disk = np.hypot(y[:, None], x) <= radius
    return ndimage.median_filter(sample.hu, footprint=disk[None])


def inside(sample: Sample) -> NDArray[Any]:
    """Voxels within the lesion, without its edge and without vessels."""
    median = local_median(sample, 2.5)
    if sample.kind is LesionKind.CONSOLIDATION:
        dense = opened(median > BORDERS_HU[sample.kind], 2.0, sample.spacing)
        deep = ndimage.distance_transform_edt(dense, sampling=sample.spacing) > 4
        return deep & (sample.hu < 150)  # ribs
    glass = (median > GROUND_GLASS_HU[0]) & (median < GROUND_GLASS_HU[1])
    return opened(glass, 3.0, sample.spacing) & (sample.hu < median + VESSEL_HU)


def robust(values: NDArray[Any]) -> tuple[float, float]:
    """Median, and SD by the median deviation from it."""
    middle = float(np.median(values))
    return middle, float(1.4826 * np.median(np.abs(values - middle)))


def correlations(sample: Sample, within: NDArray[Any]) -> list[float]:
    """Autocorrelation along x and y at `LAGS_MM`."""
    field = np.where(within, sample.hu - sample.hu[within].mean(), 0.0)
    found = []
    for axis in (1, 2):
        steps = range(int(LAGS_MM[-1] / sample.spacing[axis]) + 2)
        products = [np.sum(field * np.roll(field, step, axis)) for step in steps]
        counts = [np.sum(within & np.roll(within, step, axis)) for step in steps]
        curve = np.array(products) / np.maximum(counts, 1)
        found.append(np.interp(LAGS_MM, np.array(steps) * sample.spacing[axis], curve / curve[0]))
    return list(np.mean(found, axis=0))


def profile(sample: Sample) -> NDArray[Any]:
    """Median HU at `DEPTHS_MM` outside the border of the lesion, away from the chest wall."""
    median = local_median(sample, 2.0)
    lesion = opened(median > BORDERS_HU[sample.kind], 2.5, sample.spacing)
    away = ndimage.distance_transform_edt(~lesion, sampling=sample.spacing)
    away -= ndimage.distance_transform_edt(lesion, sampling=sample.spacing)
    away -= 0.35 * np.sign(away)  # voxels on both sides of the border are one voxel apart
    counted = np.ones(lesion.shape, bool)
    if sample.kind is LesionKind.GROUND_GLASS:
        wall = opened(median > -200, 4.0, sample.spacing)
        counted = ndimage.distance_transform_edt(~wall, sampling=sample.spacing) > 6
    levels = [sample.hu[counted & (np.abs(away - depth) <= 0.5)] for depth in DEPTHS_MM]
    return np.array([np.median(level) if len(level) > 50 else np.nan for level in levels])


def width(levels: NDArray[Any], high: float, low: float) -> tuple[float, float]:
    """Distance in mm in which a falling profile goes from 90 to 10 %, and where it has 50 %."""
    share = (levels - low) / (high - low)
    known = ~np.isnan(share)
    at = [
        np.interp(-level, -np.minimum.accumulate(share[known]), np.array(DEPTHS_MM)[known])
        for level in (0.9, 0.5, 0.1)
    ]
    return float(at[2] - at[0]), float(at[1])


def real(folder: Path) -> Iterator[Sample]:
    """Give the boxed lesions."""
    for name, boxes in BOXES.items():
        volume = read_volume(folder / f"{name}.nrrd")
        noise = Noise.of(volume.hu, volume.geometry.spacing_zyx).sd_hu
        for kind, box in boxes:
            yield Sample(name, kind, volume.hu[box], volume.geometry.spacing_zyx, noise)


def implanted(volume: Volume) -> Iterator[Sample]:
    """Give implants of 100 mL in a normal lung, and 12 mm around them."""
    spacing = volume.geometry.spacing_zyx
    lungs = np.zeros(volume.hu.shape, np.uint8)
    found = find_lungs(volume, METHODS["default"])
    lungs[found.region] = found.mask
    noise = Noise.of(volume.hu, spacing).sd_hu
    for seed in (0, 1):
        for kind in LesionKind:
            made = implant(volume, lungs, kind=kind, volume_ml=100, place="centre", seed=seed)
            box = tuple(
                slice(max(0, part.start - round(12 / step)), part.stop + round(12 / step))
                for part, step in zip(
                    ndimage.find_objects(np.minimum(made.truth, 1))[0], spacing, strict=True
                )
            )
            yield Sample("implant", kind, made.volume.hu[box], spacing, noise)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    samples = [*real(folder), *implanted(read_volume(folder / "slab_normal_000061.nrrd"))]
    print(f"| lesion | mL | median HU | SD | noise | r at {', '.join(map(str, LAGS_MM))} mm |")
    print("| --- | --- | --- | --- | --- | --- |")
    for sample in samples:
        within = inside(sample)
        middle, spread = robust(sample.hu[within])
        ml = within.sum() * np.prod(sample.spacing) / 1000
        alike = ", ".join(f"{value:.2f}" for value in correlations(sample, within))
        print(
            f"| {sample.name} {sample.kind} | {ml:.1f} | {middle:.0f} | {spread:.0f} "
            f"| {sample.noise_hu:.0f} | {alike} |"
        )
    print(f"\n| lesion | median HU at {', '.join(map(str, DEPTHS_MM))} mm | edge mm | halo mm |")
    print("| --- | --- | --- | --- |")
    for sample in samples:
        levels = profile(sample)
        if np.isnan(levels).sum() > 2:  # the lesion is all at the chest wall
            continue
        shown = ", ".join("-" if np.isnan(level) else f"{level:.0f}" for level in levels)
        if sample.kind is LesionKind.GROUND_GLASS:
            edge, _ = width(levels, np.nanmedian(levels[:2]), np.nanmedian(levels[-2:]))
            halo = "-"
        else:  # from consolidation to ground glass; then on to healthy lung, half way
            edge, middle = width(levels, np.nanmedian(levels[:2]), -600)
            halo = f"{width(levels, -600, -840)[1] - middle:.1f}"
        print(f"| {sample.name} {sample.kind} | {shown} | {edge:.1f} | {halo} |")


if __name__ == "__main__":
    main()
