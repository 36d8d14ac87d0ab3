"""The job store: who may do what with a job, decided by one SQL statement each.

A job is worked on by whoever claimed it last, for as long as its lease is renewed. Every change of
a running job names the owner and the attempt, so that whoever lost a job (because it was cancelled,
or its lease ran out) changes nothing any more: each job ends exactly once.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Row,
    Update,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from .database import Database
from .jobs import Job, Kind, State, Wanted, key_of, read_wanted, wanted_document
from .schema import IdempotencyRow, JobRow

_LIVE = (State.QUEUED, State.RUNNING, State.SUCCEEDED)
_ACTIVE = (State.QUEUED, State.RUNNING)


class QueueFullError(Exception):
    """As many jobs are waiting as may."""


class KeyReusedError(Exception):
    """An idempotency key came with another request before."""


class NameTakenError(Exception):
    """Another job makes, or made, a model of that name."""


class Store:
    """The jobs of the service, in a database.

    Parameters
    ----------
    database
        Where they are.
    now
        Tells the time, in seconds since 1970.
    """

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def add(
        self,
        job_id: str,
        wanted: Wanted,
        *,
        client: str,
        queue_limit: int,
        idempotency_key: str | None = None,
    ) -> tuple[Job, bool]:
        """Accept a job, or find the one that does or did the same.

        Parameters
        ----------
        job_id
            Id of the new job.
        wanted
            What it is to do.
        client
            Whose it is.
        queue_limit
            How many jobs may wait.
        idempotency_key
            What the client calls this request, so that it can repeat it.

        Returns
        -------
        Job
            The job.
        bool
            Whether it is the new one.

        Raises
        ------
        QueueFullError
            If too many jobs are waiting, and none does the same.
        KeyReusedError
            If the client called another request so.
        NameTakenError
            If another job makes, or made, a model of that name.
        """
        key = key_of(wanted)
        with self._database.writing() as connection:
            found = _answered(connection, client, idempotency_key, key)
            if found:
                return found, False
            found = _same(connection, client, key)
            if not found:
                if _count(connection, State.QUEUED) >= queue_limit:
                    raise QueueFullError
                if wanted.makes and _is_made(connection, wanted.makes):
                    raise NameTakenError
                values: dict[str, Any] = {
                    "id": job_id,
                    "client": client,
                    "key": key,
                    "kind": wanted.kind,
                    "wanted": wanted_document(wanted),
                    "makes": wanted.makes,
                    "state": State.QUEUED,
                    "created": self._now(),
                }
                connection.execute(insert(JobRow).values(values))
            job = found or _job(connection, job_id)
            if job is None:  # pragma: no cover - it was written in this transaction
                raise RuntimeError(f"job {job_id} is not there")
            if idempotency_key is not None:
                row = {"client": client, "name": idempotency_key, "key": key, "job": job.id}
                connection.execute(insert(IdempotencyRow).values(row))
            return job, found is None

    def get(self, job_id: str, client: str) -> Job | None:
        """Read a job of a client; None if it has none of that id."""
        job = self.look(job_id)
        return job if job and job.client == client else None

    def look(self, job_id: str) -> Job | None:
        """Read a job, whosever it is; not for answers to a client."""
        with self._database.reading() as connection:
            return _job(connection, job_id)

    def same(self, client: str, wanted: Wanted) -> Job | None:
        """Find the job of a client that does or did the same."""
        with self._database.reading() as connection:
            return _same(connection, client, key_of(wanted))

    def find(
        self,
        client: str,
        *,
        state: State | None = None,
        kind: Kind | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Read the jobs of a client, the newest first, without their results."""
        query = _select(results=False).where(JobRow.client == client)
        if state:
            query = query.where(JobRow.state == state)
        if kind:
            query = query.where(JobRow.kind == kind)
        query = query.order_by(JobRow.created.desc(), JobRow.id).limit(limit)
        with self._database.reading() as connection:
            return [_as_job(row) for row in connection.execute(query)]

    def versions(self, job_ids: Collection[str]) -> Mapping[str, int]:
        """Tell the versions of those jobs that there are."""
        query = select(JobRow.id, JobRow.version).where(JobRow.id.in_(job_ids))
        with self._database.reading() as connection:
            return {row.id: row.version for row in connection.execute(query)}

    def count(self, state: State) -> int:
        """Count the jobs in a state."""
        with self._database.reading() as connection:
            return _count(connection, state)

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
        now = self._now()
        with self._database.writing() as connection:
            job_id = connection.execute(first).scalar()
            if job_id is None:
                return None
            taken = {"owner": owner, "lease_until": now + lease, "attempt": JobRow.attempt + 1}
            if not _change(
                connection,
                update(JobRow).where(JobRow.id == job_id, JobRow.state == State.QUEUED),
                {"state": State.RUNNING, "stage": None, "progress": 0.0, "started": now, **taken},
            ):
                return None
            return _job(connection, job_id)

    def renew(self, owner: str, jobs: Collection[Job], lease: float) -> set[tuple[str, int]]:
        """Renew the leases of jobs.

        Returns
        -------
        set
            Id and attempt of each that the owner still has; all others are lost to it.
        """
        which = (
            JobRow.state == State.RUNNING,
            JobRow.owner == owner,
            tuple_(JobRow.id, JobRow.attempt).in_([(job.id, job.attempt) for job in jobs]),
        )
        with self._database.writing() as connection:
            # The version stays: nobody who waits for a job has to know.
            connection.execute(update(JobRow).where(*which).values(lease_until=self._now() + lease))
            found = connection.execute(select(JobRow.id, JobRow.attempt).where(*which))
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
            return _crashed(connection, _owned(job, owner), attempts, problem, self._ended())

    def expire(self, attempts: int, problem: Mapping[str, Any]) -> None:
        """Do as `crashed` with all jobs whose lease ran out: their server is gone."""
        late = update(JobRow).where(JobRow.state == State.RUNNING, JobRow.lease_until < self._now())
        with self._database.writing() as connection:
            _crashed(connection, late, attempts, problem, self._ended())

    def cancel(self, job_id: str, client: str) -> bool:
        """Cancel a job that has not ended; False if it has, or there is none."""
        active = update(JobRow).where(
            JobRow.id == job_id, JobRow.client == client, JobRow.state.in_(_ACTIVE)
        )
        with self._database.writing() as connection:
            return _change(connection, active, {"state": State.CANCELLED, **self._ended()})

    def remove(self, job_id: str) -> bool:
        """Forget a job that has ended; False if it has not, or there is none."""
        with self._database.writing() as connection:
            done = connection.execute(
                delete(JobRow).where(JobRow.id == job_id, JobRow.state.not_in(_ACTIVE))
            )
            if not done.rowcount:
                return False
            connection.execute(delete(IdempotencyRow).where(IdempotencyRow.job == job_id))
            return True

    def ended_before(self, moment: float) -> list[str]:
        """List the ids of jobs that ended before a moment."""
        query = select(JobRow.id).where(JobRow.ended < moment)
        with self._database.reading() as connection:
            return [row.id for row in connection.execute(query)]

    def _ended(self) -> dict[str, Any]:
        return {"ended": self._now(), "owner": None, "lease_until": None}

    def _change(self, job: Job, owner: str, values: Mapping[str, Any]) -> bool:
        with self._database.writing() as connection:
            return _change(connection, _owned(job, owner), values)


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


def _change(connection: Connection, which: Update, values: Mapping[str, Any]) -> bool:
    done: CursorResult[Any] = connection.execute(which.values(**values, version=JobRow.version + 1))
    return bool(done.rowcount)


def _crashed(
    connection: Connection,
    which: Update,
    attempts: int,
    problem: Mapping[str, Any],
    ended: Mapping[str, Any],
) -> bool:
    crashes = JobRow.crashes + 1
    last = {"state": State.FAILED, "problem": dict(problem), "crashes": crashes, **ended}
    failed = _change(connection, which.where(crashes >= attempts), last)
    again = _change(connection, which.where(crashes < attempts), {**_WAITING, "crashes": crashes})
    return failed or again


def _answered(connection: Connection, client: str, name: str | None, key: str) -> Job | None:
    """Find the job that answered a request of this name before."""
    if name is None:
        return None
    query = select(IdempotencyRow.key, IdempotencyRow.job).where(
        IdempotencyRow.client == client, IdempotencyRow.name == name
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.key != key:
        raise KeyReusedError
    return _job(connection, row.job)


def _same(connection: Connection, client: str, key: str) -> Job | None:
    query = _select().where(JobRow.client == client, JobRow.key == key, JobRow.state.in_(_LIVE))
    row = connection.execute(query).first()
    return _as_job(row) if row else None


def _is_made(connection: Connection, name: str) -> bool:
    query = select(JobRow.id).where(JobRow.makes == name, JobRow.state.in_(_LIVE))
    return connection.execute(query).first() is not None


def _count(connection: Connection, state: State) -> int:
    query = select(func.count()).select_from(JobRow).where(JobRow.state == state)
    return connection.execute(query).scalar_one()


def _select(*, results: bool = True) -> Any:
    columns = [column for column in JobRow.__table__.columns if results or column.name != "result"]
    return select(*columns)


def _job(connection: Connection, job_id: str) -> Job | None:
    row = connection.execute(_select().where(JobRow.id == job_id)).first()
    return _as_job(row) if row else None


def _as_job(row: Row[Any]) -> Job:
    said = row._mapping  # noqa: SLF001 - the public name of it, in spite of the underscore
    wanted = read_wanted(said["kind"], said["wanted"])
    names = Job.__dataclass_fields__.keys() & said.keys() - {"state", "wanted"}
    return Job(wanted=wanted, state=State(said["state"]), **{name: said[name] for name in names})
