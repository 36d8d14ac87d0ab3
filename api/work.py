"""What a worker process does with one job: everything that touches the content of an upload.

It is told what to do by its arguments, and tells how far it is by lines of JSON through a pipe.
The server unpickles nothing that comes out of it.
"""

import json
import sys
import tempfile
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gmmlabel.case import write_case
from gmmlabel.cohort.memory import peak_bytes
from gmmlabel.cohort.workers import begin_worker
from gmmlabel.errors import (
    GeometryError,
    GmmlabelError,
    IntensityError,
    ModelError,
    NoLungsError,
    UnreadableError,
)
from gmmlabel.formats.image_file import FORMATS, read_image_header
from gmmlabel.method import METHODS
from gmmlabel.model_files import load_model
from gmmlabel.pipeline import label_volume
from gmmlabel.readers import read_volume

from .problems import Problem, problem

MAX_MESSAGE = 4000
"""Longest message, in bytes: a pipe takes it whole or not at all (PIPE_BUF, pipe(7))."""

# Address space that Python, numba and ITK map and do not use: 0.8 GB measured.
_MAPPED_BYTES = 1 << 30
_LONGEST_DETAIL = 600
_KINDS = {
    UnreadableError: "unreadable",
    GeometryError: "geometry",
    IntensityError: "intensity",
    NoLungsError: "no-lungs",
    ModelError: "no-such-model",
}


@dataclass(frozen=True)
class Order:
    """One job, for a worker.

    Parameters
    ----------
    upload
        The volume.
    case
        Case folder to write.
    scratch
        Folder for temporary files; is made.
    model, model_sha256
        Name of the model, and the hash that it had when the job was accepted.
    method, form
        Name of the method, format of the label maps.
    memory
        Memory that it may take, in bytes.
    threads
        Threads that each step may use.
    """

    upload: Path
    case: Path
    scratch: Path
    model: str
    model_sha256: str
    method: str
    form: str
    memory: int
    threads: int


def work(order: Order, pipe: Connection) -> None:
    """Label an upload; the process ends with this.

    Parameters
    ----------
    order
        What to do.
    pipe
        Takes ``{"stage": NAME}``, and last ``{"done": true}`` or ``{"problem": {...}}``. Without
        one of these the process has crashed.
    """
    begin_worker(order.threads)
    _limit(order.memory)
    order.scratch.mkdir(exist_ok=True)
    tempfile.tempdir = str(order.scratch)  # what is unpacked goes with the job
    try:
        _label(order, pipe)
    except MemoryError:
        _tell(pipe, {"problem": _starved(order).model_dump()})
    except GmmlabelError as error:
        word = _KINDS.get(type(error), "internal")
        _tell(pipe, {"problem": problem(word, _plain(str(error), order)).model_dump()})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        # Its text may be of the upload, and of a patient: the log has where it was only.
        where = "".join(traceback.format_tb(error.__traceback__))
        sys.stderr.write(f"unexpected {type(error).__name__}\n{where}")
        told = problem("internal", f"unexpected {type(error).__name__} while labelling")
        _tell(pipe, {"problem": told.model_dump()})
    else:
        _tell(pipe, {"done": True})


def _label(order: Order, pipe: Connection) -> None:
    _tell(pipe, {"stage": "read"})
    model = load_model(order.model)
    if model.sha256 != order.model_sha256:
        raise ModelError(f"model {order.model}: has changed meanwhile; send the volume again")
    if order.upload.name.endswith(FORMATS):  # that of a .zip shows when it is unpacked
        header = read_image_header(order.upload)
        if peak_bytes(header.geometry.size, header.voxel_bytes) > order.memory:
            raise MemoryError
    volume = read_volume(order.upload)
    # Results do not depend on what a client calls its file, which may be a patient's name.
    volume = replace(volume, name=order.upload.name)
    _tell(pipe, {"stage": "label"})
    labelling = label_volume(volume, model, METHODS[order.method])
    _tell(pipe, {"stage": "write"})
    write_case(labelling, order.case, form=order.form)


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
        f"labelling it takes more than the {order.memory / 1e9:.1f} GB that a worker has; crop it",
    )


def _plain(message: str, order: Order) -> str:
    """Take the paths of this machine out of a message."""
    for path in (order.upload, order.case, order.scratch):
        message = message.replace(f"{path}: ", "").replace(str(path), path.name)
    return " ".join(message.split())[:_LONGEST_DETAIL]


def _tell(pipe: Connection, message: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # the server is gone, and this process will be
        content = json.dumps(message).encode()
        pipe.send_bytes(content)
