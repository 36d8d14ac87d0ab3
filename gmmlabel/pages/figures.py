"""Plots drawn by matplotlib: as SVG in the colours and fonts of a page, or as one PNG on white."""

import html
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from gmmlabel.tissues import LUNG_SEGMENTS

TEXT = "#010203"
"""The colour of text, for lines of a plot that must be seen: of the page in SVG, black in PNG."""

POINT = "#{:02x}{:02x}{:02x}".format(*LUNG_SEGMENTS[0].rgb)
"""The colour of what was measured, seen on light and on dark."""

# Matplotlib knows no colours of a page: it draws in these, which become the page's variables.
_PAGE_LINE = "#040506"
_PAGE_COLOURS = {TEXT: "var(--text)", _PAGE_LINE: "var(--line)"}

GROUP_KEY = (
    "Each point is a case. Boxes, drawn from five cases on: quartiles and median; whiskers: the "
    "last case within 1.5 times the box."
)
"""How to read what `draw_group` draws."""

_FEWEST_FOR_BOX = 5
_SPREAD = 0.09
_PAPER_LINE = "#d3d9e0"
_PAPER_DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Plot:
    """Something drawn on axes.

    Parameters
    ----------
    title
        What it shows; must differ between the plots of a page.
    draw
        Draws it on axes. Whatever it gives no colour is drawn in the colours of the page; lines
        are best drawn in `TEXT`.
    caption
        How to read it, in words.
    inches
        Width and height. At 4.4 inches of width letters stay readable on a phone.
    """

    title: str
    draw: Callable[[Axes], None]
    caption: str = ""
    inches: tuple[float, float] = (4.4, 3.4)

    @property
    def svg(self) -> str:
        """The plot as an ``<svg>`` element, the same each time, for a page of this package."""
        with _style(_PAGE_LINE, salt=self.title):
            figure = Figure(self.inches, layout="constrained")
            self.draw(figure.add_subplot())
            file = io.StringIO()
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(file, format="svg", transparent=True, metadata=nothing)
        svg = file.getvalue()
        name = html.escape(self.title)
        svg = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{name}"', 1)
        for colour, variable in _PAGE_COLOURS.items():
            svg = svg.replace(colour, variable)
        return svg


def draw_png(plots: Sequence[Plot], *, columns: int = 2) -> bytes:
    """Draw plots into one picture on white, row by row, each under its title.

    Parameters
    ----------
    plots
        At least one. The size of the first is the size of each.
    columns
        Plots in a row.

    Returns
    -------
    bytes
        A PNG file, the same each time.
    """
    columns = min(columns, len(plots))
    rows = -(-len(plots) // columns)
    width, height = plots[0].inches
    with _style(_PAPER_LINE):
        figure = Figure((columns * width, rows * height), layout="constrained")
        for place, plot in enumerate(plots, 1):
            axes = figure.add_subplot(rows, columns, place)
            axes.set_title(plot.title, loc="left")
            plot.draw(axes)
        file = io.BytesIO()
        nothing = {"Software": None}
        figure.savefig(
            file, format="png", dpi=_PAPER_DOTS_PER_INCH, facecolor="white", metadata=nothing
        )
    return file.getvalue()


def draw_points(axes: Axes, x: ArrayLike, y: ArrayLike) -> None:
    """Draw a point for each case; where several lie, it is darker."""
    axes.plot(x, y, "o", color=POINT, markersize=6, alpha=0.75, markeredgewidth=0)


def draw_group(axes: Axes, at: float, values: NDArray[np.float64]) -> None:
    """Draw the values of a group above a place of the axis: points, and a box from five on.

    Equal values would hide each other, so the points are spread; the same each time.
    """
    if len(values) >= _FEWEST_FOR_BOX:
        axes.boxplot(values, positions=[at], widths=0.5, showfliers=False)
    spread = np.random.default_rng(0).uniform(-_SPREAD, _SPREAD, len(values))
    draw_points(axes, at + spread * (len(values) > 1), values)


@contextmanager
def _style(line: str, *, salt: str | None = None) -> Iterator[None]:
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": salt,  # the same names each time, and none twice on a page
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.edgecolor": line,
            "axes.labelcolor": TEXT,
            "axes.titlesize": "medium",
            "grid.color": line,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "text.color": TEXT,
            "text.parse_math": False,  # names of users may hold dollar signs
            "xtick.color": TEXT,
            "ytick.color": TEXT,
            "boxplot.boxprops.color": TEXT,
            "boxplot.whiskerprops.color": TEXT,
            "boxplot.capprops.color": TEXT,
            "boxplot.medianprops.color": TEXT,
        }
    ):
        yield
