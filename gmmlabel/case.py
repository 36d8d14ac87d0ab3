"""The case folder: everything that is written of a labelled CT."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.case_files import HISTOGRAM, MAPS, RESULT, case_files
from gmmlabel.errors import OutputError
from gmmlabel.pages.preview import draw_preview
from gmmlabel.pages.report import draw_report
from gmmlabel.pipeline import Labelling
from gmmlabel.result import result_document
from gmmlabel.staging import check_writable, refuse_present, staged
from gmmlabel.writers import FORMATS, write_label_map

_ALL_FILES = {name for form in FORMATS for name in case_files(form)}


def check_case_folder(
    folder: Path, sources: Sequence[Path], *, form: str = "nrrd", overwrite: bool = False
) -> None:
    """Refuse a case folder that cannot be written, before any work is done for it.

    Parameters
    ----------
    folder
        Where the case is to go; need not exist.
    sources
        The input files and folders, which nothing may be written over or into.
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
    for source in sources:
        if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
            raise OutputError(f"{folder}: lies in the input folder {source}; give another --out")
        # Of an earlier case in other formats, too, nothing stays.
        if source.resolve() in {(folder / name).resolve() for name in _ALL_FILES}:
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
    maps = _maps(labelling)
    names = case_files(form, without=MAPS.keys() - maps)
    with staged(Path(folder), names, overwrite=overwrite) as stage:
        document = _write_files(labelling, maps, stage, form)
    for stale in _ALL_FILES - set(names):
        (Path(folder) / stale).unlink(missing_ok=True)
    return document


def _maps(labelling: Labelling) -> dict[str, NDArray[np.uint8]]:
    """Find the label maps that there are, by name."""
    maps = {
        "labels": labelling.cropped_labels,
        "smoothed": labelling.cropped_smoothed,
        "lungs": labelling.lungs.mask,
        "opacity": labelling.cropped_opacity,
    }
    return {name: cropped for name, cropped in maps.items() if cropped is not None}


def _write_files(
    labelling: Labelling, maps: dict[str, NDArray[np.uint8]], folder: Path, form: str
) -> dict[str, Any]:
    start = time.perf_counter()
    for name, cropped in maps.items():
        write_label_map(
            folder / f"{name}.{form}",
            cropped,
            labelling.volume.geometry,
            MAPS[name],
            corner=labelling.lungs.corner,
        )
    labelling.histogram.write(folder / HISTOGRAM)
    draw_preview(labelling).save(folder / "preview.png", optimize=False)
    document = result_document(labelling)
    report = draw_report(labelling, document)
    (folder / "report.html").write_text(report, encoding="utf-8")
    seconds = document["seconds"]
    seconds["write"] = round(time.perf_counter() - start, 3)
    seconds["total"] = round(sum(seconds.values()), 3)
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    (folder / RESULT).write_text(text, encoding="utf-8")
    return document
