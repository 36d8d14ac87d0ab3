"""The case folder: everything that is written of a labelled CT."""

import json
import time
from pathlib import Path
from typing import Any

from gmmlabel.errors import OutputError
from gmmlabel.pipeline import Labelling
from gmmlabel.preview import draw_preview
from gmmlabel.result import result_document
from gmmlabel.staging import check_writable, refuse_present, staged
from gmmlabel.tissues import LUNG_SEGMENTS, TISSUE_SEGMENTS
from gmmlabel.writers import FORMATS, write_label_map

RESULT = "result.json"
"""The file that appears last: a case that has it has everything."""


def case_files(form: str = "nrrd") -> tuple[str, ...]:
    """Names of the files of a case whose label maps have the format `form`."""
    maps = tuple(f"{name}.{form}" for name in ("labels", "smoothed", "lungs"))
    return (*maps, "histogram.json", "preview.png", RESULT)


def check_case_folder(
    folder: Path, source: Path, *, form: str = "nrrd", overwrite: bool = False
) -> None:
    """Refuse a case folder that cannot be written, before any work is done for it.

    Parameters
    ----------
    folder
        Where the case is to go; need not exist.
    source
        The input file or folder, which nothing may be written over or into.
    form
        Format of the label maps.
    overwrite
        Whether an earlier case in the folder may be replaced.

    Raises
    ------
    OutputError
        If an output would fall on the input, a case is there already, or the folder cannot be
        made or written.
    """
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"{folder}: lies in the input folder {source}; give another --out")
    for name in case_files(form):
        if (folder / name).resolve() == source.resolve():
            raise OutputError(f"{folder}: would write over the input {source}; give another --out")
    if not overwrite:
        refuse_present(folder, case_files(form))
    check_writable(folder)


def write_case(
    labelling: Labelling, folder: str | Path, *, form: str = "nrrd", overwrite: bool = False
) -> dict[str, Any]:
    """Write a case folder.

    Parameters
    ----------
    labelling
        What to write.
    folder
        Where to; is made if it does not exist.
    form
        Format of the label maps, one of `gmmlabel.writers.FORMATS`.
    overwrite
        Whether files of an earlier case may be replaced.

    Returns
    -------
    dict
        The content of ``result.json``.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds a case and `overwrite` is False. Nothing is
        left behind then.
    """
    if form not in FORMATS:
        raise OutputError(f"format {form}: not one of {', '.join(FORMATS)}")
    with staged(Path(folder), case_files(form), overwrite=overwrite) as stage:
        return _write_files(labelling, stage, form)


def _write_files(labelling: Labelling, folder: Path, form: str) -> dict[str, Any]:
    start = time.perf_counter()
    for name, labels, segments in (
        ("labels", labelling.cropped_labels, TISSUE_SEGMENTS),
        ("smoothed", labelling.cropped_smoothed, TISSUE_SEGMENTS),
        ("lungs", labelling.lungs.mask, LUNG_SEGMENTS),
    ):
        write_label_map(
            folder / f"{name}.{form}",
            labels,
            labelling.volume.geometry,
            segments,
            corner=labelling.lungs.corner,
        )
    _write_json(folder / "histogram.json", labelling.histogram.document(), indent=None)
    draw_preview(labelling).save(folder / "preview.png", optimize=False)
    document = result_document(labelling)
    seconds = document["seconds"]
    seconds["write"] = round(time.perf_counter() - start, 3)
    seconds["total"] = round(sum(seconds.values()), 3)
    _write_json(folder / RESULT, document, indent=2)
    return document


def _write_json(path: Path, document: dict[str, Any], indent: int | None) -> None:
    path.write_text(json.dumps(document, indent=indent, allow_nan=False) + "\n", encoding="utf-8")
