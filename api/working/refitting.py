"""What a worker does with histograms: a model, placed where every request finds it by its name."""

import json
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gmmlabel.case_files import RESULT
from gmmlabel.errors import OutputError
from gmmlabel.fitting.pool import Pool, Weighting, pool_histograms
from gmmlabel.fitting.prior import FREE_FIT, Prior, named_prior
from gmmlabel.fitting.refit import Refit, accept, fit_method, refit
from gmmlabel.histogram import read_histogram
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import (
    CARD_SUFFIX,
    MODEL_SUFFIX,
    place_model,
    read_model,
    user_folder,
    write_model,
)
from gmmlabel.model_schema import tissue_entries

from ..jobs import RefitWanted
from ..problems import refusal
from .labelling import load_same_model
from .order import Order, Tell


def refit_upload(order: Order, wanted: RefitWanted, tell: Tell) -> None:
    """Fit a model to the histograms of a job, write it to its folder, and make it known.

    Parameters
    ----------
    order
        Where the histograms are, and where the results go.
    wanted
        How the model is made, and what it is called.
    tell
        Is told each stage.

    Raises
    ------
    GmmlabelError
        If there is no fit.
    ProblemError
        If the fit is implausible, or the name has been taken.
    """
    tell("read")
    paths = sorted(order.upload.iterdir())
    pool = pool_histograms(
        ((path.stem, read_histogram(path)) for path in paths), Weighting(wanted.weights)
    )
    prior = _prior(wanted, pool)
    tell("fit")
    numbers = fit_method(anchored=prior is not None, seed=wanted.seed)
    fitted = refit(pool, wanted.name, prior=prior, method=numbers)
    tell("write")
    file = write_model(
        _accepted(fitted, wanted, order.job_id), order.case / f"{wanted.name}{MODEL_SUFFIX}"
    )
    model = _publish(file, order.job_id)
    (order.case / RESULT).write_text(json.dumps(_result(model, fitted, pool), indent=1) + "\n")


def _prior(wanted: RefitWanted, pool: Pool) -> Prior | None:
    if wanted.prior != FREE_FIT:
        load_same_model(wanted.prior, wanted.prior_sha256)  # refuses another one
    return named_prior(wanted.prior, pool, patients=wanted.strength_patients)


def _accepted(fitted: Refit, wanted: RefitWanted, job_id: str) -> Mixture:
    if fitted.implausible and not wanted.force:
        raise refusal(
            "implausible",
            f"{'; '.join(fitted.implausible)}; give more patients or a stronger prior, "
            "or keep it with force",
        )
    model = accept(fitted, force=True, by=wanted.by, created=datetime.now(UTC).date())
    return replace(model, training={**model.training, "job": job_id})


def _publish(file: Path, job_id: str) -> Mixture:
    """Put a model where models are found by their names; an earlier one of that name stays.

    If it is of this job, an attempt before was killed just after this point, and its model, which
    may be in use, is the result.
    """
    target = user_folder() / file.name
    if not target.exists():
        with suppress(OutputError):  # if another attempt was faster; whatever else shows below
            place_model(target, file.read_bytes(), file.with_suffix(CARD_SUFFIX).read_bytes())
    try:
        placed = read_model(target)
    except OSError as error:
        raise refusal(
            "internal", "the folder of the models cannot be written; tell who runs the service"
        ) from error
    if placed.training.get("job") != job_id:
        raise refusal("model-exists", f"{file.stem}: a model is called so; choose a new name")
    return placed


def _result(model: Mixture, fitted: Refit, pool: Pool) -> dict[str, Any]:
    """Say what became of a refit; the model file has the rest."""
    return {
        "schema_version": 1,
        "model": {
            "name": model.name,
            "sha256": model.sha256,
            "boundaries_hu": list(model.boundaries(pool.first_hu)),
            "tissues": tissue_entries(model),
            "doubts": list(model.doubts),
        },
        "cases": pool.cases,
        "voxels": pool.voxels,
        "left_out": len(pool.duplicates),
        "drift": asdict(fitted.drift),
    }
