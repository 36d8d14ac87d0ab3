"""All measures against the score, and the command that does it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from gmmlabel.cli.correlate import correlate
from gmmlabel.correlation.pairs import Pair, Pairs
from gmmlabel.correlation.study import COLUMNS, PAIR_COLUMNS, correlate_pairs
from gmmlabel.errors import InputError, OutputError


def table(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def cohort():
    """Rows of a summary and of scores, of 62 cases."""
    rng = np.random.default_rng(6)
    scores = rng.choice(6, 62, p=[0.1, 0.35, 0.25, 0.15, 0.1, 0.05])
    summary = [
        (
            f"ct_{at:02d}",
            max(0, 10 * score + rng.normal(5, 5)),
            "" if at == 7 else 12 * score + at / 9,
        )
        for at, score in enumerate(scores)
    ]
    return summary, [(f"ct_{at:02d}", score) for at, score in enumerate(scores)]


HEADER = ("case", "involvement_percent", "opacity_percent")


def written(tmp_path, cohort):
    summary, scores = cohort
    return (
        table(tmp_path / "summary.csv", HEADER, summary),
        table(tmp_path / "scores.csv", ("case", "score"), scores),
    )


def test_the_document_and_the_files_do_not_depend_on_the_order_of_rows(tmp_path, cohort, capsys):
    correlate(*written(tmp_path, cohort), tmp_path / "one", as_json=True)
    one = capsys.readouterr().out
    for rows in cohort:
        rows[:] = rows[31:] + rows[30::-1]
    correlate(*written(tmp_path, cohort), tmp_path / "other", as_json=True)
    assert capsys.readouterr().out == one
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes(), path.name


def test_json_is_one_document_of_everything(tmp_path, cohort, capsys):
    correlate(*written(tmp_path, cohort), tmp_path / "out", seed=5, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["seed"] == 5
    involvement, opacity = document["measures"]
    assert tuple(involvement) == COLUMNS
    assert (involvement["n"], opacity["n"]) == (62, 61)
    assert involvement["pearson_low"] < involvement["pearson_r"] < involvement["pearson_high"]
    assert len(document["pairs"]) == 62
    assert document["without_score"] == document["without_case"] == []


def test_what_has_no_partner_is_told_and_never_dropped_in_silence(tmp_path, cohort, capsys):
    summary, scores = cohort
    summary.append(("unscored", 1, 2))
    scores += [("absent", 3), ("ct_00", 1)]
    correlate(*written(tmp_path, cohort), tmp_path / "out")
    told = capsys.readouterr()
    assert "without a score: 1 (unscored)" in told.err
    assert "with a score and not in the summary: 1 (absent)" in told.err
    assert "several scores, of which the mean is taken: 1" in told.err
    assert "without opacity_percent: 1 (ct_07)" in told.err
    page = (tmp_path / "out/correlation.html").read_text()
    for name in ("unscored", "absent", "ct_07"):
        assert f"<li>{name}</li>" in page
    assert "published" in told.out
    assert "0.89 +- 0.010" in told.out


def test_many_names_are_cut_short_on_the_terminal_only(tmp_path, cohort, capsys):
    cohort[0].extend((f"u{at}", 1, 2) for at in range(9))
    correlate(*written(tmp_path, cohort), tmp_path / "out")
    assert "9 (u0, u1, u2, u3, u4, ...)" in capsys.readouterr().err
    assert "<li>u8</li>" in (tmp_path / "out/correlation.html").read_text()


def test_a_measure_that_cannot_be_correlated_is_told_and_has_its_row(tmp_path, cohort, capsys):
    summary = [(case, value, 3.5) for case, value, _ in cohort[0]]
    correlate(*written(tmp_path, (summary, cohort[1])), tmp_path / "out")
    assert "opacity_percent: it is the same in all 62 cases" in capsys.readouterr().err
    text = (tmp_path / "out/correlation.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert rows[1]["n"] == "62"
    assert rows[1]["pearson_r"] == ""
    assert rows[1]["message"] == "it is the same in all 62 cases"


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([(1, 5), (2, 6)], "2 cases have it and a score, and 3 are needed"),
        ([(2, 5), (2, 6), (2, 7)], "all 3 cases have the same score"),
    ],
)
def test_a_study_without_any_correlation_is_refused_in_one_line(pairs, says):
    cases = tuple(Pair(str(at), *it[:1], 1, it[1], None) for at, it in enumerate(pairs))
    with pytest.raises(InputError, match=says) as raised:
        correlate_pairs(Pairs(Path("scores.csv"), cases))
    assert str(raised.value).startswith("scores.csv: nothing to correlate")
    assert "\n" not in str(raised.value)


def test_nothing_is_written_where_nothing_is_correlated(tmp_path, cohort):
    summary, scores = written(tmp_path, (cohort[0], [("ct_00", 1), ("ct_01", 2)]))
    with pytest.raises(InputError, match="nothing to correlate"):
        correlate(summary, scores, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_input_is_never_written_over(tmp_path, cohort):
    summary, scores = written(tmp_path, cohort)
    scores = scores.rename(tmp_path / "pairs.csv")
    before = scores.read_bytes()
    with pytest.raises(OutputError, match=r"pairs\.csv: is an input"):
        correlate(summary, scores, tmp_path, overwrite=True)
    assert scores.read_bytes() == before


def test_an_earlier_result_is_refused_before_any_work(tmp_path, cohort):
    files = written(tmp_path, cohort)
    correlate(*files, tmp_path / "out")
    with pytest.raises(OutputError, match=r"correlation\.csv: is there already"):
        correlate(*files, tmp_path / "out")
    correlate(*files, tmp_path / "out", overwrite=True)


def test_every_column_is_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "correlation.md").read_text()
    for column in (*COLUMNS, *PAIR_COLUMNS):
        assert f"`{column}`" in page, column
