"""Plots of measures against the score: groups of each score, and every case with the fit."""

import numpy as np
from matplotlib.axes import Axes

from gmmlabel.correlation.pairs import HIGHEST_SCORE, LOWEST_SCORE
from gmmlabel.correlation.resampling import score_classes
from gmmlabel.correlation.study import MeasureResult, Study
from gmmlabel.pages.figures import GROUP_KEY, TEXT, Plot, draw_group, draw_points

MEASURE_NAMES = {"involvement_percent": "Involvement", "opacity_percent": "Opacity"}
"""What people call the measures."""

_SCORE_AXIS = "Radiologist's score"


def draw_figures(study: Study) -> list[Plot]:
    """Draw two plots of each measure that was correlated: its groups, and its cases."""
    return [
        plot
        for result in study.results
        if result.correlation
        for plot in (_groups(result), _cases(result))
    ]


def _groups(result: MeasureResult) -> Plot:
    name = MEASURE_NAMES[result.measure]
    classes = score_classes(result.scores)
    places = range(LOWEST_SCORE, HIGHEST_SCORE + 1)

    def draw(axes: Axes) -> None:
        for at in places:
            draw_group(axes, at, result.values[classes == at])
        counts = [np.count_nonzero(classes == at) for at in places]
        axes.set_xticks(places, [f"{at}\nn {n}" for at, n in zip(places, counts, strict=True)])
        axes.set_xlim(LOWEST_SCORE - 0.5, HIGHEST_SCORE + 0.5)
        _label(axes, name)

    rounded = " Scores between are rounded, halves up." if np.any(classes != result.scores) else ""
    return Plot(f"{name} by score", draw, f"{GROUP_KEY}{rounded}")


def _cases(result: MeasureResult) -> Plot:
    name = MEASURE_NAMES[result.measure]
    correlation = result.correlation
    if correlation is None:
        raise ValueError(f"{result.measure} was not correlated")
    fit = correlation.fit
    ends = np.array([result.scores.min(), result.scores.max()])

    def draw(axes: Axes) -> None:
        axes.plot(ends, fit.slope * ends + fit.intercept, color=TEXT, linewidth=1)
        draw_points(axes, result.scores, result.values)
        axes.set_xlim(LOWEST_SCORE - 0.5, HIGHEST_SCORE + 0.5)
        _label(axes, name)

    sign = "+" if fit.intercept >= 0 else "\u2212"
    line = f"{fit.slope:.1f} \u00d7 score {sign} {abs(fit.intercept):.1f}".replace("-", "\u2212")
    caption = (
        f"Each of {correlation.n} points is a case. The line of least squares: {name.lower()} in "
        f"percent = {line}, R\u00b2 {fit.r2:.2f}."
    )
    return Plot(f"{name} and the fit", draw, caption)


def _label(axes: Axes, name: str) -> None:
    axes.set_xlabel(_SCORE_AXIS)
    axes.set_ylabel(f"{name}, % of lung")
