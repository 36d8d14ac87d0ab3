"""The histograms of many cases, added up so that neither order nor grouping matters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import InputError
from gmmlabel.histogram import MOST_VOXELS, LungHistogram

_PARTS = 1 << 40


class Weighting(StrEnum):
    """How much each patient counts."""

    VOXELS = "voxels"
    PATIENTS = "patients"


@dataclass(frozen=True, eq=False)
class Bins:
    """The values that occur, and how often.

    Parameters
    ----------
    hu
        HU of each bin, float64, (n,).
    voxels
        Voxels of each bin, positive, not always whole, float64, (n,).
    """

    hu: NDArray[np.float64]
    voxels: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """What a fit needs of its cases.

    Parameters
    ----------
    first_hu
        HU of the first count.
    counts
        Weighted voxels of each HU from `first_hu` up, float64; their sum is `voxels`.
    cases, voxels
        How many were added up.
    method
        Name and numbers of the method that found all of the lungs.
    weighting
        How much each patient counts.
    duplicates
        Labels of the histograms that were left out, because the same input was there before.
    """

    first_hu: int
    counts: NDArray[np.float64]
    cases: int
    voxels: int
    method: Mapping[str, Any]
    weighting: Weighting
    duplicates: tuple[str, ...] = ()

    @property
    def voxels_per_case(self) -> float:
        """Lung voxels of a case in the mean."""
        return self.voxels / self.cases

    def histogram(self) -> LungHistogram:
        """Give the sum as one histogram of several cases."""
        return LungHistogram(
            self.first_hu, np.rint(self.counts).astype(np.int64), self.method, cases=self.cases
        )

    @property
    def bins(self) -> Bins:
        """The values that occur."""
        occurring = np.flatnonzero(self.counts)
        return Bins((occurring + self.first_hu).astype(np.float64), self.counts[occurring])


def pool_histograms(
    histograms: Iterable[tuple[str, LungHistogram]], weighting: Weighting = Weighting.VOXELS
) -> Pool:
    """Add histograms up, one after the other, in memory that does not grow with them.

    Sums are of whole numbers, voxels or 2^-40 of a patient, so they are exact, and the same
    whatever the order.

    Parameters
    ----------
    histograms
        What to call each in messages, and the histogram. One of the same input as an earlier one
        is left out.
    weighting
        With `Weighting.PATIENTS` every case counts the same; the cases of a histogram that was
        counted of several stay weighted by their voxels among each other.

    Raises
    ------
    InputError
        If there is none, or two are of different methods.
    """
    first: tuple[str, LungHistogram] | None = None
    sums = np.zeros(0, np.int64)
    cases = voxels = 0
    seen: set[str] = set()
    duplicates: list[str] = []
    for label, histogram in histograms:
        if _seen(histogram, seen):
            duplicates.append(label)
            continue
        if first is None:
            first, sums = (label, histogram), np.zeros_like(histogram.counts)
        _check_same_method(first, (label, histogram))
        cases, voxels = cases + histogram.cases, voxels + histogram.voxels
        if voxels > MOST_VOXELS:
            raise InputError(f"{label}: with it there are more than {MOST_VOXELS} voxels")
        sums += _parts(histogram) if weighting is Weighting.PATIENTS else histogram.counts
    if first is None:
        raise InputError("there is no histogram to fit; give CTs, case folders or histogram files")
    counts = sums.astype(np.float64) * (voxels / float(sums.sum()))
    return Pool(
        first[1].first_hu, counts, cases, voxels, first[1].method, weighting, tuple(duplicates)
    )


def distinct(
    histograms: Iterable[tuple[str, LungHistogram]],
) -> tuple[list[tuple[str, LungHistogram]], tuple[str, ...]]:
    """Hold histograms, and leave out those that `pool_histograms` leaves out.

    Parameters
    ----------
    histograms
        What to call each, and the histogram.

    Returns
    -------
    kept
        The first of each input.
    duplicates
        What the others are called.
    """
    kept: list[tuple[str, LungHistogram]] = []
    seen: set[str] = set()
    duplicates: list[str] = []
    for label, histogram in histograms:
        if _seen(histogram, seen):
            duplicates.append(label)
        else:
            kept.append((label, histogram))
    return kept, tuple(duplicates)


def _seen(histogram: LungHistogram, seen: set[str]) -> bool:
    """Whether the input of a histogram was there before; remembers it."""
    known = histogram.input_sha256
    if known is None or known not in seen:
        seen.update([known] if known else [])
        return False
    return True


def _parts(histogram: LungHistogram) -> NDArray[np.int64]:
    share = histogram.counts / histogram.voxels
    return np.rint(share * (_PARTS * histogram.cases)).astype(np.int64)


def _check_same_method(one: tuple[str, LungHistogram], other: tuple[str, LungHistogram]) -> None:
    ours, theirs = one[1].method, other[1].method
    if ours == theirs:
        return
    differing = sorted(
        name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)
    )
    raise InputError(
        f"{other[0]}: its lungs were found by another method than those of {one[0]} "
        f"(not the same: {', '.join(differing[:3])}); count all with one method and one version"
    )
