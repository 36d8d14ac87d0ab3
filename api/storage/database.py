"""The database of the service: SQLite in the data folder, or PostgreSQL for several hosts.

Both run the same statements. What differs is here: who waits for whom, and whose clock counts.
"""

import time
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Float,
    cast,
    create_engine,
    event,
    extract,
    func,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gmmlabel.errors import GmmlabelError

from .schema import SCHEMA, JobRow, SchemaRow, Table

OUTAGES = (OperationalError, InterfaceError, PoolTimeoutError)
"""What is raised while the database does not answer; the same may work later."""

_WAIT_FOR_LOCK_MS = 30_000
_CONNECTIONS, _MORE_CONNECTIONS = 5, 10
_WAIT_FOR_CONNECTION = 10
# The names of libpq. A host that is gone is noticed in seconds: a runner that hangs loses its jobs.
_REACHING: dict[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "gmmlabel",
}
# A host that dies while it has a lock keeps nobody waiting for longer than this.
_POSTGRESQL_SESSION = f"""
    SELECT set_config('lock_timeout', '{_WAIT_FOR_LOCK_MS}', false),
           set_config('idle_in_transaction_session_timeout', '{_WAIT_FOR_LOCK_MS}', false)
"""
_ALONE = int.from_bytes(b"gmmlabel")


class DatabaseError(GmmlabelError):
    """The job store cannot be opened."""


class Database:
    """A database in which the tables of the service are; they are made if they are not there.

    Parameters
    ----------
    url
        URL of the database, as SQLAlchemy has it.

    Raises
    ------
    DatabaseError
        If it cannot be reached, or is of another version of this package.
    """

    def __init__(self, url: str) -> None:
        address = make_url(url)
        self._shared = address.get_backend_name() == "postgresql"
        self._engine = _postgresql(address) if self._shared else _sqlite(address)
        self._writing = self._engine.execution_options(immediate=True)
        self._alone = self._writing.execution_options(alone=True)
        try:
            with self.alone() as connection:
                _prepare(connection)
        except (SQLAlchemyError, DatabaseError) as error:
            self.close()
            said = str(error) if isinstance(error, DatabaseError) else _first_line(error)
            shown = address.render_as_string(hide_password=True)
            raise DatabaseError(f"the job store {shown} cannot be opened: {said}") from error

    def reading(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that changes nothing."""
        return self._engine.begin()

    def writing(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that may change something; it is kept if no error leaves it."""
        return self._writing.begin()

    def alone(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that writes when no other that was begun so goes on, on any host."""
        return self._alone.begin()

    def now(self) -> float | ColumnElement[float]:
        """Tell the time, in seconds since 1970, in a form that statements take.

        It is that of the database server if there is one: hosts may differ, also by more than
        a lease.
        """
        if not self._shared:
            return time.time()
        return cast(extract("epoch", func.clock_timestamp()), Float)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _sqlite(address: URL) -> Engine:
    engine = create_engine(address, hide_parameters=True)
    event.listen(engine, "connect", _open_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_sqlite(connection: Any, _: object) -> None:
    # SQLAlchemy begins transactions, not the driver, which does it too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_WAIT_FOR_LOCK_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # an accepted job is on the disk
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Lock when a transaction that writes begins: a lock that is asked for later may fail."""
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _postgresql(address: URL) -> Engine:
    try:
        engine = create_engine(
            address.set(query={**_REACHING, **address.query}),
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # the server may have been restarted
            pool_size=_CONNECTIONS,
            max_overflow=_MORE_CONNECTIONS,
            pool_timeout=_WAIT_FOR_CONNECTION,
        )
    except ImportError as error:
        raise DatabaseError(
            "PostgreSQL needs a driver: pip install 'gmmlabel[postgresql]'"
        ) from error
    event.listen(engine, "connect", _open_postgresql)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _open_postgresql(connection: Any, _: object) -> None:
    connection.execute(_POSTGRESQL_SESSION)
    connection.commit()


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("alone", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ALONE})")


def _prepare(connection: Connection) -> None:
    """Make the tables, or see that they are those of this version."""
    there = inspect(connection)
    if there.has_table(SchemaRow.__tablename__):
        version = connection.execute(select(SchemaRow.version)).scalar()
    else:
        version = 0 if there.has_table(JobRow.__tablename__) else None
    if version not in (None, SCHEMA):
        raise DatabaseError(
            f"its tables are of version {version}, those of this gmmlabel of version {SCHEMA}; "
            "docs/operations.md says how to upgrade"
        )
    Table.metadata.create_all(connection)
    if version is None:
        connection.execute(insert(SchemaRow).values(version=SCHEMA))


def _first_line(error: SQLAlchemyError) -> str:
    """Take what the driver says; nothing that follows, which has statements."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
