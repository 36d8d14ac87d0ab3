"""A histogram holds counts and no more, and one that does not add up is refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmmlabel.errors import UnreadableError
from gmmlabel.histogram import LungHistogram, read_histogram
from gmmlabel.method import DefaultMethod
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import count_lungs, label_volume


@pytest.fixture(scope="module")
def counted() -> LungHistogram:
    return count_lungs(make_phantom((96, 96, 64), (4.0, 4.0, 5.0)).volume)


@pytest.fixture
def document(counted: LungHistogram) -> dict[str, Any]:
    return json.loads(json.dumps(counted.document()))


def _refused(tmp_path: Path, content: object, *words: str) -> None:
    path = tmp_path / "histogram.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UnreadableError) as caught:
        read_histogram(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message


def test_counting_alone_gives_the_histogram_of_labelling() -> None:
    volume = make_phantom((96, 96, 64), (4.0, 4.0, 5.0)).volume
    labelling = label_volume(volume)
    ours = count_lungs(volume)
    assert ours.document() == labelling.histogram.document()
    hu = volume.hu[labelling.lung_mask > 0].clip(-1000, 3071)
    np.testing.assert_array_equal(ours.counts, np.bincount(hu + 1000, minlength=4072))


def test_a_histogram_comes_back_from_its_file(counted: LungHistogram, tmp_path: Path) -> None:
    path = tmp_path / "histogram.json"
    counted.write(path)
    again = read_histogram(path)
    assert json.dumps(again.document()) == json.dumps(counted.document())
    assert again.counts.tobytes() == counted.counts.tobytes()
    assert again.fingerprint == counted.fingerprint


def test_it_tells_no_name_no_date_and_no_path(document: dict[str, Any]) -> None:
    assert set(document) == {
        "schema_version",
        "input_sha256",
        "cases",
        "spacing_mm",
        "method",
        "suppressed_below",
        "voxels",
        "first_hu",
        "counts",
    }
    assert document["method"] == json.loads(json.dumps(asdict(DefaultMethod())))


def test_small_counts_are_suppressed(counted: LungHistogram) -> None:
    ours = counted.suppressed(20)
    assert ours.suppressed_below == 20
    kept = ours.counts[ours.counts > 0]
    assert kept.min() >= 20
    np.testing.assert_array_equal(kept, counted.counts[counted.counts >= 20])
    assert ours.document()["voxels"] == kept.sum() < counted.voxels


def test_foreign_json_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, {"some": "json"}, "not a histogram of gmmlabel", "gmmlabel histogram")
    _refused(tmp_path, "{", "not a histogram of gmmlabel")
    _refused(tmp_path, "[1, 2]", "not a histogram of gmmlabel")


def test_negative_and_broken_counts_are_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    for value in (-1, 0.5, "1", None, float("nan")):
        _refused(tmp_path, {**document, "counts": [value, *document["counts"][1:]]}, "counts.0")
    _refused(tmp_path, {**document, "voxels": document["voxels"] + 1}, "add up")
    _refused(tmp_path, {**document, "counts": [1] * 5000, "voxels": 5000}, "above 3071 HU")
    huge = [1 << 54]
    _refused(tmp_path, {**document, "counts": huge, "voxels": 1 << 54}, "more than")


def test_an_empty_histogram_is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    _refused(tmp_path, {**document, "counts": [], "voxels": 0}, "it is empty")


def test_a_histogram_that_says_more_than_it_may_is_refused(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    _refused(tmp_path, {**document, "patient": "DOE^JOHN"}, "patient")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_histogram(tmp_path / "none.json")
