"""What commands print: results to stdout, progress to stderr."""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import typer


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(document, indent=2))


def telling(stage: str) -> AbstractContextManager[object]:
    """Show on stderr what is being done, if somebody is watching."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(stage)
