"""Plots: in the colours of a page as SVG, on white as PNG."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gmmlabel.pages.figures import TEXT, Plot, draw_group, draw_png

SVG = "{http://www.w3.org/2000/svg}"


def line(axes):
    axes.plot([0, 1], [0, 1], color=TEXT, label="cost in $ of $x")
    axes.legend()


def test_an_svg_has_the_colours_of_the_page_and_no_other_dark_ones():
    svg = Plot("A line", line).svg
    assert "var(--text)" in svg
    assert "var(--line)" in svg
    assert TEXT not in svg
    assert "#040506" not in svg


def test_an_svg_says_its_title_however_it_is_written():
    root = ElementTree.fromstring(Plot('Share < "5" & more', line).svg)  # noqa: S314
    assert root.get("aria-label") == 'Share < "5" & more'
    assert root.get("role") == "img"


def test_an_svg_keeps_text_as_text_and_dollar_signs_as_they_are():
    root = ElementTree.fromstring(Plot("A line", line).svg)  # noqa: S314
    assert "cost in $ of $x" in {text.text for text in root.iter(f"{SVG}text")}


def test_plots_of_a_page_share_no_names_and_are_the_same_each_time():
    def names(svg):
        identifiers = {it.get("id") for it in ElementTree.fromstring(svg).iter()}  # noqa: S314
        return {it for it in identifiers if it and it.startswith(("m", "p")) and "_" not in it}

    one, other = Plot("One", line).svg, Plot("Other", line).svg
    assert names(one)
    assert names(one).isdisjoint(names(other))
    assert Plot("One", line).svg == one


def test_a_png_holds_all_plots_on_white_and_is_the_same_each_time():
    plots = [Plot(str(number), line, inches=(4.0, 3.0)) for number in range(3)]
    content = draw_png(plots)
    image = Image.open(io.BytesIO(content)).convert("RGB")
    assert image.size == (2 * 4 * 150, 2 * 3 * 150)
    pixels = np.asarray(image)
    assert (pixels[0, 0] == 255).all()
    quarters = [pixels[y : y + 450, x : x + 600] for y in (0, 450) for x in (0, 600)]
    assert [bool((quarter < 64).any()) for quarter in quarters] == [True, True, True, False]
    assert draw_png(plots) == content
    assert Image.open(io.BytesIO(draw_png(plots[:1]))).size == (600, 450)


@pytest.mark.parametrize(("count", "boxes", "places"), [(0, 0, 0), (1, 0, 1), (4, 0, 4), (5, 1, 5)])
def test_a_group_is_spread_points_and_a_box_from_five_on(count, boxes, places):
    axes = Figure().add_subplot()
    draw_group(axes, 2, np.ones(count))
    points = [it for it in axes.lines if it.get_marker() == "o"]
    assert len(np.unique(points[-1].get_xdata())) == places
    assert np.all(np.abs(points[-1].get_xdata() - 2) < 0.25)
    assert len(axes.lines) == 1 + 6 * boxes  # box, median, two whiskers and two caps
