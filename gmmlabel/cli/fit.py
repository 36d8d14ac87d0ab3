"""``gmmlabel fit``."""

import json
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
from gmmlabel.cli.output import print_json, print_tissues, telling

if TYPE_CHECKING:
    from gmmlabel.fitting.drift import Drift
    from gmmlabel.mixture import Mixture


def fit(
    inputs: Inputs,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Model file to write: NAME.json.")
    ],
    prior: PriorOption = DEFAULT_MODEL,
    strength_patients: StrengthPatients = DEFAULT_STRENGTH,
    strength_voxels: StrengthVoxels = None,
    weights: WeightsOption = Weights.VOXELS,
    method: MethodOption = MethodName.DEFAULT,
    starts: StartsOption = 6,
    seed: SeedOption = 0,
    tolerance: ToleranceOption = None,
    iterations: IterationsOption = None,
    by: Annotated[str | None, typer.Option(help="Who fits it, for the model file.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Save an implausible model, marked as such.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier model and its card.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Refit the mixture to other patients, and save it as a model."""
    from datetime import UTC, datetime

    from gmmlabel.errors import OutputError
    from gmmlabel.fitting.pool import Weighting, pool_histograms
    from gmmlabel.fitting.prior import named_prior
    from gmmlabel.fitting.refit import accept, fit_method, refit
    from gmmlabel.gathering import gather_histograms
    from gmmlabel.method import METHODS
    from gmmlabel.model_files import CARD_SUFFIX, model_name_of, write_model
    from gmmlabel.staging import check_writable, refuse_present

    name = model_name_of(out)
    if out.resolve() in {path.resolve() for path in (Path(prior), *inputs)}:
        raise OutputError(f"{out}: would write over what the fit is made from; give another --out")
    if not overwrite:
        refuse_present(out.parent, [out.name, out.with_suffix(CARD_SUFFIX).name])
    check_writable(out.parent)
    with telling("Counting lungs"):
        histograms = gather_histograms(inputs, METHODS[method])
        pool = pool_histograms(histograms, Weighting(weights.value))
    if pool.duplicates:
        typer.echo(
            f"gmmlabel: {len(pool.duplicates)} left out, the same input was there before: "
            f"{', '.join(pool.duplicates[:3])}{', ...' if pool.duplicates[3:] else ''}",
            err=True,
        )
    known = named_prior(prior, pool, patients=strength_patients, voxels=strength_voxels)
    numbers = fit_method(
        anchored=known is not None,
        starts=starts,
        seed=seed,
        tolerance=tolerance,
        iterations=iterations,
    )
    with telling("Fitting"):
        fitted = refit(pool, name, prior=known, method=numbers)
    if not as_json:
        _print_model(fitted.model, fitted.drift)
    model = accept(fitted, force=force, by=by, created=datetime.now(UTC).date())
    write_model(model, out, overwrite=overwrite)
    if as_json:
        print_json(json.loads(out.read_bytes()))
    else:
        for reason in model.doubts:
            typer.echo(f"implausible: {reason}")
        typer.echo(f"Model: {out}")


def _print_model(model: "Mixture", drift: "Drift") -> None:
    cases, voxels = model.training["cases"], model.training["voxels"]
    typer.echo(f"{cases:,} {'case' if cases == 1 else 'cases'}, {voxels:,} lung voxels")
    print_tissues(model)
    typer.echo(f"boundaries {', '.join(map(str, drift.boundaries_hu))} HU")
    moved = (
        "not as many as before"
        if drift.moved_hu is None
        else "moved by " + ", ".join(f"{hu:+d}" for hu in drift.moved_hu) + " HU"
    )
    typer.echo(
        f"against {drift.against}: boundaries {moved}; {drift.changed_percent:.1f} % of these "
        "voxels change their label"
    )
