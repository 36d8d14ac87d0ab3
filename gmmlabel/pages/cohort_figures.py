"""Figures of a cohort: how its cases are spread, drawn and in words."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmmlabel.pages.cohort_cases import LUNG_VOLUME, OPACITY, CohortCase
from gmmlabel.pages.figures import POINT, TEXT, Plot
from gmmlabel.tissues import TISSUE_SEGMENTS

_MOST_BARS = 30


def draw_spreads(cases: Sequence[CohortCase]) -> list[Plot]:
    """Draw how opacity, involvement, lung volume and tissues are spread over the cases.

    Parameters
    ----------
    cases
        At least one. Opacity is left out if none has it.

    Returns
    -------
    list of Plot
        The caption of each says in words what it shows.
    """
    opacity, volumes = OPACITY.values(cases), LUNG_VOLUME.values(cases)
    limits = LUNG_VOLUME.limits(volumes)
    litres = (limits[0] / 1000, limits[1] / 1000) if limits else None
    involvement = np.array([case.involvement_percent for case in cases])
    plots = [
        _histogram("Involvement as published", involvement, "% of lung"),
        _histogram("Lung volume", volumes / 1000, "L", litres),
        _tissues(np.array([case.tissue_percents for case in cases])),
    ]
    known = opacity[~np.isnan(opacity)]
    if len(known):
        plots.insert(0, _histogram("Opacity", known, "% of lung", OPACITY.limits(opacity)))
    return plots


def _histogram(
    title: str,
    values: NDArray[np.float64],
    unit: str,
    limits: tuple[float, float] | None = None,
) -> Plot:
    bars = int(np.clip(ceil(len(values) ** 0.5), 5, _MOST_BARS))
    low, high = values.min(), values.max()
    shown = [limit for limit in limits or () if low < limit < high]

    def draw(axes: Axes) -> None:
        axes.hist(values, bins=bars, color=POINT)
        for limit in shown:
            axes.axvline(limit, color=TEXT, linewidth=1, linestyle="--")
        axes.set_xlabel(f"{title}, {unit}")
        axes.set_ylabel("Cases")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))

    quarter, median, three = np.quantile(values, (0.25, 0.5, 0.75))
    caption = (
        f"{title} in {unit}: median {median:,.1f}, middle half {quarter:,.1f} to {three:,.1f}, "
        f"all {low:,.1f} to {high:,.1f}."
    )
    if shown:
        word = "limit" if len(shown) == 1 else "limits"
        places = " and ".join(f"{limit:,.1f}" for limit in shown)
        caption += f" Dashed: {word} of outliers, {places}."
    return Plot(f"{title} of the cases", draw, caption)


def _tissues(percents: NDArray[np.float64]) -> Plot:
    def draw(axes: Axes) -> None:
        boxes = axes.boxplot(
            percents,
            widths=0.6,
            patch_artist=True,
            sym="",
            whis=(5, 95),
            medianprops={"color": "black", "linewidth": 2},  # seen on the colour of every tissue
        )
        for box, segment in zip(boxes["boxes"], TISSUE_SEGMENTS, strict=True):
            box.set_facecolor([part / 255 for part in segment.rgb])
        names = [segment.key.capitalize().replace("_", "\n") for segment in TISSUE_SEGMENTS]
        axes.set_xticks(range(1, len(names) + 1), names)
        axes.set_ylabel("% of lung")

    medians = ", ".join(
        f"{segment.name} {np.median(values):.1f} ({low:.1f} to {high:.1f})"
        for segment, values, low, high in zip(
            TISSUE_SEGMENTS, percents.T, *np.quantile(percents, (0.05, 0.95), axis=0), strict=True
        )
    )
    return Plot(
        "Tissues of the cases",
        draw,
        f"Median and, in brackets, 5th to 95th percentile of each tissue in % of lung: {medians}. "
        "Boxes: quartiles.",
    )
