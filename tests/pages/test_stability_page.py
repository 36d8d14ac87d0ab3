"""The page of the fold experiment, the files beside it, and the command."""

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import typer
from fitting.cohorts import patient
from PIL import Image
from typer.testing import CliRunner

from gmmlabel.cli.stability import stability as command
from gmmlabel.errors import InputError, OutputError
from gmmlabel.fitting.folds import Experiment, Fold
from gmmlabel.fitting.stability import COLUMNS, SPREAD_COLUMNS, Stability
from gmmlabel.model_files import load_model
from gmmlabel.pages.stability_figures import MOST_SIZES, draw_boundaries, draw_gaussians
from gmmlabel.pages.stability_page import (
    PAGE,
    PICTURE,
    SPREAD,
    STABILITY_FILES,
    TABLE,
    draw_stability,
    write_stability,
)

MISSING = "\u2013"
SCANNER = ([-935, -815, -630, -310, 10], [38, 50, 80, 140, 170])


def fold(size, draw=1, *, shift=0.0, weights=None, implausible=()):
    mixture = load_model()
    mixture = replace(mixture, means=mixture.means + shift)
    boundaries = mixture.boundaries() if weights is None else None
    if weights is not None:
        mixture = replace(mixture, weights=np.array(weights))
    return Fold(size, draw, mixture, boundaries, size, 10**6 * size, 0.0, 8, implausible)


def experiment(*folds, prior="none", **numbers):
    usual = (fold(10, shift=14), fold(10, 2, shift=-14), fold(20, shift=3), fold(20, 2), fold(62))
    return Stability(Experiment(draws=2, **numbers), prior, folds or usual)


class Page(HTMLParser):
    """The text of a page, the rows of its tables, its headings and pictures, what it would load."""

    def __init__(self, html):
        super().__init__()
        self.text, self.rows, self.pictures, self.loads, self.inside = "", [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.inside = tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag == "svg":
            self.pictures.append(given["aria-label"])
        if tag in ("script", "link", "iframe"):
            self.loads.append(tag)
        for name in ("src", "href"):
            if not (given.get(name) or "#").startswith("#"):
                self.loads.append(given[name])

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.inside = ""

    def handle_data(self, data):
        self.text += " ".join(data.split()) + " "
        if self.inside in ("th", "td", "span") and self.rows and self.rows[-1]:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()

    def rows_of(self, size):
        return [row[1:] for row in self.rows if row[0] == str(size)]


def test_the_page_needs_no_other_file_no_network_and_no_script():
    assert Page(draw_stability(experiment())).loads == []


def test_the_verdict_and_its_reservations_stand_on_the_page():
    found = experiment()
    assert found.verdict in Page(draw_stability(found)).text
    doubtful = experiment(fold(2), fold(3, implausible=("air has vanished",)))
    page = Page(draw_stability(doubtful))
    assert len(doubtful.reservations) == 2
    assert all(sentence in page.text for sentence in doubtful.reservations)
    assert page.rows[-1] == ["3", "1", "air has vanished"]


def test_each_size_has_its_distance_and_means_with_their_spread():
    page = Page(draw_stability(experiment()))
    summary, boundaries, means, deviations, weights = page.rows_of(10)
    assert summary == ["2", "0", "14", "no"]
    assert page.rows_of(20)[0] == ["2", "0", "3", "yes"]
    assert page.rows_of(62)[0] == ["1", "0", "0", MISSING]
    model = load_model()
    spread = f"± {14 * 2**0.5:.1f}"
    assert means == [f"{hu:.1f} {spread}".replace("-", "\u2212") for hu in model.means]
    assert boundaries[0] == f"\u2212893.0 {spread}"
    assert deviations[0] == f"{model.variances[0] ** 0.5:.1f} ± 0.0"
    assert weights == [f"{100 * weight:.2f} ± 0.00" for weight in model.weights]
    assert page.rows_of(62)[1] == ["\u2212893.0", "\u2212721.0", "\u2212472.0", "\u2212235.0"]


def test_the_share_of_the_prior_is_told_only_if_there_is_one():
    assert "Prior, %" not in Page(draw_stability(experiment())).text
    page = Page(draw_stability(experiment(prior="zaffino2021")))
    assert "anchored to zaffino2021" in page.text
    assert page.rows_of(10)[0] == ["2", "0", "14", "0", "no"]


def test_there_is_a_picture_of_each_boundary_and_of_each_size():
    assert Page(draw_stability(experiment())).pictures == [
        "Air to healthy lung",
        "Healthy lung to ground-glass opacity",
        "Ground-glass opacity to consolidation",
        "Consolidation to dense tissue",
        "10 patients, 2 draws",
        "20 patients, 2 draws",
        "62 patients, all of them",
    ]


def test_of_very_many_sizes_some_are_drawn_among_them_the_first_and_the_last():
    folds = [fold(size) for size in range(1, 101)]
    titles = [plot.title for plot in draw_gaussians(experiment(*folds))]
    assert len(titles) == len(set(titles)) == MOST_SIZES
    assert (titles[0], titles[-1]) == ("1 patient, 1 draw", "100 patients, all of them")
    assert f"Of 100 sizes, {MOST_SIZES} are drawn." in Page(draw_stability(experiment(*folds))).text


def test_without_boundaries_the_page_says_so_and_draws_none():
    skipping = (0.4, 0.4, 0.17, 1e-6, 0.03 - 1e-6)
    found = experiment(fold(2), fold(5, weights=skipping))
    page = Page(draw_stability(found))
    assert draw_boundaries(found) == []
    assert "there are no boundaries to compare" in page.text
    assert page.rows_of(5)[0][2] == MISSING


def test_a_fold_without_boundaries_is_left_out_of_their_pictures_only():
    skipping = (0.4, 0.4, 0.17, 1e-6, 0.03 - 1e-6)
    found = experiment(fold(2, weights=skipping, implausible=("skips",)), fold(5))
    page = Page(draw_stability(found))
    assert len(page.pictures) == 4 + 2
    assert page.rows_of(2)[0] == ["1", "1", MISSING, "no"]


def test_the_same_experiment_gives_the_same_files(tmp_path):
    for name in ("one", "other"):
        write_stability(experiment(fold(2), fold(5)), tmp_path / name)
    for name in STABILITY_FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_tables_and_picture_stand_beside_the_page(tmp_path):
    found = experiment()
    write_stability(found, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(STABILITY_FILES)
    with (tmp_path / "out" / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["mean_hu"]) for row in rows] == [row["mean_hu"] for row in found.rows()]
    assert rows[-1]["upper_boundary_hu"] == ""
    with (tmp_path / "out" / SPREAD).open(newline="") as file:
        spread = list(csv.DictReader(file))
    assert tuple(spread[0]) == SPREAD_COLUMNS
    assert len(spread) == 3 * 5
    with Image.open(tmp_path / "out" / PICTURE) as picture:
        colours = {colour[:3] for _, colour in picture.getcolors(1 << 20)}
    assert {(0, 114, 178), (240, 228, 66), (213, 94, 0)} <= colours


def test_an_earlier_experiment_is_kept_unless_told_otherwise(tmp_path):
    (tmp_path / PAGE).write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        write_stability(experiment(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [PAGE]
    write_stability(experiment(), tmp_path, overwrite=True)
    assert (tmp_path / PAGE).read_text() != "mine"


@pytest.fixture(scope="module")
def histograms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("histograms")
    for seed in range(5):
        patient(seed, *SCANNER, voxels=20_000).write(folder / f"ct_{seed}.histogram.json")
    return folder


def run(*arguments):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_prints_the_sizes_and_the_verdict(histograms, tmp_path):
    done = run(histograms, "--out", tmp_path, "--sizes", "2,4", "--within", 40)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["2", "3", "0"],
        ["4", "3", "0"],
        ["5", "1", "0"],
    ]
    assert lines[4].startswith("Stable from 2 patients on")
    assert (tmp_path / PAGE).is_file()


def test_the_command_prints_one_document_and_nothing_else(histograms, tmp_path):
    options = ("--sizes", "2", "--prior", "none", "--draws", 2, "--seed", 7, "--json")
    done = run(histograms, "--out", tmp_path, *options, "--weights", "patients")
    document = json.loads(done.stdout)
    assert done.stderr == ""
    numbers = {name: document[name] for name in ("patients", "prior", "weights", "draws", "seed")}
    assert numbers == {
        "patients": 5,
        "prior": "none",
        "weights": "patients",
        "draws": 2,
        "seed": 7,
    }
    assert [size["draws"] for size in document["sizes"]] == [2, 1]


def test_the_numbers_of_the_fit_are_those_that_were_given(histograms, tmp_path):
    options = ("--sizes", "2", "--starts", 1, "--tolerance", 0, "--iterations", 3, "--json")
    document = json.loads(run(histograms, "--out", tmp_path, *options).stdout)
    assert {row["iterations"] for row in document["folds"]} == {3}


def test_the_strength_of_the_prior_is_given_in_patients_or_voxels(histograms, tmp_path):
    shares = []
    for option, strength in (("--strength-patients", 5), ("--strength-voxels", 100_000)):
        given = ("--sizes", "2", option, strength, "--json", "--overwrite")
        document = json.loads(run(histograms, "--out", tmp_path, *given).stdout)
        shares.append([size["prior_percent"] for size in document["sizes"]])
    assert shares[0] == shares[1] == pytest.approx([100 * 5 / 7, 50], rel=1e-4)


def test_an_input_that_is_given_twice_is_named(histograms, tmp_path):
    done = run(histograms, histograms / "ct_0.histogram.json", "--out", tmp_path, "--sizes", "2")
    assert done.exit_code == 0
    assert "ct_0.histogram.json: left out, the same input was there before" in done.stderr


def test_too_few_patients_leave_nothing_behind(histograms, tmp_path):
    done = run(histograms, "--out", tmp_path / "out")
    assert isinstance(done.exception, InputError)
    assert "at least 11 patients and there are 5" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_sizes_that_are_no_numbers_are_wrong_usage(histograms, tmp_path):
    done = run(histograms, "--out", tmp_path, "--sizes", "2,many")
    assert done.exit_code == 2
    assert "--sizes" in done.output
