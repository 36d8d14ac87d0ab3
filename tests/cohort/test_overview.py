"""The overview of a cohort: every case is a row and on the page, or a failure."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from gmmlabel.case import write_case
from gmmlabel.cohort.overview import write_overview
from gmmlabel.cohort.summary import Failure
from gmmlabel.errors import OutputError
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import label_volume


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("case")
    write_case(label_volume(make_phantom((92, 72, 80), (4.0, 4.0, 4.0)).volume), folder)
    return folder


@pytest.fixture
def cohort(case, tmp_path) -> Path:
    for name in ("ct_1", "ct_2", "ct_3", "ct_4"):
        shutil.copytree(case, tmp_path / name)
    (tmp_path / "ct_2" / "result.json").unlink()
    (tmp_path / "ct_3" / "result.json").write_text('{"schema_version": 1')
    (tmp_path / "ct_4" / "preview.png").write_bytes(b"no picture")
    return tmp_path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_whole_cases_are_rows_and_broken_ones_are_failures(cohort) -> None:
    given = Failure("ct_0", "/in/ct_0.nrrd", "no lungs", "lungs")
    failed = write_overview(cohort, ["ct_1", "ct_2", "ct_3", "ct_4"], [given])
    rows, failures = table(cohort / "summary.csv"), table(cohort / "failures.csv")
    assert [row["case"] for row in rows] == ["ct_1", "ct_4"]
    assert [row["case"] for row in failures] == ["ct_0", "ct_2", "ct_3"]
    assert [it.case for it in failed] == ["ct_0", "ct_2", "ct_3"]
    assert failed[0] is given
    assert [row["stage"] for row in failures] == ["lungs", "summary", "summary"]
    result = json.loads((cohort / "ct_1" / "result.json").read_text())
    assert float(rows[0]["lungs_volume_ml"]) == result["lungs"]["volume_ml"]
    page = (cohort / "cohort.html").read_text()
    assert "Cohort of 2 cases" in page
    assert "3 cases failed" in page
    assert page.count("is damaged (no JSON)") == 1
    assert [path.name for path in (cohort / "thumbnails").iterdir()] == ["ct_1.jpg"]
    assert page.count("no preview") == 1


def test_a_second_run_replaces_all_of_the_first(cohort) -> None:
    write_overview(cohort, ["ct_1", "ct_2"])
    write_overview(cohort, ["ct_1"])
    assert len(table(cohort / "summary.csv")) == 1
    assert table(cohort / "failures.csv") == []
    assert "failed" not in (cohort / "cohort.html").read_text().replace("failures", "")
    assert not [path for path in cohort.iterdir() if path.name.startswith(".")]


def test_without_cases_there_are_empty_tables_and_a_page(tmp_path) -> None:
    assert write_overview(tmp_path / "new", []) == ()
    assert table(tmp_path / "new" / "summary.csv") == []
    assert "Cohort of 0 cases" in (tmp_path / "new" / "cohort.html").read_text()


def test_a_folder_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_overview(tmp_path / "file", [])
