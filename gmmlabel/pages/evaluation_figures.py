"""Plots of an evaluation."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gmmlabel.evaluation.cases import Evaluation
from gmmlabel.pages.figures import GROUP_KEY, TEXT, Plot, draw_group, draw_points

LIMITS_SD = 1.96
"""Limits of agreement, in standard deviations of the difference: Bland and Altman, Lancet 1986."""

_FEWEST_FOR_LIMITS = 3


def draw_figures(evaluation: Evaluation) -> list[Plot]:
    """Draw the ratios of the cases, their volumes, and the differences of the volumes.

    Parameters
    ----------
    evaluation
        With one case at least.
    """
    ours, reference = evaluation.values("volume_ml"), evaluation.values("reference_ml")
    return [_ratios(evaluation), _volumes(ours, reference), _differences(ours, reference)]


def _ratios(evaluation: Evaluation) -> Plot:
    names = ("dice", "precision", "recall")

    def draw(axes: Axes) -> None:
        for at, name in enumerate(names):
            draw_group(axes, at, evaluation.values(name))
        axes.set_xticks(range(len(names)), [name.capitalize() for name in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(-0.02, 1.02)

    return Plot(
        "Dice, precision and recall of each case",
        draw,
        GROUP_KEY,
    )


def _volumes(ours: NDArray[np.float64], reference: NDArray[np.float64]) -> Plot:
    top = 1.05 * max(ours.max(), reference.max(), 1e-3)

    def draw(axes: Axes) -> None:
        axes.plot([0, top], [0, top], color=TEXT, linewidth=1)
        draw_points(axes, reference, ours)
        axes.set_xlim(-0.03 * top, top)
        axes.set_ylim(-0.03 * top, top)
        axes.set_xlabel("Reference, mL")
        axes.set_ylabel("gmmlabel, mL")

    return Plot(
        "Volume against the volume of the reference",
        draw,
        "Each point is a case; on the line the volumes are equal.",
    )


def _differences(ours: NDArray[np.float64], reference: NDArray[np.float64]) -> Plot:
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
        axes.axhline(bias, color=TEXT, linewidth=1)
        for limit in limits:
            axes.axhline(limit, color=TEXT, linewidth=1, linestyle="--")
        draw_points(axes, (ours + reference) / 2, difference)
        axes.margins(0.08, 0.12)
        axes.set_xlabel("Mean of both, mL")
        axes.set_ylabel("gmmlabel less reference, mL")

    return Plot("Difference of the volumes against their mean", draw, f"{caption}.")


def _signed(millilitres: float) -> str:
    return f"{millilitres:+,.1f}".replace("-", "\u2212")
