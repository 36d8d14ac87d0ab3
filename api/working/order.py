"""What a worker is told to do, and how it says that it cannot."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..jobs import Wanted, read_wanted, wanted_document

Tell = Callable[[str], None]
"""Takes the name of a stage that begins."""


@dataclass(frozen=True)
class Order:
    """One attempt at a job.

    Parameters
    ----------
    job_id
        Id of the job.
    wanted
        What is asked for.
    upload
        What it is made from: a volume, or a folder of histograms.
    case
        Folder to write the results to.
    scratch
        Folder for temporary files; is made.
    models
        Folder of the models that are not installed.
    memory
        Memory that it may take, in bytes.
    threads
        Threads that each step may use.
    room
        Disk that it may fill, in bytes.
    """

    job_id: str
    wanted: Wanted
    upload: Path
    case: Path
    scratch: Path
    models: Path
    memory: int
    threads: int
    room: int = sys.maxsize


_PATHS = ("upload", "case", "scratch", "models")


def order_document(order: Order) -> bytes:
    """Write an order as one line of JSON, see `read_order`."""
    said = {**asdict(order), "wanted": wanted_document(order.wanted)}
    said |= {name: str(said[name]) for name in _PATHS}
    return json.dumps({"kind": order.wanted.kind, **said}).encode()


def read_order(document: bytes) -> Order:
    """Read what `order_document` wrote."""
    said = json.loads(document)
    wanted = read_wanted(said.pop("kind"), said.pop("wanted"))
    return Order(wanted=wanted, **said | {name: Path(said[name]) for name in _PATHS})
