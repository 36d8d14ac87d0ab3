"""The page of the fold experiment: one HTML file, and its tables and picture beside it."""

from pathlib import Path

from markupsafe import Markup

from gmmlabel.fitting.stability import COLUMNS, SPREAD_COLUMNS, Stability
from gmmlabel.pages.figures import Plot, draw_png
from gmmlabel.pages.rendering import render_page
from gmmlabel.pages.stability_figures import draw_boundaries, draw_gaussians
from gmmlabel.staging import staged
from gmmlabel.tables import write_table
from gmmlabel.tissues import TISSUE_SEGMENTS

TABLE, SPREAD, PICTURE, PAGE = ("stability.csv", "spread.csv", "stability.png", "stability.html")

STABILITY_FILES = (TABLE, SPREAD, PICTURE, PAGE)
"""Names of the files that are written."""

_PICTURE_COLUMNS = 4
"""As many as there are boundaries, which make its first row."""


def write_stability(stability: Stability, folder: Path, *, overwrite: bool = False) -> None:
    """Write the files of `STABILITY_FILES`, all or none.

    Parameters
    ----------
    stability
        What to write.
    folder
        Where to; is made if it does not exist.
    overwrite
        Whether files of an earlier experiment may be replaced.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds an experiment and `overwrite` is False.
    """
    plots = [*draw_boundaries(stability), *draw_gaussians(stability)]
    with staged(folder, STABILITY_FILES, overwrite=overwrite) as stage:
        write_table(stability.rows(), COLUMNS, stage / TABLE)
        write_table(stability.spread_rows(), SPREAD_COLUMNS, stage / SPREAD)
        (stage / PICTURE).write_bytes(draw_png(plots, columns=_PICTURE_COLUMNS))
        (stage / PAGE).write_text(draw_stability(stability), encoding="utf-8")


def draw_stability(stability: Stability) -> str:
    """Draw the page: the verdict, boundaries and Gaussians of each fold size, and their spread.

    Returns
    -------
    str
        An HTML page that needs no other file, no network and no script.
    """
    document = stability.document()
    return render_page(
        "stability.html",
        document=document,
        spread={(row["patients"], row["tissue"]): row for row in document["spread"]},
        doubtful=[fold for fold in stability.folds if fold.implausible],
        segments=TISSUE_SEGMENTS,
        boundaries=_drawn(draw_boundaries(stability)),
        gaussians=_drawn(draw_gaussians(stability)),
    )


def _drawn(plots: list[Plot]) -> list[tuple[Plot, Markup]]:
    return [(plot, Markup(plot.svg)) for plot in plots]  # noqa: S704
