"""An order that a Dask worker has, as an `Attempt` of the supervisor."""

import multiprocessing
import secrets
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from ..working.order import Order
from .leash import Leash


class RemoteAttempt:
    """An order that a Dask worker has.

    Parameters
    ----------
    order
        The order.
    worker
        Address of the worker.
    """

    def __init__(self, order: Order, worker: str) -> None:
        self.name = secrets.token_hex(8)
        self.worker = worker
        self.lost = False
        self.sent: Future[Any] | None = None
        self._leash = Leash(order.scratch)
        self.pipe, self._theirs = multiprocessing.Pipe(duplex=False)
        self._changing = threading.Lock()

    @property
    def left(self) -> bool:
        """Whether the supervisor has given up waiting for its end."""
        return self.pipe.closed

    def renew(self) -> None:
        """Let the process go on."""
        self._leash.renew()

    def end(self) -> None:
        """Let the process end."""
        self._leash.drop()

    def close(self) -> None:
        """Close the pipe."""
        self.pipe.close()

    def say(self, message: bytes) -> None:
        """Pass on a message of the process."""
        with self._changing, suppress(OSError):  # nobody may listen any more
            self._theirs.send_bytes(message)

    def over(self, *, lost: bool = False) -> None:
        """Note that the process has ended, or that nothing more will be heard of it."""
        self._leash.drop()
        with self._changing:
            if not self._theirs.closed:
                self.lost = lost
                self._theirs.close()
