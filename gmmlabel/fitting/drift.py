"""How far a refit moved from the model before it."""

from dataclasses import dataclass

import numpy as np

from gmmlabel.fitting.pool import Pool
from gmmlabel.mixture import Mixture


@dataclass(frozen=True)
class Drift:
    """What a refit changes.

    Parameters
    ----------
    against
        Name of the model before.
    boundaries_hu, before_hu
        Boundaries after and before.
    moved_hu
        How far each boundary moved; None if there are not as many as before.
    changed_percent
        Share of the pooled lung voxels whose label changes.
    """

    against: str
    boundaries_hu: tuple[int, ...]
    before_hu: tuple[int, ...]
    moved_hu: tuple[int, ...] | None
    changed_percent: float


def measure_drift(model: Mixture, before: Mixture, pool: Pool) -> Drift:
    """Compare the labels of two models.

    Parameters
    ----------
    model, before
        The refit and what it is compared with.
    pool
        Voxels whose labels are compared.
    """
    lowest = pool.first_hu
    ours, theirs = model.boundaries(lowest), before.boundaries(lowest)
    moved = None
    if len(ours) == len(theirs):
        moved = tuple(one - other for one, other in zip(ours, theirs, strict=True))
    values = slice(lowest + (1 << 15), lowest + (1 << 15) + len(pool.counts))
    changed = pool.counts[model.table[values] != before.table[values]].sum()
    percent = 100 * float(changed / np.sum(pool.counts))
    return Drift(before.name, ours, theirs, moved, percent)
