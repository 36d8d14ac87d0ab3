"""What the supervisor gives orders to, wherever the processes are that work on them."""

from multiprocessing.connection import Connection
from typing import Protocol

from .order import Order


class Attempt(Protocol):
    """A process that works on an order, here or on another machine."""

    @property
    def pipe(self) -> Connection:
        """Gives the messages of `work`, and ends when the process has ended."""

    @property
    def lost(self) -> bool:
        """Whether it ended through no fault of its job, which is to be begun again."""

    def renew(self) -> None:
        """Let the process go on for the time of another lease."""

    def end(self) -> None:
        """Kill the process; the end of the pipe tells when it is gone."""

    def close(self) -> None:
        """Forget it."""


class Workers(Protocol):
    """Where orders are worked on."""

    @property
    def slots(self) -> int:
        """How many orders can be worked on at once, now."""

    @property
    def ready(self) -> bool:
        """Whether any can be."""

    def open(self) -> None:
        """Begin; nothing is started before."""

    def start(self, order: Order) -> Attempt:
        """Start a process for an order."""

    def close(self) -> None:
        """End what no attempt is, when all attempts have ended."""
