"""Workers on this machine.

An order has a process of its own, so that whatever it does to itself is the fate of that job only,
and its end gives all memory back. Processes are forked from a server of `multiprocessing` that has
imported all that they need, so that one more costs next to nothing.
"""

from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from gmmlabel.cohort.workers import process_context

from ..settings import Settings
from .order import Order
from .work import work


class LocalProcess:
    """A process for an order."""

    lost = False

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.pipe = pipe
        self._process = process

    def renew(self) -> None:
        """Do nothing: the process does not outlive its server."""

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """Close the pipe."""
        self.pipe.close()


class LocalProcesses:
    """Processes on this machine.

    Parameters
    ----------
    settings
        How many there are.
    target
        What a process does; can be imported by its name.
    """

    def __init__(self, settings: Settings, target: Callable[[Order, Connection], None]) -> None:
        self.slots = settings.workers
        self.ready = False
        self._target = target
        self._context = process_context(_preload(target))

    def open(self) -> None:
        """Import what processes need: no job should wait for it, and lose its lease."""
        with suppress(OSError, EOFError):  # somebody killed it; the next one waits then
            first = self._context.Process(target=int, daemon=True)
            first.start()
            first.join()
        self.ready = True

    def start(self, order: Order) -> LocalProcess:
        """Start a process.

        Raises
        ------
        OSError
            If the system has none left.
        """
        ours, theirs = self._context.Pipe(duplex=False)
        self.ready = False
        with theirs:
            try:
                process = self._context.Process(
                    target=self._target, args=(order, theirs), daemon=True
                )
                process.start()
            except BaseException:
                ours.close()
                raise
        self.ready = True
        return LocalProcess(process, ours)

    def close(self) -> None:
        """Do nothing: what processes are forked from ends with the server."""


def _preload(target: Callable[..., None]) -> list[str]:
    prepared = [f"{__package__}.prepared"] if target is work else []
    return ["__main__", work.__module__, target.__module__, *prepared]
