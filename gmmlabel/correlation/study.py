"""Each measure against the score, as one document and as tables."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gmmlabel.correlation.coefficients import Correlation, correlate, obstacle
from gmmlabel.correlation.pairs import MEASURES, Pairs
from gmmlabel.correlation.resampling import DRAWS, RESAMPLES, Floats
from gmmlabel.errors import InputError
from gmmlabel.tables import table_text

COLUMNS = (
    "measure",
    "n",
    "pearson_r",
    "pearson_p",
    "pearson_low",
    "pearson_high",
    "spearman_rho",
    "spearman_p",
    "spearman_low",
    "spearman_high",
    "slope_percent_per_point",
    "intercept_percent",
    "r2",
    "balanced_classes",
    "balanced_per_class",
    "balanced_draws",
    "balanced_r_mean",
    "balanced_r_sd",
    "balanced_r2_mean",
    "balanced_r2_sd",
    "message",
)
"""Columns of ``correlation.csv``."""

PAIR_COLUMNS = ("case", "score", *MEASURES)
"""Columns of ``pairs.csv``."""

_DIGITS = 6


@dataclass(frozen=True)
class MeasureResult:
    """What became of one measure.

    Parameters
    ----------
    measure
        One of `MEASURES`.
    scores, values
        Score and measure of each case that has both, shape (n,), in order of name.
    missing
        Names of cases with a score and without the measure.
    correlation
        Its correlation with the score, or None.
    message
        Why there is none.
    """

    measure: str
    scores: Floats
    values: Floats
    missing: tuple[str, ...]
    correlation: Correlation | None
    message: str | None = None


@dataclass(frozen=True)
class Study:
    """All measures against the score.

    Parameters
    ----------
    pairs
        The cases.
    seed
        Of the resampling.
    results
        One for each of `MEASURES`.
    """

    pairs: Pairs
    seed: int
    results: tuple[MeasureResult, ...]

    @property
    def several_readings(self) -> int:
        """Number of cases whose score is the mean of several."""
        return sum(pair.readings > 1 for pair in self.pairs.pairs)

    def document(self) -> dict[str, Any]:
        """Make one JSON document of everything; what is not defined is null."""
        return {
            "schema_version": 1,
            "seed": self.seed,
            "bootstrap_resamples": RESAMPLES,
            "balanced_draws": DRAWS,
            "measures": [_row(result) for result in self.results],
            "pairs": [asdict(pair) for pair in self.pairs.pairs],
            "without_score": list(self.pairs.without_score),
            "without_case": list(self.pairs.without_case),
        }

    def table(self) -> str:
        """Make the text of ``correlation.csv``; what is not defined is an empty cell."""
        rows = [_row(result) for result in self.results]
        for row in rows:
            classes = row["balanced_classes"]
            row["balanced_classes"] = classes and " ".join(map(str, classes))
        return table_text(rows, COLUMNS)

    def pair_table(self) -> str:
        """Make the text of ``pairs.csv``; a measure that is missing is an empty cell."""
        return table_text(map(asdict, self.pairs.pairs), PAIR_COLUMNS)


def correlate_pairs(pairs: Pairs, *, seed: int = 0) -> Study:
    """Correlate each measure with the score.

    A measure that cannot be correlated does not stop the others.

    Raises
    ------
    InputError
        If none can be.
    """
    results = tuple(_result(pairs, measure, seed) for measure in MEASURES)
    if not any(result.correlation for result in results):
        reasons = "; ".join(f"{result.measure}: {result.message}" for result in results)
        raise InputError(
            f"{pairs.source}: nothing to correlate ({reasons}); score more cases of other extent"
        )
    return Study(pairs, seed, results)


def _result(pairs: Pairs, measure: str, seed: int) -> MeasureResult:
    found = [(pair.case, pair.score, getattr(pair, measure)) for pair in pairs.pairs]
    missing = tuple(case for case, _, value in found if value is None)
    scores = np.array([score for _, score, value in found if value is not None], np.float64)
    values = np.array([value for *_, value in found if value is not None], np.float64)
    message = obstacle(scores, values)
    correlation = None if message else correlate(scores, values, seed=seed)
    return MeasureResult(measure, scores, values, missing, correlation, message)


def _row(result: MeasureResult) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"measure": result.measure, "n": len(result.scores), "message": result.message}
    if it := result.correlation:
        for name, key, coefficient in (
            ("pearson", "r", it.pearson),
            ("spearman", "rho", it.spearman),
        ):
            row[f"{name}_{key}"] = coefficient.value
            row[f"{name}_p"] = coefficient.p
            row[f"{name}_low"] = coefficient.interval.low
            row[f"{name}_high"] = coefficient.interval.high
        row["slope_percent_per_point"] = it.fit.slope
        row["intercept_percent"] = it.fit.intercept
        row["r2"] = it.fit.r2
        if it.balanced:
            row |= {f"balanced_{key}": value for key, value in asdict(it.balanced).items()}
    return {key: _rounded(value) for key, value in row.items()}


def _rounded(value: Any) -> Any:
    """Keep significant digits, so that small p values stay what they are."""
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
