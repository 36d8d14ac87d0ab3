"""Removing what nobody needs: of attempts, of jobs that ended, of servers that were killed."""

from ..jobs import Job, State
from .artefacts import Artefacts
from .store import Store

_ORPHAN = 3600.0


class Cleaner:
    """Removes jobs and files.

    Parameters
    ----------
    store
        The jobs.
    artefacts
        Their files.
    retention
        Seconds after its end that a job is kept.
    """

    def __init__(self, store: Store, artefacts: Artefacts, retention: float) -> None:
        self._store, self._artefacts, self._retention = store, artefacts, retention

    def clean(self, job: Job) -> None:
        """Remove what an attempt at a job left that nobody needs."""
        now = self._store.look(job.id)
        if now is None or (now.state.ended and now.state is not State.SUCCEEDED):
            self._artefacts.drop(job.id)
        elif now.state is State.SUCCEEDED:
            self._artefacts.tidy(job.id, keep=now.attempt)
        else:
            self._artefacts.drop_case(job.id, job.attempt)

    def sweep(self) -> None:
        """Remove what is old, and what was left behind."""
        for job_id in self._store.ended_for(self._retention):
            self._store.remove(job_id)
            self._artefacts.drop(job_id)
        for job_id in self._artefacts.with_uploads():  # some were left by a killed server
            job = self._store.look(job_id)
            if job and job.state.ended:
                self.clean(job)
        self._artefacts.sweep(lambda job_id: self._store.look(job_id) is not None, _ORPHAN)
