"""Who works on a job, and for how long: claims and their leases.

A job is worked on by whoever claimed it last, for as long as its lease is renewed. Every change of
a running job names the owner and the attempt, so that whoever lost a job (because it was cancelled,
or its lease ran out) changes nothing any more: each job ends exactly once.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, select, tuple_, update

from ..jobs import Job, State
from .database import Database
from .rows import change, read_job
from .schema import JobRow


class Leases:
    """The jobs of the service, for those who work on them.

    Parameters
    ----------
    database
        Where they are.
    now
        Tells the time, in seconds since 1970; `Database.now` unless given.
    """

    def __init__(self, database: Database, now: Callable[[], float] | None = None) -> None:
        self._database = database
        self._now: Callable[[], float | ColumnElement[float]] = now or database.now

    def claim(self, owner: str, lease: float) -> Job | None:
        """Take the job that waits longest.

        Parameters
        ----------
        owner
            Who takes it.
        lease
            Seconds after which it is free again unless `renew` is called.
        """
        first = (
            select(JobRow.id)
            .where(JobRow.state == State.QUEUED)
            .order_by(JobRow.created, JobRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            job_id = connection.execute(first).scalar()
            if job_id is None:
                return None
            now = self._now()
            taken = {"owner": owner, "lease_until": now + lease, "attempt": JobRow.attempt + 1}
            if not change(
                connection,
                update(JobRow).where(JobRow.id == job_id, JobRow.state == State.QUEUED),
                {"state": State.RUNNING, "stage": None, "progress": 0.0, "started": now, **taken},
            ):
                return None
            return read_job(connection, job_id)

    def renew(self, owner: str, jobs: Collection[Job], lease: float) -> set[tuple[str, int]]:
        """Renew the leases of all jobs that an owner works on.

        What else it has by the store waits again: the database took the claim, and the connection
        was lost before the owner was told.

        Returns
        -------
        set
            Id and attempt of each that the owner still has; all others are lost to it.
        """
        his = update(JobRow).where(JobRow.state == State.RUNNING, JobRow.owner == owner)
        this = tuple_(JobRow.id, JobRow.attempt)
        known = [(job.id, job.attempt) for job in jobs]
        # The version stays: nobody who waits for a job has to know.
        renewal = his.where(this.in_(known)).values(lease_until=self._now() + lease)
        with self._database.writing() as connection:
            change(connection, his.where(this.not_in(known)), _WAITING)
            found = connection.execute(renewal.returning(JobRow.id, JobRow.attempt))
            return {(row.id, row.attempt) for row in found}

    def advance(self, job: Job, owner: str, stage: str, progress: float) -> bool:
        """Note how far a job is; False if it is no longer the owner's."""
        return self._change(job, owner, {"stage": stage, "progress": progress})

    def succeed(self, job: Job, owner: str, result: Mapping[str, Any]) -> bool:
        """End a job with its result; False if it is no longer the owner's."""
        end = {"state": State.SUCCEEDED, "progress": 1.0, "result": dict(result)}
        return self._change(job, owner, {**end, **self._ended()})

    def fail(self, job: Job, owner: str, problem: Mapping[str, Any]) -> bool:
        """End a job with a problem; False if it is no longer the owner's."""
        end = {"state": State.FAILED, "problem": dict(problem)}
        return self._change(job, owner, {**end, **self._ended()})

    def give_back(self, job: Job, owner: str) -> bool:
        """Let a job wait again, through no fault of its own."""
        return self._change(job, owner, _WAITING)

    def crashed(self, job: Job, owner: str, attempts: int, problem: Mapping[str, Any]) -> bool:
        """Let a job wait again whose worker died, or fail it if that is the last attempt.

        Parameters
        ----------
        job, owner
            The job, and who has it.
        attempts
            How many crashes end it.
        problem
            What it fails with then.
        """
        with self._database.writing() as connection:
            return self._crashed(connection, _owned(job, owner), attempts, problem)

    def expire(self, attempts: int, problem: Mapping[str, Any]) -> None:
        """Do as `crashed` with all jobs whose lease ran out: their server is gone."""
        late = (JobRow.state == State.RUNNING, JobRow.lease_until < self._now())
        # Those that another server has in hand are left to it, so that none waits for the other.
        found = select(JobRow.id).where(*late).with_for_update(skip_locked=True)
        with self._database.writing() as connection:
            job_ids = connection.execute(found).scalars().all()
            which = update(JobRow).where(JobRow.id.in_(job_ids), *late)
            if job_ids:
                self._crashed(connection, which, attempts, problem)

    def _ended(self) -> dict[str, Any]:
        return {"ended": self._now(), "owner": None, "lease_until": None}

    def _change(self, job: Job, owner: str, values: Mapping[str, Any]) -> bool:
        with self._database.writing() as connection:
            return change(connection, _owned(job, owner), values)

    def _crashed(
        self, connection: Connection, which: Update, attempts: int, problem: Mapping[str, Any]
    ) -> bool:
        crashes = JobRow.crashes + 1
        end = {"state": State.FAILED, "problem": dict(problem), "crashes": crashes}
        failed = change(connection, which.where(crashes >= attempts), {**end, **self._ended()})
        again = {**_WAITING, "crashes": crashes}
        return change(connection, which.where(crashes < attempts), again) or failed


_WAITING: dict[str, Any] = {
    "state": State.QUEUED,
    "stage": None,
    "progress": 0.0,
    "started": None,
    "owner": None,
    "lease_until": None,
}


def _owned(job: Job, owner: str) -> Update:
    return update(JobRow).where(
        JobRow.id == job.id,
        JobRow.state == State.RUNNING,
        JobRow.owner == owner,
        JobRow.attempt == job.attempt,
    )
