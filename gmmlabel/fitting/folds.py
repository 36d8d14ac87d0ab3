"""Folds of patients, and the mixture fitted to each.

As in Zaffino et al. 2021, Bioengineering 8(2):26: folds of 10, 20, 30, ... patients are drawn at
random, three of each size.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmmlabel.errors import InputError
from gmmlabel.fitting.pool import Pool, Weighting, pool_histograms
from gmmlabel.fitting.prior import Prior
from gmmlabel.fitting.refit import FitMethod, refit
from gmmlabel.histogram import LungHistogram
from gmmlabel.mixture import Mixture
from gmmlabel.tissues import Tissue

SIZE_STEP = 10
"""Fold sizes are multiples of it unless they are given."""

Patient = tuple[str, LungHistogram]
"""What to call a patient in messages, and the histogram."""

PriorOf = Callable[[Pool], Prior | None]
"""Makes the prior of a fit to a pool of patients; None for a free fit."""


@dataclass(frozen=True)
class Experiment:
    """What is drawn and fitted, and what counts as stable.

    Parameters
    ----------
    sizes
        Patients in a fold; multiples of `SIZE_STEP` unless given. All patients are always one
        more.
    draws
        Folds of each size. There is one of all patients.
    seed
        Draws, and the starts of the fits, follow from it.
    within_hu
        How far a boundary may be from that of all patients.
    weighting
        How much each patient counts.
    """

    sizes: tuple[int, ...] | None = None
    draws: int = 3
    seed: int = 0
    within_hu: float = 10.0
    weighting: Weighting = Weighting.VOXELS


@dataclass(frozen=True, eq=False)
class Fold:
    """The fit to one draw of patients.

    Parameters
    ----------
    patients
        How many were drawn. A histogram of several cases is drawn as one patient.
    draw
        Which of the draws of this size, from 1.
    mixture
        What was fitted.
    boundaries_hu
        The four HU at which the label changes; None if labels do not run through the five tissues
        in their order.
    cases, voxels
        How many were fitted to.
    prior_percent
        Share of the prior in all voxels of the fit, its own and those of the patients.
    iterations
        Steps of the fit.
    implausible
        Why the mixture is not one of the five tissues; nothing if it is.
    """

    patients: int
    draw: int
    mixture: Mixture
    boundaries_hu: tuple[int, ...] | None
    cases: int
    voxels: int
    prior_percent: float
    iterations: int
    implausible: tuple[str, ...]


def fit_folds(
    patients: Sequence[Patient], experiment: Experiment, prior: PriorOf, method: FitMethod
) -> Iterator[Fold]:
    """Fit the mixture to folds of growing size, the last of all patients.

    Each draw follows from seed, size and its number alone, so other sizes and more draws leave it
    as it is. Every fit is one of `gmmlabel.fitting.refit.refit`.

    Parameters
    ----------
    patients
        In an order that does not depend on how they were given; no input twice.
    experiment
        What to draw.
    prior
        Makes the prior of each fold.
    method
        The numbers of each fit.

    Raises
    ------
    InputError
        If the patients are too few for the sizes.
    """
    for size in fold_sizes(len(patients), experiment.sizes)[:-1]:
        for draw in range(1, experiment.draws + 1):
            yield _fit(_draw(patients, size, draw, experiment), size, draw, prior, method)
    everyone = pool_histograms(patients, experiment.weighting)
    yield _fit(everyone, len(patients), 1, prior, method)


def fold_sizes(patients: int, sizes: Sequence[int] | None = None) -> tuple[int, ...]:
    """List the fold sizes, in their order; the last is all patients.

    Parameters
    ----------
    patients
        How many there are.
    sizes
        The sizes; multiples of `SIZE_STEP` unless given.

    Raises
    ------
    InputError
        If no size is below the number of patients, or one is above it or no size.
    """
    if sizes is None:
        smaller = set(range(SIZE_STEP, patients, SIZE_STEP))
        if not smaller:
            raise InputError(
                f"folds of {SIZE_STEP}, {2 * SIZE_STEP}, ... need at least {SIZE_STEP + 1} "
                f"patients and there {'is' if patients == 1 else 'are'} {patients}; give more, or "
                "smaller folds with --sizes"
            )
    else:
        for size in sizes:
            if not 1 <= size <= patients:
                raise InputError(
                    f"a fold of {size} cannot be drawn from {patients} patients; give --sizes "
                    f"from 1 to {patients - 1}"
                )
        smaller = set(sizes) - {patients}
        if not smaller:
            raise InputError(
                f"there is no fold smaller than all {patients} patients; give --sizes below it"
            )
    return (*sorted(smaller), patients)


def _draw(patients: Sequence[Patient], size: int, draw: int, experiment: Experiment) -> Pool:
    random = np.random.default_rng([experiment.seed, size, draw])
    chosen = random.choice(len(patients), size, replace=False)
    return pool_histograms((patients[at] for at in chosen), experiment.weighting)


def _fit(pool: Pool, size: int, draw: int, prior: PriorOf, method: FitMethod) -> Fold:
    known = prior(pool)
    fitted = refit(pool, f"fold-{size}-{draw}", prior=known, method=method)
    strength = known.strength if known else 0
    return Fold(
        size,
        draw,
        replace(fitted.model, training={}),  # it holds the histogram once more
        _ordered_boundaries(fitted.model, pool.first_hu),
        pool.cases,
        pool.voxels,
        100 * strength / (strength + pool.voxels),
        fitted.maximum.iterations,
        fitted.implausible,
    )


def _ordered_boundaries(mixture: Mixture, lowest_hu: int) -> tuple[int, ...] | None:
    boundaries = mixture.boundaries(lowest_hu)
    labels = [int(mixture.table[hu + (1 << 15)]) for hu in (lowest_hu, *boundaries)]
    return boundaries if labels == list(Tissue) else None
