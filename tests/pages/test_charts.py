"""The chart of lung HU shows what was counted, and the mixture as it is."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from gmmlabel.histogram import LungHistogram
from gmmlabel.method import DefaultMethod
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.pages.charts import BIN_HU, LAST_HU, draw_histogram

MODEL = load_model()
FIRST = -1000
WIDTH, HEIGHT = 640, 240


def _histogram(counts: dict[int, int]) -> LungHistogram:
    """Count each HU as often as given."""
    whole = np.zeros(3071 - FIRST + 1, np.int64)
    for hu, count in counts.items():
        whole[hu - FIRST] += count
    return LungHistogram(FIRST, whole, asdict(DefaultMethod()))


def _points(path: str) -> np.ndarray:
    return np.array([pair.split() for pair in path.strip("MZ").split("L")], float)


def _area(path: str) -> float:
    """Area of a polygon by the shoelace formula."""
    x, y = _points(path).T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def _percent_per_pixel(chart) -> float:
    (y0, _), (y1, percent) = chart.y_ticks[:2]
    return percent / (y0 - y1)


def test_the_area_of_each_colour_is_the_share_of_its_tissue() -> None:
    rng = np.random.default_rng(0)
    bars = rng.integers(100, 1000, (LAST_HU - FIRST) // BIN_HU)
    counts = np.repeat(bars, BIN_HU)  # even within a bar, so that a cut bar is shared out exactly
    chart = draw_histogram(_histogram(dict(enumerate(counts, FIRST))), MODEL)
    labels = MODEL.table[np.arange(FIRST, LAST_HU) + (1 << 15)]
    bars_per_area = BIN_HU * WIDTH / (LAST_HU - FIRST)
    assert len(chart.areas) == 5
    for area in chart.areas:
        share = 100 * counts[labels == area.segment.value].sum() / counts.sum()
        drawn = _area(area.path) * _percent_per_pixel(chart) / bars_per_area
        assert drawn == pytest.approx(share, rel=0.01)


def test_curves_are_the_weighted_gaussians_of_the_model() -> None:
    chart = draw_histogram(_histogram({-850: 10}), MODEL)
    total = 0
    for i, component in enumerate(chart.components):
        sd = MODEL.variances[i] ** 0.5
        x, y = _points(component.path).T
        hu = FIRST + x / WIDTH * (LAST_HU - FIRST)
        expected = 100 * BIN_HU * MODEL.weights[i] * norm.pdf(hu, MODEL.means[i], sd)
        total = total + expected
        drawn = (HEIGHT - y) * _percent_per_pixel(chart)
        np.testing.assert_allclose(drawn, expected, atol=0.06 * _percent_per_pixel(chart) * 10)
        assert component.weight == MODEL.weights[i]
        assert component.sd_hu == pytest.approx(sd)
        assert component.peak[0] / WIDTH * (LAST_HU - FIRST) + FIRST == pytest.approx(
            MODEL.means[i]
        )
    drawn = (HEIGHT - _points(chart.mixture)[:, 1]) * _percent_per_pixel(chart)
    np.testing.assert_allclose(drawn, total, atol=0.06 * _percent_per_pixel(chart) * 10)


def test_boundaries_stand_where_the_label_changes() -> None:
    chart = draw_histogram(_histogram({-850: 10}), MODEL)
    assert [hu for _, hu in chart.boundaries] == [-893, -721, -472, -235]
    for x, hu in (*chart.boundaries, *chart.x_ticks):
        assert FIRST + x / WIDTH * (LAST_HU - FIRST) == pytest.approx(hu)


def test_a_model_whose_labels_come_back_has_them_twice_in_the_chart() -> None:
    # A wide component of dense tissue is more probable than that of air below the latter, too.
    wide = MODEL.variances.copy()
    wide[0], wide[4] = 100.0, 4e5
    model = Mixture("wide", MODEL.means, wide, MODEL.weights)
    chart = draw_histogram(_histogram({-850: 10}), model)
    labels = model.table[np.arange(FIRST, LAST_HU) + (1 << 15)]
    runs = labels[np.flatnonzero(np.diff(labels, prepend=0))]
    assert [area.segment.value for area in chart.areas] == runs.tolist()
    assert len(runs) > len(set(runs.tolist()))


def test_a_mean_beyond_the_chart_has_no_peak_in_it() -> None:
    far = replace(MODEL, means=np.array([-1100.0, -829, -652, -337, 300]))
    peaks = [component.peak for component in draw_histogram(_histogram({-850: 10}), far).components]
    assert [peak is None for peak in peaks] == [True, False, False, False, True]


def test_what_the_chart_does_not_show_is_counted() -> None:
    chart = draw_histogram(_histogram({-1000: 30, -995: 10, -850: 55, LAST_HU: 4, 3071: 1}), MODEL)
    assert chart.first_percent == pytest.approx(40)
    assert chart.beyond_percent == pytest.approx(5)


def test_the_pile_at_the_low_end_does_not_dwarf_the_rest() -> None:
    few = dict.fromkeys(range(-950, -700), 10)
    piled = draw_histogram(_histogram({**few, -1000: 100_000}), MODEL)
    assert _points(piled.areas[0].path)[:, 1].min() == 0
    highest = min(_points(component.path)[:, 1].min() for component in piled.components)
    assert highest < 0.2 * HEIGHT


@given(
    st.dictionaries(st.integers(FIRST, 3071), st.integers(0, 10**9), max_size=30),
    st.integers(-1000, -900),
)
def test_all_that_is_drawn_lies_in_the_frame(counts, first) -> None:
    whole = _histogram(counts)
    histogram = replace(whole, first_hu=first, counts=whole.counts[first - FIRST :])
    chart = draw_histogram(histogram, MODEL)
    paths = [area.path for area in chart.areas] + [part.path for part in chart.components]
    for points in map(_points, paths):
        assert (points >= 0).all()
        assert (points <= (WIDTH, HEIGHT)).all()
    assert 2 <= len(chart.y_ticks) <= 6
    assert len({area.segment for area in chart.areas}) == len(chart.areas) == 5
