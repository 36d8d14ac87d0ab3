"""The page of a study of scores: one HTML file, and its tables and picture beside it."""

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from gmmlabel.correlation.study import Study
from gmmlabel.pages.correlation_figures import MEASURE_NAMES, draw_figures
from gmmlabel.pages.figures import draw_png
from gmmlabel.pages.rendering import render_page
from gmmlabel.staging import staged

TABLE, PAIRS, PICTURE, PAGE = (
    "correlation.csv",
    "pairs.csv",
    "correlation.png",
    "correlation.html",
)

CORRELATION_FILES = (TABLE, PAIRS, PICTURE, PAGE)
"""Names of the files that are written."""


@dataclass(frozen=True)
class Published:
    """What Zaffino et al. 2021 state of involvement against their radiologist's score."""

    r: float = 0.82
    balanced_r: float = 0.89
    balanced_r_sd: float = 0.01
    balanced_r2: float = 0.72
    balanced_r2_sd: float = 0.03


PUBLISHED = Published()
"""What stands beside the results."""


def write_correlation(study: Study, folder: Path, *, overwrite: bool = False) -> None:
    """Write the files of `CORRELATION_FILES`, all or none.

    Parameters
    ----------
    study
        What to write.
    folder
        Where to; is made if it does not exist.
    overwrite
        Whether files of an earlier study may be replaced.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds a study and `overwrite` is False.
    """
    with staged(folder, CORRELATION_FILES, overwrite=overwrite) as stage:
        (stage / TABLE).write_text(study.table(), encoding="utf-8", newline="")
        (stage / PAIRS).write_text(study.pair_table(), encoding="utf-8", newline="")
        (stage / PICTURE).write_bytes(draw_png(draw_figures(study)))
        (stage / PAGE).write_text(draw_correlation(study), encoding="utf-8")


def draw_correlation(study: Study) -> str:
    """Draw the page: figures, coefficients beside those of the paper, and who has no partner.

    Returns
    -------
    str
        An HTML page that needs no other file, no network and no script.
    """
    return render_page(
        "correlation.html",
        document=study.document(),
        names=MEASURE_NAMES,
        missing={result.measure: result.missing for result in study.results},
        several_readings=study.several_readings,
        plots=[(Markup(plot.svg), plot) for plot in draw_figures(study)],  # noqa: S704
        published=PUBLISHED,
    )
