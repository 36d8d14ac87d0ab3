"""The report of a case: one HTML file with its pictures, numbers and where they come from."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from gmmlabel.pages.charts import BIN_HU, draw_histogram
from gmmlabel.pages.pictures import (
    PAPER,
    Plane,
    axial_planes,
    draw_plane,
    draw_scale_bar,
    planes_of_most_lung,
    write_sides,
)
from gmmlabel.pages.rendering import render_page
from gmmlabel.pipeline import Labelling
from gmmlabel.regions import SIDES, ZONES
from gmmlabel.tissues import LUNG_SEGMENTS, OPACITY_SEGMENTS, TISSUE_SEGMENTS

MONTAGE_SLICES = 15
"""Axial slices in the montage: three rows of five on a desk and on A4."""

_PLANE_PIXELS = (560, 460)
_TILE_PIXELS = (320, 320)
_QUALITY = 78


@dataclass(frozen=True)
class _Picture:
    """One picture of a figure."""

    title: str
    alt: str
    address: str
    width: int
    height: int


@dataclass(frozen=True)
class _Slice:
    """One slice of the montage."""

    number: int
    opacity_percent: float
    outlined: _Picture
    tissues: _Picture


def draw_report(labelling: Labelling, document: Mapping[str, Any]) -> str:
    """Draw the report of a case.

    Parameters
    ----------
    labelling
        What the pictures are cut from.
    document
        Its ``result.json``, where every number comes from.

    Returns
    -------
    str
        An HTML page that needs no other file, no network and no script. Every text in it, such
        as the name of the input, is escaped; what UTF-8 cannot hold is a question mark.
    """
    return render_page(
        "report.html",
        document=document,
        planes=[_draw_three(plane) for plane in planes_of_most_lung(labelling)],
        slices=[_draw_slice(plane, labelling) for plane in axial_planes(labelling, MONTAGE_SLICES)],
        slice_count=len(labelling.volume.hu),
        chart=draw_histogram(labelling.histogram, labelling.model),
        bin_hu=BIN_HU,
        segments=TISSUE_SEGMENTS,
        sides=SIDES,
        zones=ZONES,
        paper=PAPER,
        lung_segments=LUNG_SEGMENTS,
        opacity_rgb=OPACITY_SEGMENTS[0].rgb,
    )


def _draw_three(plane: Plane) -> list[_Picture]:
    """Draw a plane without anything over it, with its tissues, and with outlines."""
    size = plane.size_within(*_PLANE_PIXELS)
    name = plane.name.capitalize()
    letters = size[0] // 25  # a page shows each picture some 350 points wide: these are 14
    outlines = max(2, size[0] // 140)
    pictures = []
    for title, alt, tissues, width in (
        ("CT", "in the lung window", False, 0),
        ("tissues", "with the smoothed tissues in colour", True, 0),
        ("lungs and opacity", "with lungs and opacity outlined", False, outlines),
    ):
        picture = draw_plane(plane, size, tissues=tissues, outlines=width)
        write_sides(picture, plane, letters)
        draw_scale_bar(picture, plane, letters)
        what = f"{name} slice where most lung is, {alt}"
        pictures.append(_embed(picture, f"{name}: {title}", what))
    return pictures


def _draw_slice(plane: Plane, labelling: Labelling) -> _Slice:
    size = plane.size_within(*_TILE_PIXELS)
    number = _stored_number(plane.index, labelling)
    opaque, lung = np.count_nonzero(plane.opacity), np.count_nonzero(plane.lungs)
    what = f"Axial slice {number}"
    return _Slice(
        number,
        100 * opaque / lung,
        _embed(draw_plane(plane, size, outlines=2), what, f"{what}, lungs and opacity outlined"),
        _embed(draw_plane(plane, size, tissues=True), what, f"{what}, tissues in colour"),
    )


def _stored_number(index: int, labelling: Labelling) -> int:
    """Count a slice from 1 in the order of the file, as viewers do."""
    hu = labelling.volume.hu
    return len(hu) - index if labelling.volume.geometry.flipped[0] else index + 1


def _embed(picture: Image.Image, title: str, alt: str) -> _Picture:
    # JPEG, for WebP takes half the bytes but ten times the time, and not every viewer or printer.
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, subsampling=0)  # outlines need all their colour
    content = base64.b64encode(file.getvalue()).decode("ascii")
    return _Picture(title, alt, f"data:image/jpeg;base64,{content}", *picture.size)
