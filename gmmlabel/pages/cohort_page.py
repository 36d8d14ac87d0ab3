"""``cohort.html``: all cases of a cohort on one page, what needs a look first."""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from markupsafe import Markup

from gmmlabel.pages.cohort_cases import FEWEST, LIMIT_SD, MEASURES, CohortCase, Listed, list_cases
from gmmlabel.pages.cohort_figures import draw_spreads
from gmmlabel.pages.rendering import render_page
from gmmlabel.pages.thumbnails import Thumbnail, make_thumbnail
from gmmlabel.staging import staged

PAGE = "cohort.html"
"""Name of the page in the folder of the cohort."""

MOST_CASES = 1000
"""So many cases are in the table; of a larger cohort, those that come first."""

MOST_FAILURES = 200
"""So many failures are listed; all are in ``failures.csv``."""


def write_cohort_page(
    folder: Path, cases: Sequence[CohortCase], failures: Sequence[tuple[str, str]] = ()
) -> None:
    """Write ``cohort.html`` and the thumbnails that it shows; an earlier page is replaced.

    Parameters
    ----------
    folder
        Of the cohort, which holds the case folders. A case whose preview is missing or damaged is
        shown without a picture.
    cases
        In any order.
    failures
        Name and reason of each case that failed.

    Raises
    ------
    OutputError
        If the folder cannot be written; an earlier page is then as it was.
    """
    listed = list_cases(cases)
    thumbnails = {it.case.name: make_thumbnail(folder, it.case.name) for it in listed[:MOST_CASES]}
    page = draw_cohort(listed, failures, thumbnails)
    with staged(folder, [PAGE], overwrite=True) as stage:
        (stage / PAGE).write_text(page, encoding="utf-8")


def draw_cohort(
    listed: Sequence[Listed],
    failures: Sequence[tuple[str, str]],
    thumbnails: dict[str, Thumbnail | None],
) -> str:
    """Draw the page.

    Parameters
    ----------
    listed
        The cases in their order, from `list_cases`.
    failures
        Name and reason of each case that failed.
    thumbnails
        Of the cases that have one, by name.

    Returns
    -------
    str
        An HTML page that needs the thumbnails beside it and no network. Its one script sorts and
        filters the table, and is named by its hash in the policy of the page.
    """
    cases = [it.case for it in listed]
    flags = Counter(flag for case in cases for flag in dict.fromkeys(case.flags))
    opacity = [case.opacity_percent for case in cases if case.opacity_percent is not None]
    return render_page(
        "cohort.html",
        rows=listed[:MOST_CASES],
        thumbnails=thumbnails,
        count=len(cases),
        outliers=sum(bool(it.outlying) for it in listed),
        flagged=sum(bool(case.flags) for case in cases),
        flags=flags.most_common(),
        opacity_median=float(np.median(opacity)) if opacity else None,
        lungs_median=_median([case.lungs_volume_ml for case in cases]),
        made_by=Counter(case.made_by for case in cases).most_common(),
        failures=failures[:MOST_FAILURES],
        failure_count=len(failures),
        figures=[(Markup(plot.svg), plot.caption) for plot in draw_spreads(cases)]  # noqa: S704
        if cases
        else [],
        measures=[measure.name for measure in MEASURES],
        limit=LIMIT_SD,
        fewest=FEWEST,
        script=Markup(_script()),  # noqa: S704
        script_hash=_script_hash(),
    )


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


@cache
def _script() -> str:
    return (resources.files("gmmlabel.pages") / "templates" / "cohort.js").read_text("utf-8")


def _script_hash() -> str:
    """Hash by which the policy of the page allows its script and no other (CSP level 2)."""
    digest = hashlib.sha256(_script().encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
