"""``gmmlabel correlate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmmlabel.cli.options import AsJson
from gmmlabel.cli.output import print_json, telling

if TYPE_CHECKING:
    from gmmlabel.correlation.study import Study

_NAMED = 5
"""So many names of what has no partner are printed; all are in the page and the JSON."""


def correlate(
    summary: Annotated[
        Path, typer.Argument(metavar="SUMMARY.csv", help="The summary.csv of a batch.")
    ],
    scores: Annotated[
        Path,
        typer.Argument(
            metavar="SCORES.csv", help="A row for each case, or reading of it, with a score 0 to 5."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Where tables, picture and page are to go."),
    ],
    case_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column of SCORES.csv that names the case.")
    ] = "case",
    score_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column of SCORES.csv with the score.")
    ] = "score",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier correlation.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Correlate involvement and opacity with the scores of radiologists."""
    from gmmlabel.correlation.pairs import read_pairs
    from gmmlabel.correlation.study import correlate_pairs
    from gmmlabel.errors import OutputError
    from gmmlabel.pages.correlation_page import CORRELATION_FILES, PAGE, write_correlation
    from gmmlabel.staging import check_writable, refuse_present

    pairs = read_pairs(summary, scores, case_column=case_column, score_column=score_column)
    for name in CORRELATION_FILES:
        if (out / name).resolve() in (summary.resolve(), scores.resolve()):
            raise OutputError(f"{out / name}: is an input; give another --out")
    if not overwrite:
        refuse_present(out, CORRELATION_FILES)
    check_writable(out)
    _tell("without a score", pairs.without_score)
    _tell("with a score and not in the summary", pairs.without_case)
    with telling("Resampling"):
        study = correlate_pairs(pairs, seed=seed)
    if study.several_readings:
        typer.echo(
            f"gmmlabel: cases with several scores, of which the mean is taken: "
            f"{study.several_readings}",
            err=True,
        )
    for result in study.results:
        _tell(f"with a score and without {result.measure}", result.missing)
        if result.message:
            typer.echo(f"gmmlabel: {result.measure}: {result.message}", err=True)
    with telling(f"Writing {out}"):
        write_correlation(study, out, overwrite=overwrite)
    if as_json:
        print_json(study.document())
    else:
        _print_table(study)
        typer.echo(f"Page and plots: {out / PAGE}")


def _tell(what: str, names: tuple[str, ...]) -> None:
    if names:
        some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        typer.echo(f"gmmlabel: cases {what}: {len(names)} ({some})", err=True)


def _print_table(study: "Study") -> None:
    from gmmlabel.pages.correlation_page import PUBLISHED

    typer.echo(
        f"{'':<22}{'n':>5}{'r':>7}{'95 %':>15}{'rho':>7}{'95 %':>15}{'R2':>7}"
        f"{'balanced r':>15}{'balanced R2':>15}"
    )
    for result in study.results:
        if it := result.correlation:
            r, rho, balanced = it.pearson, it.spearman, it.balanced
            drawn = (
                f"{_spread(balanced.r_mean, balanced.r_sd):>15}"
                f"{_spread(balanced.r2_mean, balanced.r2_sd):>15}"
                if balanced
                else ""
            )
            typer.echo(
                f"{result.measure:<22}{it.n:>5}"
                f"{r.value:>7.2f}{_between(r.interval.low, r.interval.high):>15}"
                f"{rho.value:>7.2f}{_between(rho.interval.low, rho.interval.high):>15}"
                f"{it.fit.r2:>7.2f}{drawn}"
            )
    typer.echo(
        f"{'published':<22}{'':>5}{PUBLISHED.r:>7.2f}{'':>44}"
        f"{_spread(PUBLISHED.balanced_r, PUBLISHED.balanced_r_sd):>15}"
        f"{_spread(PUBLISHED.balanced_r2, PUBLISHED.balanced_r2_sd):>15}"
    )


def _between(low: float, high: float) -> str:
    return f"{low:.2f} to {high:.2f}"


def _spread(mean: float, sd: float) -> str:
    return f"{mean:.2f} +- {sd:.3f}"
