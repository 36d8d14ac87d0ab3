"""Cases and scores, paired by name."""

import unicodedata

import pytest

from gmmlabel.correlation.pairs import Pair, read_pairs
from gmmlabel.errors import InputError

SUMMARY = (
    "case,lungs_volume_ml,opacity_percent,involvement_percent\n"
    "b,4000,1.5,20\na,3000,,10.25\nc,5000,3,30\n"
)


def pairs(tmp_path, scores, summary=SUMMARY, **columns):
    (tmp_path / "summary.csv").write_text(summary)
    (tmp_path / "scores.csv").write_text(scores)
    return read_pairs(tmp_path / "summary.csv", tmp_path / "scores.csv", **columns)


def test_cases_are_paired_by_name_in_order_of_name(tmp_path):
    found = pairs(tmp_path, "case,score\nb,3\na,1\nc,5\n")
    assert found.pairs == (
        Pair("a", 1.0, 1, 10.25, None),
        Pair("b", 3.0, 1, 20.0, 1.5),
        Pair("c", 5.0, 1, 30.0, 3.0),
    )
    assert found.without_score == found.without_case == ()


def test_several_readings_of_a_case_are_averaged_and_an_empty_one_is_none(tmp_path):
    found = pairs(tmp_path, "case,score\na,1\na,2\na,\na,4.5\nb,3\n")
    assert [(it.case, it.score, it.readings) for it in found.pairs] == [("a", 2.5, 3), ("b", 3, 1)]


def test_what_has_no_partner_is_named(tmp_path):
    found = pairs(tmp_path, "case,score\na,1\nz,2\ny,3\nb,\n")
    assert [it.case for it in found.pairs] == ["a"]
    assert found.without_score == ("b", "c")  # an empty score is no score
    assert found.without_case == ("y", "z")


def test_columns_of_the_scores_may_have_other_names(tmp_path):
    found = pairs(tmp_path, "CT;Total\na;1,5\n", case_column="ct", score_column="Total")
    assert found.pairs[0].score == 1.5


def test_accents_that_are_written_in_two_ways_are_one_name(tmp_path):
    apart = unicodedata.normalize("NFD", "é")
    found = pairs(tmp_path, "case,score\né,1\n", f"case,involvement_percent\n{apart},10\n")
    assert found.without_case == ()


def test_a_summary_of_one_measure_will_do(tmp_path):
    (pair,) = pairs(tmp_path, "case,score\na,1\n", "case,opacity_percent\na,7\n").pairs
    assert (pair.involvement_percent, pair.opacity_percent) == (None, 7.0)


@pytest.mark.parametrize(
    ("summary", "says"),
    [
        (SUMMARY + "\na,1,2,3\n", r"summary.csv, line 6: case a is in line 3 already"),
        (SUMMARY + "d,1,2,x\n", r"line 5: involvement_percent is 'x'"),
        (SUMMARY + "d,1,101,3\n", r"line 5: opacity_percent is 101; it goes from 0 to 100"),
        (SUMMARY + ",1,2,3\n", r"line 5: case is empty"),
        ("case,score\na,1\n", r"no column involvement_percent or opacity_percent"),
        ("name,opacity_percent\na,1\n", r"has no column case"),
        ("case,opacity_percent\n", r"holds no case"),
    ],
)
def test_a_summary_that_cannot_be_trusted_is_refused(tmp_path, summary, says):
    with pytest.raises(InputError, match=says):
        pairs(tmp_path, "case,score\na,1\n", summary)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ("case,score\na,6\n", r"scores.csv, line 2: score is 6; it goes from 0 to 5"),
        ("case,score\na,n/a\n", r"scores.csv, line 2: score is 'n/a'"),
        ("case,score\n,1\n", r"line 2: case is empty"),
        ("case,mark\na,1\n", r"has no column score; its columns are case, mark"),
        ("case,score\na,\n", r"holds no score"),
        ("case,score\nct_a,1\n", r"scores no case of .*called as a there and as ct_a here"),
    ],
)
def test_scores_that_cannot_be_trusted_are_refused(tmp_path, scores, says):
    with pytest.raises(InputError, match=says):
        pairs(tmp_path, scores)
