"""The figure of a model shows the mixture as it is, over what it was fitted to."""

import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats
from typer.testing import CliRunner

from gmmlabel.cli.models import models_app
from gmmlabel.errors import ModelError, OutputError
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model, write_model
from gmmlabel.model_schema import TrainingHistogram
from gmmlabel.pages.model_figure import (
    density_bars,
    density_curves,
    draw_model,
    write_model_figure,
)

SVG = "{http://www.w3.org/2000/svg}"


def fitted(**training: Any) -> Mixture:
    return replace(load_model(), name="mine", training=training)


def drawn(mixture: Mixture) -> Any:
    axes = Figure().add_subplot()
    draw_model(mixture).draw(axes)
    return axes


def test_the_curves_are_the_weighted_densities_of_scipy() -> None:
    model = load_model()
    hu, curves = density_curves(model)
    expected = 100 * model.weights * stats.norm.pdf(hu[:, None], model.means, model.variances**0.5)
    np.testing.assert_allclose(curves, expected, rtol=1e-9)
    assert hu[0] <= -1000
    assert hu[-1] >= 200


def test_every_mean_is_in_the_picture() -> None:
    wide = replace(load_model(), means=np.array([-1500.0, -800, -600, -300, 900]))
    hu, curves = density_curves(wide)
    assert hu[0] < -1500
    assert hu[-1] > 900
    np.testing.assert_allclose(hu[curves.argmax(axis=0)], wide.means, atol=4)


def test_bars_and_curves_have_the_same_scale() -> None:
    # So many voxels of each HU as the mixture says: the bars must lie on the sum of the curves.
    model = load_model()
    hu = np.arange(-1400, 1200)
    density = stats.norm.pdf(hu[:, None], model.means, model.variances**0.5) @ model.weights
    edges, bars = density_bars(TrainingHistogram(-1400, np.rint(1e9 * density)))
    x, curves = density_curves(model)
    middle = (edges[:-1] + edges[1:]) / 2
    shown = (middle > x[0]) & (middle < x[-1])
    between = np.interp(middle[shown], x, curves.sum(axis=1))
    np.testing.assert_allclose(bars[shown], between, atol=0.005)
    assert (bars * np.diff(edges)).sum() == pytest.approx(100)


def test_a_bar_counts_its_ten_hu() -> None:
    counts = np.zeros(23)
    counts[[0, 9, 10, 22]] = (1, 2, 4, 13)
    edges, bars = density_bars(TrainingHistogram(-1000, counts))
    assert edges.tolist() == [-1000.5, -990.5, -980.5, -970.5]
    assert bars.tolist() == pytest.approx([1.5, 2.0, 6.5])


def test_the_boundaries_are_lines_at_their_hu_in_the_tissues_colours() -> None:
    axes = drawn(load_model())
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [-893, -721, -472, -235]
    told = [text.get_text() for text in axes.texts]
    assert told == ["\u2212893", "\u2212721", "\u2212472", "\u2212235"]
    named = {line.get_label(): line.get_color() for line in axes.lines if line not in dashed}
    assert named == {
        "Air": "#0072b2", "Healthy lung": "#56b4e9", "Ground-glass opacity": "#f0e442",
        "Consolidation": "#d55e00", "Dense tissue": "#cc79a7", "Sum": named["Sum"],
    }  # fmt: skip


def test_without_a_training_histogram_there_is_only_the_mixture() -> None:
    labels = drawn(load_model()).get_legend_handles_labels()[1]
    assert "Training histogram" not in labels
    assert "Bars" not in draw_model(load_model()).caption
    with_one = fitted(histogram={"first_hu": -1000, "counts": [5, 3, 2]})
    assert "Training histogram" in drawn(with_one).get_legend_handles_labels()[1]
    assert "Bars" in draw_model(with_one).caption


def test_a_first_bar_that_holds_all_below_does_not_dwarf_the_rest() -> None:
    counts = [10_000_000, *[100] * 999]
    axes = drawn(fitted(histogram={"first_hu": -1000, "counts": counts}))
    assert axes.get_ylim()[1] < 1


@pytest.mark.parametrize("form", ["svg", "png"])
def test_a_figure_is_a_picture_and_the_same_each_time(tmp_path: Path, form: str) -> None:
    model = fitted(histogram={"first_hu": -1000, "counts": [5, 3, 2] * 100})
    one, other = tmp_path / f"one.{form}", tmp_path / "new" / f"other.{form.upper()}"
    write_model_figure(model, one)
    write_model_figure(model, other)
    assert one.read_bytes() == other.read_bytes()
    if form == "png":
        with Image.open(io.BytesIO(one.read_bytes())) as image:
            assert image.format == "PNG"
            assert image.getpixel((0, 0))[:3] == (255, 255, 255)
        return
    root = ET.fromstring(one.read_bytes())  # noqa: S314
    assert root.tag == f"{SVG}svg"
    assert "mine" in "".join(root.itertext())
    style = one.read_text()
    assert "prefers-color-scheme: dark" in style
    for colour in ("--text:", "--line:"):
        assert style.count(colour) == 2
    assert "http://" not in style.replace("http://www.w3.org", "")


def test_a_name_with_markup_is_text(tmp_path: Path) -> None:
    file = tmp_path / "a.svg"
    write_model_figure(replace(load_model(), name="a<b>&$x$"), file)
    root = ET.fromstring(file.read_bytes())  # noqa: S314
    assert "a<b>&$x$" in "".join(root.itertext())


def test_an_earlier_figure_is_replaced_only_when_told_to(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_text("earlier")
    with pytest.raises(OutputError, match="is there already"):
        write_model_figure(load_model(), file)
    assert file.read_text() == "earlier"
    write_model_figure(load_model(), file, overwrite=True)
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.json"])
def test_other_pictures_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"a \.png or a \.svg"):
        write_model_figure(load_model(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_histogram_leaves_no_figure(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no histogram"):
        write_model_figure(fitted(histogram={"counts": 5}), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("means", "variance"),
    [
        ([-32768, -800, -600, -300, 32767], 2500.0),
        ([-950, -800, -600, -300, 0], 1e-9),
        ([-950, -800, -600, -300, 0], 1e10),
        ([0, 0, 0, 0, 0], 1.0),
    ],
)
def test_any_model_can_be_drawn(tmp_path: Path, means: list[float], variance: float) -> None:
    odd = Mixture("odd", np.array(means, float), np.full(5, variance), np.full(5, 0.2))
    write_model_figure(odd, tmp_path / "a.svg")
    write_model_figure(odd, tmp_path / "a.png")


def test_show_draws_the_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMMLABEL_MODELS", str(tmp_path))
    write_model(fitted(histogram={"first_hu": -1000, "counts": [5, 3, 2]}), tmp_path / "mine.json")
    figure = tmp_path / "mine.svg"
    done = CliRunner().invoke(models_app, ["show", "mine", "--figure", str(figure)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == f"figure: {figure}"
    assert ET.fromstring(figure.read_bytes()).tag == f"{SVG}svg"  # noqa: S314
