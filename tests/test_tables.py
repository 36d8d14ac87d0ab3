"""Tables appear whole, are written row by row, and hold no formula."""

import csv
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gmmlabel.tables import guarded, write_table

STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"


@given(st.text(alphabet=st.sampled_from("=+-@' \t\r\nA1\uff1d\x00\u2028")) | st.text())
@example("=1+1")
@example("\t@SUM(A1)")
@example("'=1")
@example(" -1")
def test_no_text_is_a_formula_or_more_than_a_line_and_each_comes_back(text) -> None:
    cell = guarded(text)
    assert isinstance(cell, str)
    assert not cell.lstrip().startswith(tuple(STARTS))
    assert len(cell.splitlines()) <= 1
    # What a reader does: take one apostrophe off a text that is guarded.
    bare = cell.lstrip("'").lstrip()
    back = cell[1:] if cell.startswith("'") and bare.startswith(tuple(STARTS)) else cell
    assert len(back) == len(text)
    assert all(b in (a, " ") for a, b in zip(text, back, strict=True))


@pytest.mark.parametrize("cell", [-802.75, -1, 0, None, "case_1", "a=b", "it's", "1-2"])
def test_numbers_and_plain_texts_stay_as_they_are(cell) -> None:
    assert guarded(cell) == cell


def test_a_guarded_name_is_text_in_the_file(tmp_path) -> None:
    rows = [{"case": '=cmd|"/C calc"!A0', "n": -1.5}, {"case": "a,b;c", "n": None}]
    assert write_table(rows, ("case", "n"), tmp_path / "t.csv") == 2
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["case", "n"],
            ['\'=cmd|"/C calc"!A0', "-1.5"],
            ["a,b;c", ""],
        ]


def test_memory_does_not_grow_with_the_rows(tmp_path) -> None:
    columns = [f"column_{i}" for i in range(50)]
    peaks = []
    for count in (200, 4000):
        rows = (dict.fromkeys(columns, "x" * 20) for _ in range(count))
        tracemalloc.start()
        write_table(rows, columns, tmp_path / "t.csv")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (tmp_path / "t.csv").stat().st_size > 4_000_000
    assert peaks[1] < peaks[0] + 100_000


def test_what_fails_halfway_leaves_the_earlier_table(tmp_path) -> None:
    write_table([{"case": "a"}], ["case"], tmp_path / "t.csv")

    def rows():
        yield {"case": "b"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_table(rows(), ["case"], tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "case\na\n"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_name_that_utf_8_cannot_hold_is_written_with_a_question_mark(tmp_path) -> None:
    write_table([{"case": "a\udcffb"}], ["case"], tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text("utf-8") == "case\na?b\n"
