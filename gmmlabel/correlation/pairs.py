"""Cases of a summary paired with the scores that radiologists gave them."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from gmmlabel.correlation.csv_files import Row, read_csv
from gmmlabel.errors import InputError

MEASURES = ("involvement_percent", "opacity_percent")
"""Columns of a summary that are correlated."""

LOWEST_SCORE, HIGHEST_SCORE = 0, 5
"""The clinical score: 0 for no involvement, 5 for more than 75 % of the lungs."""

_CASE = "case"


@dataclass(frozen=True)
class Score:
    """What radiologists gave a case.

    Parameters
    ----------
    mean
        Mean of their scores.
    readings
        How many there are.
    """

    mean: float
    readings: int


@dataclass(frozen=True)
class Pair:
    """A case with a score.

    Parameters
    ----------
    case
        Its name.
    score
        The mean of its scores, from 0 to 5.
    readings
        How many scores that is the mean of.
    involvement_percent, opacity_percent
        Its measures, in percent of lung; None where the summary has none.
    """

    case: str
    score: float
    readings: int
    involvement_percent: float | None
    opacity_percent: float | None


@dataclass(frozen=True)
class Pairs:
    """Cases with scores, and what has no partner; each in order of name.

    Parameters
    ----------
    source
        The table of scores, for messages.
    pairs
        Cases that have both.
    without_score
        Names of cases of the summary that nobody scored.
    without_case
        Names that have a score and are not in the summary.
    """

    source: Path
    pairs: tuple[Pair, ...]
    without_score: tuple[str, ...] = ()
    without_case: tuple[str, ...] = ()


def read_pairs(
    summary: Path, scores: Path, *, case_column: str = _CASE, score_column: str = "score"
) -> Pairs:
    """Read a summary and scores, and pair them by the name of the case.

    Parameters
    ----------
    summary
        Table with a row for each case: a column ``case``, and columns of `MEASURES`.
    scores
        Table with a row for each reading of a case. Several readings are averaged.
    case_column, score_column
        Columns of `scores` with the name of the case and its score. An empty score is none.

    Raises
    ------
    InputError
        If a table cannot be read, lacks a column, names a case twice (the summary), holds what is
        no number or out of range, or no case is in both.
    """
    measures = _read_measures(summary)
    scored = _read_scores(scores, case_column, score_column)
    both = sorted(measures.keys() & scored.keys())
    if not both:
        raise InputError(
            f"{scores}: scores no case of {summary}; cases are called as {min(measures)} there "
            f"and as {min(scored)} here; give them the same names"
        )
    return Pairs(
        scores,
        tuple(
            Pair(case, scored[case].mean, scored[case].readings, *measures[case]) for case in both
        ),
        tuple(sorted(measures.keys() - scored.keys())),
        tuple(sorted(scored.keys() - measures.keys())),
    )


def _read_measures(path: Path) -> dict[str, tuple[float | None, ...]]:
    table = read_csv(path, [_CASE], optional=MEASURES)
    if table.columns.isdisjoint(MEASURES):
        raise InputError(
            f"{path}: has no column {' or '.join(MEASURES)}; give the summary.csv of a batch first"
        )
    measures: dict[str, tuple[float | None, ...]] = {}
    lines: dict[str, int] = {}
    for row in table.rows:
        case = _case(row, _CASE)
        if case in lines:
            raise InputError(
                f"{row.place}: case {case} is in line {lines[case]} already; remove one of them"
            )
        lines[case] = row.line
        measures[case] = tuple(row.number(name, 0, 100) for name in MEASURES)
    if not measures:
        raise InputError(f"{path}: holds no case; give the summary.csv of a batch")
    return measures


def _read_scores(path: Path, case_column: str, score_column: str) -> dict[str, Score]:
    readings: dict[str, list[float]] = {}
    for row in read_csv(path, [case_column, score_column]).rows:
        case = _case(row, case_column)
        score = row.number(score_column, LOWEST_SCORE, HIGHEST_SCORE)
        if score is not None:
            readings.setdefault(case, []).append(score)
    if not readings:
        raise InputError(f"{path}: holds no score; give a table of cases and scores")
    return {case: _mean(values) for case, values in readings.items()}


def _mean(values: Sequence[float]) -> Score:
    return Score(fmean(values), len(values))


def _case(row: Row, column: str) -> str:
    case = row.cells[column]
    if not case:
        raise InputError(f"{row.place}: {column} is empty; name the case")
    return unicodedata.normalize("NFC", case)  # as macOS writes names of files is not as Excel does
