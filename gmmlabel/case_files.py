"""What the files of a case folder are called."""

from gmmlabel.tissues import LUNG_SEGMENTS, OPACITY_SEGMENTS, TISSUE_SEGMENTS

RESULT = "result.json"
"""The file that appears last: a case that has it has everything."""

MAPS = {
    "labels": TISSUE_SEGMENTS,
    "smoothed": TISSUE_SEGMENTS,
    "lungs": LUNG_SEGMENTS,
    "opacity": OPACITY_SEGMENTS,
}
"""The label maps of a case, and what their values mean; the published method has no opacity."""


def case_files(form: str = "nrrd") -> tuple[str, ...]:
    """Names of the files of a case whose label maps have the format `form`."""
    maps = tuple(f"{name}.{form}" for name in MAPS)
    return (*maps, "histogram.json", "preview.png", "report.html", RESULT)
