"""The job store: what clients may do with jobs; `Leases` is for those who work on them.

Both are one SQL statement each, or a few that nothing comes between.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ..jobs import Job, Kind, State, Wanted, key_of, wanted_document
from .leases import Leases
from .rows import ACTIVE, LIVE, change, count_jobs, job_of, read_job, select_jobs
from .schema import IdempotencyRow, JobRow


class QueueFullError(Exception):
    """As many jobs are waiting as may."""


class KeyReusedError(Exception):
    """An idempotency key came with another request before."""


class NameTakenError(Exception):
    """Another job makes, or made, a model of that name."""


class Store(Leases):
    """The jobs of the service, in a database."""

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
        # Alone: what is not there yet, and how many wait, must not change before it is written.
        with self._database.alone() as connection:
            found = _answered(connection, client, idempotency_key, key)
            if found:
                return found, False
            found = _same(connection, client, key)
            if not found:
                if count_jobs(connection, State.QUEUED) >= queue_limit:
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
            job = found or read_job(connection, job_id)
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
            return read_job(connection, job_id)

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
        query = select_jobs(results=False).where(JobRow.client == client)
        if state:
            query = query.where(JobRow.state == state)
        if kind:
            query = query.where(JobRow.kind == kind)
        query = query.order_by(JobRow.created.desc(), JobRow.id).limit(limit)
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def versions(self, job_ids: Collection[str]) -> Mapping[str, int]:
        """Tell the versions of those jobs that there are."""
        query = select(JobRow.id, JobRow.version).where(JobRow.id.in_(job_ids))
        with self._database.reading() as connection:
            return {row.id: row.version for row in connection.execute(query)}

    def count(self, state: State) -> int:
        """Count the jobs in a state."""
        with self._database.reading() as connection:
            return count_jobs(connection, state)

    def cancel(self, job_id: str, client: str) -> bool:
        """Cancel a job that has not ended; False if it has, or there is none."""
        active = update(JobRow).where(
            JobRow.id == job_id, JobRow.client == client, JobRow.state.in_(ACTIVE)
        )
        with self._database.writing() as connection:
            return change(connection, active, {"state": State.CANCELLED, **self._ended()})

    def remove(self, job_id: str) -> bool:
        """Forget a job that has ended; False if it has not, or there is none."""
        # Alone: no idempotency key may come to name it meanwhile.
        with self._database.alone() as connection:
            done = connection.execute(
                delete(JobRow).where(JobRow.id == job_id, JobRow.state.not_in(ACTIVE))
            )
            if not done.rowcount:
                return False
            connection.execute(delete(IdempotencyRow).where(IdempotencyRow.job == job_id))
            return True

    def ended_for(self, seconds: float) -> list[str]:
        """List the ids of jobs that ended longer ago than a time."""
        query = select(JobRow.id).where(JobRow.ended < self._now() - seconds)
        with self._database.reading() as connection:
            return [row.id for row in connection.execute(query)]


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
    return read_job(connection, row.job)


def _same(connection: Connection, client: str, key: str) -> Job | None:
    query = select_jobs().where(JobRow.client == client, JobRow.key == key, JobRow.state.in_(LIVE))
    row = connection.execute(query).first()
    return job_of(row) if row else None


def _is_made(connection: Connection, name: str) -> bool:
    query = select(JobRow.id).where(JobRow.makes == name, JobRow.state.in_(LIVE))
    return connection.execute(query).first() is not None
