"""The table is the most probable tissue at every HU, and a bad model file is told in one line."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from gmmlabel.errors import ModelError
from gmmlabel.mixture import Mixture, load_model, model_names
from gmmlabel.tissues import Tissue

HU = np.arange(-1024, 3072)
KEYS = ["air", "healthy", "ground_glass", "consolidation", "dense"]


def _probabilities(mixture: Mixture) -> NDArray[np.float64]:
    """Scikit-learn's posterior at every HU; in float64, as 1.7 and later truncate for integers."""
    oracle = GaussianMixture(5, covariance_type="full")
    oracle.means_ = mixture.means[:, None]
    oracle.weights_ = mixture.weights
    oracle.covariances_ = mixture.variances[:, None, None]
    oracle.precisions_cholesky_ = 1 / np.sqrt(oracle.covariances_)
    return oracle.predict_proba(HU.astype(np.float64)[:, None])


def _assert_table_is_that_of_scikit_learn(mixture: Mixture) -> None:
    """Where the two best tissues are as probable to within 1e-9, either label is right."""
    probabilities = _probabilities(mixture)
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    clear = second < first * (1 - 1e-9)
    expected = probabilities.argmax(axis=1) + 1
    np.testing.assert_array_equal(mixture.table[HU + 32768][clear], expected[clear])


def _mixture(means: list[float], deviations: list[float], weights: list[float]) -> Mixture:
    shares = np.array(weights)
    return Mixture("any", np.array(means), np.array(deviations) ** 2, shares / shares.sum())


mixtures = st.builds(
    _mixture,
    st.lists(st.floats(-1050, 400), min_size=5, max_size=5).map(sorted),
    st.lists(st.floats(5, 400), min_size=5, max_size=5),
    st.lists(st.floats(0.01, 1), min_size=5, max_size=5),
)


@pytest.fixture
def content() -> dict[str, Any]:
    """A model file's content, to be spoilt."""
    return {
        "schema_version": 1,
        "name": "any-1",
        "tissues": [
            {"tissue": key, "mean_hu": mean, "variance_hu2": 2500.0, "weight": 0.2}
            for key, mean in zip(KEYS, (-950, -830, -650, -340, -10), strict=True)
        ],
        "training": {},
        "citation": "none",
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "any.json"


def _refused(file: Path, *words: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(file)
    message = str(caught.value)
    assert str(file) in message
    assert len(message.splitlines()) == 1
    for word in words:
        assert word in message


def test_the_boundaries_of_the_published_model_are_those_it_is_known_by() -> None:
    assert load_model().boundaries() == (-893, -721, -472, -235)


def test_a_boundary_is_the_first_hu_of_the_next_tissue() -> None:
    table = load_model().table
    for tissue, boundary in zip(Tissue, (-893, -721, -472, -235), strict=False):
        assert table[32768 + boundary - 1] == tissue
        assert table[32768 + boundary] == tissue + 1


def test_boundaries_are_searched_above_the_first_up_to_the_last_hu_asked_for() -> None:
    model = load_model()
    assert model.boundaries(-894, -235) == (-893, -721, -472, -235)
    assert model.boundaries(-893, -236) == (-721, -472)
    assert model.boundaries(-893, -722) == ()


def test_far_below_air_the_widest_gaussian_wins() -> None:
    # So HU that no lung has must be clipped before they are looked up.
    table = load_model().table
    assert table[32768 - 1200] == Tissue.AIR
    assert table[32768 - 1300] != Tissue.AIR
    assert table[32768 - 2000] == table[32768 - 3024] == table[0] == Tissue.DENSE


def test_the_published_model_labels_as_scikit_learn() -> None:
    model = load_model()
    _assert_table_is_that_of_scikit_learn(model)
    assert len(model.table) == 1 << 16
    assert model.table.dtype == np.uint8
    assert set(np.unique(model.table)) == set(Tissue)


def test_a_model_whose_label_falls_again_labels_as_scikit_learn() -> None:
    # A narrow healthy lung within a wide ground glass: 3, 2, 3 as HU grow.
    model = _mixture([-1000, -830, -820, 0, 300], [10, 15, 200, 50, 50], [1, 3, 3, 1, 1])
    labels = model.table[HU + 32768].astype(int)
    assert (np.diff(labels) < 0).any()
    assert len(model.boundaries(-1024)) > 4
    _assert_table_is_that_of_scikit_learn(model)


def test_scikit_learn_finds_no_tie_in_the_published_model() -> None:
    second, first = np.sort(_probabilities(load_model()), axis=1)[:, -2:].T
    assert (second < first * (1 - 1e-9)).all()


@given(mixture=mixtures)
def test_any_model_labels_as_scikit_learn(mixture: Mixture) -> None:
    _assert_table_is_that_of_scikit_learn(mixture)


@given(mixture=mixtures)
def test_between_two_boundaries_the_label_is_one(mixture: Mixture) -> None:
    labels = mixture.table[HU + 32768]
    expected = HU[1:][labels[1:] != labels[:-1]]
    assert mixture.boundaries(-1023, 3071) == tuple(expected)


def test_log_posteriors_differ_by_the_log_of_scikit_learns_odds() -> None:
    model = load_model()
    ours = model.log_posterior(HU)
    assert ours.shape == (4096, 5)
    theirs = _probabilities(model)[:800]
    odds = ours[:800] - ours[:800, 1:2]
    np.testing.assert_allclose(np.exp(odds), theirs / theirs[:, 1:2], rtol=1e-9)


def test_the_published_model_is_installed_under_its_name() -> None:
    assert "zaffino2021" in model_names()
    model = load_model("zaffino2021")
    assert model.name == "zaffino2021"
    assert model.means.shape == model.variances.shape == model.weights.shape == (5,)
    assert model.weights.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", model_names())
def test_every_installed_model_is_called_as_its_file(name: str) -> None:
    assert load_model(name).name == name


@pytest.mark.parametrize("kind", [str, Path])
def test_a_model_is_loaded_by_path(file, content, kind) -> None:
    file.write_text(json.dumps(content))
    model = load_model(kind(file))
    assert model.name == "any-1"
    assert model.means.tolist() == [-950, -830, -650, -340, -10]
    assert model.variances.tolist() == [2500] * 5
    assert model.weights.tolist() == [0.2] * 5
    assert model.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_an_unknown_name_is_told_with_the_names_that_are_known() -> None:
    with pytest.raises(ModelError, match=r"^no-such-model: no such model, .*zaffino2021"):
        load_model("no-such-model")


def test_a_name_too_long_for_a_file_is_an_unknown_name() -> None:
    with pytest.raises(ModelError, match="no such model"):
        load_model("x" * 5000)


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    _refused(tmp_path)


def test_a_file_that_may_not_be_read_is_a_model_error(file, content, monkeypatch) -> None:
    file.write_text(json.dumps(content))

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    _refused(file)


NO_MODELS = {
    "empty": b"",
    "not JSON": b"five Gaussians",
    "cut short": b'{"schema_version": 1, "name": "any", "tissues": [',
    "another JSON": b'{"type": "FeatureCollection", "features": []}',
    "a list": b"[1, 2, 3]",
    "a number": b"5",
    "null": b"null",
    "nested without end": b"[" * 100_000,
    "a pickle": pickle.dumps({"means": [1, 2, 3]}),
    "binary": bytes(range(256)) * 4,
    "Latin-1": '{"schema_version": 1, "name": "Universit\xe4t"}'.encode("latin-1"),
    "UTF-16": '{"schema_version": 1}'.encode("utf-16"),
}


@pytest.mark.parametrize("content", NO_MODELS.values(), ids=NO_MODELS)
def test_a_file_that_is_no_model_is_told_in_one_line(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    _refused(file, "not a gmmlabel model file")


# What to put at which place of a good model file, and what the message must speak of.
SPOILT: dict[str, tuple[tuple[str | int, ...], Any, str]] = {
    "no schema": (("schema_version",), None, "schema_version"),
    "a later schema": (("schema_version",), 2, "schema_version"),
    "no name": (("name",), None, "name"),
    "an empty name": (("name",), "", "name"),
    "a name that is a path": (("name",), "../any", "name"),
    "no tissues": (("tissues",), [], "tissues"),
    "no mean": (("tissues", 1, "mean_hu"), None, "tissues.1.mean_hu"),
    "a mean that is not a number": (("tissues", 1, "mean_hu"), float("nan"), "tissues.1.mean_hu"),
    "an endless mean": (("tissues", 4, "mean_hu"), float("inf"), "tissues.4.mean_hu"),
    "a mean in words": (("tissues", 1, "mean_hu"), "light", "tissues.1.mean_hu"),
    "a negative variance": (("tissues", 2, "variance_hu2"), -1.0, "tissues.2.variance_hu2"),
    "no variance at all": (("tissues", 2, "variance_hu2"), 0, "tissues.2.variance_hu2"),
    "a variance that is no number": (
        ("tissues", 2, "variance_hu2"), float("nan"), "tissues.2.variance_hu2",
    ),
    "an endless variance": (("tissues", 2, "variance_hu2"), float("inf"), "tissues.2.variance_hu2"),
    "a negative weight": (("tissues", 3, "weight"), -0.2, "tissues.3.weight"),
    "a weight of nothing": (("tissues", 3, "weight"), 0, "tissues.3.weight"),
    "a weight above one": (("tissues", 3, "weight"), 1.2, "tissues.3.weight"),
    "a weight that is no number": (("tissues", 3, "weight"), float("nan"), "tissues.3.weight"),
    "weights that do not add up": (("tissues", 3, "weight"), 0.3, "add up to 1.1, not 1"),
    "weights a little off": (("tissues", 3, "weight"), 0.200002, "add up to"),
    "an unknown tissue": (("tissues", 0, "tissue"), "bone", "the tissues must be air, healthy"),
    "falling means": (("tissues", 1, "mean_hu"), -960, "means must grow"),
    "something unknown": (("threshold",), -155, "threshold"),
    "something unknown of two lines": (("thres\nhold",), -155, "thres"),
}  # fmt: skip


@pytest.mark.parametrize(("place", "value", "words"), SPOILT.values(), ids=SPOILT)
def test_a_spoilt_model_is_told_with_what_is_wrong_in_it(
    file, content, place, value, words
) -> None:
    *outer, last = place
    part: Any = content
    for key in outer:
        part = part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    file.write_text(json.dumps(content))
    _refused(file, words)


@pytest.mark.parametrize("count", [1, 4, 6])
def test_a_model_has_five_tissues(file, content, count) -> None:
    content["tissues"] = (content["tissues"] * 2)[:count]
    file.write_text(json.dumps(content))
    _refused(file, "tissues")


def test_the_tissues_stand_in_their_order(file, content) -> None:
    first, second, *rest = content["tissues"]
    content["tissues"] = [second, first, *rest]
    file.write_text(json.dumps(content))
    _refused(file, "in this order")
