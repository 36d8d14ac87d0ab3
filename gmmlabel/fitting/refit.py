"""A refit of the mixture, from histograms to a model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np

from gmmlabel.errors import InputError, ModelError
from gmmlabel.fitting.drift import Drift, measure_drift
from gmmlabel.fitting.expectation import Maximum, maximise
from gmmlabel.fitting.plausibility import implausible
from gmmlabel.fitting.pool import Bins, Pool
from gmmlabel.fitting.prior import Prior
from gmmlabel.fitting.starts import k_means_starts
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.tissues import Tissue


@dataclass(frozen=True)
class FitMethod:
    """Every number of a fit.

    Parameters
    ----------
    starts
        Starts from k-means; the prior's own parameters are one more start.
    tolerance
        EM stops when a step raises the objective, in nats per voxel, by less.
    iterations
        Most steps.
    seed
        The starts follow from it.
    """

    starts: int = 6
    tolerance: float = 1e-9
    iterations: int = 10_000
    seed: int = 0


ANCHORED = FitMethod()
"""Of a fit with a prior: it stops where the answer no longer depends on where it stops."""

FREE = FitMethod(tolerance=1e-3, iterations=100)
"""Of a fit without a prior, as published."""


def fit_method(
    *,
    anchored: bool,
    starts: int = 6,
    seed: int = 0,
    tolerance: float | None = None,
    iterations: int | None = None,
) -> FitMethod:
    """Fill in the usual numbers of a fit, with a prior or without, where None is given."""
    usual = ANCHORED if anchored else FREE
    return FitMethod(
        starts,
        usual.tolerance if tolerance is None else tolerance,
        usual.iterations if iterations is None else iterations,
        seed,
    )


@dataclass(frozen=True, eq=False)
class Refit:
    """A fitted mixture and what to know of it.

    Parameters
    ----------
    model
        The mixture; its training tells how it was fitted.
    maximum
        Where EM stopped, from the best of the starts.
    objectives
        Of each start: the prior's own first, if there is one, then those of k-means.
    implausible
        Why the mixture is not one of the five tissues; nothing if it is.
    drift
        How far it moved from the model before.
    """

    model: Mixture
    maximum: Maximum
    objectives: tuple[float, ...]
    implausible: tuple[str, ...]
    drift: Drift


def refit(
    pool: Pool,
    name: str,
    *,
    prior: Prior | None,
    method: FitMethod | None = None,
    before: Mixture | None = None,
) -> Refit:
    """Fit the mixture to a pool of histograms.

    Parameters
    ----------
    pool
        The histograms, added up.
    name
        What to call the model.
    prior
        What is known before; None for a free fit.
    method
        The numbers of the fit; `ANCHORED` or `FREE` unless given.
    before
        The model that drift is measured from; the prior's, or the published one, unless given.

    Raises
    ------
    InputError
        If fewer values occur than there are tissues.
    """
    method = method or (ANCHORED if prior else FREE)
    bins = pool.bins
    if len(bins.hu) < len(Tissue):
        raise InputError(
            f"only {len(bins.hu)} values of HU occur in the lungs; five tissues need more"
        )
    before = before or (prior.model if prior else load_model())
    maxima = [
        maximise(start, bins, prior, tolerance=method.tolerance, iterations=method.iterations)
        for start in _starts(bins, prior, method)
    ]
    best = max(maxima, key=lambda maximum: maximum.objective)
    reasons = implausible(best, pool.first_hu)
    model = replace(best.mixture, name=name, sha256=None, citation=before.citation)
    drift = measure_drift(model, before, pool)
    training = _training(pool, prior, method, best, drift)
    return Refit(
        replace(model, training=training),
        best,
        tuple(maximum.objective for maximum in maxima),
        reasons,
        drift,
    )


def accept(
    refit: Refit, *, force: bool = False, by: str | None = None, created: date | None = None
) -> Mixture:
    """Take the model of a refit, if it is plausible.

    Parameters
    ----------
    refit
        The refit.
    force
        Take it in any case, marked with what speaks against it.
    by, created
        Who fitted it and when, for the model file.

    Raises
    ------
    ModelError
        If it is implausible, and `force` is False.
    """
    training = dict(refit.model.training)
    if by:
        training["by"] = by
    if created:
        training["created"] = created.isoformat()
    if refit.implausible:
        if not force:
            raise ModelError(
                f"{refit.model.name}: refused, {'; '.join(refit.implausible)}; give more patients "
                "or a stronger prior, or save it marked as implausible with --force"
            )
        training["implausible"] = list(refit.implausible)
    return replace(refit.model, training=training)


def _starts(bins: Bins, prior: Prior | None, method: FitMethod) -> Iterator[Mixture]:
    if prior:
        yield prior.model
    yield from k_means_starts(bins, method.starts, method.seed)


def _training(
    pool: Pool, prior: Prior | None, method: FitMethod, maximum: Maximum, drift: Drift
) -> dict[str, Any]:
    """Tell in the model file how the model came about."""
    known: Any = "none"
    if prior:
        model = prior.model
        known = {"name": model.name, "sha256": model.sha256, "strength_voxels": prior.strength}
    return {
        "cases": pool.cases,
        "voxels": pool.voxels,
        "weights": pool.weighting.value,
        "method": dict(pool.method),
        "prior": known,
        "seed": method.seed,
        "starts": method.starts,
        "tolerance": method.tolerance,
        "iterations": maximum.iterations,
        "converged": maximum.converged,
        "log_likelihood": maximum.log_likelihood,
        "drift": {
            "against": drift.against,
            "boundaries_moved_hu": drift.moved_hu,
            "changed_percent": drift.changed_percent,
        },
        "software": f"gmmlabel {version('gmmlabel')}",
        "histogram": {
            "first_hu": pool.first_hu,
            "counts": np.rint(np.trim_zeros(pool.counts, "b")).astype(np.int64).tolist(),
        },
    }
