"""What a Dask worker does with an order: start a process, pass on what that says, and end it.

The messages are passed on as bytes. So neither the Dask worker nor the server takes anything but
JSON from a process that reads an upload.
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait

from gmmlabel.cohort.memory import available_bytes

from ..working.order import Order, order_document
from ..working.work import MAX_MESSAGE
from .leash import Collar

TOPIC = "gmmlabel-stages"
"""Topic of events of Dask: pairs of the name of an attempt and a message."""

_LOOK = 0.2
_MOST_STAGES = 16  # a process that says more is out of its mind

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Errand:
    """An order on its way to a Dask worker.

    Parameters
    ----------
    name
        What the attempt is called in events.
    order
        What to do. No memory is that which is free there.
    target
        What the process does, as ``module:name``.
    lease
        Seconds without a sign of life of the server after which it ends.
    """

    name: str
    order: Order
    target: str
    lease: float


def relay(errand: Errand, _: str, threads: int) -> bytes | None:
    """Work on an order in a process of its own, one at a time in this Dask worker.

    Parameters
    ----------
    errand
        The order.
    threads
        Cores that it may use, unless ``GMMLABEL_THREADS`` says it.

    Returns
    -------
    bytes or None
        The last message, after which the process has ended; None if it had none, was not wanted
        any more, or had been begun before: Dask begins again what another worker has lost.
    """
    collar = Collar(errand.order.scratch, errand.lease)
    if not collar.begin():
        return None
    while not _one_at_a_time.acquire(timeout=_LOOK):
        if not collar.held():
            return None
    try:
        order = replace(
            errand.order,
            memory=errand.order.memory or available_bytes(),
            threads=int(os.environ.get("GMMLABEL_THREADS", threads)),
        )
        return _run(order, errand, collar)
    finally:
        _one_at_a_time.release()


def _run(order: Order, errand: Errand, collar: Collar) -> bytes | None:
    # -P: what is in the folder where the worker was started is no module.
    command = [sys.executable, "-P", "-m", f"{__package__}.remote", errand.target]
    process = subprocess.Popen(  # noqa: S603 - the target is the server's
        command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        try:
            return _listen(process, order, errand, collar)
        except BrokenPipeError:  # it died before it took the order
            return None
        finally:
            process.kill()


def _listen(
    process: "subprocess.Popen[bytes]", order: Order, errand: Errand, collar: Collar
) -> bytes | None:
    from distributed import get_worker  # noqa: PLC0415 - an extra

    if process.stdin is None or process.stdout is None:  # pragma: no cover - both are pipes
        raise RuntimeError("the process has no pipes")
    process.stdin.write(order_document(order) + b"\n")
    told: set[bytes] = set()
    with Connection(os.dup(process.stdout.fileno()), writable=False) as pipe:
        while collar.held():
            if not wait([pipe], _LOOK):
                continue
            try:
                said = pipe.recv_bytes(MAX_MESSAGE)
            except (EOFError, OSError):
                return None
            if not _is_stage(said):
                return said
            if said not in told and len(told) < _MOST_STAGES:
                told.add(said)
                get_worker().log_event(TOPIC, (errand.name, said))
    return None


def _is_stage(said: bytes) -> bool:
    try:
        return "stage" in json.loads(said)
    except (ValueError, TypeError):
        return False
