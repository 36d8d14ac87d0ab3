"""The overview of a cohort: ``summary.csv``, ``failures.csv`` and ``cohort.html``."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from gmmlabel.cohort.summary import Failure, Row, read_row, write_failures, write_summary
from gmmlabel.errors import UnreadableError
from gmmlabel.pages.cohort_cases import CohortCase
from gmmlabel.pages.cohort_page import write_cohort_page

SUMMARY, FAILURES = "summary.csv", "failures.csv"


def write_overview(
    folder: Path, names: Iterable[str], failures: Iterable[Failure] = ()
) -> tuple[Failure, ...]:
    """Write the overview of a cohort; an earlier one is replaced.

    Parameters
    ----------
    folder
        Of the cohort, which holds the case folders.
    names
        Of the cases that were labelled, in the order of the rows.
    failures
        Of the others.

    Returns
    -------
    tuple of Failure
        Those given, and the cases among `names` whose ``result.json`` is missing or damaged.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    cases: list[CohortCase] = []
    broken: list[Failure] = []

    def rows() -> Iterator[Row]:
        for name in names:
            try:
                row = read_row(folder / name)
            except UnreadableError as error:
                broken.append(Failure(name, str(folder / name), str(error), "summary"))
            else:
                cases.append(CohortCase.of_row(row))
                yield row

    write_summary(rows(), folder / SUMMARY)
    failed = (*failures, *broken)
    write_failures(failed, folder / FAILURES)
    write_cohort_page(folder, cases, [(it.case or it.source, it.message) for it in failed])
    return failed
