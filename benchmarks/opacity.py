"""Ways to find opacity, compared on the same lungs of the same CTs, as a Markdown table.

    python benchmarks/opacity.py FOLDER [--seeds 2] [--workers 2]

The CTs are those that trials.py names. All ways are given the same lungs, those that the default
method finds in the CT: a resampled CT gets them carried over to its grid, and implants are looked
for in the lungs found without them. So what differs is opacity alone.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from math import inf
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special
from trials import COVID_PERCENT, KERNELS, NEAR_HEALTHY, Lesion, Map, Score, cts, resampled

from gmmlabel import DefaultMethod, Lungs, Volume, find_lungs, load_model
from gmmlabel.implants.lesion import LesionKind
from gmmlabel.implants.placement import Place
from gmmlabel.opacity import find_opacity
from gmmlabel.readers import read_volume
from gmmlabel.tissues import Tissue

SPACINGS_MM = (1.0, 2.0, 4.0)
SIZES_ML = (20, 100)

OPENED_MM = 4.0  # width of what a grey opening takes away
MEAN_MM = 2.5
RIM_MM = 2.5
REGION_ML = 1.0
VESSEL_HU = 100  # above the opening
COUPLING = 2.0  # of neighbours 1 mm apart; from 0.5 to 16, near-healthy CTs change by 2 points
STEPS = 20

MODEL, METHOD = load_model(), DefaultMethod()
HEALTHY_BELOW_HU = MODEL.boundaries()[Tissue.HEALTHY - Tissue.AIR]

Field = NDArray[np.float32]


def crop(volume: Volume, lungs: Lungs) -> NDArray[np.int16]:
    """Density in the box of the lungs."""
    return volume.hu[lungs.region].clip(METHOD.clip_hu)


def published(volume: Volume, lungs: Lungs) -> Map:
    """Ground glass and consolidation, voxel by voxel."""
    labels = MODEL.table[crop(volume, lungs).astype(np.int32) + (1 << 15)]
    involved = (labels == Tissue.GROUND_GLASS) | (labels == Tissue.CONSOLIDATION)
    return (involved & (lungs.mask > 0)).astype(np.uint8)


def opened(volume: Volume, lungs: Lungs) -> Field:
    """Density after a grey opening, which takes vessels away."""
    size = [2 * round(OPENED_MM / 2 / step) + 1 for step in volume.geometry.spacing_zyx]
    return ndimage.grey_opening(crop(volume, lungs), size).astype(np.float32)


def large(opaque: NDArray[np.bool_], volume: Volume) -> Map:
    """Drop regions that are too small."""
    regions, _ = ndimage.label(opaque)
    keep = np.bincount(regions.ravel()) * volume.geometry.voxel_ml >= REGION_ML
    keep[0] = False
    return keep[regions].view(np.uint8)


def inner(volume: Volume, lungs: Lungs) -> NDArray[np.bool_]:
    """Erode the lungs, by at least a voxel of their planes."""
    spacing = volume.geometry.spacing_zyx
    depth = ndimage.distance_transform_edt(lungs.mask, sampling=spacing)
    return np.asarray(depth > max(RIM_MM, *spacing[1:]))


def opening_and_mean(volume: Volume, lungs: Lungs) -> Map:
    """Grey opening, then the mean within the eroded lungs above the boundary of healthy lung."""
    inside = inner(volume, lungs)
    sigma = np.divide(MEAN_MM, volume.geometry.spacing_zyx)
    sums, weights = (
        ndimage.gaussian_filter(values, sigma, truncate=2)
        for values in (np.where(inside, opened(volume, lungs), 0), inside.astype(np.float32))
    )
    return large(inside & (sums > HEALTHY_BELOW_HU * weights), volume)


def random_field(volume: Volume, lungs: Lungs, *, without: Sequence[str] = ()) -> Map:
    """Markov random field on the mixture's posteriors, by mean field.

    Voxels of vessels and of the rim of the lungs are decided by their neighbours where they are
    named by `without`.
    """
    hu, lung = crop(volume, lungs), lungs.mask > 0
    log = MODEL.log_posterior(np.arange(METHOD.clip_hu, int(hu.max()) + 1))
    clear, opaque = np.split(log, [Tissue.HEALTHY - Tissue.AIR + 1], axis=1)
    odds = special.logsumexp(opaque, axis=1) - special.logsumexp(clear, axis=1)
    own = np.where(lung, odds.astype(np.float32)[hu.astype(np.int32) - METHOD.clip_hu], 0)
    if "vessels" in without:
        own[hu - opened(volume, lungs) > VESSEL_HU] = 0
    if "rim" in without:
        own[~inner(volume, lungs)] = 0
    mean = np.tanh(own / 2)  # from -1, clear, to 1, opaque
    for _ in range(STEPS):
        field = own.copy()
        for axis, step in enumerate(volume.geometry.spacing_zyx):
            near, far = np.moveaxis(field, axis, 0), np.moveaxis(mean, axis, 0)
            near[1:] += COUPLING / step * far[:-1]
            near[:-1] += COUPLING / step * far[1:]
        mean = (mean + np.where(lung, np.tanh(field / 2), 0)) / 2  # half a step, or it swings
    return large(mean > 0, volume)


def ours(volume: Volume, lungs: Lungs, **other: float) -> Map:
    """Our method, with other numbers."""
    return find_opacity(volume, lungs, replace(METHOD.opacity, **other), METHOD.clip_hu)


WAYS: dict[str, Callable[[Volume, Lungs], Map]] = {
    "involvement, as published": published,
    "grey opening, local mean": opening_and_mean,
    "Markov random field": random_field,
    "the same, vessels do not vote": partial(random_field, without=["vessels"]),
    "the same, nor does the rim": partial(random_field, without=["vessels", "rim"]),
    "ours": ours,
    "ours without the vessel rule": partial(ours, vessel_hu=inf),
    "ours without the slope rule": partial(ours, slope_hu_mm=inf),
    "ours without the edge rule": partial(ours, edge_mm=0.0),
    "ours without the majority": partial(ours, window_mm=0.0),
    "ours with all regions": partial(ours, region_ml=0.0),
}


def maps(volume: Volume, lungs: Lungs) -> list[Map]:
    """Find opacity in all ways, in the box of the lungs."""
    return [find(volume, lungs) for find in WAYS.values()]


def percents(volume: Volume, lungs: Lungs, found: Iterable[Map]) -> list[float]:
    """Measure opacity; involvement as published leaves dense tissue out of account."""
    lung = np.count_nonzero(lungs.mask)
    labels = MODEL.table[crop(volume, lungs)[lungs.mask > 0].astype(np.int32) + (1 << 15)]
    counted = dict.fromkeys(WAYS, lung) | {
        "involvement, as published": np.count_nonzero(labels != Tissue.DENSE)
    }
    return [
        100 * np.count_nonzero(opaque) / voxels
        for opaque, voxels in zip(found, counted.values(), strict=True)
    ]


def whole(lungs: Lungs, volume: Volume) -> Map:
    """Lungs over the whole volume."""
    mask = np.zeros(volume.hu.shape, np.uint8)
    mask[lungs.region] = lungs.mask
    return mask


@lru_cache(maxsize=1)
def prepared(path: Path) -> tuple[Volume, Lungs, list[Map]]:
    """Read a CT, and find its lungs and their opacity in all ways."""
    volume = read_volume(path)
    lungs = find_lungs(volume, METHOD)
    return volume, lungs, maps(volume, lungs)


def carried(lungs: Lungs, volume: Volume, made: Volume) -> Lungs:
    """Carry lungs over to another grid of the same block, voxel to nearest voxel."""
    index = [
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for old, new in zip(volume.hu.shape, made.hu.shape, strict=True)
    ]
    return Lungs.of_mask(whole(lungs, volume)[np.ix_(*index)] > 0)


def measure(path: Path) -> list[list[float]]:
    """Opacity in all ways, on the grid of the CT and on others."""
    volume, lungs, found = prepared(path)
    measured = [percents(volume, lungs, found)]
    for mm in SPACINGS_MM:
        made = resampled(volume, mm)
        if made is not None:
            there = carried(lungs, volume, made)
            measured.append(percents(made, there, maps(made, there)))
    return measured


def look_for(task: tuple[Path, Lesion]) -> list[Score] | None:
    """Implant a lesion and look for it in all ways; None where there is no room for it."""
    path, lesion = task
    volume, lungs, before = prepared(path)
    made = lesion.put(volume, whole(lungs, volume))
    if made is None:
        return None
    truth, after = made.truth[lungs.region], maps(made.volume, lungs)
    return [Score.of(new, truth, old) for new, old in zip(after, before, strict=True)]


def overlap(scores: Sequence[Score]) -> str:
    """Median and worst Dice, and the median amount of the volume error."""
    dices, errors = [score.dice for score in scores], [abs(score.error) for score in scores]
    return f"{median(dices):.2f}, {min(dices):.2f}, {median(errors):.0f} %"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2, help="implants of each size, kind, place")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    asked = parser.parse_args()
    paths = cts(asked.folder)
    names = [*NEAR_HEALTHY, *COVID_PERCENT, *KERNELS]
    kinds = list(product(LesionKind, SIZES_ML))
    tasks = [
        (paths[name], Lesion(kind, place, ml, seed))
        for name in NEAR_HEALTHY
        for kind, ml in kinds
        for place, seed in product(Place, range(asked.seeds))
    ]
    # Numba's kernels have threads of their own, and a process that has any is not to be forked.
    with ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
        measured = dict(zip(names, pool.map(measure, map(paths.get, names)), strict=True))
        tried = list(zip(tasks, pool.map(look_for, tasks), strict=True))
    heads = ["way", "near-healthy %", *(f"{name} %" for name in COVID_PERCENT)]
    heads += ["two kernels, points", "resampling, points"]
    heads += [f"{kind}, {ml} mL" for kind, ml in kinds]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for number, way in enumerate(WAYS):
        grids = {name: [row[number] for row in rows] for name, rows in measured.items()}
        usual = {name: values[0] for name, values in grids.items()}
        healthy = [usual[name] for name in NEAR_HEALTHY]
        changes = [abs(value - values[0]) for values in grids.values() for value in values[1:]]
        soft, sharp = (usual[name] for name in KERNELS)
        cells = [
            way,
            f"{median(healthy):.1f}, {max(healthy):.1f}",
            *(f"{usual[name]:.1f}" for name in COVID_PERCENT),
            f"{abs(sharp - soft):.1f}",
            f"{median(changes):.1f}, {max(changes):.1f}",
        ]
        for wanted in kinds:
            alike = [
                scores[number]
                for (_, lesion), scores in tried
                if scores and (lesion.kind, lesion.ml) == wanted
            ]
            cells.append(overlap(alike))
        print(f"| {' | '.join(cells)} |", flush=True)
    print("\nMedian and worst; of implants median and worst Dice, and median volume error.")


if __name__ == "__main__":
    main()
