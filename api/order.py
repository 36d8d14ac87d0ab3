"""What a worker is told to do, and how it says that it cannot."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .jobs import Wanted
from .problems import problem

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
    """

    job_id: str
    wanted: Wanted
    upload: Path
    case: Path
    scratch: Path
    models: Path
    memory: int
    threads: int


class RefusedError(Exception):
    """Ends a job with a problem.

    Parameters
    ----------
    word, detail
        As of `problem`.
    """

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem(word, detail)
