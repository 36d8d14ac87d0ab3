"""What a worker process does with one job: everything that touches the content of an upload.

It is told what to do by its arguments, and tells how far it is by lines of JSON through a pipe.
The server unpickles nothing that comes out of it.
"""

import json
import logging
import os
import re
import tempfile
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gmmlabel.cohort.workers import begin_worker
from gmmlabel.errors import (
    GeometryError,
    GmmlabelError,
    InputError,
    IntensityError,
    ModelError,
    NoLungsError,
    UnreadableError,
)
from gmmlabel.model_files import USER_FOLDER_VARIABLE

from ..jobs import STAGES, Kind, LabelWanted, RefitWanted
from ..logs import configure
from ..problems import Problem, ProblemError, problem
from .labelling import label_upload
from .order import Order

_log = logging.getLogger(__name__)

MAX_MESSAGE = 4000
"""Longest message, in bytes: a pipe takes it whole or not at all (PIPE_BUF, pipe(7))."""

# Address space that Python, numba and ITK map and do not use: 0.8 GB measured.
_MAPPED_BYTES = 1 << 30
_LONGEST_DETAIL = 600
_NICENESS = 10
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_KINDS: dict[type[GmmlabelError], str] = {
    UnreadableError: "unreadable",
    GeometryError: "geometry",
    IntensityError: "intensity",
    NoLungsError: "no-lungs",
    ModelError: "no-such-model",
    InputError: "unreadable",
}
_KINDS_OF_REFIT: dict[type[GmmlabelError], str] = {
    ModelError: "no-such-model",
    InputError: "no-fit",
}


def work(order: Order, pipe: Connection) -> None:
    """Do one attempt at a job; the process ends with this.

    Parameters
    ----------
    order
        What to do.
    pipe
        Takes ``{"stage": NAME}``, and last ``{"done": true}`` or ``{"problem": {...}}``. Without
        one of these the process has crashed.
    """
    begin_worker(order.threads)
    configure()
    _step_back()
    _limit(order.memory)
    os.environ[USER_FOLDER_VARIABLE] = str(order.models)
    order.scratch.mkdir(exist_ok=True)
    tempfile.tempdir = str(order.scratch)  # what is unpacked goes with the job
    try:
        _do(order, pipe)
    except MemoryError:
        _tell(pipe, {"problem": _starved(order).model_dump()})
    except ProblemError as error:
        _tell(pipe, {"problem": error.problem.model_dump()})
    except GmmlabelError as error:
        _tell(pipe, {"problem": _problem_of(error, order).model_dump()})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        _log.exception("unexpected error at work", extra={"facts": {"job": order.job_id}})
        told = problem("internal", f"unexpected {type(error).__name__} at work")
        _tell(pipe, {"problem": told.model_dump()})
    else:
        _tell(pipe, {"done": True})


def _do(order: Order, pipe: Connection) -> None:
    told = STAGES[order.wanted.kind]

    def tell(stage: str) -> None:
        if stage in told:
            _tell(pipe, {"stage": stage})

    match order.wanted:
        case LabelWanted() as wanted:
            label_upload(order, wanted, tell)
        case RefitWanted() as wanted:
            from .refitting import refit_upload  # noqa: PLC0415 - brings scikit-learn

            refit_upload(order, wanted, tell)


def _problem_of(error: GmmlabelError, order: Order) -> Problem:
    if isinstance(error.__cause__, OSError) and error.__cause__.errno in (ENOSPC, EDQUOT):
        return problem("disk-full", "the disk of the service is full; try again later")
    words = _KINDS if order.wanted.kind is Kind.LABEL else _KINDS_OF_REFIT
    word = next((word for kind, word in words.items() if isinstance(error, kind)), "internal")
    return problem(word, _plain(str(error), order))


def _step_back() -> None:
    """Let the server go first, so that it answers promptly whatever is worked on."""
    with suppress(AttributeError, OSError):  # Windows has no such thing; lower may be set already
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)


def _limit(memory: int) -> None:
    """Make the system refuse memory beyond the limit, and end this process before any other."""
    with suppress(ImportError, ValueError, OSError):  # Windows and macOS have no such limit
        import resource  # noqa: PLC0415 - nor Windows this module

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the upload
        address_space = memory + _MAPPED_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _starved(order: Order) -> Problem:
    return problem(
        "too-large",
        f"it takes more than the {order.memory / 1e9:.1f} GB that a worker has; send less",
    )


def _plain(message: str, order: Order) -> str:
    """Take the paths of this machine, and what is quoted from an upload, out of a message."""
    for path in (order.upload, order.case, order.scratch):
        message = message.replace(f"{path}: ", "").replace(str(path), path.name)
    if order.wanted.kind is Kind.LABEL:  # names of files, and lines of headers, are of patients
        message = _QUOTED.sub("[left out]", message)
    return " ".join(message.split())[:_LONGEST_DETAIL]


def _tell(pipe: Connection, message: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # the server is gone, and this process will be
        content = json.dumps(message).encode()
        pipe.send_bytes(content)
