"""An attempt at a job as the supervisor follows it."""

import json
from dataclasses import dataclass
from enum import Enum, auto

from ..jobs import STAGES, Job
from ..problems import Problem, problem
from .work import MAX_MESSAGE
from .workers import Attempt

_PATIENCE = 5.0  # with a process that was told to end


class End(Enum):
    """How an attempt ended, if not with a problem."""

    DONE = auto()
    DIED = auto()
    LOST = auto()


@dataclass
class Followed:
    """A job that has a worker.

    Parameters
    ----------
    job
        The job.
    attempt
        What works on it.
    until
        When it has taken too long.
    end
        How it ended; None while it goes on.
    gone
        Whether its process has ended.
    ending_until
        How long its process is waited for; None until it was told to end.
    """

    job: Job
    attempt: Attempt
    until: float
    end: End | Problem | None = None
    gone: bool = False
    ending_until: float | None = None

    def listen(self) -> str | None:
        """Take a message; nothing that a process says is trusted to be what it should be.

        Returns
        -------
        str or None
            The stage that has begun, if that is what it says.
        """
        try:
            message = self.attempt.pipe.recv_bytes(MAX_MESSAGE)
        except (EOFError, OSError):
            self.gone = True
            self.end = self.end or (End.LOST if self.attempt.lost else End.DIED)
            return None
        if self.end is not None:
            return None
        try:
            said = json.loads(message)
            if "stage" in said:
                stage: str = said["stage"]
                if stage in STAGES[self.job.wanted.kind]:
                    return stage
            done = said.get("done") is True
            self.end = End.DONE if done else Problem.model_validate(said["problem"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.end = End.DIED
        return None

    def tend(self, now: float, timeout: float) -> bool:
        """End what has taken too long; of what is to end, tell whether it has.

        Parameters
        ----------
        now
            The time, as that of `until`.
        timeout
            How long it may take, in seconds.
        """
        if self.end is None and now > self.until:
            self.end = problem("job-timeout", f"it took more than {timeout:g} s; crop the CT")
        if self.end is None:
            return False
        if self.ending_until is None:
            self.attempt.end()
            self.ending_until = now + _PATIENCE
        return self.gone or now > self.ending_until
