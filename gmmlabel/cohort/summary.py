"""``summary.csv``, a row for each case with all of its ``result.json``, and ``failures.csv``."""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from gmmlabel.case_files import RESULT
from gmmlabel.cohort.columns import COLUMNS, NUMBERS, REQUIRED, TEXTS, KeyPath
from gmmlabel.errors import UnreadableError
from gmmlabel.result import SCHEMA_VERSION
from gmmlabel.tables import Cell, write_table

Row = dict[str, Cell]
"""A value for each of `COLUMNS`."""

_METHOD_DIGITS = 16
_LARGEST = sys.float_info.max

# Columns of one parent are read together: a row takes half the time of a walk for each of them.
_PARENTS = [
    (parent, [(column, path[-1]) for column, path in columns])
    for parent, columns in groupby(NUMBERS.items(), lambda item: item[1][:-1])
]


@dataclass(frozen=True)
class Failure:
    """A case that could not be labelled, or whose folder cannot be read.

    Parameters
    ----------
    case
        Name of the case.
    source
        The input, or the folder of the case.
    message
        Why, in one line.
    stage
        What was being done, such as ``read``; empty if that is not known.
    attempts
        How often it was tried.
    """

    case: str
    source: str
    message: str
    stage: str = ""
    attempts: int = 1


FAILURE_COLUMNS = ("case", "source", "stage", "message", "attempts")
"""Columns of ``failures.csv``."""


def read_row(folder: Path) -> Row:
    """Read the row of a case folder, whose name is that of the case.

    Raises
    ------
    UnreadableError
        If ``result.json`` is missing or damaged.
    """
    path = folder / RESULT
    try:
        return summary_row(folder.name, json.loads(path.read_bytes()))
    except FileNotFoundError:
        reason = "is missing"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except (ValueError, RecursionError):  # no JSON, or no UTF-8
        reason = "is damaged (no JSON)"
    except UnreadableError as error:
        reason = f"is damaged ({error})"
    raise UnreadableError(f"{path}: {reason}; label the case again")


def summary_row(name: str, document: Mapping[str, Any]) -> Row:
    """Flatten the content of a ``result.json`` into a row.

    Parameters
    ----------
    name
        Name of the case.
    document
        The content.

    Returns
    -------
    dict
        A value for each of `COLUMNS`, None where there is none. Numbers are as they stand.

    Raises
    ------
    UnreadableError
        If a column of `REQUIRED` has no value, or a value is of the wrong type.
    """
    if _value(document, ("schema_version",)) != SCHEMA_VERSION:
        raise UnreadableError(f"no result of schema version {SCHEMA_VERSION}")
    row: Row = {"case": name}
    for column, path in TEXTS.items():
        row[column] = _text(column, _value(document, path))
    for parent, children in _PARENTS:
        part = _value(document, parent)
        for column, key in children:
            row[column] = _number(column, _child(part, key))
    row["model_boundaries_hu"] = _json(_value(document, ("model", "boundaries_hu")))
    method = _json(_value(document, ("method",)))
    digest = hashlib.sha256(method.encode()).hexdigest() if method else None
    row["method_sha256"] = digest[:_METHOD_DIGITS] if digest else None
    quality = _value(document, ("quality",))
    listed = quality if isinstance(quality, list | tuple) else ()
    found = [_text("quality_flags", _value(flag, ("flag",))) for flag in listed]
    flags = [flag for flag in found if flag and flag != "input_note"]
    row["quality_flags"] = ";".join(flags)
    row["quality_flag_count"] = len(flags)
    row["input_note_count"] = found.count("input_note")
    missing = [column for column in REQUIRED if row[column] is None]
    if missing:
        raise UnreadableError(f"without {missing[0]}")
    return {column: row[column] for column in COLUMNS}


def write_summary(rows: Iterable[Row], path: Path) -> int:
    """Write ``summary.csv``, whole or not at all; an earlier one is replaced.

    Rows are written as they come, so that memory does not grow with their number.

    Returns
    -------
    int
        Number of rows.
    """
    return write_table(rows, COLUMNS, path)


def write_failures(failures: Iterable[Failure], path: Path) -> int:
    """Write ``failures.csv``, one line each, like `write_summary`."""
    return write_table(map(asdict, failures), FAILURE_COLUMNS, path)


def _value(document: Any, path: KeyPath) -> Any:
    """Follow a path through objects and lists; None where it ends early."""
    for key in path:
        document = _child(document, key)
    return document


def _child(part: Any, key: str | int) -> Any:
    try:
        return part[key]
    except (KeyError, IndexError, TypeError):
        return None


def _text(column: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise UnreadableError(f"{column} is no text")


def _number(column: str, value: Any) -> int | float | None:
    number: int | float | None = value
    if number is None:
        return None
    if type(number) not in (int, float):  # a bool is an int, and no number here
        raise UnreadableError(f"{column} is no number")
    if not -_LARGEST <= number <= _LARGEST:  # JSON of Python may hold NaN and huge integers
        raise UnreadableError(f"{column} is not finite")
    return number


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)
