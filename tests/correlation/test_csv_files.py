"""Tables as spreadsheets write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.correlation.csv_files import read_csv
from gmmlabel.errors import InputError, UnreadableError

PLAIN = "case,score\nct_1,2.5\nct_2,4\n"


def read(tmp_path, content, columns=("case", "score"), **more):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path, columns, **more)


def cells(table):
    return [tuple(row.cells.values()) for row in table.rows]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        " Case ,SCORE\n ct_1 , 2.5 \n\n,\nct_2,4,,\n",
        'reader,score,remark,case\nA,2.5,;;;,ct_1\nB,4,"a, b",ct_2\n',
        "case;remark, long, in words;score\nct_1;a;2.5\nct_2;b;4\n",
    ],
)
def test_what_spreadsheets_write_is_read_alike(tmp_path, content):
    assert cells(read(tmp_path, content)) == [("ct_1", "2.5"), ("ct_2", "4")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_letters_of_any_language_survive(tmp_path, encoding):
    content = "case,score\nMüller_é,1\n".encode(encoding)
    assert cells(read(tmp_path, content)) == [("Müller_é", "1")]


name = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(st.tuples(name, name)), st.sampled_from(",;\t"))
def test_what_python_writes_is_read_back(tmp_path, rows, delimiter):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([("case", "score"), *rows])
    assert cells(read(tmp_path, text.getvalue())) == rows


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    table = read(tmp_path, 'sep=,\ncase,score\n\n"ct_1",2\nct_2,3\n')
    assert [row.line for row in table.rows] == [4, 5]


def test_an_optional_column_may_be_missing(tmp_path):
    table = read(tmp_path, PLAIN, optional=("reader",))
    assert table.columns == {"case", "score"}
    assert [row.cells["reader"] for row in table.rows] == ["", ""]


def test_a_short_row_ends_in_empty_cells(tmp_path):
    assert cells(read(tmp_path, "case,score\nct_1\n")) == [("ct_1", "")]


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ("case,mark\nct_1,2\n", InputError, "has no column score; its columns are case, mark"),
        ("", InputError, "has no column case; its columns are empty"),
        ("case,score,Score\nct_1,2,3\n", InputError, "has 2 columns score"),
        ("case,score\nct_1,2,5\n", InputError, "line 2: has more cells"),
        (b"PK\x03\x04\0\0case,score\n", UnreadableError, "is no text"),
        ("case,score\n" + "x" * 200_000, UnreadableError, "is no CSV table"),
    ],
)
def test_what_is_no_such_table_is_refused_with_the_reason(tmp_path, content, error, says):
    with pytest.raises(error, match=says) as raised:
        read(tmp_path, content)
    assert str(tmp_path / "table.csv") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(UnreadableError, match="no such file"):
        read_csv(tmp_path / "absent.csv", ["case"])
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_csv(tmp_path, ["case"])


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2.0), ("2,5", 2.5), ("2.5", 2.5), (".5", 0.5), ("5e-1", 0.5), ("", None), ("+3.", 3.0)],
)
def test_numbers_are_read_with_point_or_comma(tmp_path, text, value):
    (row,) = read(tmp_path, f"case;score\nct_1;{text}\n").rows
    assert row.number("score", 0, 5) == value


@pytest.mark.parametrize("text", ["nan", "inf", "two", "1_0", "1.2.3", "1,000.5", "2 %", "-"])
def test_what_is_no_number_is_refused_with_its_line(tmp_path, text):
    (row,) = read(tmp_path, f"case;score\nct_1;{text}\n").rows
    with pytest.raises(InputError, match=r"table.csv, line 2: score is '.*'; write a number"):
        row.number("score", 0, 5)


@pytest.mark.parametrize("text", ["-0.5", "5.01", "1e9"])
def test_a_number_out_of_range_is_refused_with_its_line(tmp_path, text):
    (row,) = read(tmp_path, f"case,score\nct_1,{text}\n").rows
    with pytest.raises(InputError, match=r"line 2: score is .*; it goes from 0 to 5"):
        row.number("score", 0, 5)


def test_columns_are_told_apart_even_where_the_wanted_one_is_missing(tmp_path):
    with pytest.raises(InputError, match="its columns are CT, Total"):
        read(tmp_path, "CT;Total\nct_1;2\n")
