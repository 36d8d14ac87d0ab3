"""The tables of the job store."""

from typing import Any

from sqlalchemy import JSON, Float, Index, Integer, MetaData, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = 1
"""Version of all tables together; grows with each change of one that is in use."""

_LIVE = text("state IN ('queued', 'running', 'succeeded')")


class Table(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData()


class SchemaRow(Table):
    """The version that the tables have; the only row."""

    __tablename__ = "schema_version"

    version: Mapped[int] = mapped_column(Integer, primary_key=True)


class JobRow(Table):
    """A job. Times are seconds since 1970, UTC."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str | None] = mapped_column(String(16))
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    version: Mapped[int] = mapped_column(Integer, default=0)

    kind: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[dict[str, Any]] = mapped_column(JSON)
    makes: Mapped[str | None] = mapped_column(String(200))

    created: Mapped[float] = mapped_column(Float)
    started: Mapped[float | None] = mapped_column(Float)
    ended: Mapped[float | None] = mapped_column(Float)

    attempt: Mapped[int] = mapped_column(Integer, default=0)
    crashes: Mapped[int] = mapped_column(Integer, default=0)
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[float | None] = mapped_column(Float)

    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        # The same work is there once for each client, until it fails or is removed.
        Index(
            "jobs_same", "client", "key", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE
        ),
        # No two jobs make a model of the same name.
        Index("jobs_makes", "makes", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        Index("jobs_next", "state", "created"),
    )


class IdempotencyRow(Table):
    """The request that a client sent with an ``Idempotency-Key``, and the job that answered it."""

    __tablename__ = "idempotency_keys"

    client: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    job: Mapped[str] = mapped_column(String(32), index=True)


class TokenRow(Table):
    """An access token: all but itself."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created: Mapped[float] = mapped_column(Float)
    last_used: Mapped[float | None] = mapped_column(Float)
    revoked: Mapped[float | None] = mapped_column(Float)
