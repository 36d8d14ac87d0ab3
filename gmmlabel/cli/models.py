"""``gmmlabel models``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmmlabel.cli.options import AsJson
from gmmlabel.cli.output import print_json

if TYPE_CHECKING:
    from gmmlabel.mixture import Mixture

models_app = typer.Typer(help="The models at hand.", invoke_without_command=True)


@models_app.callback()
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models at hand."""
    if context.invoked_subcommand is not None:
        return
    from gmmlabel.mixture import load_model, model_names

    loaded = [load_model(name) for name in model_names()]
    if as_json:
        print_json([_model_document(model) for model in loaded])
        return
    for model in loaded:
        boundaries = ", ".join(map(str, model.boundaries()))
        typer.echo(f"{model.name}  boundaries {boundaries} HU  {(model.sha256 or '')[:12]}")


@models_app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Model by name, or a model file.")],
    as_json: AsJson = False,
) -> None:
    """Show the tissues and boundaries of a model."""
    from gmmlabel.mixture import load_model

    document = _model_document(load_model(name))
    if as_json:
        print_json(document)
        return
    typer.echo(f"{document['name']}  {document['sha256']}")
    typer.echo(f"{'tissue':<16}{'mean HU':>10}{'SD HU':>10}{'weight':>10}")
    for tissue in document["tissues"]:
        deviation = tissue["variance_hu2"] ** 0.5
        typer.echo(
            f"{tissue['tissue']:<16}{tissue['mean_hu']:>10.1f}{deviation:>10.1f}"
            f"{tissue['weight']:>10.4f}"
        )
    typer.echo(f"boundaries {', '.join(map(str, document['boundaries_hu']))} HU")


def _model_document(model: "Mixture") -> dict[str, Any]:
    from gmmlabel.tissues import Tissue

    return {
        "name": model.name,
        "sha256": model.sha256,
        "tissues": [
            {"tissue": tissue.key, "mean_hu": mean, "variance_hu2": variance, "weight": weight}
            for tissue, mean, variance, weight in zip(
                Tissue,
                model.means.tolist(),
                model.variances.tolist(),
                model.weights.tolist(),
                strict=True,
            )
        ],
        "boundaries_hu": model.boundaries(),
    }
