"""``gmmlabel histogram`` and ``gmmlabel fit``, run as a user runs them."""

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest
from fitting.cohorts import patient

from gmmlabel.cli import options
from gmmlabel.fitting.pool import Weighting
from gmmlabel.fitting.prior import PATIENTS
from gmmlabel.fitting.refit import ANCHORED, FREE
from gmmlabel.histogram import read_histogram
from gmmlabel.model_files import load_model
from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")
MEANS, DEVIATIONS = [-935, -815, -640, -330, 0], [42, 55, 90, 150, 185]


def gmmlabel(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GMMLABEL, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def one_line(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("gmmlabel: error: ")
    return lines[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the histograms of three patients."""
    folder = tmp_path_factory.mktemp("site")
    for seed in range(3):
        patient(seed, MEANS, DEVIATIONS).write(folder / f"{seed}.histogram.json")
    return folder


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ct") / "DOE^JOHN.nrrd"
    write_volume(path, make_phantom((96, 96, 64), (4.0, 4.0, 5.0)).volume)
    return path


def test_the_command_line_states_the_defaults_of_the_library() -> None:
    assert [weights.value for weights in options.Weights] == [it.value for it in Weighting]
    assert options.DEFAULT_STRENGTH == PATIENTS
    told = gmmlabel("fit", "--help").stdout
    assert (ANCHORED.tolerance, FREE.tolerance) == (1e-9, 1e-3)
    assert (ANCHORED.iterations, FREE.iterations) == (10_000, 100)
    for number in ("1e-9", "1e-3", "10000", "100"):
        assert number in told


def test_histograms_of_sites_fit_a_model_that_labels(site: Path, ct: Path, tmp_path: Path) -> None:
    done = gmmlabel("histogram", ct, "--out", tmp_path / "counts")
    assert done.returncode == 0, done.stderr
    (counts,) = (tmp_path / "counts").iterdir()
    assert "DOE" not in counts.name + counts.read_text()
    done = gmmlabel("histogram", site, "--out", tmp_path, "--pooled", "--suppress-below", 5)
    assert done.returncode == 0, done.stderr
    pooled = read_histogram(tmp_path / "pooled.histogram.json")
    assert (pooled.cases, pooled.suppressed_below) == (3, 5)
    model = tmp_path / "ours.json"
    done = gmmlabel("fit", site, "--out", model, "--by", "a site")
    assert done.returncode == 0, done.stderr
    assert "3 cases, 150,000 lung voxels" in done.stdout
    assert (tmp_path / "ours.md").exists()
    assert load_model(model).training["by"] == "a site"
    done = gmmlabel("label", ct, "--out", tmp_path / "case", "--model", model)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "case" / "result.json").read_text())["model"]["name"] == "ours"


def test_the_same_inputs_in_any_order_give_the_same_parameters(site: Path, tmp_path: Path) -> None:
    files = sorted(site.iterdir())
    tissues = []
    for name, inputs in (("a", files), ("b", files[::-1])):
        done = gmmlabel("fit", *inputs, "--out", tmp_path / f"{name}.json", "--json")
        assert done.returncode == 0, done.stderr
        tissues.append(json.loads(done.stdout)["tissues"])
    assert tissues[0] == tissues[1]


def test_an_implausible_model_is_refused_and_forced_it_warns(
    site: Path, ct: Path, tmp_path: Path
) -> None:
    model = tmp_path / "free.json"
    fit = ("fit", site, "--out", model, "--prior", "none", "--iterations", 2, "--starts", 1)
    done = gmmlabel(*fit)
    assert done.returncode == 1
    assert "did not converge in 2 iterations" in one_line(done.stderr)
    assert not model.exists()
    done = gmmlabel(*fit, "--force")
    assert done.returncode == 0, done.stderr
    done = gmmlabel("label", ct, "--out", tmp_path / "case", "--model", model, "--json")
    flags = {flag["flag"]: flag["message"] for flag in json.loads(done.stdout)["quality"]}
    assert "did not converge" in flags["implausible_model"]


def test_what_cannot_be_fitted_is_one_line(site: Path, ct: Path, tmp_path: Path) -> None:
    empty, foreign = tmp_path / "empty.json", tmp_path / "foreign.json"
    document = json.loads(next(site.iterdir()).read_text())
    empty.write_text(json.dumps({**document, "counts": [], "voxels": 0}))
    foreign.write_text('{"some": "json"}')
    (tmp_path / "nothing").mkdir()
    for source, words in (
        (empty, "it is empty"),
        (foreign, "not a histogram of gmmlabel"),
        (tmp_path / "none.nrrd", "no such file"),
        (tmp_path / "nothing", "no CT, case folder or histogram"),
    ):
        done = gmmlabel("fit", source, "--out", tmp_path / "m.json")
        assert done.returncode == 1
        assert words in one_line(done.stderr)
        assert str(source) in done.stderr
    done = gmmlabel("fit", site, ct, "--out", tmp_path / "m.json")
    assert "another method" in one_line(done.stderr)
    assert not list(tmp_path.glob("m.*"))


def test_one_bad_input_does_not_stop_the_other_histograms(ct: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.nrrd"
    bad.write_bytes(b"NRRD0004\n")
    done = gmmlabel("histogram", bad, ct, "--out", tmp_path / "counts")
    assert done.returncode == 1
    assert "1 of 2 inputs gave no histogram" in done.stderr
    assert len(list((tmp_path / "counts").iterdir())) == 1


def test_nothing_is_written_over_a_model(site: Path, tmp_path: Path) -> None:
    model = tmp_path / "ours.json"
    model.write_text("mine")
    done = gmmlabel("fit", site, "--out", model)
    assert "--overwrite" in one_line(done.stderr)
    assert model.read_text() == "mine"
    again = gmmlabel("fit", site, "--out", model, "--prior", model, "--overwrite")
    assert "write over" in one_line(again.stderr)
    assert model.read_text() == "mine"
