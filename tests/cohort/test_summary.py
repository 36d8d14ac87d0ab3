"""``summary.csv`` holds every scalar of every result under a documented name."""

import copy
import csv
import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.cohort.columns import COLUMNS
from gmmlabel.cohort.summary import (
    FAILURE_COLUMNS,
    Failure,
    read_row,
    summary_row,
    write_failures,
    write_summary,
)
from gmmlabel.errors import UnreadableError
from gmmlabel.method import PublishedMethod
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import label_volume
from gmmlabel.regions import SIDES, ZONES
from gmmlabel.result import result_document
from gmmlabel.tissues import Tissue

DOCS = Path(__file__).parents[2] / "docs" / "cohort.md"

SMALL_PUBLISHED = PublishedMethod(island_voxels=2000, closing_voxels=(3, 2))

Document = dict[str, Any]
Place = tuple[str | int, ...]


def make_document(**options: Any) -> Document:
    volume = make_phantom((92, 72, 80), (4.0, 4.0, 4.0)).volume
    document = json.loads(json.dumps(result_document(label_volume(volume, **options))))
    document["seconds"] |= {"write": 0.25, "total": 1.5}
    return document


@pytest.fixture(scope="module")
def result() -> Document:
    return make_document()


@pytest.fixture
def document(result: Document) -> Document:
    return copy.deepcopy(result)


def scalars(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(part, (*place, key))
    else:
        yield place, value


def at(document: Document, place: Place) -> Any:
    for key in place:
        document = document[key]
    return document


def changed(document: Document, place: Place, value: Any) -> Document:
    other = copy.deepcopy(document)
    at(other, place[:-1])[place[-1]] = value
    return other


def test_every_scalar_of_a_result_has_a_column_of_its_own(document) -> None:
    document["quality"] = [{"flag": "noise", "message": "It is noisy.", "value": 41.0}]
    document["input"]["sha256"] = document["model"]["sha256"] = "0" * 64
    document["acquisition"] |= {"slice_thickness_mm": 5.0, "kernel": "B40f"}
    before = summary_row("case", document)
    found: dict[Place, list[str]] = {}
    for place, value in scalars(document):
        if place[0] == "schema_version" or place[::2] == ("quality", "message"):
            continue
        if place[::2] == ("quality", "value"):
            continue
        if place[:2] == ("regions", "both") and place[2] != "densitometry":
            alike = ("lungs", "volume_ml") if place[2] == "volume_ml" else place[2:]
            assert at(document, alike) == value  # it stands at the top, too
            continue
        other = "changed" if isinstance(value, str) else 12345.5
        after = summary_row("case", changed(document, place, other))
        found[place] = [column for column in COLUMNS if before[column] != after[column]]
        one_cell = {"method": "method_sha256", "model": "model_boundaries_hu"}
        if place[-1] == "name" and place[0] == "method":
            assert found[place] == ["method", "method_sha256"]
        elif place[0] == "method" or place[:2] == ("model", "boundaries_hu"):
            assert found.pop(place) == [one_cell[place[0]]]
        else:
            assert len(found[place]) == 1, place
            assert place[0] == "quality" or after[found[place][0]] == other
    columns = [column for each in found.values() for column in each]
    assert len(columns) == len(set(columns))
    made = {"case", "model_boundaries_hu", "quality_flag_count", "input_note_count"}
    assert set(COLUMNS) - set(columns) == made | {"schema_version"}


def test_key_figures_stand_under_their_names(document) -> None:
    row = summary_row("ct_1", document)
    assert list(row) == list(COLUMNS)
    assert row["case"] == "ct_1"
    assert row["ground_glass_ml"] == document["tissues"]["ground_glass"]["volume_ml"]
    assert row["right_opacity_percent"] == document["regions"]["right"]["opacity"]["percent"]
    assert row["lungs_mean_hu"] == document["regions"]["both"]["densitometry"]["mean_hu"]
    assert row["size_z_voxels"] == document["input"]["size"][2]
    assert row["model_boundaries_hu"] == "[-893, -721, -472, -235]"


def test_flags_are_named_and_notes_of_the_reader_are_none(document) -> None:
    names = ["input_note", "noise", "input_note", "thick_slices"]
    document["quality"] = [{"flag": name, "message": "", "value": None} for name in names]
    row = summary_row("case", document)
    assert row["quality_flags"] == "noise;thick_slices"
    assert (row["quality_flag_count"], row["input_note_count"]) == (2, 2)


def test_the_order_of_the_numbers_of_a_method_does_not_matter(document) -> None:
    before = summary_row("case", document)
    document["method"] = dict(reversed(document["method"].items()))
    assert summary_row("case", document) == before


def test_what_the_published_method_has_not_is_empty(document) -> None:
    published = summary_row("case", make_document(method=SMALL_PUBLISHED))
    default = summary_row("case", document)
    empty = {it for it in COLUMNS if published[it] is None and default[it] is not None}
    assert empty == {
        it
        for it in COLUMNS
        if "opacity_" in it or it.endswith("_score") or it.startswith("zone_score")
    } - {"involvement_score", "opacity_seconds"}
    assert published["method_sha256"] != default["method_sha256"]


def test_every_column_is_documented_and_nothing_else() -> None:
    table = DOCS.read_text().split("## summary.csv")[1].split("### ")[0]
    kinds = {"tissue": [t.key for t in Tissue], "side": SIDES, "zone": ZONES, "axis": "xyz"}
    documented = []
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", row):
            used = [kind for kind in kinds if f"{{{kind}}}" in name]
            documented += [
                name.format(**dict(zip(used, words, strict=True)))
                for words in product(*(kinds[kind] for kind in used))
            ]
    assert len(documented) == len(set(documented))
    assert set(documented) == set(COLUMNS)


def test_names_of_columns_are_unique_words_with_underscores() -> None:
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column) for column in COLUMNS)


def test_a_table_reads_back_as_the_numbers_of_the_results(document, tmp_path) -> None:
    rows = [summary_row("b", document), summary_row("a", document)]
    assert write_summary(iter(rows), tmp_path / "summary.csv") == 2
    with (tmp_path / "summary.csv").open(newline="", encoding="utf-8") as file:
        back = list(csv.DictReader(file))
    assert [row["case"] for row in back] == ["b", "a"]
    for row, read in zip(rows, back, strict=True):
        for column, value in row.items():
            if isinstance(value, int | float):
                assert float(read[column]) == value
            else:
                assert read[column] == (value or "")


def test_failures_are_a_line_each(tmp_path) -> None:
    failures = [
        Failure("a", "/in/a.nrrd", "two\nlines", stage="read", attempts=2),
        Failure("b", "/in/b", "no lungs"),
    ]
    assert write_failures(failures, tmp_path / "failures.csv") == 2
    assert (tmp_path / "failures.csv").read_text().splitlines() == [
        ",".join(FAILURE_COLUMNS),
        "a,/in/a.nrrd,read,two lines,2",
        "b,/in/b,,no lungs,1",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "is missing"),
        ("", "no JSON"),
        ('{"schema_version": 1, ', "no JSON"),
        ("\udcff", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "schema version"),
        ("null", "schema version"),
        ('{"schema_version": 2}', "schema version"),
        ('{"schema_version": 1}', "without input_name"),
    ],
)
def test_a_folder_without_a_whole_result_is_refused_by_name(text, why, tmp_path) -> None:
    folder = tmp_path / "ct_1"
    folder.mkdir()
    if text is not None:
        (folder / "result.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UnreadableError, match=why) as caught:
        read_row(folder)
    assert str(caught.value).startswith(f"{folder / 'result.json'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["12", True, float("nan"), float("inf"), pytest.param(10**400, id="huge"), [1], {}, None],
)
def test_a_number_that_is_none_is_damage(document, value) -> None:
    document["lungs"]["volume_ml"] = value
    with pytest.raises(UnreadableError, match="lungs_volume_ml"):
        summary_row("case", document)


def test_a_text_that_is_none_is_damage(document) -> None:
    document["model"]["name"] = 5
    with pytest.raises(UnreadableError, match="model is no text"):
        summary_row("case", document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.data())
def test_damage_anywhere_is_told_or_harmless(result, data) -> None:
    places = sorted({p[:n] for p, _ in scalars(result) for n in range(1, len(p) + 1)}, key=str)
    place = data.draw(st.sampled_from(places))
    damaged = changed(result, place, data.draw(json_values))
    try:
        row = summary_row("case", damaged)
    except UnreadableError:
        return
    assert list(row) == list(COLUMNS)
    assert row["lungs_volume_ml"] is not None
