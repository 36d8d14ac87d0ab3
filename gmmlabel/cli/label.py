"""``gmmlabel label`` and ``gmmlabel demo``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gmmlabel.cli.options import (
    DEFAULT_MODEL,
    AsJson,
    Format,
    FormatOption,
    HuOffset,
    MethodName,
    MethodOption,
    ModelOption,
    Out,
    Overwrite,
)
from gmmlabel.cli.output import print_json, telling


def label(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A .nrrd, .nii, .nii.gz or .mha file, a DICOM folder or a .zip of one.",
        ),
    ],
    out: Out,
    model: ModelOption = DEFAULT_MODEL,
    method: MethodOption = MethodName.DEFAULT,
    form: FormatOption = Format.NRRD,
    hu_offset: HuOffset = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Label one chest CT into a case folder."""
    document = _label(source, out, model, method, form, hu_offset, overwrite)
    _print_result(document, out, as_json)


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
        document = _label(
            sample, out, DEFAULT_MODEL, MethodName.DEFAULT, Format.NRRD, 0, overwrite=True
        )
    _print_result(document, out, as_json)


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
    with telling(f"Reading {source}"):
        volume = read_volume(source, hu_offset=hu_offset)
    for note in volume.notes:
        typer.echo(f"gmmlabel: {source}: {note}", err=True)
    with telling(f"Labelling {source}"):
        try:
            labelling = label_volume(volume, mixture, METHODS[method])
        except InputError as error:
            raise type(error)(f"{source}: {error}") from error
    with telling(f"Writing {out}"):
        return write_case(labelling, out, form=form, overwrite=overwrite)


def _print_result(document: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        print_json(document)
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
