"""The cases of a cohort page: what is shown of each, which are outliers, and which come first."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from gmmlabel.tissues import Tissue

LIMIT_SD = 3.0
"""Robust standard deviations from the median beyond which a case is an outlier.

The most conservative of the limits of Leys et al. 2013, J Exp Soc Psychol 49:764.
"""

FEWEST = 10
"""So many cases must have a measure before outliers are looked for."""

_SD_OF_MAD = 1.4826  # of a normal distribution, by definition


@dataclass(frozen=True, slots=True)
class CohortCase:
    """What the page shows of a case; the names are those of the columns of ``summary.csv``."""

    name: str
    lungs_volume_ml: float
    involvement_percent: float
    involvement_score: int
    opacity_percent: float | None
    lungs_mean_hu: float | None
    total_seconds: float | None
    tissue_percents: tuple[float, ...]
    flags: tuple[str, ...]
    made_by: str

    @property
    def report(self) -> str:
        """Address of the report, relative to the page."""
        return f"{quote(os.fsencode(self.name), safe='')}/report.html"

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "CohortCase":
        """Take from a row of ``summary.csv`` what the page shows: a tenth of it."""
        return cls(
            name=row["case"],
            lungs_volume_ml=row["lungs_volume_ml"],
            involvement_percent=row["involvement_percent"],
            involvement_score=row["involvement_score"],
            opacity_percent=row["opacity_percent"],
            lungs_mean_hu=row["lungs_mean_hu"],
            total_seconds=row["total_seconds"],
            tissue_percents=tuple(row[f"{tissue.key}_percent"] for tissue in Tissue),
            flags=tuple(filter(None, row["quality_flags"].split(";"))),
            made_by=f"version {row['software_version']}, model {row['model']} "
            f"({(row['model_sha256'] or '')[:8]}), method {row['method']} "
            f"({(row['method_sha256'] or '')[:8]})",
        )


@dataclass(frozen=True)
class Measure:
    """A measure in which outliers are looked for.

    Parameters
    ----------
    key
        The property of `CohortCase`.
    name
        What people read.
    scaled, unscaled
        To and from the scale on which a cohort is spread evenly.
    """

    key: str
    name: str
    scaled: Callable[[NDArray[np.float64]], NDArray[np.float64]] = np.positive
    unscaled: Callable[[NDArray[np.float64]], NDArray[np.float64]] = np.positive

    def values(self, cases: Sequence[CohortCase]) -> NDArray[np.float64]:
        """Take the measure of each case; NaN where it has none."""
        return np.array([getattr(case, self.key) for case in cases], np.float64)

    def limits(self, values: NDArray[np.float64]) -> tuple[float, float] | None:
        """Find the values beyond which a case is an outlier.

        Parameters
        ----------
        values
            The measure of all cases; NaN is left out.

        Returns
        -------
        tuple or None
            The lowest and the highest value that is no outlier; None if there are fewer than
            `FEWEST` cases, or if half of them are equal and so tell no spread.
        """
        known = self.scaled(values[~np.isnan(values)])
        if len(known) < FEWEST:
            return None
        median = np.median(known)
        reach = LIMIT_SD * _SD_OF_MAD * np.median(np.abs(known - median))
        if reach == 0:
            return None
        low, high = self.unscaled(np.array([median - reach, median + reach]))
        return float(low), float(high)


OPACITY = Measure("opacity_percent", "opacity", np.log1p, np.expm1)
"""Opacity is a few percent in most and most of the lung in some: it is even on a log scale."""

LUNG_VOLUME = Measure("lungs_volume_ml", "lung volume")
DENSITY = Measure("lungs_mean_hu", "mean density")

MEASURES = (OPACITY, LUNG_VOLUME, DENSITY)


@dataclass(frozen=True)
class Listed:
    """A case in the order of the page, and in what it is an outlier, such as "opacity high"."""

    case: CohortCase
    outlying: tuple[str, ...]


def list_cases(cases: Sequence[CohortCase]) -> list[Listed]:
    """Order cases: outliers first, then flagged ones, then the others.

    Those that are outliers in more measures, and those with more flags, come before others of
    their kind; equal ones are ordered by name.
    """
    outlying: list[list[str]] = [[] for _ in cases]
    for measure in MEASURES:
        values = measure.values(cases)
        limits = measure.limits(values)
        if limits is None:
            continue
        for word, beyond in (("low", values < limits[0]), ("high", values > limits[1])):
            for place in np.flatnonzero(beyond):
                outlying[place].append(f"{measure.name} {word}")
    listed = [Listed(case, tuple(words)) for case, words in zip(cases, outlying, strict=True)]
    return sorted(listed, key=lambda it: (-len(it.outlying), -len(it.case.flags), it.case.name))
