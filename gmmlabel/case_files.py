"""What the files of a case folder are called."""

from collections.abc import Collection

from gmmlabel.tissues import LUNG_SEGMENTS, OPACITY_SEGMENTS, TISSUE_SEGMENTS

RESULT = "result.json"
"""The file that appears last: a case that has it has everything."""

HISTOGRAM = "histogram.json"
"""The file that a refit needs of a case."""

MAPS = {
    "labels": TISSUE_SEGMENTS,
    "smoothed": TISSUE_SEGMENTS,
    "lungs": LUNG_SEGMENTS,
    "opacity": OPACITY_SEGMENTS,
}
"""The label maps of a case, and what their values mean; the published method has no opacity."""


def case_files(form: str = "nrrd", *, without: Collection[str] = ()) -> tuple[str, ...]:
    """Names of the files of a case, `RESULT` last.

    Parameters
    ----------
    form
        Format of the label maps.
    without
        Names of the `MAPS` that the case does not have.
    """
    maps = tuple(f"{name}.{form}" for name in MAPS if name not in without)
    return (*maps, HISTOGRAM, "preview.png", "report.html", RESULT)
