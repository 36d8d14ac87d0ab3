"""The command line: parsing and printing only.

Nothing but typer is imported before a command runs, so that ``--help`` answers at once.
"""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gmmlabel.mixture import Mixture

app = typer.Typer(
    name="gmmlabel",
    help="Label the lung tissue of a chest CT. For research, not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="The models at hand.", invoke_without_command=True)
app.add_typer(models_app, name="models")


class MethodName(StrEnum):
    """Choices of ``--method``."""

    DEFAULT = "default"
    PUBLISHED = "published"


class Format(StrEnum):
    """Choices of ``--format``."""

    NRRD = "nrrd"
    SEG_NRRD = "seg.nrrd"
    NII_GZ = "nii.gz"
    MHA = "mha"


_MODEL = "zaffino2021"

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Case folder to write.")]
ModelOption = Annotated[
    str, typer.Option("--model", metavar="NAME|FILE", help="Model by name, or a model file.")
]
MethodOption = Annotated[MethodName, typer.Option("--method", help="Numbers of the pipeline.")]
FormatOption = Annotated[Format, typer.Option("--format", help="Format of the label maps.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier case.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
HuOffset = Annotated[
    int,
    typer.Option("--hu-offset", help="Add to every value; -1024 mends a CT that lost its offset."),
]


@app.callback(
    invoke_without_command=True,
    epilog="Add --debug to any command to see the traceback of an error.",
)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"gmmlabel {installed('gmmlabel')}")


@app.command()
def label(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A .nrrd, .nii, .nii.gz or .mha file, a DICOM folder or a .zip of one.",
        ),
    ],
    out: Out,
    model: ModelOption = _MODEL,
    method: MethodOption = MethodName.DEFAULT,
    form: FormatOption = Format.NRRD,
    hu_offset: HuOffset = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Label one chest CT into a case folder."""
    document = _label(source, out, model, method, form, hu_offset, overwrite)
    _print_result(document, out, as_json)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Case folder to write.")] = Path(
        "gmmlabel-demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Label a sample chest CT that comes with the install.

    It is the CTChest scan of 3D Slicer at a quarter of its resolution, as the package slicerio
    carries it.
    """
    from importlib.resources import as_file, files

    with as_file(files("slicerio").joinpath("data", "CTChest4.nrrd")) as sample:
        document = _label(sample, out, _MODEL, MethodName.DEFAULT, Format.NRRD, 0, overwrite=True)
    _print_result(document, out, as_json)


@app.command()
def phantom(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="CT to write: .nrrd, .nii.gz or .mha.")
    ],
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="FILE", help="Label map of the true tissues.")
    ] = None,
    size: Annotated[tuple[int, int, int], typer.Option(help="Voxels along x, y and z.")] = (
        256,
        256,
        160,
    ),
    spacing: Annotated[
        tuple[float, float, float], typer.Option(help="Voxel spacing along x, y and z, in mm.")
    ] = (1.4, 1.4, 2.0),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same chest.")] = 0,
    noise: Annotated[float, typer.Option(min=0.0, help="Standard deviation of noise, HU.")] = 25.0,
    lesions: Annotated[bool, typer.Option(help="With ground glass and consolidation.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier files.")] = False,
) -> None:
    """Make a synthetic chest CT with known tissues."""
    from gmmlabel.phantom import make_phantom
    from gmmlabel.staging import staged
    from gmmlabel.tissues import TISSUE_SEGMENTS
    from gmmlabel.writers import write_label_map, write_volume

    if truth is not None and truth.resolve() == out.resolve():
        raise typer.BadParameter("must be another file than --out", param_hint="--truth")
    made = make_phantom(size, spacing, seed=seed, noise_hu=noise, lesions=lesions)
    with staged(out.parent, [out.name], overwrite=overwrite) as stage:
        write_volume(stage / out.name, made.volume)
    if truth is not None:
        with staged(truth.parent, [truth.name], overwrite=overwrite) as stage:
            write_label_map(stage / truth.name, made.truth, made.volume.geometry, TISSUE_SEGMENTS)


@models_app.callback()
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models at hand."""
    if context.invoked_subcommand is not None:
        return
    from gmmlabel.mixture import load_model, model_names

    loaded = [load_model(name) for name in model_names()]
    if as_json:
        _print_json([_model_document(model) for model in loaded])
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
        _print_json(document)
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


def _label(
    source: Path,
    out: Path,
    model: str,
    method: MethodName,
    form: Format,
    hu_offset: int,
    overwrite: bool,
) -> dict[str, Any]:
    from gmmlabel.case import check_case_folder, write_case
    from gmmlabel.errors import InputError
    from gmmlabel.method import METHODS
    from gmmlabel.mixture import load_model
    from gmmlabel.pipeline import label_volume
    from gmmlabel.readers import read_volume

    mixture = load_model(model)
    check_case_folder(out, source, form=form, overwrite=overwrite)
    with _telling(f"Reading {source}"):
        volume = read_volume(source, hu_offset=hu_offset)
    for note in volume.notes:
        typer.echo(f"gmmlabel: {source}: {note}", err=True)
    with _telling(f"Labelling {source}"):
        try:
            labelling = label_volume(volume, mixture, METHODS[method])
        except InputError as error:
            raise type(error)(f"{source}: {error}") from error
    with _telling(f"Writing {out}"):
        return write_case(labelling, out, form=form, overwrite=overwrite)


def _print_result(document: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        _print_json(document)
        return
    involvement = document["involvement"]
    typer.echo(
        f"Lung involvement {involvement['percent']:.1f} %, score {involvement['score']} of 0-5"
    )
    typer.echo(f"{'':<24}{'mL':>8}{'% of lung':>12}")
    typer.echo(f"{'Lungs':<24}{document['lungs']['volume_ml']:>8,.0f}")
    for name, measure in document["tissues"].items():
        title = name.replace("_", " ").capitalize()
        typer.echo(f"  {title:<22}{measure['volume_ml']:>8,.0f}{measure['percent']:>12.1f}")
    typer.echo(f"Pictures and label maps: {out / 'preview.png'}")


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


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2))


def _telling(stage: str) -> AbstractContextManager[object]:
    """Show on stderr what is being done, if somebody is watching."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(stage)


def main() -> None:
    """Run the command line: exit status 0 done, 1 the work failed, 2 wrong usage."""
    from gmmlabel.errors import GmmlabelError

    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(args=arguments, prog_name="gmmlabel")
    except Exception as error:
        if len(arguments) < len(sys.argv) - 1:
            raise
        if isinstance(error, GmmlabelError):
            message = str(error)
        elif isinstance(error, MemoryError):
            message = "not enough memory; label on a machine with more, or crop the CT"
        else:
            message = f"unexpected {error!r}; run again with --debug and report what it shows"
        typer.echo(f"gmmlabel: error: {' '.join(message.split())}", err=True)
        sys.exit(1)
