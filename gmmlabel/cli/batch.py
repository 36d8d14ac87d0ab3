"""``gmmlabel batch``."""

import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gmmlabel.cli.options import (
    DEFAULT_MODEL,
    AsJson,
    Format,
    FormatOption,
    MethodName,
    MethodOption,
    ModelOption,
)
from gmmlabel.cli.output import print_json, telling

if TYPE_CHECKING:
    from gmmlabel.cohort.batch import Plan, Tally
    from gmmlabel.cohort.workers import Workers


def batch(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            help="CTs, and folders in which CTs are at any depth: image files, DICOM series, zips.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the case folders are to go.")
    ],
    model: ModelOption = DEFAULT_MODEL,
    method: MethodOption = MethodName.DEFAULT,
    form: FormatOption = Format.NRRD,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes; as many as cores and memory allow unless given."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler to use, as tcp://HOST:8786."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Label finished cases again.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    as_json: AsJson = False,
) -> None:
    """Label every CT in folders, one case folder each; run again, it does what is left."""
    from gmmlabel.cli.progress import following
    from gmmlabel.cohort.batch import only_batch, plan_batch, run_batch
    from gmmlabel.cohort.labelling import Settings
    from gmmlabel.errors import InputError
    from gmmlabel.method import METHODS
    from gmmlabel.model_files import load_model

    if scheduler and workers:
        raise typer.BadParameter("the cluster has its own workers", param_hint="--workers")
    mixture = load_model(model)
    named = Path(model)  # a file is named so that each worker finds it
    place = str(named.resolve()) if named.suffix and named.is_file() else model
    settings = Settings(place, mixture.sha256, METHODS[method], form.value)
    signal.signal(signal.SIGTERM, _stop)
    try:
        with only_batch(out):
            with telling(f"Looking for CTs in {inputs[0]}"):
                plan = plan_batch(inputs, out, settings, overwrite=overwrite)
            with (
                following(len(plan.tasks), plan.finished, quiet=quiet) as progress,
                _workers(plan, workers, scheduler) as sent_to,
            ):
                tally = run_batch(plan, sent_to, started=progress.started, ended=progress.ended)
    except KeyboardInterrupt:
        typer.echo(
            f"gmmlabel: error: {out}: stopped; run the same command again to go on", err=True
        )
        raise typer.Exit(1) from None
    if as_json:
        print_json(_document(tally, out))
    else:
        _print(tally, plan, out)
    if tally.failures:
        raise InputError(
            f"{len(tally.failures)} of {tally.found} cases failed; {out / 'failures.csv'} says why"
        )


def _workers(plan: "Plan", count: int | None, scheduler: str | None) -> "Workers":
    from gmmlabel.cohort.cluster import ClusterWorkers
    from gmmlabel.cohort.memory import available_bytes
    from gmmlabel.cohort.workers import LocalWorkers
    from gmmlabel.morphology.slabs import thread_count

    if scheduler:
        return ClusterWorkers(scheduler, plan.folder)
    cores = thread_count()
    return LocalWorkers(count or max(1, min(cores, len(plan.tasks))), cores, available_bytes())


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """End as on Ctrl-C when the system asks to."""
    raise KeyboardInterrupt


def _document(tally: "Tally", out: Path) -> dict[str, object]:
    return {
        "found": tally.found,
        "labelled": tally.labelled,
        "kept": tally.kept,
        "failed": len(tally.failures),
        "summary": str(out / "summary.csv"),
        "page": str(out / "cohort.html"),
    }


def _print(tally: "Tally", plan: "Plan", out: Path) -> None:
    found = "1 CT" if tally.found == 1 else f"{tally.found} CTs"
    typer.echo(
        f"{found}: {tally.labelled} labelled, {tally.kept} finished before, "
        f"{len(tally.failures)} failed"
    )
    if plan.skipped:
        typer.echo(f"{len(plan.skipped)} things are no CTs: {out / 'skipped.csv'}")
    typer.echo(f"Table: {out / 'summary.csv'}")
    typer.echo(f"Page: {out / 'cohort.html'}")
