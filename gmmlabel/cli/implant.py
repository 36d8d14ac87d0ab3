"""``gmmlabel implant``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmmlabel.cli.options import AsJson, HuOffset
from gmmlabel.cli.output import print_json, telling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gmmlabel.implants.implant import Implanted
    from gmmlabel.volume import Volume


class Kind(StrEnum):
    """Choices of ``--kind``."""

    GROUND_GLASS = "ground-glass"
    CONSOLIDATION = "consolidation"


class Where(StrEnum):
    """Choices of ``--place``."""

    PLEURA = "pleura"
    CENTRE = "centre"


def implant(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A .nrrd, .nii, .nii.gz or .mha file, a DICOM folder or a .zip of one.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="CT to write: .nrrd, .nii.gz or .mha.")
    ],
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="FILE", help="Label map of the lesions.")
    ] = None,
    kind: Annotated[Kind, typer.Option(help="What to put in.")] = Kind.GROUND_GLASS,
    volume_ml: Annotated[
        float, typer.Option("--volume-ml", min=0.1, help="Volume of each lesion, mL.")
    ] = 20.0,
    place: Annotated[
        Where, typer.Option(help="On the pleura at the ribs, or clear of pleura and hilum.")
    ] = Where.PLEURA,
    count: Annotated[int, typer.Option(min=1, help="How many lesions.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same lesions.")] = 0,
    lungs: Annotated[
        Path | None,
        typer.Option("--lungs", metavar="FILE", help="Lung mask on the grid of the CT."),
    ] = None,
    hu_offset: HuOffset = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put lesions of known shape into a CT of healthy lungs."""
    from gmmlabel.errors import InputError
    from gmmlabel.readers import read_volume
    from gmmlabel.staging import staged
    from gmmlabel.tissues import TISSUE_SEGMENTS
    from gmmlabel.writers import write_label_map, write_volume

    _check_outputs(source, lungs, out, truth, overwrite)
    with telling(f"Reading {source}"):
        volume = read_volume(source, hu_offset=hu_offset)
    with telling(f"Implanting into {source}"):
        try:
            mask = _lungs(volume, lungs)
            made, labels = _implant_all(volume, mask, kind, volume_ml, place, count, seed)
        except InputError as error:
            raise type(error)(f"{source}: {error}") from error
    with telling(f"Writing {out}"):
        with staged(out.parent, [out.name], overwrite=overwrite) as stage:
            write_volume(stage / out.name, made[-1].volume)
        if truth is not None:
            with staged(truth.parent, [truth.name], overwrite=overwrite) as stage:
                write_label_map(stage / truth.name, labels, volume.geometry, TISSUE_SEGMENTS)
    _print_lesions(made, as_json)


def _check_outputs(
    source: Path, lungs: Path | None, out: Path, truth: Path | None, overwrite: bool
) -> None:
    """Refuse outputs that cannot be written, before any work is done for them."""
    from gmmlabel.errors import OutputError
    from gmmlabel.staging import check_writable, refuse_present

    if truth is not None and truth.resolve() == out.resolve():
        raise typer.BadParameter("must be another file than --out", param_hint="--truth")
    for path in (out, truth):
        if path is None:
            continue
        for given in (source, lungs):
            if given is not None and path.resolve().is_relative_to(given.resolve()):
                raise OutputError(f"{path}: would write over the input {given}; give another name")
        if not overwrite:
            refuse_present(path.parent, [path.name])
        check_writable(path.parent)


def _lungs(volume: "Volume", path: Path | None) -> "NDArray[Any]":
    """Read the mask, or find the lungs: over the whole volume."""
    import numpy as np

    from gmmlabel.lungs import find_lungs
    from gmmlabel.masks import read_mask_on
    from gmmlabel.method import METHODS

    if path is not None:
        return read_mask_on(path, volume.geometry)
    found = find_lungs(volume, METHODS["default"])
    whole = np.zeros(volume.hu.shape, np.uint8)
    whole[found.region] = found.mask
    return whole


def _implant_all(
    volume: "Volume",
    lungs: "NDArray[Any]",
    kind: Kind,
    volume_ml: float,
    place: Where,
    count: int,
    seed: int,
) -> "tuple[list[Implanted], NDArray[Any]]":
    """Implant one lesion after the other, each clear of the earlier ones."""
    import numpy as np

    from gmmlabel.implants.implant import implant as implant_one

    made: list[Implanted] = []
    truth = np.zeros(volume.hu.shape, np.uint8)
    for number in range(count):
        lesion = implant_one(
            volume,
            lungs,
            kind=kind.value,
            volume_ml=volume_ml,
            place=place.value,
            seed=seed + number,
            occupied=truth > 0,
        )
        made.append(lesion)
        truth |= lesion.truth
        volume = lesion.volume
    return made, truth


def _print_lesions(made: "list[Implanted]", as_json: bool) -> None:
    lesions = [
        {
            "kind": lesion.kind.value,
            "place": lesion.place.value,
            "volume_ml": round(lesion.volume_ml, 3),
            "centre_mm": [round(value, 1) for value in lesion.centre_mm],
        }
        for lesion in made
    ]
    if as_json:
        print_json({"lesions": lesions})
        return
    for lesion in made:
        x, y, z = lesion.centre_mm
        typer.echo(
            f"{lesion.volume_ml:.1f} mL of {lesion.kind} at the {lesion.place}, "
            f"centre {x:.1f}, {y:.1f}, {z:.1f} mm (LPS)"
        )
