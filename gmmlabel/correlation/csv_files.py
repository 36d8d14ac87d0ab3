"""Tables as spreadsheets write them: any delimiter, byte order mark and decimal sign."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gmmlabel.errors import InputError, UnreadableError

_DELIMITERS = (",", ";", "\t")
_HINT = re.compile(r"sep=[,;\t]?(?=[\r\n])", re.IGNORECASE)  # a line for Excel alone
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NAMED = 8


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Parameters
    ----------
    path
        The file.
    line
        Its line in the file, from 1.
    cells
        Text of each wanted column, without space around it; empty where the table lacks the column.
    """

    path: Path
    line: int
    cells: dict[str, str]

    def number(self, column: str, lowest: float, highest: float) -> float | None:
        """Read a number, with a decimal point or comma; None for an empty cell.

        Raises
        ------
        InputError
            If it is no number, or not from `lowest` to `highest`.
        """
        text = self.cells[column]
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise InputError(f"{self.place}: {column} is '{text}'; write a number or nothing")
        value = float(text.replace(",", "."))
        if not lowest <= value <= highest:
            raise InputError(
                f"{self.place}: {column} is {text}; it goes from {lowest} to {highest}"
            )
        return value

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}, line {self.line}"


@dataclass(frozen=True)
class Table:
    """The wanted columns of a file, and its rows that are not empty."""

    columns: frozenset[str]
    rows: tuple[Row, ...]


def read_csv(path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()) -> Table:
    """Read a CSV file as spreadsheets write it.

    The delimiter is a comma, semicolon or tab, whichever finds most of the columns. The text is
    UTF-8 or UTF-16 with or without a byte order mark, and otherwise taken for Windows-1252.
    Capitals and space around the names of columns do not matter.

    Parameters
    ----------
    path
        The file; its first row names the columns.
    columns
        Names of columns that it must have.
    optional
        Names of columns that it may have.

    Raises
    ------
    UnreadableError
        If the file is missing or no table.
    InputError
        If it lacks a column or has one twice, or a row has more cells than there are columns.
    """
    wanted = (*columns, *optional)
    text = _decoded(path)
    if hint := _HINT.match(text):
        text = text[hint.end() :]
    try:
        delimiter = max(_DELIMITERS, key=lambda it: _fitness(_header(text, it), wanted))
        header = _header(text, delimiter)
        places = {name: _place(path, header, name) for name in wanted}
        for name in columns:
            if places[name] is None:
                raise InputError(f"{path}: has no column {name}; its columns are {_told(header)}")
        rows = []
        for line, cells in islice(_lines(text, delimiter), 1, None):
            if any(cells[len(header) :]):
                raise InputError(
                    f"{path}, line {line}: has more cells than the table has columns; put quotes "
                    f"around what holds a '{delimiter}'"
                )
            rows.append(Row(path, line, {name: _cell(cells, at) for name, at in places.items()}))
    except csv.Error as error:
        raise UnreadableError(f"{path}: is no CSV table ({error}); save it as CSV") from error
    return Table(frozenset(name for name, at in places.items() if at is not None), tuple(rows))


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror}); check it") from error
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    if "\0" in text:
        raise UnreadableError(f"{path}: is no text; save the table as CSV")
    return text


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Take the rows that are not empty, each with the number of its line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for raw in reader:
        cells = [cell.strip() for cell in raw]
        if any(cells):
            yield reader.line_num, cells


def _header(text: str, delimiter: str) -> list[str]:
    return next((cells for _, cells in _lines(text, delimiter)), [])


def _fitness(header: Sequence[str], wanted: Sequence[str]) -> tuple[int, int]:
    """Judge a delimiter by the wanted columns that it finds, and then by all."""
    names = {name.casefold() for name in header}
    return sum(name.casefold() in names for name in wanted), len(header)


def _told(header: Sequence[str]) -> str:
    names = [name for name in header if name]
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "") or "empty"


def _place(path: Path, header: Sequence[str], column: str) -> int | None:
    places = [at for at, name in enumerate(header) if name.casefold() == column.casefold()]
    if len(places) > 1:
        raise InputError(f"{path}: has {len(places)} columns {column}; rename all but one")
    return places[0] if places else None


def _cell(cells: Sequence[str], at: int | None) -> str:
    return cells[at] if at is not None and at < len(cells) else ""
