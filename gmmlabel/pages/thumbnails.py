"""Small pictures of the previews of many cases, for a page that shows them all."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from gmmlabel.pages.pictures import PAPER
from gmmlabel.staging import staged

FOLDER = "thumbnails"
"""Folder of the thumbnails in the folder of a cohort."""

SIZE = (240, 110)
"""The frame that a thumbnail fits in, in pixels: more than a page shows, for fine screens."""

_QUALITY = 72
_NUMBERS_WIDTH = 350  # of a preview, at its right; they could not be read so small


@dataclass(frozen=True)
class Thumbnail:
    """Address of a thumbnail relative to the page, and its size in pixels."""

    address: str
    width: int
    height: int


def make_thumbnail(folder: Path, name: str) -> Thumbnail | None:
    """Make the thumbnail of a case, unless there is one of the same preview.

    It shows the first plane of the preview, the axial one, with and without tissues. Its time is
    that of the preview, by which a newer preview is told.

    Parameters
    ----------
    folder
        Of the cohort.
    name
        Of the case, whose folder in it may hold ``preview.png``.

    Returns
    -------
    Thumbnail or None
        None if the preview is missing or damaged.

    Raises
    ------
    OutputError
        If the thumbnail cannot be written.
    """
    preview, file = folder / name / "preview.png", f"{name}.jpg"
    try:
        times = (preview.stat().st_atime_ns, preview.stat().st_mtime_ns)
        size = _size_of(folder / FOLDER / file, times[1])
        if size is None:
            with Image.open(preview) as opened:
                picture = _first_row(opened.convert("RGB"))
                picture.thumbnail(SIZE, reducing_gap=2.0)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if size is None:
        with staged(folder / FOLDER, [file], overwrite=True) as stage:
            picture.save(stage / file, quality=_QUALITY)
            os.utime(stage / file, ns=times)
        size = picture.size
    return Thumbnail(f"{FOLDER}/{quote(os.fsencode(file), safe='')}", *size)


def _size_of(thumbnail: Path, time_ns: int) -> tuple[int, int] | None:
    """Size of a thumbnail in pixels; None if there is none of a preview of that time."""
    try:
        if thumbnail.stat().st_mtime_ns != time_ns:
            return None
        with Image.open(thumbnail) as picture:
            return picture.size
    except OSError:
        return None


def _first_row(preview: Image.Image) -> Image.Image:
    """Cut out the first row of a preview; all of it where rows cannot be told."""
    paper = np.asarray(Image.new("RGB", (1, 1), PAPER).convert("L"))
    drawn = np.asarray(preview.convert("L"))[:, :-_NUMBERS_WIDTH] != paper
    rows = np.flatnonzero(drawn.any(axis=1))
    if not len(rows):
        return preview
    last = np.flatnonzero(np.diff(rows, append=rows[-1] + 2) > 1)[0]
    top, bottom = int(rows[0]), int(rows[last]) + 1
    columns = np.flatnonzero(drawn[top:bottom].any(axis=0))
    return preview.crop((int(columns[0]), top, int(columns[-1]) + 1, bottom))
