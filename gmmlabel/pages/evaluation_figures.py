"""Figures of an evaluation, as SVG in the colours and fonts of the page that they stand on."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gmmlabel.evaluation.cases import Evaluation
from gmmlabel.tissues import LUNG_SEGMENTS

LIMITS_SD = 1.96
"""Limits of agreement, in standard deviations of the difference: Bland and Altman, Lancet 1986."""

_FEWEST_FOR_BOX = 5
_FEWEST_FOR_LIMITS = 3
_INCHES = (4.4, 3.4)  # at 96 px an inch and 10 pt, letters stay readable on a phone
_SPREAD = 0.09

# Matplotlib knows no colours of a page: it draws in these, which become the page's variables.
_TEXT, _LINE = "#010203", "#040506"
_PAGE_COLOURS = {_TEXT: "var(--text)", _LINE: "var(--line)"}
_POINT = "#{:02x}{:02x}{:02x}".format(*LUNG_SEGMENTS[0].rgb)


@dataclass(frozen=True)
class Drawing:
    """One figure: an ``<svg>`` element, and what it shows in words."""

    svg: str
    caption: str


def draw_figures(evaluation: Evaluation) -> list[Drawing]:
    """Draw the ratios of the cases, their volumes, and the differences of the volumes.

    Parameters
    ----------
    evaluation
        With one case at least.
    """
    ours, reference = evaluation.values("volume_ml"), evaluation.values("reference_ml")
    return [_ratios(evaluation), _volumes(ours, reference), _differences(ours, reference)]


def _ratios(evaluation: Evaluation) -> Drawing:
    names = ("dice", "precision", "recall")

    def draw(axes: Axes) -> None:
        for at, name in enumerate(names):
            values = evaluation.values(name)
            if len(values) >= _FEWEST_FOR_BOX:
                axes.boxplot(values, positions=[at], widths=0.5, showfliers=False)
            # Equal values would hide each other, so points are spread; the same each time.
            spread = np.random.default_rng(0).uniform(-_SPREAD, _SPREAD, len(values))
            _points(axes, at + spread * (len(values) > 1), values)
        axes.set_xticks(range(len(names)), [name.capitalize() for name in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(-0.02, 1.02)

    return Drawing(
        _svg("Dice, precision and recall of each case", draw),
        "Each point is a case. Boxes, drawn from five cases on: quartiles and median; whiskers: "
        "the last case within 1.5 times the box.",
    )


def _volumes(ours: NDArray[np.float64], reference: NDArray[np.float64]) -> Drawing:
    top = 1.05 * max(ours.max(), reference.max(), 1e-3)

    def draw(axes: Axes) -> None:
        axes.plot([0, top], [0, top], color=_TEXT, linewidth=1)
        _points(axes, reference, ours)
        axes.set_xlim(-0.03 * top, top)
        axes.set_ylim(-0.03 * top, top)
        axes.set_xlabel("Reference, mL")
        axes.set_ylabel("gmmlabel, mL")

    return Drawing(
        _svg("Volume against the volume of the reference", draw),
        "Each point is a case; on the line the volumes are equal.",
    )


def _differences(ours: NDArray[np.float64], reference: NDArray[np.float64]) -> Drawing:
    difference = ours - reference
    bias = float(difference.mean())
    limits: list[float] = []
    caption = f"Bland-Altman plot. Mean difference {_signed(bias)} mL"
    if len(difference) >= _FEWEST_FOR_LIMITS:
        reach = LIMITS_SD * float(difference.std(ddof=1))
        limits = [bias - reach, bias + reach]
        between = " and ".join(map(_signed, limits))
        caption += f"; dashed: limits of agreement, {LIMITS_SD} SD off it, {between} mL"

    def draw(axes: Axes) -> None:
        axes.axhline(bias, color=_TEXT, linewidth=1)
        for limit in limits:
            axes.axhline(limit, color=_TEXT, linewidth=1, linestyle="--")
        _points(axes, (ours + reference) / 2, difference)
        axes.margins(0.08, 0.12)
        axes.set_xlabel("Mean of both, mL")
        axes.set_ylabel("gmmlabel less reference, mL")

    return Drawing(_svg("Difference of the volumes against their mean", draw), f"{caption}.")


def _points(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    axes.plot(x, y, "o", color=_POINT, markersize=6, alpha=0.75, markeredgewidth=0)


def _signed(millilitres: float) -> str:
    return f"{millilitres:+,.1f}".replace("-", "\u2212")


def _svg(title: str, draw: Callable[[Axes], None]) -> str:
    """Draw on axes in the colours of the page."""
    text, line = _TEXT, _LINE
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": title,  # the same figure each time, and no name twice on a page
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.edgecolor": line,
            "axes.labelcolor": text,
            "grid.color": line,
            "grid.linewidth": 0.6,
            "xtick.color": text,
            "ytick.color": text,
            "boxplot.boxprops.color": text,
            "boxplot.whiskerprops.color": text,
            "boxplot.capprops.color": text,
            "boxplot.medianprops.color": text,
        }
    ):
        figure = Figure(_INCHES, layout="constrained")
        draw(figure.add_subplot())
        file = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    for colour, variable in _PAGE_COLOURS.items():
        svg = svg.replace(colour, variable)
    return svg
