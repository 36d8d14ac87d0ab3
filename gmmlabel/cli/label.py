"""``gmmlabel label`` and ``gmmlabel demo``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmmlabel.cli.options import (
    DEFAULT_MODEL,
    AsJson,
    Format,
    FormatOption,
    HuOffset,
    LungmaskWeights,
    LungsFile,
    MethodName,
    MethodOption,
    ModelOption,
    Out,
    Overwrite,
    SegmenterName,
    SegmenterOption,
)
from gmmlabel.cli.output import print_json, telling

if TYPE_CHECKING:
    from gmmlabel.segmenters import Segmenter


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
    lungs: LungsFile = None,
    segmenter: SegmenterOption = SegmenterName.THRESHOLD,
    lungmask_weights: LungmaskWeights = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Label one chest CT into a case folder."""
    from gmmlabel.segmenters import MaskFile, named_segmenter

    if lungs and (segmenter is not SegmenterName.THRESHOLD or lungmask_weights):
        raise typer.BadParameter("takes the place of a segmenter", param_hint="--lungs")
    finder = MaskFile(lungs) if lungs else named_segmenter(segmenter, lungmask_weights)
    inputs = [source, lungs] if lungs else [source]
    document = _label(inputs, out, model, method, form, hu_offset, overwrite, finder)
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
        document = _label([sample], out, overwrite=True)
    _print_result(document, out, as_json)


def _label(
    inputs: list[Path],
    out: Path,
    model: str = DEFAULT_MODEL,
    method: MethodName = MethodName.DEFAULT,
    form: Format = Format.NRRD,
    hu_offset: int = 0,
    overwrite: bool = False,
    segmenter: "Segmenter | None" = None,
) -> dict[str, Any]:
    """Label the first of the inputs; nothing is written over any of them."""
    from gmmlabel.case import check_case_folder, write_case
    from gmmlabel.errors import InputError
    from gmmlabel.method import METHODS
    from gmmlabel.model_files import load_model
    from gmmlabel.pipeline import label_volume
    from gmmlabel.readers import read_volume

    mixture, source = load_model(model), inputs[0]
    check_case_folder(out, inputs, form=form, overwrite=overwrite)
    with telling(f"Reading {source}"):
        volume = read_volume(source, hu_offset=hu_offset)
    for note in volume.notes:
        typer.echo(f"gmmlabel: {source}: {note}", err=True)
    with telling(f"Labelling {source}"):
        try:
            labelling = label_volume(volume, mixture, METHODS[method], lungs=segmenter)
        except InputError as error:
            raise type(error)(f"{source}: {error}") from error
    with telling(f"Writing {out}"):
        return write_case(labelling, out, form=form, overwrite=overwrite)


def _print_result(document: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    involvement, opacity = document["involvement"], document["opacity"]
    if opacity:
        typer.echo(
            f"Opacity {opacity['percent']:.1f} % of lung, {opacity['volume_ml']:,.0f} mL, "
            f"{opacity['high_opacity_percent']:.1f} % denser than -200 HU"
        )
    typer.echo(
        f"Lung involvement {involvement['percent']:.1f} %, score {involvement['score']} of 0-5"
    )
    typer.echo(f"{'':<24}{'mL':>8}{'% of lung':>12}")
    typer.echo(f"{'Lungs':<24}{document['lungs']['volume_ml']:>8,.0f}")
    for side in ("right", "left"):
        typer.echo(f"{'  ' + side:<24}{document['regions'][side]['volume_ml']:>8,.0f}")
    for name, measure in document["tissues"].items():
        title = name.replace("_", " ").capitalize()
        typer.echo(f"  {title:<22}{measure['volume_ml']:>8,.0f}{measure['percent']:>12.1f}")
    for flag in document["quality"]:
        typer.echo(f"{flag['flag']}: {flag['message']}")
    typer.echo(f"Report: {out / 'report.html'}")
