"""``gmmlabel phantom``."""

from pathlib import Path
from typing import Annotated

import typer


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
