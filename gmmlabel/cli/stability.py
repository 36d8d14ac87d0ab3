"""``gmmlabel stability``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmmlabel.cli.options import (
    DEFAULT_MODEL,
    DEFAULT_STRENGTH,
    AsJson,
    Inputs,
    IterationsOption,
    MethodName,
    MethodOption,
    PriorOption,
    SeedOption,
    StartsOption,
    StrengthPatients,
    StrengthVoxels,
    ToleranceOption,
    Weights,
    WeightsOption,
)
from gmmlabel.cli.output import print_json, telling

if TYPE_CHECKING:
    from gmmlabel.fitting.stability import Stability


def stability(
    inputs: Inputs,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Where tables, picture and page are to go."),
    ],
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Patients in a fold: 10,20,30,... unless given. All are always one more.",
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Folds of each size.")] = 3,
    within: Annotated[
        float,
        typer.Option(
            min=0, metavar="HU", help="Stable is a boundary that is so near to that of all."
        ),
    ] = 10.0,
    prior: PriorOption = DEFAULT_MODEL,
    strength_patients: StrengthPatients = DEFAULT_STRENGTH,
    strength_voxels: StrengthVoxels = None,
    weights: WeightsOption = Weights.VOXELS,
    method: MethodOption = MethodName.DEFAULT,
    seed: SeedOption = 0,
    starts: StartsOption = 6,
    tolerance: ToleranceOption = None,
    iterations: IterationsOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier experiment.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fit the mixture to folds of growing size, and say from which on it is stable."""
    from functools import partial

    from gmmlabel.fitting.folds import Experiment
    from gmmlabel.fitting.pool import Weighting
    from gmmlabel.fitting.prior import FREE_FIT, named_prior
    from gmmlabel.fitting.refit import fit_method
    from gmmlabel.fitting.stability import measure_stability
    from gmmlabel.gathering import gather_histograms
    from gmmlabel.method import METHODS
    from gmmlabel.pages.stability_page import PAGE, STABILITY_FILES, write_stability
    from gmmlabel.staging import check_writable, refuse_present

    experiment = Experiment(_numbers(sizes), draws, seed, within, Weighting(weights.value))
    anchor = partial(named_prior, prior, patients=strength_patients, voxels=strength_voxels)
    numbers = fit_method(
        anchored=prior != FREE_FIT,
        starts=starts,
        seed=seed,
        tolerance=tolerance,
        iterations=iterations,
    )
    if not overwrite:
        refuse_present(out, STABILITY_FILES)
    check_writable(out)
    with telling("Counting lungs"):
        histograms = list(gather_histograms(inputs, METHODS[method]))
    with telling("Fitting folds"):
        found = measure_stability(histograms, experiment, prior=anchor, method=numbers)
    for label in found.duplicates:
        typer.echo(f"gmmlabel: {label}: left out, the same input was there before", err=True)
    with telling(f"Writing {out}"):
        write_stability(found, out, overwrite=overwrite)
    if as_json:
        print_json(found.document())
    else:
        _print_sizes(found)
        typer.echo(f"Page, tables and picture: {out / PAGE}")


def _numbers(sizes: str | None) -> tuple[int, ...] | None:
    if sizes is None:
        return None
    try:
        return tuple(int(size) for size in sizes.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"'{sizes}' are no whole numbers with commas between", param_hint="--sizes"
        ) from None


def _print_sizes(stability: "Stability") -> None:
    typer.echo(f"{'patients':>8}{'draws':>8}{'implausible':>13}{'farthest HU':>13}{'prior %':>9}")
    for size in stability.sizes:
        farthest = "-" if size.farthest_hu is None else size.farthest_hu
        typer.echo(
            f"{size.patients:>8}{size.draws:>8}{size.implausible:>13}{farthest:>13}"
            f"{size.prior_percent:>9.0f}"
        )
    for sentence in (stability.verdict, *stability.reservations):
        typer.echo(sentence)
