"""Refits that are free and anchored, of one patient, of healthy ones, and of known tissues.

    python benchmarks/fit.py FOLDER [--figure FILE.png] [--times]

The folder holds CTs: one called covid*, and healthy ones called small_id*, healthy_* and slicer_*.
Prints the tables of docs/refit.md and draws its figure, or tells how long whole commands take.
"""

import argparse
import statistics
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import norm

from gmmlabel.fitting.plausibility import MEANS_HU
from gmmlabel.fitting.pool import Pool, Weighting, pool_histograms
from gmmlabel.fitting.prior import named_prior
from gmmlabel.fitting.refit import ANCHORED, Refit, refit
from gmmlabel.histogram import LAST_HU, LungHistogram
from gmmlabel.method import DefaultMethod
from gmmlabel.mixture import Mixture
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import count_lungs
from gmmlabel.readers import read_volume
from gmmlabel.tissues import TISSUE_SEGMENTS, Tissue
from gmmlabel.writers import write_volume

FIRST_HU = DefaultMethod().clip_hu
SCANNER = Mixture(
    "scanner",
    np.array([-930.0, -805.0, -630.0, -310.0, 10.0]),
    np.array([38.0, 50.0, 80.0, 140.0, 170.0]) ** 2,
    np.array([0.32, 0.36, 0.16, 0.06, 0.10]),
)
"""Tissues of a simulated scanner: the published ones, shifted by 20 to 27 HU and narrower."""

GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")


def simulated(patients: int, voxels: int = 3_000_000) -> Iterable[tuple[str, LungHistogram]]:
    """Patients of the simulated scanner: each with shares of tissues of its own."""
    edges = np.arange(FIRST_HU + 0.5, LAST_HU)
    below = norm(SCANNER.means, SCANNER.variances**0.5).cdf(edges[:, np.newaxis])
    each = np.diff(below, axis=0, prepend=0, append=1)
    for seed in range(patients):
        random = np.random.default_rng(seed)
        counts = random.multinomial(voxels, each @ random.dirichlet(25 * SCANNER.weights))
        yield f"patient {seed}", LungHistogram(FIRST_HU, counts, asdict(DefaultMethod()))


def counted(paths: Iterable[Path]) -> Pool:
    """Count the lungs of CTs; each patient weighs the same."""
    histograms = ((path.name, count_lungs(read_volume(path))) for path in paths)
    return pool_histograms(histograms, Weighting.PATIENTS)


def fitted(pool: Pool, patients: float | None) -> Refit:
    """Fit with a prior of this strength; None is a free fit."""
    known = named_prior("zaffino2021", pool, patients=patients) if patients else None
    return refit(pool, "refit", prior=known)


def tell(cohort: str, name: str, it: Refit) -> None:
    """Print a row of a table."""
    means = ", ".join(f"{hu:.0f}" for hu in it.model.means)
    boundaries = ", ".join(map(str, it.drift.boundaries_hu))
    verdict = f"refused: {it.implausible[0]}" if it.implausible else "plausible"
    print(f"| {cohort} | {name} | {means} | {boundaries} | {verdict} |")


def print_fits(cohorts: dict[str, Pool]) -> None:
    """Print means and boundaries of each cohort, free and anchored."""
    print("| cohort | fit | means HU | boundaries HU | |\n| --- | --- | --- | --- | --- |")
    for cohort, pool in cohorts.items():
        tell(cohort, "free", fitted(pool, None))
        for patients in (1, 10):
            tell(cohort, f"anchored, {patients}", fitted(pool, patients))


def print_recovery() -> None:
    """Print how far the means are from the truth, by the number of patients."""
    print("\n| patients | free | free, to the end | anchored, 1 | anchored, 10 |")
    print("| --- | --- | --- | --- | --- |")
    for patients in (3, 10, 62, 250, 1000, 4000):
        pool = pool_histograms(simulated(patients))
        fits = [fitted(pool, strength) for strength in (None, 1, 10)]
        fits.insert(1, refit(pool, "refit", prior=None, method=ANCHORED))
        cells = []
        for it in fits:
            away = np.abs(it.model.means - SCANNER.means)
            cells.append(f"{away.max():.1f} ({', '.join(f'{hu:.0f}' for hu in away)})")
        print(f"| {patients} | {' | '.join(cells)} |")


def print_phantoms() -> None:
    """Print the same of the chests of gmmlabel, and the truth of their own label maps."""
    volumes = [make_phantom((256, 256, 160), (1.4, 1.4, 2.0), seed=seed) for seed in range(3)]
    hu = np.concatenate([it.volume.hu[it.truth > 0] for it in volumes]).clip(FIRST_HU)
    truth = np.concatenate([it.truth[it.truth > 0] for it in volumes])
    pool = pool_histograms((str(seed), count_lungs(it.volume)) for seed, it in enumerate(volumes))
    means = ", ".join(f"{hu[truth == tissue].mean():.0f}" for tissue in Tissue)
    print(f"\n| three phantoms | truth | {means} | | |")
    for name, patients in (("free", None), ("anchored, 1", 1), ("anchored, 10", 10)):
        tell("three phantoms", name, fitted(pool, patients))


def seconds(*arguments: object, runs: int = 5) -> float:
    """Median wall seconds of a whole command."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([GMMLABEL, *map(str, arguments)], check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def print_times() -> None:
    """Print how long a fit of 62 histograms and one of 6 CTs take, beside other commands."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, histogram in simulated(62):
            path = folder / f"{label}.histogram.json"
            replace(histogram, input_sha256=f"{int(label.split()[1]):064x}").write(path)
        model, nothing = folder / "m.json", seconds("models", "--json")
        fit = seconds("fit", folder, "--out", model, "--overwrite")
        print(f"\nfit of 62 histograms: {fit:.2f} s; gmmlabel models: {nothing:.2f} s")
        cts = []
        for seed in range(6):
            cts.append(folder / f"{seed}.nrrd")
            volume = make_phantom((512, 512, 150), (0.7, 0.7, 2.0), seed=seed).volume
            write_volume(cts[-1], volume)
        fit = seconds("fit", *cts, "--out", model, "--overwrite", runs=3)
        label = sum(
            seconds("label", ct, "--out", folder / "case", "--overwrite", runs=1) for ct in cts
        )
        print(f"fit from 6 CTs of 150 slices: {fit:.1f} s; labelling them: {label:.1f} s")


def draw(cohorts: dict[str, Pool], path: Path) -> None:
    """Means of the tissues against the strength of the prior."""
    strengths = np.geomspace(0.003, 30, 25)
    figure = Figure((9, 4.2), layout="constrained")
    for axes, (cohort, pool) in zip(
        figure.subplots(1, len(cohorts), sharey=True), cohorts.items(), strict=True
    ):
        fits = [fitted(pool, float(strength)) for strength in strengths]
        free = fitted(pool, None).model.means
        means: NDArray[np.float64] = np.array([it.model.means for it in fits])
        for k, tissue in enumerate(TISSUE_SEGMENTS):
            colour = tuple(channel / 255 for channel in tissue.rgb)
            axes.axhspan(*MEANS_HU[Tissue(tissue.value)], color=colour, alpha=0.15, linewidth=0)
            axes.plot(strengths, means[:, k], color="black", linewidth=3)
            axes.plot(strengths, means[:, k], color=colour, linewidth=2, label=tissue.name)
            axes.plot([0.0018], [free[k]], "o", color=colour, markeredgecolor="black")
        axes.axvline(10, color="black", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_xlabel("Strength of the prior, patients (left: free fit)")
        axes.set_title(cohort)
        axes.set_ylim(-1000, 100)
    figure.axes[0].set_ylabel("Mean, HU")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--times", action="store_true", help="only how long commands take")
    arguments = parser.parse_args()
    if arguments.times:
        print_times()
        return
    near_healthy = [
        path
        for name in ("small_id*.nrrd", "healthy_*.nrrd", "slicer_*.nrrd")
        for path in arguments.folder.glob(name)
        if "_lungs" not in path.name
    ]
    cohorts = {
        "one COVID-19 patient": counted(sorted(arguments.folder.glob("covid*.nrrd"))),
        f"{len(near_healthy)} near-healthy patients": counted(sorted(near_healthy)),
    }
    print_fits(cohorts)
    print_phantoms()
    print_recovery()
    if arguments.figure:
        draw(cohorts, arguments.figure)


if __name__ == "__main__":
    main()
