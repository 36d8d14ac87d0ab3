"""The page of a study of scores, and the files beside it."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gmmlabel.correlation.pairs import Pair, Pairs
from gmmlabel.correlation.study import COLUMNS, correlate_pairs
from gmmlabel.errors import OutputError
from gmmlabel.pages.correlation_figures import draw_figures
from gmmlabel.pages.correlation_page import (
    CORRELATION_FILES,
    PUBLISHED,
    draw_correlation,
    write_correlation,
)

MISSING = "\u2013"


def cohort(n=30, *, opacity=True, without_score=(), without_case=(), readings=1, step=1.0):
    rng = np.random.default_rng(8)
    pairs = []
    for number in range(n):
        score = float(rng.integers(0, 5 / step + 1)) * step
        involvement = float(np.clip(4 + 12 * score + rng.normal(0, 8), 0, 100))
        extent = float(np.clip(14 * score + rng.normal(0, 5), 0, 100)) if opacity else None
        pairs.append(Pair(f"ct_{number:02d}", score, readings, involvement, extent))
    return Pairs(Path("scores.csv"), tuple(pairs), tuple(without_score), tuple(without_case))


class Page(HTMLParser):
    """The text of a page, the cells of its table, and what it would load."""

    def __init__(self, html):
        super().__init__()
        self.text, self.rows, self.loads, self.in_cell = "", [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
            self.in_cell = True
        self.loads += [
            value
            for name, value in attributes
            if name in ("src", "href") and not value.startswith("#")
        ]
        if tag in ("script", "link", "iframe"):
            self.loads.append(tag)

    def handle_endtag(self, tag):
        self.in_cell &= tag not in ("th", "td")

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data.strip() + " "

    def row(self, name):
        (row,) = [row for row in self.rows if row[0].strip() == name]
        return [cell.strip() for cell in row[1:]]


def test_the_page_needs_no_other_file_no_network_and_no_script():
    assert Page(draw_correlation(correlate_pairs(cohort()))).loads == []


def test_the_table_has_the_figures_of_the_study_beside_the_published_ones():
    study = correlate_pairs(cohort())
    page = Page(draw_correlation(study))
    involvement, opacity = (result.correlation for result in study.results)
    assert page.row("Cases") == ["30", "30", MISSING]
    r = involvement.pearson
    assert page.row("Pearson r") == [
        f"{r.value:.2f} {r.interval.low:.2f} to {r.interval.high:.2f}",
        f"{opacity.pearson.value:.2f} {opacity.pearson.interval.low:.2f} to "
        f"{opacity.pearson.interval.high:.2f}",
        "0.82",
    ]
    assert page.row("R²")[0] == f"{involvement.fit.r2:.2f}"
    balanced = involvement.balanced
    assert page.row("r, balanced")[::2] == [
        f"{balanced.r_mean:.3f} ± {balanced.r_sd:.3f}",
        "0.89 ± 0.01",
    ]
    assert page.row("R², balanced")[2] == "0.72 ± 0.03"
    assert page.row("p of r")[:2] == ["< 0.001", "< 0.001"]


def test_the_published_figures_could_not_come_of_balanced_draws_as_ours_are():
    """The mean of a square is never below the square of the mean: the page says so."""
    assert PUBLISHED.balanced_r2 < PUBLISHED.balanced_r**2
    for result in correlate_pairs(cohort()).results:
        balanced = result.correlation.balanced
        assert balanced.r2_mean >= balanced.r_mean**2


def test_who_has_no_partner_is_named_and_escaped():
    pairs = cohort(without_score=("<b>x",), without_case=("y&z", "w"))
    html = draw_correlation(correlate_pairs(pairs))
    text = Page(html).text
    assert "<b>x" not in html
    assert all(name in text for name in ("<b>x", "y&z", "w"))
    assert "1 case has no score, and 2 scores have no case" in text
    assert "below" not in Page(draw_correlation(correlate_pairs(cohort()))).text.split("Coeff")[0]


def test_means_of_several_readings_are_told():
    assert "mean of several" not in draw_correlation(correlate_pairs(cohort()))
    text = Page(draw_correlation(correlate_pairs(cohort(readings=2)))).text
    assert "30 scores are the mean of several readings" in text


def test_a_measure_that_cannot_be_correlated_is_told_and_stops_no_other():
    study = correlate_pairs(cohort(opacity=False))
    page = Page(draw_correlation(study))
    assert "Opacity could not be correlated: 0 cases have it" in page.text
    assert page.row("Pearson r")[1] == MISSING
    assert "Scored cases without opacity" in page.text
    assert [plot.title for plot in draw_figures(study)] == [
        "Involvement by score",
        "Involvement and the fit",
    ]


def test_captions_state_the_line_and_how_scores_were_grouped():
    pairs = cohort()
    whole = draw_figures(correlate_pairs(pairs))
    fit = correlate_pairs(pairs).results[0].correlation.fit
    assert f"= {fit.slope:.1f} \u00d7 score + {fit.intercept:.1f}" in whole[1].caption
    assert "rounded" not in whole[0].caption
    halves = draw_figures(correlate_pairs(cohort(step=0.5)))
    assert "rounded, halves up" in halves[0].caption


def test_every_case_is_a_point_of_each_plot():
    for plot in draw_figures(correlate_pairs(cohort(step=0.5))):
        axes = Figure().add_subplot()
        plot.draw(axes)
        points = [it for it in axes.lines if it.get_marker() == "o"]
        assert sum(len(it.get_xdata()) for it in points) == 30


def test_all_files_are_written_and_say_the_same(tmp_path):
    study = correlate_pairs(cohort())
    write_correlation(study, tmp_path / "out")
    assert {it.name for it in (tmp_path / "out").iterdir()} == set(CORRELATION_FILES)
    table = list(csv.DictReader(io.StringIO((tmp_path / "out/correlation.csv").read_text())))
    assert [row["measure"] for row in table] == ["involvement_percent", "opacity_percent"]
    assert tuple(table[0]) == COLUMNS
    r = study.results[0].correlation.pearson
    assert float(table[0]["pearson_r"]) == pytest.approx(r.value, rel=1e-5)
    assert float(table[0]["pearson_p"]) == pytest.approx(r.p, rel=1e-5)
    assert table[0]["balanced_classes"] == "0 1 2 3 4 5"
    pairs = (tmp_path / "out/pairs.csv").read_text().splitlines()
    assert pairs[0] == "case,score,involvement_percent,opacity_percent"
    assert len(pairs) == 31
    with Image.open(tmp_path / "out/correlation.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
    assert len(re.findall("<svg", (tmp_path / "out/correlation.html").read_text())) == 4


def test_an_earlier_study_is_replaced_only_if_told(tmp_path):
    (tmp_path / "pairs.csv").write_text("mine")
    study = correlate_pairs(cohort())
    with pytest.raises(OutputError, match=r"pairs\.csv: is there already"):
        write_correlation(study, tmp_path)
    assert [it.name for it in tmp_path.iterdir()] == ["pairs.csv"]
    assert (tmp_path / "pairs.csv").read_text() == "mine"
    write_correlation(study, tmp_path, overwrite=True)
    assert (tmp_path / "pairs.csv").read_text() != "mine"


@pytest.mark.parametrize(("n", "told"), [(9, True), (10, False)])
def test_intervals_of_few_cases_come_with_a_warning(n, told):
    html = draw_correlation(correlate_pairs(cohort(n)))
    assert ("fewer than ten cases" in html) is told
