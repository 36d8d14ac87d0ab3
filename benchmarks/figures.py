"""Every figure that has a mark, measured on a folder of CTs, as Markdown tables.

    python benchmarks/figures.py FOLDER [--seeds 2] [--workers 2] [--quick]

Marks need the CTs that trials.py names. ``NAME_lungs.nrrd`` beside ``NAME.nrrd`` is an expert's
lung mask. ``--quick`` takes one seed, implants of 20 and 100 mL and no resampling to 1 mm. Time
and memory, which depend on the machine, are measured by label.py.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import inf
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from trials import (
    COVID_PERCENT,
    KERNELS,
    NEAR_HEALTHY,
    Change,
    Lesion,
    Trial,
    cts,
    labelled,
    look_for,
    look_in_lungs,
    name_of,
    resample,
    turn,
)

from gmmlabel import GmmlabelError, Labelling, label_volume, read_volume
from gmmlabel.implants.lesion import LesionKind
from gmmlabel.implants.placement import Place
from gmmlabel.method import METHODS
from gmmlabel.tissues import Tissue

LUNG_DICE = {"small_id001": 0.98, "small_id002": 0.96}
THIN_MM, THIN_PERCENT, THICK_PERCENT = 3.0, 2.0, 3.0  # opacity of near-healthy lungs, by slices
KERNEL_POINTS, CHANGE_POINTS, VOLUME_PERCENT = 2.0, 1.5, 3.0
LESION_FROM_ML, LESION_DICE, LESION_PERCENT = 20, 0.80, 15.0
KEPT_ML, KEPT_SHARE, KEPT_SEEDS = 100, 0.90, 8
SIZES_ML = (5, 20, 50, 100, 200, 500)
SPACINGS_MM = (1.0, 2.0, 4.0)
LESION = attrgetter("lesion.ml", "lesion.kind", "lesion.place")
CELL = "median / worst / share that reaches the mark"


@dataclass(frozen=True)
class Mark:
    """A figure, measured once or many times, and what its amount has to be."""

    figure: str
    values: Sequence[float]
    least: float = 0.0
    most: float = inf
    unit: str = ""

    @property
    def reached(self) -> float:
        """Share of the values that are within the mark, in percent."""
        return 100 * float(
            np.mean([self.least <= abs(value) <= self.most for value in self.values])
        )

    @property
    def middle(self) -> float:
        """Median amount."""
        return float(np.median(np.abs(self.values)))

    @property
    def worst(self) -> float:
        """The value furthest from the mark, or nearest to it."""
        return min(self.values, key=abs) if self.most == inf else max(self.values, key=abs)

    @property
    def row(self) -> list[str]:
        """Figure, mark, what was measured, and whether it is reached."""
        mark = f"at least {self.least:g}" if self.most == inf else f"at most {self.most:g}"
        digits = 2 if self.unit else 4
        found = f"{self.worst:.{digits}f}{self.unit}"
        if len(self.values) > 1:
            found = f"median {self.middle:.{digits}f}{self.unit}, worst {found}"
        some = f"in {self.reached:.0f} % of {len(self.values)}"
        return [self.figure, mark + self.unit, found, {100: "yes", 0: "no"}.get(self.reached, some)]

    @property
    def cell(self) -> str:
        """Median, worst, and share that reaches the mark, in short."""
        digits = 0 if self.unit else 2
        return f"{self.middle:.{digits}f} / {self.worst:.{digits}f} / {self.reached:.0f} %"


def table(head: str, rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"| {head} |\n|{' --- |' * (head.count('|') + 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(flush=True)


def grouped(trials: Iterable[Trial], key: Callable[[Trial], Any]) -> dict[Any, list[Trial]]:
    """Put together the trials that have the same key."""
    groups: dict[Any, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(key(trial), []).append(trial)
    return groups


def lung_dice(made: Labelling, path: Path) -> float | None:
    """Dice coefficient of the lungs and an expert mask; None where there is no mask."""
    mask = path.with_name(f"{name_of(made.volume)}_lungs.nrrd")
    if not mask.exists():
        return None
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))
    expert, ours = made.volume.geometry.from_stored(stored) > 0, made.lung_mask > 0
    return float(2 * np.sum(expert & ours) / (expert.sum() + ours.sum()))


def describe(task: tuple[Path, str]) -> tuple[list[str], list[Mark]]:
    """Give one row of the table of CTs, and the marks that it decides."""
    path, method = task
    try:
        made = label_volume(read_volume(path), method=METHODS[method])
    except GmmlabelError as error:
        return [path.name, method, str(error).split(": ", 1)[-1].split(";")[0]], []
    lungs, dice, opacity = made.lungs, lung_dice(made, path), made.opacity
    right = np.count_nonzero(lungs.mask == 1) / np.count_nonzero(lungs.mask)
    row = [
        path.name,
        method,
        f"{made.lungs_ml / 1000:.2f}",
        f"{right:.2f}" if lungs.sides_told else "-",
        f"{dice:.3f}" if dice is not None else "-",
        f"{lungs.airways_ml:.0f}",
        f"{lungs.repaired_ml:.0f}",
        f"{made.involvement.percent:.1f}",
        f"{made.tissues[Tissue.DENSE].percent:.1f}",
        f"{opacity.percent:.2f}" if opacity else "-",
    ]
    return row, list(marks_of(made, dice)) if opacity else []


def marks_of(made: Labelling, dice: float | None) -> Iterable[Mark]:
    """Give the marks of one CT."""
    name, opacity = name_of(made.volume), [made.regions["both"].opacity.percent]
    if name in LUNG_DICE and dice is not None:
        yield Mark(f"lung Dice, {name}", [dice], LUNG_DICE[name])
    if name in NEAR_HEALTHY:
        thin = made.volume.geometry.spacing_zyx[0] <= THIN_MM
        most = THIN_PERCENT if thin else THICK_PERCENT
        yield Mark(f"opacity, {name}", opacity, most=most, unit=" %")
    if name in COVID_PERCENT:
        yield Mark(f"opacity, {name}", opacity, COVID_PERCENT[name], unit=" %")


def show_cts(pool: Executor, paths: Iterable[Path]) -> list[Mark]:
    """Print what both methods give for each CT; return the marks."""
    print("## CTs\n")
    made = list(pool.map(describe, product(paths, METHODS)))
    table(
        "CT | method | lungs L | right share | Dice | airways mL | repaired mL "
        "| involvement % | dense % | opacity %",
        (row for row, _ in made),
    )
    return sorted((mark for _, marks in made for mark in marks), key=lambda mark: mark.figure)


def kernel_marks(paths: dict[str, Path]) -> list[Mark]:
    """Compare the two kernels of one scan."""
    soft, sharp = (labelled(paths[name]) for name in KERNELS)
    found = Change.between("kernel", soft, sharp)
    return [
        Mark("two kernels, opacity", [found.points], most=KERNEL_POINTS, unit=" points"),
        Mark("two kernels, lung volume", [found.percent], most=VOLUME_PERCENT, unit=" %"),
    ]


def show_changes(what: str, found: Iterable[list[Change]]) -> list[Mark]:
    """Print how figures change with the grid, CT by CT; return the marks."""
    print(f"## {what}: points of opacity, percent of lung volume\n")
    by_ct = [changes for changes in found if changes]
    table(
        f"CT | {' | '.join(change.how for change in by_ct[0])}",
        ([changes[0].ct, *map(str, changes)] for changes in by_ct),
    )
    made = [change for changes in by_ct for change in changes if change.points is not None]
    points, percents = [each.points for each in made], [each.percent for each in made]
    return [
        Mark(f"{what}, opacity", points, most=CHANGE_POINTS, unit=" points"),
        Mark(f"{what}, lung volume", percents, most=VOLUME_PERCENT, unit=" %"),
    ]


def lesion_marks(figure: str, trials: Iterable[Trial], source: str) -> list[Mark]:
    """Give the marks of Dice and volume error of implants, with lungs `found` or `given`."""
    scores = [getattr(trial, source) for trial in trials]
    dices, errors = [score.dice for score in scores], [score.error for score in scores]
    return [
        Mark(f"{figure}, Dice", dices, LESION_DICE),
        Mark(f"{figure}, volume error", errors, most=LESION_PERCENT, unit=" %"),
    ]


def show_lesions(made: Sequence[Trial | None]) -> list[Mark]:
    """Print how implants are found, by size, kind and place; return the marks of each size."""
    trials = [trial for trial in made if trial]
    print(f"## Implants: {CELL}\n")
    print(
        f"{len(trials)} implants; there was no room for {len(made) - len(trials)} more. The lungs "
        "are found with the implant in the CT, or given as they were found without it.\n"
    )
    rows = []
    for (ml, kind, place), alike in grouped(trials, LESION).items():
        marks = lesion_marks("", alike, "found") + lesion_marks("", alike, "given")
        rows.append([f"{ml:g}", kind, place, str(len(alike)), *(mark.cell for mark in marks)])
    table(
        "mL | kind | place | n | Dice | volume error % | Dice, lungs given "
        "| volume error %, lungs given",
        rows,
    )
    marks = []
    for ml, alike in grouped(trials, attrgetter("lesion.ml")).items():
        if ml >= LESION_FROM_ML:
            marks += lesion_marks(f"implants of {ml:g} mL", alike, "found")
    return marks


def show_kept(made: Iterable[Trial | None]) -> list[Mark]:
    """Print what of consolidations the lungs keep, by CT and place; return the mark."""
    print(f"## Share of a consolidation of {KEPT_ML} mL that is kept in the lungs: {CELL}\n")
    trials = [trial for trial in made if trial]
    rows = []
    for (ct, place), alike in grouped(trials, attrgetter("ct", "lesion.place")).items():
        shares = zip(*((trial.kept, trial.kept_core) for trial in alike), strict=True)
        marks = [Mark("", values, KEPT_SHARE) for values in shares]
        rows.append([ct, place, str(len(alike)), *(mark.cell for mark in marks)])
    table("CT | place | n | with its halo | without", rows)
    pleural = [trial.kept for trial in trials if trial.lesion.place == Place.PLEURA]
    return [Mark(f"pleural consolidation of {KEPT_ML} mL, kept", pleural, KEPT_SHARE)]


def lesions(sizes: Iterable[float], kinds: Iterable[LesionKind], seeds: int) -> list[Lesion]:
    """List lesions of all kinds, at the pleura and at the centre."""
    return [
        Lesion(kind, place, ml, seed)
        for ml, kind, place, seed in product(sizes, kinds, Place, range(seeds))
    ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2, help="implants of each size, kind, place")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    paths = cts(asked.folder)
    healthy = [paths[name] for name in NEAR_HEALTHY]
    seeds, sizes, spacings = asked.seeds, SIZES_ML, SPACINGS_MM
    if asked.quick:
        seeds, sizes, spacings = 1, (20, 100), (2.0, 4.0)
    # Kernels of Numba have threads of their own, and a process that has any is not to be forked.
    with ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
        marks = show_cts(pool, paths.values())
        marks += kernel_marks(paths)
        marks += show_changes("Flips and transposed axes", pool.map(turn, paths.values()))
        tried = pool.map(partial(resample, spacings=spacings), paths.values())
        marks += show_changes("Resampling", tried)
        wanted = lesions(sizes, LesionKind, seeds)
        marks += show_lesions(list(pool.map(look_for, product(healthy, wanted))))
        wanted = lesions([KEPT_ML], [LesionKind.CONSOLIDATION], KEPT_SEEDS)
        marks += show_kept(pool.map(look_in_lungs, product(healthy, wanted)))
    print("## Marks\n")
    table("figure | mark | measured | reached", (mark.row for mark in marks))


if __name__ == "__main__":
    main()
