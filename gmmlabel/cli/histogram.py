"""``gmmlabel histogram``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmmlabel.cli.options import Inputs, MethodName, MethodOption
from gmmlabel.cli.output import telling

if TYPE_CHECKING:
    from gmmlabel.gathering import Source
    from gmmlabel.histogram import LungHistogram
    from gmmlabel.method import Method


def histogram(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where histograms are to go.")],
    method: MethodOption = MethodName.DEFAULT,
    pooled: Annotated[
        bool, typer.Option("--pooled", help="Write one histogram, the sum of all.")
    ] = False,
    suppress_below: Annotated[
        int, typer.Option(min=0, metavar="VOXELS", help="Take counts smaller than this for 0.")
    ] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier ones.")] = False,
) -> None:
    """Count the HU of lungs: all that leaves a site in a refit across sites."""
    from gmmlabel.errors import InputError
    from gmmlabel.fitting.pool import pool_histograms
    from gmmlabel.gathering import HISTOGRAM_SUFFIX, find_sources
    from gmmlabel.method import METHODS
    from gmmlabel.staging import check_writable, staged

    sources = find_sources(inputs, exclude=out)
    check_writable(out)
    failures: list[str] = []
    counted = _count(sources, METHODS[method], failures)
    if pooled:
        pool = pool_histograms(counted)
        counted = iter([(f"{pool.cases} cases", pool.histogram())])
    for label, counts in counted:
        name = ("pooled" if pooled else counts.fingerprint[:16]) + HISTOGRAM_SUFFIX
        with staged(out, [name], overwrite=overwrite) as stage:
            counts.suppressed(suppress_below).write(stage / name)
        typer.echo(f"{label}: {out / name}")
    if failures:
        raise InputError(
            f"{len(failures)} of {len(sources)} inputs gave no histogram; the lines above say why"
        )


def _count(
    sources: Sequence["Source"], method: "Method", failures: list[str]
) -> Iterator[tuple[str, "LungHistogram"]]:
    """Count one after the other; what goes wrong with one does not stop the others."""
    from gmmlabel.errors import InputError

    for number, source in enumerate(sources, 1):
        try:
            with telling(f"Counting {source.label}, {number} of {len(sources)}"):
                counts = source.histogram(method)
        except InputError as error:
            failures.append(str(error))
            typer.echo(f"gmmlabel: {error}", err=True)
        else:
            yield source.label, counts
