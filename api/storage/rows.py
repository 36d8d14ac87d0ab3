"""Jobs as rows of their table: the statements that accepting, reading and working share."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, CursorResult, Row, Select, Update, func, select

from ..jobs import SUMMED_UP, Job, State, read_wanted
from .schema import JobRow

LIVE = (State.QUEUED, State.RUNNING, State.SUCCEEDED)
"""States of a job that stands for its work: the same is not done again."""

ACTIVE = (State.QUEUED, State.RUNNING)
"""States of a job that has not ended."""

_PART = "result_"


def select_jobs(*, results: bool = True) -> Select[Any]:
    """Begin a query for jobs, with the parts of their results that are summed up.

    Parameters
    ----------
    results
        Whether with the results themselves, which are large.
    """
    columns = [column for column in JobRow.__table__.columns if results or column.name != "result"]
    # As JSON: SQLite would round a number, and what a worker calls a number may be none.
    parts = [JobRow.result[name].label(f"{_PART}{name}") for name in SUMMED_UP]
    return select(*columns, *parts)


def read_job(connection: Connection, job_id: str) -> Job | None:
    """Read a job; None if there is none of that id."""
    row = connection.execute(select_jobs().where(JobRow.id == job_id)).first()
    return job_of(row) if row else None


def job_of(row: Row[Any]) -> Job:
    """Make a job of a row of `select_jobs`."""
    said = row._mapping  # noqa: SLF001 - the public name of it, in spite of the underscore
    wanted = read_wanted(said["kind"], said["wanted"])
    names = Job.__dataclass_fields__.keys() & said.keys() - {"state", "wanted"}
    return Job(
        wanted=wanted,
        state=State(said["state"]),
        summed_up={name: said[f"{_PART}{name}"] for name in SUMMED_UP},
        **{name: said[name] for name in names},
    )


def count_jobs(connection: Connection, state: State) -> int:
    """Count the jobs in a state."""
    query = select(func.count()).select_from(JobRow).where(JobRow.state == state)
    return connection.execute(query).scalar_one()


def change(connection: Connection, which: Update, values: Mapping[str, Any]) -> bool:
    """Change jobs so that whoever waits for them is told; False if there are none."""
    done: CursorResult[Any] = connection.execute(which.values(**values, version=JobRow.version + 1))
    return bool(done.rowcount)
