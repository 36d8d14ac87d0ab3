"""``gmmlabel models``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmmlabel.cli.options import AsJson
from gmmlabel.cli.output import print_json, print_tissues, telling

if TYPE_CHECKING:
    from gmmlabel.mixture import Mixture
    from gmmlabel.model_files import ModelAtHand

_UNKNOWN = "-"
_HEADER = ("name", "created", "cases", "boundaries HU", "hash", "where", "")

models_app = typer.Typer(help="The models at hand.", invoke_without_command=True)


@models_app.callback()
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models at hand: those that are installed, and those in the user's folder."""
    if context.invoked_subcommand is not None:
        return
    from gmmlabel.model_files import models_at_hand

    found, errors = models_at_hand()
    for error in errors:
        typer.echo(f"gmmlabel: {error}", err=True)
    if as_json:
        print_json([_listed(model) for model in found])
        return
    rows = [_HEADER, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


@models_app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Model by name, or a model file.")],
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="FILE", help="Draw the model into FILE.png or FILE.svg."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier figure.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a model: tissues, boundaries, and how it was fitted."""
    from gmmlabel.model_files import load_model

    mixture = load_model(name)
    if figure:
        from gmmlabel.pages.model_figure import write_model_figure

        with telling(f"Drawing {figure}"):
            write_model_figure(mixture, figure, overwrite=overwrite)
    if as_json:
        print_json(
            {
                **_document(mixture),
                "training": dict(mixture.training),
                "citation": mixture.citation,
            }
        )
        return
    _print_model(mixture)
    if figure:
        typer.echo(f"figure: {figure}")


@models_app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A model file, or a scikit-learn GaussianMixture (joblib, pickle)."
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call the model here.")
    ] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Run the code in FILE: reading a joblib or pickle file does."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier model of your own.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a model and take it into the user's folder, so that it can be loaded by its name."""
    from gmmlabel.model_files import read_model
    from gmmlabel.model_import import import_model

    path = import_model(file, name=name, trust=trust, overwrite=overwrite)
    mixture = read_model(path)
    if as_json:
        print_json({**_document(mixture), "path": str(path)})
        return
    _print_model(mixture)
    typer.echo(f"imported to {path}")


def _row(model: "ModelAtHand") -> tuple[str, ...]:
    listed = _listed(model)
    return (
        listed["name"],
        _short(listed["created"]),
        _short(listed["cases"]),
        ", ".join(map(str, listed["boundaries_hu"])),
        (listed["sha256"] or "")[:12],
        listed["place"],
        "doubtful" if listed["doubts"] else "",
    )


def _listed(model: "ModelAtHand") -> dict[str, Any]:
    training = model.mixture.training
    return {
        **_document(model.mixture),
        "created": training.get("created"),
        "cases": training.get("cases"),
        "place": model.place,
    }


def _document(mixture: "Mixture") -> dict[str, Any]:
    from gmmlabel.model_schema import tissue_entries

    return {
        "name": mixture.name,
        "sha256": mixture.sha256,
        "tissues": tissue_entries(mixture),
        "boundaries_hu": mixture.boundaries(),
        "doubts": mixture.doubts,
    }


def _print_model(mixture: "Mixture") -> None:
    from gmmlabel.model_card import boundaries_sentence, drift_sentence, training_facts

    typer.echo(f"{mixture.name}  {mixture.sha256}")
    for doubt in mixture.doubts:
        typer.echo(f"doubtful: {doubt}")
    print_tissues(mixture)
    typer.echo(f"first HU of {boundaries_sentence(mixture)}")
    for label, fact in training_facts(mixture):
        typer.echo(f"{label.lower()}: {fact}")
    drift = drift_sentence(mixture)
    if drift:
        typer.echo(drift)


def _short(value: Any) -> str:
    """Write what fits into a column; a training document may hold anything."""
    return str(value)[:20] if isinstance(value, (str, int)) else _UNKNOWN
