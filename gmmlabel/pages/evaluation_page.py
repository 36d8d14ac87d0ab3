"""The page of an evaluation: one HTML file, and the table as a file beside it."""

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from gmmlabel.evaluation.cases import Compared, Evaluation
from gmmlabel.pages.evaluation_figures import draw_figures
from gmmlabel.pages.rendering import render_page
from gmmlabel.staging import staged

TABLE, PAGE = "evaluation.csv", "evaluation.html"

EVALUATION_FILES = (TABLE, PAGE)
"""Names of the files that are written."""


@dataclass(frozen=True)
class Published:
    """A figure that others published for lesions of COVID-19 on CT, on data of their own."""

    method: str
    measure: str
    figure: str


CONTEXT = (
    Published("U-Nets, three data sets", "Dice", "0.67, 0.42, 0.58"),
    Published("U-Nets", "F1", "0.61 to 0.83"),
    Published("U-Net", "Dice, mean \u00b1 SD", "0.64 \u00b1 0.11"),
    Published("Unsupervised colour quantisation", "Dice", "0.67"),
    Published("Readers among themselves", "Dice", "0.70"),
)
"""What stands beside the results, for context and not as a ranking."""


def write_evaluation(evaluation: Evaluation, folder: Path, *, overwrite: bool = False) -> None:
    """Write ``evaluation.csv`` and ``evaluation.html``, both or none.

    Parameters
    ----------
    evaluation
        What to write.
    folder
        Where to; is made if it does not exist.
    overwrite
        Whether files of an earlier evaluation may be replaced.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds an evaluation and `overwrite` is False.
    """
    with staged(folder, EVALUATION_FILES, overwrite=overwrite) as stage:
        table = evaluation.table().encode("utf-8", "replace")
        (stage / TABLE).write_bytes(table)
        (stage / PAGE).write_text(draw_evaluation(evaluation), encoding="utf-8")


def draw_evaluation(evaluation: Evaluation) -> str:
    """Draw the page: figures, a table with the worst case first, and what could not be compared.

    Returns
    -------
    str
        An HTML page that needs no other file, no network and no script.
    """
    document = evaluation.document()
    rows = {row["case"]: row for row in document["cases"]}
    ordered = [rows[it.case] for it in sorted(evaluation.compared, key=_worst_first)]
    drawings = draw_figures(evaluation) if evaluation.compared else []
    return render_page(
        "evaluation.html",
        document=document,
        rows=ordered,
        figures=[(Markup(drawing.svg), drawing.caption) for drawing in drawings],  # noqa: S704
        context=CONTEXT,
    )


def _worst_first(compared: Compared) -> tuple[bool, float, str]:
    """Order by Dice; cases without one come last, for they have no lesion and none was found."""
    dice = compared.overlap.dice
    defined = dice == dice  # noqa: PLR0124
    return not defined, dice if defined else 0.0, compared.case
