"""A worker process that a Dask worker has started: ``python -m ...cluster.remote TARGET``.

The processes of Dask may not have children by `multiprocessing`. Standard input has the order as a
line of JSON, and stays open as long as the process is wanted; standard output takes the messages.
"""

import os
import sys
import threading
from importlib import import_module
from multiprocessing.connection import Connection

from ..working.order import read_order


def main() -> None:
    """Work on the order."""
    order = read_order(sys.stdin.buffer.readline())
    threading.Thread(target=_follow_parent, daemon=True).start()
    pipe = Connection(os.dup(sys.stdout.fileno()), readable=False)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print
    module, _, name = sys.argv[1].partition(":")
    getattr(import_module(module), name)(order, pipe)


def _follow_parent() -> None:
    """End when the Dask worker has ended, however it did."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
