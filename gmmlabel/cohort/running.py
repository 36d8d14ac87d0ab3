"""Cases under way: what is sent when, and what becomes of those whose worker dies."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait

from gmmlabel.cohort.labelling import CaseTask, Labelled, failure
from gmmlabel.cohort.memory import case_bytes
from gmmlabel.cohort.summary import Failure
from gmmlabel.cohort.workers import Workers
from gmmlabel.errors import ClusterError, InputError

Outcome = Labelled | Failure


def run_cases(
    tasks: Iterable[CaseTask],
    workers: Workers,
    started: Callable[[CaseTask], object] | None = None,
) -> Iterator[tuple[CaseTask, Outcome]]:
    """Label cases, as many at once as there are workers and memory for.

    When a worker dies or runs out of memory, it is not known which of the cases under way did
    it. All of them are tried once more at the end, each by itself: what dies again fails alone.

    Parameters
    ----------
    tasks
        The cases.
    workers
        What labels them.
    started
        Is called with each case when it is sent.

    Yields
    ------
    CaseTask
        A case, in the order in which they end.
    Labelled or Failure
        What became of it.

    Raises
    ------
    ClusterError
        If the cluster is lost; what has ended is kept.
    """
    crashed: list[CaseTask] = []
    yield from _run(iter(tasks), workers, lambda: workers.slots, started, crashed)
    for task in crashed:
        again: list[CaseTask] = []
        yield from _run(iter([task]), workers, lambda: 1, started, again)
        if again:
            why = (
                "the process that labelled it ran out of memory or crashed, twice; label it on a "
                "machine with more memory, or crop the CT"
            )
            yield task, failure(task, why, attempts=2)


def _run(
    tasks: Iterator[CaseTask],
    workers: Workers,
    slots: Callable[[], int],  # a cluster gains and loses workers
    started: Callable[[CaseTask], object] | None,
    crashed: list[CaseTask],
) -> Iterator[tuple[CaseTask, Outcome]]:
    running: dict[Future[Outcome], CaseTask] = {}
    waiting = next(tasks, None)
    while waiting or running:
        while waiting and len(running) < slots() and _fits(waiting, running.values(), workers):
            running[workers.submit(waiting)] = waiting
            if started:
                started(waiting)
            waiting = next(tasks, None)
        ended = wait(running, return_when=FIRST_COMPLETED).done
        if any(isinstance(future.exception(), workers.crashes) for future in ended):
            ended = wait(running).done  # a crash may take the others with it
            workers.restart()
        for future in ended:
            task = running.pop(future)
            error = future.exception()
            if error is None:
                yield task, future.result()
            elif isinstance(error, (*workers.crashes, MemoryError)):
                crashed.append(task)
            elif isinstance(error, ClusterError):  # of the cluster, not of this case
                raise error
            else:
                yield task, failure(task, f"unexpected {error!r}")


def _fits(task: CaseTask, running: Iterable[CaseTask], workers: Workers) -> bool:
    """Whether there is memory for one more case; for the first there is, or it was refused."""
    if workers.memory is None:
        return True
    others = sum(map(_bytes, running))
    return not others or others + _bytes(task) <= workers.memory


def _bytes(task: CaseTask) -> int:
    try:
        return case_bytes(task.ct)
    except InputError:  # nothing says how large it is, so reading it will fail
        return 0
