"""Cases against their references: each by itself, pooled, and what could not be compared."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import InputError
from gmmlabel.evaluation.overlap import Overlap, compare, pool
from gmmlabel.evaluation.pairing import Case, Pairing, only_one
from gmmlabel.masks import read_mask, read_mask_on
from gmmlabel.tables import table_text

MAPS = ("opacity", "lungs", "labels", "smoothed")
"""Maps of a case folder that can be compared."""

MEASURES = (
    "dice",
    "precision",
    "recall",
    "f1",
    "accuracy",
    "volume_ml",
    "reference_ml",
    "volume_error_ml",
    "volume_error_percent",
    "surface_95_mm",
    "true_positive_ml",
    "false_positive_ml",
    "false_negative_ml",
    "true_negative_ml",
)
"""Properties of `Overlap` that are written, in the order of the columns of ``evaluation.csv``."""

COLUMNS = ("kind", "case", *MEASURES, "reference", "message")
"""Columns of ``evaluation.csv``."""

_DIGITS = 6
_SEGMENTATION = ".seg.nrrd"


@dataclass(frozen=True)
class Comparison:
    """What is compared with what.

    Parameters
    ----------
    map_name
        Map of the case folders, one of `MAPS`; None if the cases are plain masks.
    values, reference_values
        Label values that count as positive in ours and in the reference; none for all but 0.
    within_lungs
        Whether true negatives, and so the accuracy, are counted in the lungs of the case only.
    """

    map_name: str | None = "opacity"
    values: tuple[int, ...] = ()
    reference_values: tuple[int, ...] = ()
    within_lungs: bool = False


@dataclass(frozen=True)
class Compared:
    """A case that was compared with its reference."""

    case: str
    reference: str
    overlap: Overlap


@dataclass(frozen=True)
class Failure:
    """A case that could not be compared, and why."""

    case: str
    message: str


@dataclass(frozen=True)
class Evaluation:
    """All cases of an evaluation.

    Parameters
    ----------
    comparison
        What was compared.
    compared
        The cases, in order of name.
    failures
        Cases that have a reference and could not be compared.
    without_reference
        Names of cases for which there is no reference.
    without_case
        References for which there is no case.
    """

    comparison: Comparison
    compared: tuple[Compared, ...]
    failures: tuple[Failure, ...] = ()
    without_reference: tuple[str, ...] = ()
    without_case: tuple[str, ...] = ()

    @cached_property
    def pooled(self) -> Overlap | None:
        """All cases taken for one; None if none could be compared."""
        return pool([it.overlap for it in self.compared]) if self.compared else None

    @cached_property
    def summary(self) -> dict[str, dict[str, float | None]]:
        """Mean, sample standard deviation, median and number of cases of each measure.

        Cases for which a measure is not defined are left out of it; `count` says how many are in.
        """
        kinds = ("mean", "sd", "median", "count")
        summary: dict[str, dict[str, float | None]] = {kind: {} for kind in kinds}
        for name in MEASURES:
            values = self.values(name)
            some, several = len(values) > 0, len(values) > 1
            summary["mean"][name] = float(values.mean()) if some else None
            summary["sd"][name] = float(values.std(ddof=1)) if several else None
            summary["median"][name] = float(np.median(values)) if some else None
            summary["count"][name] = len(values)
        return summary

    def values(self, measure: str) -> NDArray[np.float64]:
        """Take the values of a measure, of the cases for which it is defined."""
        values = np.array([getattr(it.overlap, measure) for it in self.compared], np.float64)
        return values[~np.isnan(values)]

    def document(self) -> dict[str, Any]:
        """Make one JSON document of everything; what is not defined is null."""
        return {
            "schema_version": 1,
            "comparison": asdict(self.comparison),
            "cases": [
                {"case": it.case, "reference": it.reference, **_measures(it.overlap)}
                for it in self.compared
            ],
            "pooled": _measures(self.pooled) if self.pooled else None,
            "summary": {
                kind: {name: _rounded(value) for name, value in values.items()}
                for kind, values in self.summary.items()
            },
            "failures": [asdict(it) for it in self.failures],
            "without_reference": list(self.without_reference),
            "without_case": list(self.without_case),
        }

    def table(self) -> str:
        """Make the text of ``evaluation.csv``; what is not defined is an empty cell."""
        document = self.document()
        rows = [{"kind": "case", **row} for row in document["cases"]]
        rows += [{"kind": "failed", **row} for row in document["failures"]]
        if document["pooled"]:
            rows.append({"kind": "pooled", **document["pooled"]})
            rows += [{"kind": kind, **row} for kind, row in document["summary"].items()]
        return table_text(rows, COLUMNS)


def evaluate_pairs(
    pairing: Pairing, folder: Path, comparison: Comparison
) -> Iterator[Compared | Failure]:
    """Compare each case with its reference; what goes wrong with one does not stop the others.

    Parameters
    ----------
    pairing
        Cases and their references.
    folder
        The folder of references.
    comparison
        What to compare.

    Yields
    ------
    Compared or Failure
        One for each case of `pairing.references`, in their order.
    """
    for case, references in pairing.references.items():
        try:
            reference = only_one(case, references, folder, comparison.map_name)
            overlap = evaluate_case(case, reference, comparison)
        except InputError as error:
            yield Failure(case.name, str(error))
        else:
            yield Compared(case.name, reference.relative_to(folder).as_posix(), overlap)


def evaluate_case(case: Case, reference: Path, comparison: Comparison) -> Overlap:
    """Compare a case with its reference.

    Parameters
    ----------
    case
        The case.
    reference
        Mask or label map on the grid of the case; its axes may be stored otherwise.
    comparison
        What to compare.

    Raises
    ------
    InputError
        If a file is missing, damaged or no mask, or the reference lies on another grid.
    """
    ours_path = case.map_path(comparison.map_name)
    if _is_segmentation(ours_path) and not _is_segmentation(reference):
        # 3D Slicer may have cropped ours, so the grid of the CT is that of the reference.
        theirs, grid = read_mask(reference)
        ours = read_mask_on(ours_path, grid)
    else:
        ours, grid = read_mask(ours_path)
        theirs = read_mask_on(reference, grid)
    within = None
    if comparison.within_lungs:
        if not case.is_folder:
            raise InputError(
                f"{case.path}: a mask by itself has no lungs; count the accuracy --within image"
            )
        within = read_mask_on(case.map_path("lungs"), grid) > 0
    return compare(
        _positive(ours, comparison.values),
        _positive(theirs, comparison.reference_values),
        grid.spacing_zyx,
        within=within,
    )


def _is_segmentation(path: Path) -> bool:
    return path.name.lower().endswith(_SEGMENTATION)


def _positive(labels: NDArray[Any], values: Sequence[int]) -> NDArray[np.bool_]:
    return np.isin(labels, values) if values else labels != 0


def _measures(overlap: Overlap) -> dict[str, float | None]:
    return {name: _rounded(getattr(overlap, name)) for name in MEASURES}


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(value, _DIGITS)
