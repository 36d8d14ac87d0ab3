"""The database of the service: SQLite in the data folder, or whatever a URL of SQLAlchemy names."""

from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, create_engine, event

from .schema import Table

_WAIT_FOR_LOCK_MS = 30_000


class Database:
    """A database in which the tables of the service are; they are made if they are not there.

    Parameters
    ----------
    url
        URL of the database, as SQLAlchemy has it.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _open_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._locking = self._engine.execution_options(immediate=True)
        with self.writing() as connection:
            Table.metadata.create_all(connection)

    def reading(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that changes nothing."""
        return self._engine.begin()

    def writing(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that may change something; it is kept if no error leaves it."""
        return self._locking.begin()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _open_sqlite(connection: Any, _: object) -> None:
    # SQLAlchemy begins transactions, not the driver, which does it too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # an accepted job is on the disk
        f"busy_timeout = {_WAIT_FOR_LOCK_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Lock when a transaction that writes begins: a lock that is asked for later may fail."""
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
