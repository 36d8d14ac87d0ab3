"""The settings of the service: from the environment, checked before anything starts.

Each is read from ``GMMLABEL_`` and its name in capitals, and is an option of ``gmmlabel serve``,
which wins. ``docs/operations.md`` lists them all.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from platformdirs import user_data_path
from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    IPvAnyNetwork,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gmmlabel.cohort.memory import available_bytes
from gmmlabel.errors import GmmlabelError
from gmmlabel.method import METHODS
from gmmlabel.model_files import DEFAULT_MODEL, model_names
from gmmlabel.morphology.slabs import thread_count
from gmmlabel.writers import FORMATS

PREFIX = "GMMLABEL_"

_DRIVERS = frozenset({"sqlite", "postgresql+psycopg"})
_SECRETS = frozenset({"password", "sslpassword"})
_DATABASES = (
    "no URL of a database that is known, as sqlite:////var/lib/gmmlabel/jobs.db or "
    "postgresql+psycopg://user@host/name"
)
_OF_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})


def _names(value: Any) -> Any:
    """Take apart what a variable of the environment has in one."""
    if not isinstance(value, str):
        return value
    return tuple(name.strip().lower() for name in value.split(","))


_Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], NoDecode, BeforeValidator(_names)
]
_Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_names)]


class SettingsError(GmmlabelError):
    """A setting has a value with which the service cannot start."""


def _data_folder() -> Path:
    return user_data_path("gmmlabel", appauthor=False) / "service"


class Settings(BaseSettings):
    """Every setting; the description is what ``docs/operations.md`` says of it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True
    )

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port; 0 takes a free one.")
    access: Literal["auto", "tokens"] = Field(
        "auto",
        description="Whether requests need a token: `tokens` always, `auto` unless `GMMLABEL_HOST` "
        "is of this machine only.",
    )
    hosts: _Names | None = Field(
        None,
        description="Names that are answered to beside those of this machine, with commas; any if "
        "requests need a token.",
    )
    proxies: _Networks | None = Field(
        None,
        description="Addresses or networks of reverse proxies, with commas; the log has the "
        "addresses that they tell.",
    )
    connections: int = Field(
        400, ge=1, description="Connections at once; more are answered with 503."
    )
    header_pause: float = Field(
        10, gt=0, description="Seconds in which a sender sends the head of a request."
    )
    log: Literal["auto", "json", "text"] = Field(
        "auto", description="Log on stderr: `json`, `text`, or `auto`: `text` on a terminal."
    )
    data: Path = Field(
        default_factory=_data_folder, description="Folder of uploads, results and job store."
    )
    database: str | None = Field(
        None,
        repr=False,  # it may have a password
        description="URL of the job store, of SQLite or PostgreSQL; a SQLite file in the data "
        "folder unless given.",
    )
    workers: int = Field(
        default_factory=lambda: max(1, thread_count() // 2),
        ge=1,
        description="Jobs that are worked on at once, each in a process of its own.",
    )
    scheduler: str | None = Field(
        None,
        description="Address of a Dask scheduler, whose workers do the work instead of processes "
        "here.",
    )
    worker_memory: ByteSize | None = Field(
        None,
        ge=1 << 29,
        description="Memory of a worker; its share of what is free at the start unless given.",
    )
    job_timeout: float = Field(1800, gt=0, description="Seconds after which a job fails.")
    attempts: int = Field(2, ge=1, description="At which loss of its worker or server a job fails.")
    lease: float = Field(
        30, ge=1, description="Seconds without a sign of life after which a job is taken up again."
    )
    queue_limit: int = Field(
        100, ge=1, description="Jobs that may wait; more are answered with 429."
    )
    upload_limit: ByteSize = Field(
        ByteSize(4 << 30), ge=1, description="Largest upload; more is answered with 413."
    )
    upload_pause: float = Field(
        60, gt=0, description="Seconds that a sender may be silent; then it gets 408."
    )
    upload_seconds: float = Field(
        3600, gt=0, description="Seconds that an upload may take; then it gets 408."
    )
    disk_floor: ByteSize = Field(
        ByteSize(2 << 30), ge=0, description="Disk that stays free; else uploads get 507."
    )
    retention: float = Field(
        7 * 86400, gt=0, description="Seconds after its end that a job and its files are kept."
    )
    wait: float = Field(
        300, ge=0, le=86400, description="Seconds that `/v1/label` waits unless told otherwise."
    )
    model: str = Field(DEFAULT_MODEL, description="Model of requests that name none.")
    method: str = Field("default", description="Method of requests that name none.")
    format: str = Field("nrrd", description="Format of label maps of requests that name none.")

    @field_validator("database")
    @classmethod
    def _is_known(cls, database: str | None) -> str | None:
        if database is None:
            return None
        try:
            url = make_url(database)
        except (ArgumentError, ValueError):
            raise ValueError(_DATABASES) from None
        if url.drivername not in _DRIVERS or url.database in (None, "", ":memory:"):
            raise ValueError(_DATABASES)
        if _SECRETS & url.query.keys():  # what is shown of a URL has no password, but its query
            raise ValueError("give the password before the @, or in PGPASSFILE or PGPASSWORD")
        return database

    @model_validator(mode="after")
    def _are_there(self) -> Self:
        for name, value, there in (
            ("model", self.model, model_names()),
            ("method", self.method, list(METHODS)),
            ("format", self.format, list(FORMATS)),
        ):
            if value not in there:
                raise ValueError(f"{name} {value!r} is none of {', '.join(there)}")
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def tokens_needed(self) -> bool:
        """Whether requests need an access token."""
        return self.access == "tokens" or not self.loopback

    @property
    def answered_names(self) -> frozenset[str] | None:
        """Names and addresses that the service answers to; None if to all.

        Without tokens, a page of another site could read jobs by a name of that site that is made
        to lead to this machine.
        """
        if self.hosts is None and self.tokens_needed:
            return None
        return _OF_THIS_MACHINE | {self.host} | {*(self.hosts or ())}

    @property
    def database_url(self) -> str:
        """URL of the job store."""
        return self.database or f"sqlite:///{self.data.absolute() / 'jobs.db'}"

    @property
    def worker_bytes(self) -> int:
        """Memory of each worker, in bytes."""
        return self.worker_memory or max(1 << 29, available_bytes() // self.workers)

    @property
    def worker_threads(self) -> int:
        """Threads of each worker: its share of the cores."""
        return max(1, thread_count() // self.workers)


def read_settings(options: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    options
        Values by name that win over the environment.

    Raises
    ------
    SettingsError
        If one cannot be; the message names all that are wrong.
    """
    try:
        return Settings(**(options or {}))
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            message = fault["msg"].removeprefix("Value error, ")
            name = f"{PREFIX}{str(fault['loc'][0]).upper()}: " if fault["loc"] else ""
            faults.append(f"{name}{message}")
        raise SettingsError("; ".join(faults)) from error
