"""What commands print: results to stdout, progress to stderr."""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from gmmlabel.mixture import Mixture


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(document, indent=2))


def print_tissues(model: "Mixture") -> None:
    """Print mean, SD and weight of each tissue of a model, a line each."""
    from gmmlabel.tissues import Tissue

    typer.echo(f"{'tissue':<16}{'mean HU':>10}{'SD HU':>10}{'weight':>10}")
    rows = zip(Tissue, model.means, model.variances**0.5, model.weights, strict=True)
    for tissue, mean, deviation, weight in rows:
        typer.echo(f"{tissue.key:<16}{mean:>10.1f}{deviation:>10.1f}{weight:>10.4f}")


def telling(stage: str) -> AbstractContextManager[object]:
    """Show on stderr what is being done, if somebody is watching."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(stage)
