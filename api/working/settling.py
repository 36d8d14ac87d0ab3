"""The end of a job, as its attempt ended."""

import json
import logging
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from gmmlabel.case_files import RESULT

from ..jobs import Job
from ..metrics import Metrics
from ..problems import Problem, problem
from ..storage.artefacts import Artefacts
from ..storage.cleaning import Cleaner
from ..storage.store import Store
from .following import End, Followed

_log = logging.getLogger(__name__)

_LONGEST_RESULT = 4 << 20
_DIED = problem("worker-died", "the process that worked on it died, at every attempt; crop the CT")


class Settler:
    """Ends jobs.

    Parameters
    ----------
    store, artefacts, cleaner
        The jobs, their files, and what removes those that nobody needs.
    metrics
        Is told what became of a job.
    owner
        Whose jobs they are.
    attempts
        How many crashes end a job.
    """

    def __init__(
        self,
        store: Store,
        artefacts: Artefacts,
        cleaner: Cleaner,
        metrics: Metrics,
        owner: str,
        attempts: int,
    ) -> None:
        self._store, self._artefacts, self._cleaner = store, artefacts, cleaner
        self._metrics, self._owner, self._attempts = metrics, owner, attempts

    def settle(self, one: Followed) -> None:
        """End a job. If the store fails meanwhile, it can be tried again."""
        job = one.job
        match one.end:
            case End.DONE:
                result = _read_result(self._artefacts.case(job.id, job.attempt) / RESULT)
                if result is None:
                    self._crashed(job)
                else:
                    self._count(self._store.succeed(job, self._owner, result), job)
            case End.DIED:
                self._crashed(job)
            case End.LOST:
                self._store.give_back(job, self._owner)
            case Problem() as told:
                self._count(self._store.fail(job, self._owner, told.model_dump()), job)
        self._cleaner.clean(job)

    def _crashed(self, job: Job) -> None:
        _log.warning("the worker of a job died", extra={"facts": {"job": job.id}})
        self._metrics.crashed()
        died = _DIED.model_dump()
        self._count(self._store.crashed(job, self._owner, self._attempts, died), job)

    def _count(self, changed: bool, job: Job) -> None:
        """Count a job if it was ended here, and not elsewhere."""
        now = self._store.look(job.id) if changed else None
        if now is not None and now.state.ended and now.attempt == job.attempt:
            self._metrics.ended(now)


def _read_result(path: Path) -> dict[str, Any] | None:
    """Read what a worker says is the result; None if it is none."""
    try:
        if path.stat().st_size > _LONGEST_RESULT:
            return None
        # This refuses what no database looks into: deeper than 200 levels, halves of surrogates.
        document = from_json(path.read_bytes())
        text = json.dumps(document, allow_nan=False)  # no database and no answer takes more
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and "\\u0000" not in text else None
