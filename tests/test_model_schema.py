"""The JSON of a model: read to the last digit, and what is none is told in one line."""

import hashlib
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.errors import ModelError
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.model_schema import parse_model, serialise_model, training_histogram

KEYS = ["air", "healthy", "ground_glass", "consolidation", "dense"]
PUBLISHED = Path(__file__).parents[1] / "models" / "zaffino2021.json"


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
    "a mean of no HU": (("tissues", 4, "mean_hu"), 40_000, "tissues.4.mean_hu"),
    "a variance that overflows": (("tissues", 2, "variance_hu2"), 1e300, "tissues.2.variance_hu2"),
    "a variance of a point": (("tissues", 2, "variance_hu2"), 1e-300, "tissues.2.variance_hu2"),
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


def _mixture(
    parts: list[tuple[float, float, float]], training: dict[str, Any], citation: str
) -> Mixture:
    means, variances, weights = np.array(sorted(parts)).T
    return Mixture("any-1", means, variances, weights / weights.sum(), None, training, citation)


# JSON as Python reads it back; whole numbers beyond int64 among it.
documents = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda part: (
            st.lists(part, max_size=3)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), part, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=5,
)
mixtures = st.builds(
    _mixture,
    st.lists(
        st.tuples(st.floats(-1100, 500), st.floats(1e-3, 1e6), st.floats(1e-6, 1)),
        min_size=5,
        max_size=5,
    ),
    documents,
    st.text(st.characters(exclude_categories=["Cs"])),
)


@given(mixture=mixtures)
def test_what_is_written_is_read_to_the_last_digit(mixture: Mixture) -> None:
    content = serialise_model(mixture, "any")
    again = parse_model(content, "any")
    assert again.name == mixture.name
    assert again.means.tolist() == mixture.means.tolist()
    assert again.variances.tolist() == mixture.variances.tolist()
    assert again.weights.tolist() == mixture.weights.tolist()
    assert again.training == mixture.training
    assert again.citation == mixture.citation
    assert again.sha256 == hashlib.sha256(content).hexdigest()
    assert serialise_model(again, "any") == content


@pytest.mark.parametrize("variance", [1e-9, 1e10])
@pytest.mark.parametrize("means", [[-32768.0] * 4 + [32767.0], [0.0] * 5])
def test_a_model_at_the_bounds_labels_without_overflow(means, variance) -> None:
    model = Mixture("any", np.array(means), np.full(5, variance), np.array([0.2] * 5))
    with np.errstate(all="raise"):
        table = parse_model(serialise_model(model, "any"), "any").table
    assert set(np.unique(table)) <= {1, 2, 3, 4, 5}


@given(mixture=mixtures)
def test_what_is_written_is_what_another_reader_of_json_reads(mixture: Mixture) -> None:
    document = json.loads(serialise_model(mixture, "any"))
    assert [entry["mean_hu"] for entry in document["tissues"]] == mixture.means.tolist()
    assert [entry["tissue"] for entry in document["tissues"]] == KEYS
    assert document["training"] == mixture.training


def test_the_published_model_is_written_as_it_stands() -> None:
    assert serialise_model(load_model("zaffino2021"), "any") == PUBLISHED.read_bytes()


def test_a_model_needs_no_training(content) -> None:
    del content["training"]
    assert parse_model(json.dumps(content).encode(), "any").training == {}


def test_what_json_has_no_number_for_is_null(content) -> None:
    content["training"] = {"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": 1.5}
    null = {"a": None, "b": [None, {"c": None}], "d": 1.5}
    model = parse_model(json.dumps(content).encode(), "any")
    assert model.training == null
    model = Mixture("any", model.means, model.variances, model.weights, None, content["training"])
    assert json.loads(serialise_model(model, "any"))["training"] == null


def test_a_lone_surrogate_is_a_question_mark(content) -> None:
    model = parse_model(json.dumps(content).encode(), "any")
    odd = Mixture("any", model.means, model.variances, model.weights, None, {"by": "J\udce9r"})
    assert parse_model(serialise_model(odd, "any"), "any").training == {"by": "J?r"}


def test_what_is_no_json_is_not_written(content) -> None:
    model = parse_model(json.dumps(content).encode(), "any")
    odd = Mixture("any", model.means, model.variances, model.weights, None, {"by": object()})
    with pytest.raises(TypeError):
        serialise_model(odd, "any")


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("../any", {}, "name"),
        ("any", {"means": [-950, -830, -650, -10, -340]}, "means must grow"),
        ("any", {"means": [-950, math.nan, -650, -340, -10]}, "tissues.1.mean_hu"),
        ("any", {"variances": [1, 1, 0, 1, 1]}, "tissues.2.variance_hu2"),
        ("any", {"weights": [0.2, 0.2, 0.2, 0.2, 0.1]}, "add up to 0.9"),
    ],
)
def test_a_mixture_that_is_no_model_is_not_written(content, name, spoil, words) -> None:
    model = parse_model(json.dumps(content).encode(), "any")
    parts = {
        part: np.array(spoil.get(part, getattr(model, part)), np.float64)
        for part in ("means", "variances", "weights")
    }
    with pytest.raises(ModelError, match=f"^there: .*{words}"):
        serialise_model(Mixture(name, **parts), "there")


def _with_histogram(content: dict[str, Any], histogram: Any) -> Mixture:
    content["training"] = {"histogram": histogram}
    return parse_model(json.dumps(content).encode(), "any")


def test_the_training_histogram_is_read(content) -> None:
    histogram = training_histogram(
        _with_histogram(content, {"first_hu": -1000, "counts": [1, 0, 2.5], "note": "any"})
    )
    assert histogram is not None
    assert histogram.first_hu == -1000
    assert histogram.counts.tolist() == [1, 0, 2.5]
    assert histogram.counts.dtype == np.float64


@pytest.mark.parametrize("training", [{}, {"histogram": None}, {"cases": 62}])
def test_a_model_may_have_no_training_histogram(content, training) -> None:
    content["training"] = training
    assert training_histogram(parse_model(json.dumps(content).encode(), "any")) is None


@pytest.mark.parametrize(
    ("histogram", "words"),
    [
        ([1, 2, 3], "histogram"),
        ("histogram.json", "histogram"),
        ({}, "first_hu"),
        ({"first_hu": -1000}, "counts"),
        ({"first_hu": -1000, "counts": []}, "counts"),
        ({"first_hu": -1000, "counts": [0, 0]}, "all counts are 0"),
        ({"first_hu": -1000, "counts": [3, -1]}, "counts.1"),
        ({"first_hu": -1000, "counts": [3, math.nan]}, "counts.1"),
        ({"first_hu": -1000, "counts": ["many"]}, "counts.0"),
        ({"first_hu": -1000, "counts": [1, 1e308]}, "counts.1"),
        ({"first_hu": -40_000, "counts": [1]}, "first_hu"),
        ({"first_hu": -1000.5, "counts": [1]}, "first_hu"),
        ({"first_hu": -1000, "counts": [1] * 65_537}, "counts"),
    ],
)
def test_a_broken_histogram_is_told_when_it_is_wanted(content, histogram, words) -> None:
    model = _with_histogram(content, histogram)
    with pytest.raises(ModelError, match=r"^model any-1: ") as caught:
        training_histogram(model)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
