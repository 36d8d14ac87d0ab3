"""``gmmlabel serve`` and its tokens."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from gmmlabel.cli.options import AsJson, Format, MethodName
from gmmlabel.cli.output import print_json


class Access(StrEnum):
    """Whether requests need a token."""

    AUTO = "auto"
    TOKENS = "tokens"


class LogForm(StrEnum):
    """Form of the log."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


def _option(name: str, metavar: str | None, said: str) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=said, show_default=False)


DataFolder = Annotated[
    Path | None, _option("data", "DIR", "Folder of uploads, results and job store.")
]
DatabaseUrl = Annotated[
    str | None, _option("database", "URL", "Job store; a SQLite file in the data folder.")
]
TokenName = Annotated[str, typer.Argument(metavar="NAME", help="What to call the token.")]

serve_app = typer.Typer(invoke_without_command=True)
token_app = typer.Typer(help="The access tokens of the service.", no_args_is_help=True)
serve_app.add_typer(token_app, name="token")


@serve_app.callback()
def serve(
    context: typer.Context,
    host: Annotated[
        str | None, _option("host", "ADDRESS", "Address to listen on; 127.0.0.1.")
    ] = None,
    port: Annotated[int | None, _option("port", "N", "Port; 8000. 0 takes a free one.")] = None,
    access: Annotated[
        Access | None,
        _option("access", None, "Whether requests need a token; auto: if others can reach it."),
    ] = None,
    hosts: Annotated[
        str | None, _option("hosts", "NAMES", "Names to answer to, beside those of this machine.")
    ] = None,
    proxies: Annotated[
        str | None, _option("proxies", "ADDRESSES", "Reverse proxies, whose clients are logged.")
    ] = None,
    connections: Annotated[
        int | None, _option("connections", "N", "Connections at once; 400.")
    ] = None,
    header_pause: Annotated[
        float | None,
        _option("header-pause", "SECONDS", "How long the head of a request may take; 10."),
    ] = None,
    log: Annotated[
        LogForm | None, _option("log", None, "Form of the log; auto: text on a terminal.")
    ] = None,
    data: DataFolder = None,
    database: DatabaseUrl = None,
    workers: Annotated[int | None, _option("workers", "N", "Jobs at once; half the cores.")] = None,
    scheduler: Annotated[
        str | None,
        _option("scheduler", "ADDRESS", "Dask scheduler, as tcp://host:8786; its workers work."),
    ] = None,
    worker_memory: Annotated[
        str | None,
        _option("worker-memory", "SIZE", "Memory of a worker, as 4GiB; its share of what is free."),
    ] = None,
    job_timeout: Annotated[
        float | None, _option("job-timeout", "SECONDS", "When a job fails; 1800.")
    ] = None,
    attempts: Annotated[
        int | None,
        _option("attempts", "N", "At which loss of its worker or server a job fails; 2."),
    ] = None,
    lease: Annotated[
        float | None,
        _option("lease", "SECONDS", "Silence after which a job is taken up again; 30."),
    ] = None,
    queue_limit: Annotated[
        int | None, _option("queue-limit", "N", "Jobs that may wait; 100.")
    ] = None,
    upload_limit: Annotated[
        str | None, _option("upload-limit", "SIZE", "Largest upload; 4GiB.")
    ] = None,
    upload_pause: Annotated[
        float | None, _option("upload-pause", "SECONDS", "How long a sender may be silent; 60.")
    ] = None,
    upload_seconds: Annotated[
        float | None, _option("upload-seconds", "SECONDS", "How long an upload may take; 3600.")
    ] = None,
    disk_floor: Annotated[
        str | None, _option("disk-floor", "SIZE", "Disk that stays free; 2GiB.")
    ] = None,
    retention: Annotated[
        float | None,
        _option("retention", "SECONDS", "How long ended jobs are kept; 604800, a week."),
    ] = None,
    wait: Annotated[
        float | None, _option("wait", "SECONDS", "How long /v1/label waits; 300.")
    ] = None,
    model: Annotated[str | None, _option("model", "NAME", "Default model; zaffino2021.")] = None,
    method: Annotated[MethodName | None, _option("method", None, "Default method.")] = None,
    form: Annotated[Format | None, _option("format", None, "Default format.")] = None,
) -> None:
    """Label CTs over HTTP: POST a volume, get its label map.

    Each option can also be set in the environment, as GMMLABEL_ and its name in capitals.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    del given["context"]
    if form:
        given["format"] = given.pop("form")
    context.obj = given
    if context.invoked_subcommand is None:
        _service("serving").serve(given)


@token_app.command("create")
def create_token(
    context: typer.Context,
    name: TokenName,
    data: DataFolder = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it: it is not kept, and cannot be shown again."""
    with _tokens(context, data, database) as tokens:
        secret = tokens.create(name)
    typer.echo(f"Token {name}: keep it now, it cannot be shown again.", err=True)
    if as_json:
        print_json({"name": name, "token": secret})
    else:
        typer.echo(secret)


@token_app.command("list")
def list_tokens(
    context: typer.Context,
    data: DataFolder = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List all tokens, also those that were revoked, without the tokens themselves."""
    with _tokens(context, data, database) as tokens:
        listed = [
            {
                "name": token.name,
                "created": _moment(token.created),
                "last_used": _moment(token.last_used),
                "revoked": _moment(token.revoked),
            }
            for token in tokens.find()
        ]
    if as_json:
        print_json(listed)
        return
    for token in listed:
        used, revoked = token["last_used"], token["revoked"]
        told = [f"created {token['created']}", f"used {used}" if used else "not used"]
        told += [f"revoked {revoked}"] if revoked else []
        typer.echo(f"{token['name']}  {', '.join(told)}")


@token_app.command("revoke")
def revoke_token(
    context: typer.Context,
    name: TokenName,
    data: DataFolder = None,
    database: DatabaseUrl = None,
) -> None:
    """Let a token open nothing any more, from the next request on."""
    with _tokens(context, data, database) as tokens:
        tokens.revoke(name)
    typer.echo(f"Token {name} is revoked.", err=True)


def _service(module: str) -> Any:
    """Import by name: the library does not know the service, and only these commands use it."""
    return import_module(f"gmmlabel.api.{module}")


def _tokens(
    context: typer.Context, data: Path | None, database: str | None
) -> AbstractContextManager[Any]:
    """Open the tokens of the service that the same settings would start."""
    own = {"data": data, "database": database}
    options = context.obj | {name: value for name, value in own.items() if value is not None}
    settings = _service("settings").read_settings(options)
    opened: AbstractContextManager[Any] = _service("storage.tokens").tokens_of(settings)
    return opened


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
