"""The figure of a model: its five Gaussians and their sum over what they were fitted to."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from gmmlabel.errors import OutputError
from gmmlabel.mixture import Mixture
from gmmlabel.model_schema import TrainingHistogram, training_histogram
from gmmlabel.pages.charts import BIN_HU, LAST_HU
from gmmlabel.pages.figures import TEXT, Plot, draw_png
from gmmlabel.staging import staged
from gmmlabel.tissues import TISSUE_SEGMENTS

_FIRST_HU = -1024
_INCHES = (7.0, 4.2)
_HEADROOM = 1.12  # for the HU of the boundaries
_LINE, _OUTLINE = 1.6, 2.6
_MOST_POINTS = 5000

# By itself, a picture has no page to take its colours from: these are those of the pages.
_STYLE = """<style>
svg { --text: #1a1f26; --line: #d3d9e0; background: #ffffff; color-scheme: light dark; }
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --text: #e8ebef; --line: #39414b; background: #14171c; }
}
</style>"""


def draw_model(mixture: Mixture) -> Plot:
    """Draw the weighted Gaussians of a model, their sum, and its boundaries.

    Parameters
    ----------
    mixture
        The model; the histogram it was fitted to is drawn behind it if its training has one.

    Raises
    ------
    ModelError
        If what its training calls a histogram is none.
    """
    histogram = training_histogram(mixture)
    caption = "Weighted Gaussians, their sum, and dashed the boundaries: where the label changes."
    if histogram:
        caption += " Bars: the lung voxels of the fit; those at the ends hold all beyond."

    def draw(axes: Axes) -> None:
        hu, curves = density_curves(mixture)
        top = curves.sum(axis=1).max()
        if histogram:
            edges, bars = density_bars(histogram)
            axes.stairs(bars, edges, fill=True, color=TEXT, alpha=0.2, label="Training histogram")
            top = max(top, bars[1:-1].max(initial=0))  # the ends would dwarf the others
        for segment, curve in zip(TISSUE_SEGMENTS, curves.T, strict=True):
            colour = "#{:02x}{:02x}{:02x}".format(*segment.rgb)
            axes.fill_between(hu, curve, color=colour, alpha=0.3, linewidth=0)
            # Yellow on white, and blue on black, are seen by their outline.
            outline = [Stroke(linewidth=_OUTLINE, foreground=TEXT), Normal()]
            axes.plot(
                hu, curve, color=colour, linewidth=_LINE, label=segment.name, path_effects=outline
            )
        axes.plot(hu, curves.sum(axis=1), color=TEXT, linewidth=1.2, label="Sum")
        axes.set_xlim(hu[0], hu[-1])
        axes.set_ylim(0, _HEADROOM * top)
        for boundary in mixture.boundaries():
            if hu[0] < boundary < hu[-1]:
                axes.axvline(boundary, color=TEXT, linewidth=0.8, linestyle="--")
                axes.annotate(
                    f"{boundary}".replace("-", "\u2212"),
                    (boundary, 1),
                    (3, -2),
                    xycoords=("data", "axes fraction"),
                    textcoords="offset points",
                    va="top",
                    fontsize="small",
                )
        axes.set_title(mixture.name, loc="left")
        axes.set_xlabel("HU")
        axes.set_ylabel("Lung voxels, % per HU")
        axes.legend(loc="upper right", bbox_to_anchor=(1, 0.94), fontsize="small")

    return Plot(mixture.name, draw, caption, _INCHES)


def density_curves(mixture: Mixture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the curves of the figure.

    Parameters
    ----------
    mixture
        The model.

    Returns
    -------
    hu
        (n,), far enough to hold every mean.
    curves
        Weighted density of each component, in percent per HU, (n, 5).
    """
    spread = np.sqrt(mixture.variances)
    first = min(_FIRST_HU, float((mixture.means - spread).min()))
    last = max(LAST_HU, float((mixture.means + spread).max()))
    step = np.clip(spread.min() / 8, 1, 4)  # straight from point to point, no angle is seen
    hu = np.linspace(first, last, 1 + int(min((last - first) / step, _MOST_POINTS)))
    # What log_posterior leaves out is the factor of all normal densities.
    return hu, np.asarray(100 * np.exp(mixture.log_posterior(hu)) / np.sqrt(2 * np.pi))


def density_bars(
    histogram: TrainingHistogram,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the bars of the figure, `BIN_HU` wide.

    Parameters
    ----------
    histogram
        What the model was fitted to.

    Returns
    -------
    edges
        HU of the edges, (n + 1,).
    bars
        Share of the voxels, in percent per HU, (n,).
    """
    counts = np.pad(histogram.counts, (0, -len(histogram.counts) % BIN_HU))
    shares = 100 * counts.reshape(-1, BIN_HU).mean(axis=1) / counts.sum()
    # A value stands for all HU that round to it.
    return histogram.first_hu - 0.5 + BIN_HU * np.arange(len(shares) + 1.0), shares


def write_model_figure(mixture: Mixture, path: Path, *, overwrite: bool = False) -> None:
    """Write the figure of a model.

    Parameters
    ----------
    mixture
        The model.
    path
        A ``.svg``, which takes to light and dark, or a ``.png`` on white.
    overwrite
        Whether an earlier file may be replaced.

    Raises
    ------
    ModelError
        If what its training calls a histogram is none.
    OutputError
        If the name ends otherwise, or the file is there already or cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".png"):
        raise OutputError(f"{path}: a figure is a .png or a .svg; give a name that ends so")
    plot = draw_model(mixture)
    content = draw_png([plot]) if suffix == ".png" else _standalone(plot.svg)
    with staged(path.parent, [path.name], overwrite=overwrite) as stage:
        (stage / path.name).write_bytes(content)


def _standalone(svg: str) -> bytes:
    """Give an ``<svg>`` of a page the colours of the page."""
    start = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:start]}\n{_STYLE}{svg[start:]}".encode()
