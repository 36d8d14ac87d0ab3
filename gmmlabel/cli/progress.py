"""How far a batch is: a live bar on a terminal, plain lines elsewhere.

Imported by the command when it runs, and so free to import what it shows.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gmmlabel.cohort.labelling import CaseTask, Labelled
from gmmlabel.cohort.summary import Failure


class Following:
    """Counts cases as they start and end, and shows nothing.

    Parameters
    ----------
    total
        Cases to do.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = self.failed = self.running = 0
        self._seconds: Counter[str] = Counter()
        self._start = time.monotonic()

    def started(self, task: CaseTask) -> None:  # noqa: ARG002 - the signature of a callback
        """Count a case that was sent."""
        self.running += 1
        self._show()

    def ended(self, outcome: Labelled | Failure) -> None:
        """Count a case that ended."""
        self.running = max(0, self.running - 1)  # what was refused never ran
        if isinstance(outcome, Failure):
            self.failed += 1
            self._tell(outcome.case, f"failed, {outcome.message}")
        else:
            self.done += 1
            taken = {stage: it for stage, it in outcome.seconds.items() if stage != "total"}
            self._seconds.update(taken)
            self._tell(outcome.case, f"{sum(taken.values()):.1f} s")
        self._show()

    @property
    def told(self) -> str:
        """Counts, cases a minute, and the stage that took most of the time."""
        parts = [f"{self.done} done, {self.failed} failed, {self.running} running"]
        ended, passed = self.done + self.failed, time.monotonic() - self._start
        if ended and passed:
            parts.append(f"{60 * ended / passed:.1f}/min")
        if self._seconds.total():
            stage, taken = self._seconds.most_common(1)[0]
            parts.append(f"slowest: {stage} {100 * taken / self._seconds.total():.0f} %")
        return " · ".join(parts)

    def _tell(self, case: str, what: str) -> None:
        """Tell what became of a case."""

    def _show(self) -> None:
        """Show the counts."""


class Lines(Following):
    """A plain line for each case that ended."""

    def _tell(self, case: str, what: str) -> None:
        ended = self.done + self.failed
        typer.echo(f"gmmlabel: {ended} of {self.total}: {case}: {what}", err=True)


class Bar(Following):
    """A live bar; failures stay above it.

    Parameters
    ----------
    total
        Cases to do.
    progress
        What draws it.
    """

    def __init__(self, total: int, progress: Progress) -> None:
        super().__init__(total)
        self._progress = progress
        self._bar = progress.add_task("", total=total, told=self.told)

    def _tell(self, case: str, what: str) -> None:
        if what.startswith("failed"):
            self._progress.console.print(f"{case}: {what}", markup=False, highlight=False)

    def _show(self) -> None:
        self._progress.update(self._bar, completed=self.done + self.failed, told=self.told)


@contextmanager
def following(total: int, finished: int, *, quiet: bool) -> Iterator[Following]:
    """Show on stderr how far a batch is.

    Parameters
    ----------
    total
        Cases to do.
    finished
        Cases that are finished already.
    quiet
        Show nothing.
    """
    if quiet or not total:
        yield Following(total)
        return
    if finished:
        typer.echo(f"gmmlabel: {finished} cases are finished, {total} are to do", err=True)
    if not sys.stderr.isatty():
        yield Lines(total)
        return
    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bar(total, progress)
