"""The chart of lung HU: what each HU is labelled, and the components of the mixture behind it.

A chart is numbers and SVG paths for a template to draw, so that it takes the page's own colours
and fonts, and costs a report a few milliseconds; importing a plotting library costs 0.7 s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gmmlabel.histogram import LungHistogram
from gmmlabel.mixture import Mixture
from gmmlabel.tissues import TISSUE_SEGMENTS, Segment, Tissue

BIN_HU = 10
"""Width of a bar. Exports that round HU to even numbers make bars of one or two HU a comb."""

LAST_HU = 200
"""Where the chart ends: what is denser is bone, metal or noise of an error in the lungs."""

_TICK_HU = 200
_HEADROOM = 1.08
_Y_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_MOST_Y_TICKS = 5


@dataclass(frozen=True)
class Area:
    """The bars between two boundaries, which all have the same label."""

    segment: Segment
    path: str


@dataclass(frozen=True)
class Component:
    """One Gaussian of the mixture: its curve, and its peak, which is None beyond the chart."""

    segment: Segment
    mean_hu: float
    sd_hu: float
    weight: float
    path: str
    peak: tuple[float, float] | None


@dataclass(frozen=True)
class HistogramChart:
    """A chart of lung HU as paths in a frame of `width` x `height`, y downwards.

    Parameters
    ----------
    width, height
        Size of the plot itself, without its axes.
    areas
        Bars, by what their HU is labelled.
    components, mixture
        Curves of the five Gaussians and of their sum, scaled to the lung voxels.
    boundaries, x_ticks, y_ticks
        Place on the axis, and its HU or percentage.
    first_percent
        Lung voxels in the first bar, in percent; it holds all lower values too, and may be cut.
    beyond_percent
        Lung voxels denser than the last HU of the chart, in percent.
    """

    width: float
    height: float
    areas: tuple[Area, ...]
    components: tuple[Component, ...]
    mixture: str
    boundaries: tuple[tuple[float, int], ...]
    x_ticks: tuple[tuple[float, int], ...]
    y_ticks: tuple[tuple[float, float], ...]
    first_percent: float
    beyond_percent: float


def draw_histogram(
    histogram: LungHistogram, model: Mixture, *, width: float = 640, height: float = 240
) -> HistogramChart:
    """Lay out the histogram of lung HU and the mixture that labelled it.

    Parameters
    ----------
    histogram
        HU of the lung voxels.
    model
        The mixture; its curves are its own weights on all lung voxels, not fitted to these.
    width, height
        Size of the plot.
    """
    first = histogram.first_hu
    total = max(int(histogram.counts.sum()), 1)
    shown = histogram.counts[: LAST_HU - first]
    bars = 100 * np.add.reduceat(shown, np.arange(0, len(shown), BIN_HU)) / total
    hu = np.arange(first, LAST_HU + 1, 4.0)  # the curves are straight between two pixels
    curves = 100 * BIN_HU * _densities(model, hu)
    # The first bar holds everything below it, and would dwarf the others.
    top = _HEADROOM * max(bars[1:].max(), curves.max())
    bars = bars.clip(max=top)

    def x(value: float) -> float:
        return float((value - first) / (LAST_HU - first) * width)

    def y(percent: float) -> float:
        return float(height * (1 - percent / top))

    def line(values: NDArray[np.float64]) -> str:
        return _path((x(h), y(v)) for h, v in zip(hu, values, strict=True))

    boundaries = [b for b in model.boundaries(first) if b < LAST_HU]
    areas = []
    for low, high in pairwise([first, *boundaries, LAST_HU]):
        # Bars are cut where a boundary goes through them.
        edges = [low, *range(first + BIN_HU * ((low - first) // BIN_HU + 1), high, BIN_HU), high]
        corners = [
            (x(edge), y(bars[(start - first) // BIN_HU]))
            for start, stop in pairwise(edges)
            for edge in (start, stop)
        ]
        segment = _segment(model.table[low + (1 << 15)])
        areas.append(Area(segment, _path([(x(low), height), *corners, (x(high), height)]) + "Z"))
    components = tuple(
        Component(
            _segment(tissue),
            float(mean),
            float(np.sqrt(variance)),
            float(weight),
            line(curve),
            (x(mean), y(curve.max())) if first <= mean <= LAST_HU else None,
        )
        for tissue, mean, variance, weight, curve in zip(
            Tissue, model.means, model.variances, model.weights, curves.T, strict=True
        )
    )
    step = next((s for s in _Y_STEPS if top / s <= _MOST_Y_TICKS), _Y_STEPS[-1])
    return HistogramChart(
        width,
        height,
        tuple(areas),
        components,
        line(curves.sum(axis=1)),
        tuple((x(b), b) for b in boundaries),
        tuple((x(h), h) for h in range(-(-first // _TICK_HU) * _TICK_HU, LAST_HU + 1, _TICK_HU)),
        tuple((y(n * step), n * step) for n in range(int(top / step) + 1)),
        100 * float(shown[:BIN_HU].sum()) / total,
        100 * float(histogram.counts[len(shown) :].sum()) / total,
    )


def _densities(model: Mixture, hu: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted density of each component at each HU, (n, 5)."""
    return np.asarray(np.exp(model.log_posterior(hu)) / np.sqrt(2 * np.pi))  # but for that factor


def _segment(label: int) -> Segment:
    return TISSUE_SEGMENTS[label - 1]


def _path(points: Iterator[tuple[float, float]] | list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
