"""A model from elsewhere is taken in only when it is one, and runs no code unless trusted."""

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from typer.testing import CliRunner

from gmmlabel.cli.models import models_app
from gmmlabel.errors import ModelError, OutputError
from gmmlabel.model_files import load_model, write_model
from gmmlabel.model_import import import_model

COVARIANCES = ["full", "tied", "diag", "spherical"]
HU = np.arange(-1024.0, 400)[:, None]


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of models that does not exist yet."""
    folder = tmp_path / "user"
    monkeypatch.setenv("GMMLABEL_MODELS", str(folder))
    return folder


def lungs(columns: int = 1) -> np.ndarray:
    model, random = load_model(), np.random.default_rng(0)
    tissue = random.choice(5, 4000, p=model.weights / model.weights.sum())
    means, deviations = model.means[tissue], np.sqrt(model.variances[tissue])
    return random.normal(means[:, None], deviations[:, None], (4000, columns))


def fitted(components: int = 5, columns: int = 1, **options: Any) -> GaussianMixture:
    # From a start in the order opposite to that of the tissues, so that importing has to sort.
    start = np.linspace(0, -950, components)[:, None].repeat(columns, axis=1)
    options = {"means_init": start, "tol": 1e-2, "reg_covar": 1.0, **options}
    return GaussianMixture(components, **options).fit(lungs(columns))


def _pickle(value: object, file: Path) -> None:
    file.write_bytes(pickle.dumps(value))


def _compressed(value: object, file: Path) -> None:
    joblib.dump(value, file, compress=3)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("save", [joblib.dump, _compressed, _pickle])
def test_what_scikit_learn_fitted_labels_here_as_there(
    tmp_path: Path, user: Path, covariance_type: str, save: Any
) -> None:
    theirs = fitted(covariance_type=covariance_type, random_state=7)
    save(theirs, tmp_path / "site.joblib")
    path = import_model(tmp_path / "site.joblib", trust=True)
    assert path == user / "site.json"
    ours = load_model("site")
    order = theirs.means_[:, 0].argsort()
    assert order.tolist() != sorted(order)
    assert ours.means.tolist() == theirs.means_[order, 0].tolist()
    assert ours.weights.tolist() == theirs.weights_[order].tolist()
    rank = order.argsort()
    expected = rank[theirs.predict(HU)] + 1
    second, first = np.sort(theirs.predict_proba(HU), axis=1)[:, -2:].T
    clear = second < first * (1 - 1e-9)
    labels = ours.table[HU[:, 0].astype(int) + 32768]
    np.testing.assert_array_equal(labels[clear], expected[clear])
    density = np.exp(ours.log_posterior(HU[:, 0])).sum(axis=1) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(np.log(density), theirs.score_samples(HU), atol=1e-9)


def test_the_training_tells_where_it_came_from_and_how_it_was_fitted(tmp_path: Path) -> None:
    theirs = fitted(random_state=7, n_init=2)
    file = tmp_path / "site.pkl"
    joblib.dump(theirs, file)
    import_model(file, trust=True)
    training = load_model("site").training
    assert date.fromisoformat(training["imported"])
    assert training["source"] == {
        "file": "site.pkl",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    assert training["software"] == f"scikit-learn {sklearn.__version__}"
    assert training["iterations"] == theirs.n_iter_
    assert training["converged"] is True
    assert training["seed"] == 7
    assert training["starts"] == 2
    assert training["covariance_type"] == "full"
    assert training["log_likelihood"] == pytest.approx(theirs.score(lungs()), abs=0.01)


def test_a_card_tells_that_it_was_imported(tmp_path: Path, user: Path) -> None:
    joblib.dump(fitted(), tmp_path / "site.joblib")
    import_model(tmp_path / "site.joblib", trust=True)
    card = (user / "site.md").read_text()
    assert "# Model card: site" in card
    assert "It was imported" in card


def _with_means(means: np.ndarray) -> GaussianMixture:
    published, theirs = load_model(), fitted()
    theirs.means_, theirs.weights_ = means[:, None], published.weights
    theirs.covariances_ = published.variances[:, None, None]
    theirs.converged_ = True
    return theirs


def test_components_that_are_not_the_five_tissues_are_doubtful(tmp_path: Path) -> None:
    means = load_model().means
    joblib.dump(_with_means(means), tmp_path / "plausible.joblib")
    # A free fit of healthy lungs: what comes third is no ground glass.
    joblib.dump(_with_means(means - np.array([0, 0, 154, 0, 0])), tmp_path / "free.joblib")
    for name in ("plausible", "free"):
        import_model(tmp_path / f"{name}.joblib", trust=True)
    assert load_model("plausible").doubts == ()
    assert "the mean of ground glass is -806 HU" in load_model("free").doubts[0]


def test_a_fit_that_did_not_converge_is_doubtful(tmp_path: Path) -> None:
    theirs = _with_means(load_model().means)
    theirs.converged_ = False
    joblib.dump(theirs, tmp_path / "site.joblib")
    import_model(tmp_path / "site.joblib", trust=True)
    assert "did not converge" in load_model("site").doubts[0]


def test_a_random_state_that_is_an_object_is_told_in_words(tmp_path: Path) -> None:
    joblib.dump(fitted(random_state=np.random.RandomState(0)), tmp_path / "site.joblib")
    import_model(tmp_path / "site.joblib", trust=True)
    assert "RandomState" in load_model("site").training["seed"]


def test_single_precision_is_a_model_too(tmp_path: Path) -> None:
    theirs = fitted()
    for name in ("means_", "covariances_", "weights_"):
        setattr(theirs, name, getattr(theirs, name).astype(np.float32))
    joblib.dump(theirs, tmp_path / "site.joblib")
    import_model(tmp_path / "site.joblib", trust=True)
    assert load_model("site").means.tolist() == sorted(theirs.means_[:, 0].tolist())


def test_a_file_of_another_scikit_learn_is_read_without_a_word(tmp_path: Path) -> None:
    content = pickle.dumps(fitted(), protocol=0)
    here = sklearn.__version__.encode()
    assert content.count(here) == 1
    there = b"0.1" + b"9" * (len(here) - 3)
    (tmp_path / "old.pkl").write_bytes(content.replace(here, there))
    import_model(tmp_path / "old.pkl", trust=True)  # a warning would be an error here
    assert load_model("old").training["software"] == f"scikit-learn {there.decode()}"


class _Marker:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("name", ["site.joblib", "site.pkl", "site", "site.json.pkl"])
def test_code_in_a_file_runs_only_when_it_is_trusted(tmp_path: Path, user: Path, name: str) -> None:
    mark, file = tmp_path / "mark", tmp_path / name
    file.write_bytes(pickle.dumps(_Marker(mark)))
    with pytest.raises(ModelError, match=r"runs the code .* --trust") as caught:
        import_model(file)
    assert str(file) in str(caught.value)
    assert not mark.exists()
    with pytest.raises(ModelError, match="type int"):
        import_model(file, trust=True)
    assert mark.exists()  # so the test could have failed
    assert not user.exists()


def test_a_pickle_called_a_model_file_is_not_unpickled(tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "site.json"
    file.write_bytes(pickle.dumps(_Marker(mark)))
    with pytest.raises(ModelError, match="not a gmmlabel model file"):
        import_model(file, trust=True)
    assert not mark.exists()


def _refused(value: object, file: Path, words: str) -> None:
    joblib.dump(value, file)
    with pytest.raises(ModelError, match=words) as caught:
        import_model(file, trust=True)
    assert str(file) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (file.parent / "user").exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"means_": [1, 2, 3]}, "type dict"),
        ([1.0, 2.0], "type list"),
        (None, "type NoneType"),
        (GaussianMixture, "type ABCMeta"),
        (GaussianMixture(5), "not fitted"),
    ],
    ids=["a dict", "a list", "nothing", "a class", "not fitted"],
)
def test_what_is_no_fitted_mixture_is_refused(tmp_path: Path, value: object, words: str) -> None:
    _refused(value, tmp_path / "site.joblib", words)


def test_a_bayesian_mixture_labels_otherwise_and_is_refused(tmp_path: Path) -> None:
    theirs = BayesianGaussianMixture(n_components=5, random_state=0, tol=1).fit(lungs())
    _refused(theirs, tmp_path / "site.joblib", "type BayesianGaussianMixture")


@pytest.mark.parametrize(("components", "columns"), [(3, 1), (6, 1), (5, 2), (1, 5)])
@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_a_mixture_of_another_size_is_refused(
    tmp_path: Path, components: int, columns: int, covariance_type: str
) -> None:
    theirs = fitted(components, columns, covariance_type=covariance_type)
    _refused(theirs, tmp_path / "site.joblib", f"has {components} x {columns} means")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("means_", np.full((5, 1), np.nan), "mean_hu"),
        ("means_", np.full((5, 1), "x"), "no numbers"),
        ("means_", [[1], [2, 3]], "no numbers"),
        ("means_", 5.0, "means"),
        ("covariances_", np.full((5, 1, 1), -1.0), "variance_hu2"),
        ("covariances_", np.full((5, 1, 1), np.inf), "variance_hu2"),
        ("covariances_", np.ones(5), "do not belong"),
        ("covariance_type", "square", "do not belong"),
        ("weights_", np.array([0.5, 0.5, 0, 0, 0]), "weight"),
        ("weights_", np.full(5, 0.1), "add up to 0.5"),
        ("weights_", np.full(4, 0.25), "do not belong"),
    ],
)
def test_a_mixture_with_unsound_parameters_is_refused(tmp_path, name, value, words) -> None:
    theirs = fitted()
    setattr(theirs, name, value)
    _refused(theirs, tmp_path / "site.joblib", words)


def _whole() -> bytes:
    buffer = io.BytesIO()
    joblib.dump(fitted(), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_told_in_one_line(tmp_path: Path, user: Path, share: float) -> None:
    whole = _whole()
    file = tmp_path / "site.joblib"
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match="cannot be unpickled") as caught:
        import_model(file, trust=True)
    assert len(str(caught.value).splitlines()) == 1
    assert not user.exists()


@pytest.mark.parametrize(
    "content", [b"", b"five Gaussians\n", b"\x80\x04cno_such_module\nModel\n.", bytes(range(256))]
)
def test_what_is_no_pickle_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "site.joblib"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be unpickled") as caught:
        import_model(file, trust=True)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in ("gone.json", "gone.joblib"):
        with pytest.raises(ModelError, match=f"{name}: cannot be read"):
            import_model(tmp_path / name, trust=True)


def _model_file(folder: Path, name: str = "site") -> Path:
    model = replace(load_model(), name=name, training={"cases": 6})
    return write_model(model, folder / f"{name}.json")


def test_a_model_file_is_copied_as_it_is_with_its_card(tmp_path: Path, user: Path) -> None:
    file = _model_file(tmp_path)
    # Another layout, and a card by hand: both must stay.
    file.write_text(json.dumps(json.loads(file.read_text())))
    file.with_suffix(".md").write_text("by hand")
    assert import_model(file) == user / "site.json"
    assert (user / "site.json").read_bytes() == file.read_bytes()
    assert (user / "site.md").read_text() == "by hand"
    assert load_model("site").sha256 == load_model(file).sha256


def test_a_model_file_without_a_card_gets_one(tmp_path: Path, user: Path) -> None:
    file = _model_file(tmp_path)
    file.with_suffix(".md").unlink()
    import_model(file)
    assert load_model("site").sha256 in (user / "site.md").read_text()


def test_a_model_file_goes_by_the_name_in_it(tmp_path: Path, user: Path) -> None:
    file = _model_file(tmp_path).rename(tmp_path / "download (1).json")
    assert import_model(file) == user / "site.json"
    assert load_model("site").training == {"cases": 6}


def test_a_model_file_can_be_renamed(tmp_path: Path, user: Path) -> None:
    file = _model_file(tmp_path)
    assert import_model(file, name="other") == user / "other.json"
    assert load_model("other").training == {"cases": 6}
    assert "# Model card: other" in (user / "other.md").read_text()
    assert sorted(path.name for path in user.iterdir()) == ["other.json", "other.md"]


@pytest.mark.parametrize("name", ["../site", "my site", "", "-site", "a/b"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, user: Path, name: str) -> None:
    joblib.dump(fitted(), tmp_path / "site.joblib")
    for file in (_model_file(tmp_path), tmp_path / "site.joblib"):
        with pytest.raises(ModelError, match="no name for a model"):
            import_model(file, name=name, trust=True)
    assert not user.exists()


def test_the_name_of_an_installed_model_is_taken(tmp_path: Path, user: Path) -> None:
    _model_file(tmp_path, "zaffino2021")
    joblib.dump(fitted(), tmp_path / "zaffino2021.joblib")
    for file in ("zaffino2021.json", "zaffino2021.joblib"):
        with pytest.raises(ModelError, match="name of an installed model"):
            import_model(tmp_path / file, trust=True, overwrite=True)
    assert not user.exists()
    import_model(tmp_path / "zaffino2021.json", name="mine")
    assert load_model("mine").means.tolist() == load_model().means.tolist()


@pytest.mark.parametrize("present", ["site.json", "site.md"])
def test_an_earlier_model_is_replaced_only_when_told_to(
    tmp_path: Path, user: Path, present: str
) -> None:
    file = _model_file(tmp_path)
    user.mkdir()
    (user / present).write_text("earlier")
    with pytest.raises(OutputError, match=rf"{present}: is there already; .*--name"):
        import_model(file)
    assert (user / present).read_text() == "earlier"
    import_model(file, overwrite=True)
    assert load_model("site").training == {"cases": 6}


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, user: Path) -> None:
    user.write_text("a file")
    with pytest.raises(OutputError, match="user"):
        import_model(_model_file(tmp_path))


def test_the_command_prints_the_model_and_where_it_went(tmp_path: Path, user: Path) -> None:
    joblib.dump(fitted(), tmp_path / "site.joblib")
    arguments = ["import", str(tmp_path / "site.joblib"), "--name", "mine", "--trust"]
    done = CliRunner().invoke(models_app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].startswith("mine  ")
    assert done.stdout.splitlines()[-1] == f"imported to {user / 'mine.json'}"
    assert done.stderr == ""


def test_the_command_can_answer_in_json(tmp_path: Path, user: Path) -> None:
    arguments = ["import", str(_model_file(tmp_path)), "--json"]
    done = CliRunner().invoke(models_app, arguments, catch_exceptions=False)
    document = json.loads(done.stdout)
    assert document["path"] == str(user / "site.json")
    assert document["sha256"] == load_model("site").sha256


def test_nothing_is_written_beside_the_error_of_an_old_file(tmp_path: Path) -> None:
    (tmp_path / "site.joblib").write_bytes(_whole()[:-100])
    code = "from gmmlabel.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "models", "import", tmp_path / "site.joblib", "--trust"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("gmmlabel: error: ")
