"""The log: one line an event on stderr, with nothing in it that may be of a patient.

Of an error it has the type and where it was raised: the text may be a part of an upload. Other
facts of an event, such as the job that it is about, are given as ``extra={"facts": {...}}``.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import walk_tb
from typing import Any

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request that is worked on."""

_OURS = "gmmlabel"
_VARIABLE = "GMMLABEL_LOG"


def configure(form: str | None = None) -> None:
    """Let everything be logged to stderr, by all loggers of this process.

    Parameters
    ----------
    form
        ``json``, ``text``, or ``auto``: text if stderr is a terminal. The processes that this one
        starts log as it does, and give none.
    """
    form = form or os.environ.get(_VARIABLE, "auto")
    os.environ[_VARIABLE] = form
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(TextLines() if text else JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(_OURS).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # it would print what was to be logged
    threading.excepthook = _log_end_of_thread


class JsonLines(logging.Formatter):
    """Write each event as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the line of an event."""
        said: dict[str, Any] = {
            "time": _moment(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_facts(record),
        }
        if errors := _errors(record):
            said["errors"] = [{"type": kind, "where": where} for kind, where in errors]
        return json.dumps(said, default=str)


class TextLines(logging.Formatter):
    """Write each event as one line for people, and one more for each error."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the lines of an event."""
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        facts = (f"{name}={value}" for name, value in _facts(record).items())
        first = f"{_moment(record).astimezone():%H:%M:%S} {level}{_message(record)}"
        lines = ["  ".join([first, *facts])]
        lines += [f"    {kind} at {' > '.join(where)}" for kind, where in _errors(record)]
        return "\n".join(map(_printable, lines))


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _message(record: logging.LogRecord) -> str:
    """Take the first line: libraries write errors, with their text, into those that follow."""
    return next(iter(record.getMessage().splitlines()), "")


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts: dict[str, Any] = dict(getattr(record, "facts", {}))
    request_id = REQUEST_ID.get()
    return {"request": request_id, **facts} if request_id else facts


def _errors(record: logging.LogRecord) -> list[tuple[str, list[str]]]:
    """Tell the type of an error and of all that led to it, and the places where they passed."""
    if not record.exc_info or record.exc_info[1] is None:
        return []
    return [
        (
            type(error).__name__,
            [
                f"{frame.f_code.co_filename}:{line}:{frame.f_code.co_name}"
                for frame, line in walk_tb(error.__traceback__)
            ],
        )
        for error in _chain(record.exc_info[1], set())
    ]


def _chain(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    seen.add(id(error))
    yield error
    causes = [error.__cause__ or (None if error.__suppress_context__ else error.__context__)]
    if isinstance(error, BaseExceptionGroup):
        causes += error.exceptions
    for cause in causes:
        if cause is not None and id(cause) not in seen:
            yield from _chain(cause, seen)


def _printable(line: str) -> str:
    """Show what a terminal would obey."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread else "?"
    error = ended.exc_value
    if error is not None:
        logging.getLogger(_OURS).error("thread %s ended by an error", name, exc_info=error)
