"""How the fitted mixture moves with the number of patients that it is fitted to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gmmlabel.fitting.folds import Experiment, Fold, PriorOf, fit_folds
from gmmlabel.fitting.pool import distinct, pool_histograms
from gmmlabel.fitting.refit import ANCHORED, FREE, FitMethod
from gmmlabel.histogram import LungHistogram
from gmmlabel.tissues import Tissue

PARAMETERS = ("mean_hu", "sd_hu", "weight", "upper_boundary_hu")
"""What is told of each tissue of a fit; the boundary is the first HU of the next tissue."""

COLUMNS = (
    "patients",
    "draw",
    "tissue",
    *PARAMETERS,
    "cases",
    "voxels",
    "prior_percent",
    "iterations",
    "implausible",
)
"""Columns of ``stability.csv``: a row for each fold and tissue."""

SPREAD_COLUMNS = (
    "patients",
    "tissue",
    "draws",
    *(f"{name}_{kind}" for name in PARAMETERS for kind in ("mean", "sd", "low", "high")),
)
"""Columns of ``spread.csv``: a row for each fold size and tissue."""

_PRIOR_RULES = 50.0  # percent of a fit from which the prior outweighs the patients
_DIGITS = 6


@dataclass(frozen=True)
class SizeSummary:
    """All folds of one size.

    Parameters
    ----------
    patients
        The size.
    draws, implausible
        Folds, and those of them whose fit is implausible.
    farthest_hu
        Largest distance of a boundary of a fold from that of all patients; None if a fold, or the
        fit to all, lacks a boundary.
    within
        Whether the distance is within the bound.
    prior_percent
        Share of the prior in the fits, in the mean.
    """

    patients: int
    draws: int
    implausible: int
    farthest_hu: int | None
    within: bool
    prior_percent: float


@dataclass(frozen=True, eq=False)
class Stability:
    """The fits to all folds.

    Parameters
    ----------
    experiment
        How they were made.
    prior
        Name of the prior's model, or ``none``.
    folds
        From the smallest to the one of all patients.
    duplicates
        Labels of the histograms that were left out, because the same input was there before.
    """

    experiment: Experiment
    prior: str
    folds: tuple[Fold, ...]
    duplicates: tuple[str, ...] = ()

    @property
    def whole(self) -> Fold:
        """The fit to all patients."""
        return self.folds[-1]

    @property
    def by_size(self) -> dict[int, list[Fold]]:
        """The folds of each size, in order of size."""
        sizes: dict[int, list[Fold]] = {}
        for fold in self.folds:
            sizes.setdefault(fold.patients, []).append(fold)
        return sizes

    @cached_property
    def sizes(self) -> tuple[SizeSummary, ...]:
        """A summary of each fold size."""
        return tuple(self._summary(size, folds) for size, folds in self.by_size.items())

    @property
    def stable_from(self) -> int | None:
        """Smallest size at which, and at every larger one, all boundaries are within the bound.

        None if there is no such size below all patients.
        """
        stable = None
        for size in reversed(self.sizes[:-1]):
            if not size.within:
                break
            stable = size.patients
        return stable

    @property
    def verdict(self) -> str:
        """Whether, and from which size on, the boundaries are stable, as a sentence."""
        everyone, bound = self.whole.patients, f"{self.experiment.within_hu:g} HU"
        if self.stable_from is not None:
            first = "1 patient" if self.stable_from == 1 else f"{self.stable_from} patients"
            return (
                f"Stable from {first} on: in each fold of so many or more, every boundary is "
                f"within {bound} of that fitted to all {everyone}."
            )
        largest = self.sizes[-2]
        if self.whole.boundaries_hu is None:
            reason = "the labels of the fit to all of them do not run through the five tissues"
        elif largest.farthest_hu is None:
            reason = f"a fit to {largest.patients} does not label the five tissues in their order"
        else:
            reason = (
                f"at {largest.patients} a boundary is still {largest.farthest_hu} HU from that "
                f"fitted to all, more than {bound}"
            )
        return f"Not stable within these {everyone} patients: {reason}."

    @property
    def reservations(self) -> tuple[str, ...]:
        """What takes weight from the verdict, as sentences; nothing if nothing does."""
        sentences = []
        if self.whole.implausible:
            reasons = "; ".join(self.whole.implausible)
            sentences.append(
                f"The fit to all patients, the measure of the folds, is implausible: {reasons}."
            )
        for size in self.sizes:
            if size.patients != self.stable_from:
                continue
            if 2 * size.patients > self.whole.patients:
                sentences.append(
                    "Folds of so many share more than half of their patients, so it says little "
                    "about others."
                )
            if size.prior_percent >= _PRIOR_RULES:
                sentences.append(
                    f"The prior is {size.prior_percent:.0f} % of the fits to {size.patients}, so "
                    "it is the prior that is stable there."
                )
        return tuple(sentences)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Make the rows of ``stability.csv``; a boundary that is not there is None."""
        for fold in self.folds:
            shared = {
                "patients": fold.patients,
                "draw": fold.draw,
                "cases": fold.cases,
                "voxels": fold.voxels,
                "prior_percent": fold.prior_percent,
                "iterations": fold.iterations,
                "implausible": "; ".join(fold.implausible) or None,
            }
            for tissue in Tissue:
                row = shared | {"tissue": tissue.key} | _parameters(fold, tissue)
                yield {name: _rounded(row[name]) for name in COLUMNS}

    def spread_rows(self) -> Iterator[dict[str, Any]]:
        """Make the rows of ``spread.csv``: mean, sample SD, lowest and highest over the draws."""
        for size, folds in self.by_size.items():
            for tissue in Tissue:
                row: dict[str, Any] = {"patients": size, "tissue": tissue.key, "draws": len(folds)}
                found = [_parameters(fold, tissue) for fold in folds]
                for name in PARAMETERS:
                    for kind, value in _spread([each[name] for each in found]).items():
                        row[f"{name}_{kind}"] = _rounded(value)
                yield row

    def document(self) -> dict[str, Any]:
        """Make one JSON document of everything; what is not defined is null."""
        return {
            "schema_version": 1,
            "patients": self.whole.patients,
            "cases": self.whole.cases,
            "voxels": self.whole.voxels,
            "prior": self.prior,
            "weights": self.experiment.weighting.value,
            "draws": self.experiment.draws,
            "seed": self.experiment.seed,
            "within_hu": self.experiment.within_hu,
            "stable_from": self.stable_from,
            "verdict": self.verdict,
            "reservations": list(self.reservations),
            "sizes": [
                {name: _rounded(value) for name, value in asdict(size).items()}
                for size in self.sizes
            ],
            "folds": list(self.rows()),
            "spread": list(self.spread_rows()),
            "duplicates": list(self.duplicates),
        }

    def _summary(self, size: int, folds: Sequence[Fold]) -> SizeSummary:
        farthest = _farthest(folds, self.whole)
        return SizeSummary(
            size,
            len(folds),
            sum(bool(fold.implausible) for fold in folds),
            farthest,
            farthest is not None and farthest <= self.experiment.within_hu,
            sum(fold.prior_percent for fold in folds) / len(folds),
        )


def measure_stability(
    histograms: Iterable[tuple[str, LungHistogram]],
    experiment: Experiment | None = None,
    *,
    prior: PriorOf,
    method: FitMethod | None = None,
) -> Stability:
    """Fit the mixture to folds of growing size.

    The patients are put in an order of their content before they are drawn, so that of the inputs
    does not matter.

    Parameters
    ----------
    histograms
        What to call each in messages, and the histogram of the patient. One of the same input as
        another is left out. All are held in memory.
    experiment
        What to draw; the published experiment unless given.
    prior
        Makes the prior of each fold.
    method
        The numbers of each fit; `ANCHORED` or `FREE`, with the seed of the experiment, unless
        given.

    Raises
    ------
    InputError
        If the patients are too few for the sizes, or of different methods.
    """
    experiment = experiment or Experiment()
    patients, duplicates = distinct(histograms)
    patients.sort(key=lambda it: (it[1].fingerprint, it[1].counts.tobytes()))
    known = prior(pool_histograms(patients, experiment.weighting))
    numbers = method or replace(ANCHORED if known else FREE, seed=experiment.seed)
    folds = tuple(fit_folds(patients, experiment, prior, numbers))
    return Stability(experiment, known.model.name if known else "none", folds, duplicates)


def _farthest(folds: Sequence[Fold], whole: Fold) -> int | None:
    boundaries = [fold.boundaries_hu for fold in folds if fold.boundaries_hu]
    if whole.boundaries_hu is None or len(boundaries) < len(folds):
        return None
    return int(np.abs(np.subtract(boundaries, whole.boundaries_hu)).max())


def _parameters(fold: Fold, tissue: Tissue) -> dict[str, float | int | None]:
    at = tissue - Tissue.AIR
    boundaries = fold.boundaries_hu or ()
    return {
        "mean_hu": float(fold.mixture.means[at]),
        "sd_hu": float(fold.mixture.variances[at] ** 0.5),
        "weight": float(fold.mixture.weights[at]),
        "upper_boundary_hu": boundaries[at] if at < len(boundaries) else None,
    }


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean, SD and range of what is known; the SD of one value is not."""
    known = np.array([value for value in values if value is not None])
    some, several = len(known) > 0, len(known) > 1
    return {
        "mean": float(known.mean()) if some else None,
        "sd": float(known.std(ddof=1)) if several else None,
        "low": float(known.min()) if some else None,
        "high": float(known.max()) if some else None,
    }


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
