"""CSV files that appear whole, are written row by row, and run nothing in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from gmmlabel.staging import staged

Cell = str | int | float | None
"""What a table holds; None is an empty cell."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_FORMULA = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def write_table(rows: Iterable[Mapping[str, Cell]], columns: Sequence[str], path: Path) -> int:
    """Write a table, whole or not at all; an earlier one is replaced.

    Rows are written as they come, so that memory does not grow with their number.

    Parameters
    ----------
    rows
        A value for each column; where there is none, the cell is empty.
    columns
        Names of the columns, in their order.
    path
        Where to.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with (
        staged(path.parent, [path.name], overwrite=True) as stage,
        (stage / path.name).open("w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        return _write_rows(file, rows, columns)


def table_text(rows: Iterable[Mapping[str, Cell]], columns: Sequence[str]) -> str:
    """Make the text of a table; what a row has no value for is an empty cell."""
    text = io.StringIO()
    _write_rows(text, rows, columns)
    return text.getvalue()


def guarded(cell: Cell) -> Cell:
    """Make a text one line that a spreadsheet takes for text.

    A program that opens the table would run a text that begins like a formula. An apostrophe
    before it keeps it text (OWASP, "CSV Injection"). Apostrophes in front of such a beginning are
    guarded too, so that taking one off always gives the text back.
    """
    if not isinstance(cell, str):
        return cell
    line = _CONTROL.sub(" ", cell)
    return f"'{line}" if _FORMULA.match(line) else line


def _write_rows(file: TextIO, rows: Iterable[Mapping[str, Cell]], columns: Sequence[str]) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([guarded(row.get(column)) for column in columns])
        count += 1
    return count
