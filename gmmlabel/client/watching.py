"""A job that is waited for: what is known of it, from events or from asking."""

import json
from collections.abc import Callable
from time import monotonic

from gmmlabel.client.values import Job

OnChange = Callable[[Job], object]
"""Is given a job each time it has changed."""

# A service says something every 15 s; after three times that the connection is taken for dead.
_QUIET = 45.0
_SHORTEST = 0.1


class Watch:
    """What is known of a job.

    Parameters
    ----------
    on_change
        See `OnChange`.
    until
        When to stop, by `time.monotonic`.
    """

    def __init__(self, on_change: OnChange | None, until: float) -> None:
        self.job: Job | None = None
        self.streams = True
        self._on_change = on_change
        self._until = until
        self._quiet = _QUIET
        self._data: list[str] = []

    @property
    def ended(self) -> Job | None:
        """The job, if it is known to have ended."""
        return self.job if self.job and self.job.ended else None

    def begin(self) -> float:
        """Begin to listen to events; gives how many seconds they may pause.

        That is half of the time that is left at most, so that a stream of events in which nothing
        happens is left in time.
        """
        self.streams = False
        self._data.clear()
        self._quiet = min(_QUIET, max(_SHORTEST, (self._until - monotonic()) / 2))
        return self._quiet

    def hear(self, line: str) -> bool:
        """Take a line of the events; True if no more are wanted.

        After the job has ended the service ends them, and the connection can be used again.
        """
        if line.startswith("data:"):
            self._data.append(line[5:])
        elif not line and self._data:  # the end of an event
            try:
                job = Job.read(json.loads("\n".join(self._data)))
            except (ValueError, KeyError, TypeError):  # of no use: asking has to do
                self.streams = False
                return True
            self._data.clear()
            self.streams = True
            self.tell(job)
        return self._until - monotonic() < self._quiet

    def tell(self, job: Job) -> None:
        """Take what is known now."""
        if job != self.job:
            self.job = job
            if self._on_change:
                self._on_change(job)
