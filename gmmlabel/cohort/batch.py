"""A whole cohort: what is found, what is left to do, and what became of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from gmmlabel.case_files import RESULT
from gmmlabel.cohort.finding import FoundCT, Skipped, find_cts
from gmmlabel.cohort.journal import JOURNAL, Journal, finished_sha256
from gmmlabel.cohort.labelling import CaseTask, Labelled, Settings, failure
from gmmlabel.cohort.memory import check_fits
from gmmlabel.cohort.overview import FAILURES, SUMMARY, write_overview
from gmmlabel.cohort.running import run_cases
from gmmlabel.cohort.summary import Failure
from gmmlabel.cohort.workers import Workers
from gmmlabel.errors import InputError, OutputError
from gmmlabel.pages.cohort_page import PAGE
from gmmlabel.pages.thumbnails import FOLDER as THUMBNAILS
from gmmlabel.tables import write_table

SKIPPED = "skipped.csv"
"""What was found and not taken for a CT, in the folder of the cohort."""

_OTHERS = (THUMBNAILS, SUMMARY, FAILURES, SKIPPED, PAGE, JOURNAL)
_LOCK = ".gmmlabel-batch.lock"


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Parameters
    ----------
    folder
        Of the cohort.
    cts
        All CTs that were found, by the names of their cases.
    tasks
        Cases that are missing, have failed, or may have changed.
    skipped
        What was not taken for a CT.
    journal
        What was done before.
    """

    folder: Path
    cts: Mapping[str, FoundCT]
    tasks: tuple[CaseTask, ...]
    skipped: tuple[Skipped, ...]
    journal: Journal

    @property
    def finished(self) -> int:
        """How many cases were finished before and need not even be looked at."""
        return len(self.cts) - len(self.tasks)


@dataclass(frozen=True)
class Tally:
    """What became of the cases of a batch.

    Parameters
    ----------
    found
        CTs that were found.
    labelled
        Cases that were labelled now.
    kept
        Cases that were finished before.
    failures
        Cases that failed.
    """

    found: int
    labelled: int
    kept: int
    failures: tuple[Failure, ...]


@contextmanager
def only_batch(folder: Path) -> Iterator[None]:
    """Keep a folder to one batch at a time; the lock ends with the process, however it ends.

    Raises
    ------
    OutputError
        If another batch is at work in it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"{folder}: another batch is at work in it; wait for its end or give another --out"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror}); give another --out"
        ) from error
    try:
        yield
    finally:
        lock.release()


def plan_batch(
    inputs: Sequence[Path],
    folder: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Plan:
    """Find all CTs, and what is left to do of them.

    Parameters
    ----------
    inputs
        As of `gmmlabel.cohort.finding.find_cts`.
    folder
        Of the cohort; holds a folder for each case.
    settings
        What to label with.
    overwrite
        Whether finished cases are labelled again.
    progress
        Is called now and then with the number of files that have been looked at.

    Raises
    ------
    InputError
        If an input does not exist, or no CT is found.
    """
    finding = find_cts(inputs, exclude=folder, reserved=_OTHERS, progress=progress)
    if not finding.cts:
        first = f", such as {finding.skipped[0].path}: {finding.skipped[0].reason}"
        raise InputError(
            f"{inputs[0]}: no CT in the inputs; {len(finding.skipped)} things were passed over"
            f"{first if finding.skipped else ''}"
        )
    journal = Journal.open(folder)
    tasks = []
    for ct in finding.cts:
        finished = None if overwrite else finished_sha256(folder / ct.name, settings)
        if not (finished and journal.unchanged(ct)):
            tasks.append(CaseTask(ct, folder / ct.name, settings, finished))
    return Plan(folder, {ct.name: ct for ct in finding.cts}, tuple(tasks), finding.skipped, journal)


def run_batch(
    plan: Plan,
    workers: Workers,
    *,
    started: Callable[[CaseTask], object] | None = None,
    ended: Callable[[Labelled | Failure], object] | None = None,
) -> Tally:
    """Label what is left of a cohort, and write its overview.

    Parameters
    ----------
    plan
        What to do.
    workers
        What labels the cases.
    started, ended
        Are called with each case when it is sent, and with what became of it.

    Raises
    ------
    OutputError
        If the folder of the cohort cannot be written.
    """
    labelled = kept = 0
    fitting, failures = _parted(plan.tasks, workers.case_memory)
    for refused in failures:
        if ended:
            ended(refused)
    for task, outcome in run_cases(fitting, workers, started):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            plan.journal.add(task.ct)
            labelled, kept = labelled + (not outcome.kept), kept + outcome.kept
        if ended:
            ended(outcome)
    columns = ("path", "reason")
    rows = ({"path": str(it.path), "reason": it.reason} for it in plan.skipped)
    write_table(rows, columns, plan.folder / SKIPPED)
    failed = write_overview(plan.folder, _labelled_names(plan, failures), failures)
    return Tally(len(plan.cts), labelled, plan.finished + kept, failed)


def _parted(tasks: Sequence[CaseTask], memory: int | None) -> tuple[list[CaseTask], list[Failure]]:
    """Part the cases that fit into memory from those that are refused."""
    fitting, refused = [], []
    for task in tasks:
        try:
            if memory is not None and task.ct.size is not None:
                check_fits(task.ct, memory)
        except InputError as error:
            refused.append(failure(task, str(error), "memory"))
        else:
            fitting.append(task)
    return fitting, refused


def _labelled_names(plan: Plan, failures: Sequence[Failure]) -> list[str]:
    """Name the cases in the folder, also those of earlier inputs, but for what is outdated."""
    outdated = {it.case for it in failures} | plan.journal.renamed(plan.cts)
    folders = (path.parent.name for path in plan.folder.glob(f"*/{RESULT}"))
    return sorted(name for name in folders if name not in outdated)
