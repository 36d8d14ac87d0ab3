"""What can go wrong between a client and a service, as a part of the tree of `gmmlabel.errors`.

::

    GmmlabelError
    └── ClientError                 a service could not be used
        ├── ConnectionFailedError   it cannot be reached, or the connection broke too often
        ├── ServiceError            it answered a problem, or a job ended without a result
        └── StillRunningError       a job has not ended in time; it goes on
"""

from gmmlabel.errors import GmmlabelError


class ClientError(GmmlabelError):
    """A service could not be used."""


class ConnectionFailedError(ClientError):
    """The service cannot be reached, or the connection to it broke too often."""


class ServiceError(ClientError):
    """The service answered a problem, or a job of it ended without a result.

    Parameters
    ----------
    status
        The HTTP status.
    word
        The kind of problem, as docs/api.md lists them; empty if it is none of these.
    detail
        What is wrong, and what to do.
    job
        Id of the job that it is about, if that is known.
    """

    def __init__(self, status: int, word: str, detail: str, job: str | None = None) -> None:
        super().__init__(status, word, detail, job)
        self.status = status
        self.word = word
        self.detail = detail
        self.job = job

    def __str__(self) -> str:
        """Tell it in one line."""
        of = f", job {self.job}" if self.job else ""
        return f"{self.detail} ({self.word or 'HTTP'} {self.status}{of})"


class StillRunningError(ClientError):
    """A job has not ended in the time that was given; it goes on.

    Parameters
    ----------
    job
        Its id.
    seconds
        How long it was waited for.
    """

    def __init__(self, job: str, seconds: float) -> None:
        super().__init__(job, seconds)
        self.job = job
        self.seconds = seconds

    def __str__(self) -> str:
        """Tell it in one line."""
        return f"job {self.job}: has not ended after {self.seconds:g} s and goes on; wait again"
