"""``gmmlabel serve``."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from gmmlabel.cli.options import Format, MethodName


def _option(name: str, metavar: str | None, said: str) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=said, show_default=False)


def serve(
    host: Annotated[
        str | None,
        _option("host", "ADDRESS", "Address to listen on, of this machine only; 127.0.0.1."),
    ] = None,
    port: Annotated[int | None, _option("port", "N", "Port; 8000. 0 takes a free one.")] = None,
    data: Annotated[
        Path | None, _option("data", "DIR", "Folder of uploads, results and job store.")
    ] = None,
    database: Annotated[
        str | None, _option("database", "URL", "Job store; a SQLite file in the data folder.")
    ] = None,
    workers: Annotated[int | None, _option("workers", "N", "Jobs at once; half the cores.")] = None,
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
    if form:
        given["format"] = given.pop("form")
    # By its name: the library does not know the service, and only this command starts it.
    import_module("gmmlabel.api.serving").serve(given)
