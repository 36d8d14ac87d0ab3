"""Histograms come from CTs, case folders and histogram files, mixed."""

from pathlib import Path

import pytest

from gmmlabel.case import write_case
from gmmlabel.errors import InputError
from gmmlabel.gathering import find_sources, gather_histograms
from gmmlabel.method import METHODS, DefaultMethod
from gmmlabel.phantom import make_head, make_phantom
from gmmlabel.pipeline import count_lungs, label_volume
from gmmlabel.readers import read_volume
from gmmlabel.writers import write_volume


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_volume(path, make_phantom((96, 96, 64), (4.0, 4.0, 5.0)).volume)
    return path


def test_a_ct_its_case_and_its_histogram_give_the_same(ct: Path, tmp_path: Path) -> None:
    write_case(label_volume(read_volume(ct)), tmp_path / "cohort" / "one")
    write_case(label_volume(read_volume(ct)), tmp_path / "case")
    count_lungs(read_volume(ct)).write(tmp_path / "x.histogram.json")
    inputs = [ct, tmp_path / "case", tmp_path / "cohort", tmp_path / "x.histogram.json"]
    gathered = list(gather_histograms(inputs, DefaultMethod()))
    assert len(gathered) == 4
    assert len({histogram.fingerprint for _, histogram in gathered}) == 1
    assert len({histogram.counts.tobytes() for _, histogram in gathered}) == 1


def test_all_histograms_in_a_folder_are_found(ct: Path, tmp_path: Path) -> None:
    histogram = count_lungs(read_volume(ct))
    for name in ("a.histogram.json", "deep/b.histogram.json", "deep/case/histogram.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        histogram.write(path)
    (tmp_path / "result.json").write_text("{}")
    found = [source.label for source in find_sources([tmp_path])]
    assert found == sorted(
        str(tmp_path / name)
        for name in ("a.histogram.json", "deep/b.histogram.json", "deep/case/histogram.json")
    )


def test_a_folder_of_cts_and_cases_gives_both(ct: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "ct.nrrd").write_bytes(ct.read_bytes())
    count_lungs(read_volume(ct)).write(tmp_path / "x.histogram.json")
    assert len(list(gather_histograms([tmp_path], DefaultMethod()))) == 2


def test_an_input_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        find_sources([tmp_path / "none"])


def test_a_folder_without_anything_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match="no CT"):
        find_sources([tmp_path])


def test_a_ct_without_lungs_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "head.nrrd"
    write_volume(path, make_head((96, 96, 64), (3.0, 3.0, 3.0)))
    with pytest.raises(InputError, match=str(path)):
        list(gather_histograms([path], METHODS["default"]))
