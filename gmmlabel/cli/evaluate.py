"""``gmmlabel evaluate``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmmlabel.cli.options import AsJson
from gmmlabel.cli.output import print_json, telling

if TYPE_CHECKING:
    from gmmlabel.evaluation.cases import Evaluation
    from gmmlabel.evaluation.overlap import Overlap


_NAMED = 5
"""So many names of what has no partner are printed; all are in the page and the JSON."""


class MapName(StrEnum):
    """Choices of ``--map``."""

    OPACITY = "opacity"
    LUNGS = "lungs"
    LABELS = "labels"
    SMOOTHED = "smoothed"


class Within(StrEnum):
    """Choices of ``--within``."""

    IMAGE = "image"
    LUNGS = "lungs"


def evaluate(
    cases: Annotated[
        Path,
        typer.Argument(
            metavar="CASES", help="A folder of case folders, one case folder, or a folder of masks."
        ),
    ],
    reference: Annotated[
        Path,
        typer.Option(
            "--reference", metavar="DIR", help="Masks called CASE.nrrd, CASE_lungs.nii.gz, ..."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Where evaluation.csv and evaluation.html are to go."
        ),
    ],
    map_name: Annotated[
        MapName, typer.Option("--map", help="Map of the cases to compare.")
    ] = MapName.OPACITY,
    values: Annotated[
        list[int] | None,
        typer.Option(
            min=0, help="Label value that counts in ours, may be repeated; all but 0 unless given."
        ),
    ] = None,
    reference_values: Annotated[
        list[int] | None,
        typer.Option(min=0, help="The same for the references."),
    ] = None,
    reference_name: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="What references are called, such as '{case}_lungs'."),
    ] = None,
    within: Annotated[
        Within | None,
        typer.Option(
            help="Where the accuracy counts true negatives. By default in the lungs for tissues "
            "of case folders, and in the image for lungs and plain masks."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier evaluation.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the overlap of cases with masks that experts drew."""
    from gmmlabel.errors import InputError
    from gmmlabel.evaluation.cases import Compared, Comparison, Evaluation, Failure, evaluate_pairs
    from gmmlabel.evaluation.pairing import find_cases, pair_by_name
    from gmmlabel.pages.evaluation_page import EVALUATION_FILES, PAGE, write_evaluation
    from gmmlabel.staging import check_writable, refuse_present

    found = find_cases(cases)
    of_folders = found[0].is_folder  # either all are or none
    if within is None:
        tissues = of_folders and map_name is not MapName.LUNGS
        within = Within.LUNGS if tissues else Within.IMAGE
    comparison = Comparison(
        map_name.value if of_folders else None,
        tuple(values or ()),
        tuple(reference_values or ()),
        within is Within.LUNGS,
    )
    pairing = pair_by_name(found, reference, pattern=reference_name)
    if not pairing.references:
        raise InputError(
            f"{reference}: nothing in it is called as a case, such as {found[0].name}; "
            "say what references are called with --reference-name"
        )
    if not overwrite:
        refuse_present(out, EVALUATION_FILES)
    check_writable(out)
    _tell_unpaired("cases have no reference", pairing.without_reference)
    _tell_unpaired("references have no case", pairing.without_case)
    compared: list[Compared] = []
    failures: list[Failure] = []
    outcomes = evaluate_pairs(pairing, reference, comparison)
    for number, case in enumerate(pairing.references, 1):
        with telling(f"Comparing {case.name}, {number} of {len(pairing.references)}"):
            outcome = next(outcomes)
        if isinstance(outcome, Failure):
            failures.append(outcome)
            typer.echo(f"gmmlabel: {outcome.case}: {outcome.message}", err=True)
        else:
            compared.append(outcome)
    evaluation = Evaluation(
        comparison,
        tuple(compared),
        tuple(failures),
        pairing.without_reference,
        pairing.without_case,
    )
    with telling(f"Writing {out}"):
        write_evaluation(evaluation, out, overwrite=overwrite)
    if as_json:
        print_json(evaluation.document())
    else:
        _print_table(evaluation)
        typer.echo(f"Page and plots: {out / PAGE}")
    if failures:
        raise InputError(
            f"{len(failures)} of {len(pairing.references)} cases could not be compared; "
            "the lines above say why"
        )


def _tell_unpaired(what: str, names: tuple[str, ...]) -> None:
    if names:
        some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        typer.echo(f"gmmlabel: {len(names)} {what}: {some}", err=True)


def _print_table(evaluation: "Evaluation") -> None:
    if evaluation.pooled is None:
        return
    typer.echo(
        f"{'':<24}{'Dice':>8}{'Precision':>11}{'Recall':>8}{'mL':>10}{'Reference mL':>14}"
        f"{'Surface mm':>12}"
    )
    for it in evaluation.compared:
        _print_row(it.case, it.overlap)
    _print_row("Pooled", evaluation.pooled)


def _print_row(name: str, overlap: "Overlap") -> None:
    typer.echo(
        f"{name:<24}{overlap.dice:>8.3f}{overlap.precision:>11.3f}{overlap.recall:>8.3f}"
        f"{overlap.volume_ml:>10,.1f}{overlap.reference_ml:>14,.1f}{overlap.surface_95_mm:>12.1f}"
    )
