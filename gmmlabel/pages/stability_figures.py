"""Plots of the fold experiment: boundaries against fold size, and the Gaussians of each size."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke

from gmmlabel.fitting.folds import Fold
from gmmlabel.fitting.stability import Stability
from gmmlabel.pages.charts import LAST_HU
from gmmlabel.pages.figures import POINT, TEXT, Plot, draw_points
from gmmlabel.pages.model_figure import density_curves
from gmmlabel.tissues import TISSUE_SEGMENTS

MOST_SIZES = 12
"""Of more fold sizes, this many are drawn."""

_FIRST_HU = -1024
_HEADROOM = 1.08
_ROOM = 1.25  # around the points and the band of a boundary
_OUTLINE = 2.0
_INCHES = (4.4, 3.0)
_MOST_TICKS = 7


def draw_boundaries(stability: Stability) -> list[Plot]:
    """Draw each boundary against the fold size; none if the fit to all patients lacks any."""
    whole = stability.whole.boundaries_hu
    if whole is None:
        return []
    folds = [fold for fold in stability.folds if fold.boundaries_hu]
    moved = np.abs([np.subtract(fold.boundaries_hu or (), whole) for fold in folds]).max()
    reach = _ROOM * max(float(moved), stability.experiment.within_hu, 1.0)
    return [_boundary(stability, folds, at, reach) for at in range(len(whole))]


def draw_gaussians(stability: Stability) -> list[Plot]:
    """Draw the weighted Gaussians of all folds of a size over each other, a plot for each size."""
    sizes = list(stability.by_size.items())
    shown = np.unique(np.linspace(0, len(sizes) - 1, min(len(sizes), MOST_SIZES)).round())
    top = max(float(density_curves(fold.mixture)[1].max()) for fold in stability.folds)
    return [
        _gaussians(size, folds, stability.whole.patients, top, with_key=not number)
        for number, (size, folds) in enumerate(sizes[int(at)] for at in shown)
    ]


def _boundary(stability: Stability, folds: Sequence[Fold], at: int, reach: float) -> Plot:
    lower, upper = TISSUE_SEGMENTS[at], TISSUE_SEGMENTS[at + 1]
    found = [(fold.patients, (fold.boundaries_hu or ())[at], fold.implausible) for fold in folds]
    centre, within = found[-1][1], stability.experiment.within_hu

    def draw(axes: Axes) -> None:
        axes.axhspan(centre - within, centre + within, color=TEXT, alpha=0.12, linewidth=0)
        axes.axhline(centre, color=TEXT, linewidth=0.8, linestyle="--")
        sizes = sorted({size for size, *_ in found})
        means = [np.mean([hu for size, hu, _ in found if size == this]) for this in sizes]
        axes.plot(sizes, means, color=TEXT, linewidth=1)
        plausible = [(size, hu) for size, hu, reasons in found if not reasons]
        doubtful = [(size, hu) for size, hu, reasons in found if reasons]
        draw_points(axes, *zip(*plausible, strict=True) if plausible else ([], []))
        if doubtful:
            axes.plot(*zip(*doubtful, strict=True), "x", color=POINT, markersize=6)
        axes.set_xlim(0, stability.whole.patients * 1.05)
        axes.set_ylim(centre - reach, centre + reach)
        axes.locator_params(axis="x", nbins=_MOST_TICKS, integer=True)
        axes.set_xlabel("Patients in a fold")
        axes.set_ylabel("Boundary, HU")

    return Plot(f"{lower.name} to {upper.name[0].lower()}{upper.name[1:]}", draw, "", _INCHES)


def _gaussians(
    size: int, folds: Sequence[Fold], everyone: int, top: float, *, with_key: bool
) -> Plot:
    def draw(axes: Axes) -> None:
        curves = [density_curves(fold.mixture) for fold in folds]
        for at, segment in enumerate(TISSUE_SEGMENTS):
            colour = "#{:02x}{:02x}{:02x}".format(*segment.rgb)
            # Yellow on white, and blue on black, are seen by their outline.
            outline = [Stroke(linewidth=_OUTLINE, foreground=TEXT), Normal()]
            for number, (hu, densities) in enumerate(curves):
                axes.plot(
                    hu,
                    densities[:, at],
                    color=colour,
                    linewidth=1.3,
                    path_effects=outline,
                    label=None if number else segment.name,
                )
        axes.set_xlim(_FIRST_HU, LAST_HU)
        axes.set_ylim(0, _HEADROOM * top)
        axes.set_xlabel("HU")
        axes.set_ylabel("Lung voxels, % per HU")
        if with_key:
            axes.legend(loc="upper right", fontsize="small")

    drawn = (
        "all of them" if size == everyone else f"{len(folds)} draws" if len(folds) > 1 else "1 draw"
    )
    return Plot(f"{size} {'patient' if size == 1 else 'patients'}, {drawn}", draw, "", _INCHES)
