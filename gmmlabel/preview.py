"""The preview: three planes through the lungs, the CT beside its tissues, and the numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gmmlabel.pipeline import Labelling
from gmmlabel.tissues import TISSUE_SEGMENTS, Tissue

_LUNG_WINDOW_HU = (-1350, 150)
_MARGIN_MM = 15.0
_PLANE_HEIGHT = 300
_WIDEST = 420
_GAP = 10
_TEXT_WIDTH = 330
_OPACITY = 0.55
_BACKGROUND = (16, 18, 22)
_TEXT = (236, 238, 241)
_FAINT = (150, 156, 165)


@dataclass(frozen=True, eq=False)
class _Plane:
    """One slice: HU and tissues, its pixel size in mm (down, right), and what its sides are."""

    name: str
    hu: NDArray[np.int16]
    tissues: NDArray[np.uint8]
    pixel: tuple[float, float]
    sides: tuple[str, str, str, str]


def draw_preview(labelling: Labelling) -> Image.Image:
    """Draw the axial, coronal and sagittal planes that show most lung.

    Each row is a plane, the CT in the lung window on the left and the smoothed label map over it
    on the right, in radiological convention: the patient's right is on the left.

    Parameters
    ----------
    labelling
        What to draw.

    Returns
    -------
    PIL.Image.Image
        RGB picture.
    """
    pairs = [_draw_plane(plane) for plane in _planes(labelling)]
    width = max(pair.width for pair in pairs)
    height = sum(pair.height + _GAP for pair in pairs) + _GAP
    picture = Image.new("RGB", (width + _TEXT_WIDTH + 3 * _GAP, height), _BACKGROUND)
    top = _GAP
    for pair in pairs:
        picture.paste(pair, (_GAP + (width - pair.width) // 2, top))
        top += pair.height + _GAP
    _write_numbers(picture, labelling, width + 3 * _GAP)
    return picture


def _planes(labelling: Labelling) -> list[_Plane]:
    """Cut the three planes of most lung to the lungs and a margin, head and front upwards."""
    mask = labelling.lungs.mask
    z, y, x = (
        int(mask.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.int64).argmax()) for axis in range(3)
    )
    sz, sy, sx = labelling.volume.geometry.spacing_zyx
    return [
        _Plane("axial", *_cut(labelling, 0, z), (sy, sx), ("A", "P", "R", "L")),
        _Plane("coronal", *_cut(labelling, 1, y), (sz, sx), ("H", "F", "R", "L")),
        _Plane("sagittal", *_cut(labelling, 2, x), (sz, sy), ("H", "F", "A", "P")),
    ]


def _cut(
    labelling: Labelling, axis: int, place: int
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """HU and tissues of a slice of the lungs' box, with a margin around the box."""
    hu, box = labelling.volume.hu, labelling.cropped_smoothed
    spacing = labelling.volume.geometry.spacing_zyx
    corner = labelling.lungs.corner
    region: list[slice | int] = []
    margins = []
    for i in range(3):
        if i == axis:
            region.append(corner[i] + place)
            continue
        room = int(_MARGIN_MM / spacing[i])
        before = min(room, corner[i])
        after = min(room, hu.shape[i] - corner[i] - box.shape[i])
        region.append(slice(corner[i] - before, corner[i] + box.shape[i] + after))
        margins.append((before, after))
    plane, tissues = hu[tuple(region)], np.pad(box.take(place, axis), margins)
    if axis > 0:  # z grows to the head, and rows of a picture grow downwards
        plane, tissues = plane[::-1], tissues[::-1]
    return plane, tissues


def _draw_plane(plane: _Plane) -> Image.Image:
    low, high = _LUNG_WINDOW_HU
    grey = ((plane.hu.astype(np.float32) - low) / (high - low) * 255).clip(0, 255)
    ct = np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    colours = np.zeros((6, 3), np.float32)
    for segment in TISSUE_SEGMENTS:
        colours[segment.value] = segment.rgb
    share = np.where(plane.tissues > 0, _OPACITY, 0.0)[:, :, np.newaxis]
    overlay = ct * (1 - share) + colours[plane.tissues] * share
    down, right = (n * mm for n, mm in zip(plane.hu.shape, plane.pixel, strict=True))
    scale = min(_PLANE_HEIGHT / down, _WIDEST / right)
    size = (max(1, round(right * scale)), max(1, round(down * scale)))
    pair = Image.new("RGB", (2 * size[0] + _GAP, size[1]), _BACKGROUND)
    for i, pixels in enumerate((ct, overlay)):
        part = Image.fromarray(pixels.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
        _write_sides(part, plane)
        pair.paste(part, (i * (size[0] + _GAP), 0))
    return pair


def _write_sides(part: Image.Image, plane: _Plane) -> None:
    draw = ImageDraw.Draw(part)
    width, height = part.size
    top, bottom, left, right = plane.sides
    places = (
        (top, (width / 2, 2), "mt"),
        (bottom, (width / 2, height - 3), "mb"),
        (left, (4, height / 2), "lm"),
        (right, (width - 4, height / 2), "rm"),
        (plane.name, (4, 2), "lt"),
    )
    for text, place, anchor in places:
        draw.text(place, text, _TEXT, _font(13), anchor, stroke_width=1, stroke_fill=_BACKGROUND)


def _write_numbers(picture: Image.Image, labelling: Labelling, left: int) -> None:
    draw = ImageDraw.Draw(picture)
    involvement = labelling.involvement
    right = picture.width - _GAP
    draw.text((left, 14), "Lung involvement", _FAINT, _font(16))
    draw.text((left, 34), f"{involvement.percent:.1f} %", _TEXT, _font(44))
    draw.text((left, 88), f"score {involvement.score} of 0 to 5", _TEXT, _font(16))
    draw.text((left, 122), f"Lungs {labelling.lungs_ml:,.0f} mL", _TEXT, _font(16))
    line = 178
    draw.text((right - 80, line), "mL", _FAINT, _font(13), "rs")
    draw.text((right, line), "% of lung", _FAINT, _font(13), "rs")
    for segment in TISSUE_SEGMENTS:
        line += 28
        measure = labelling.tissues[Tissue(segment.value)]
        draw.rectangle((left, line - 13, left + 15, line + 2), segment.rgb)
        draw.text((left + 24, line), segment.name, _TEXT, _font(15), "ls")
        draw.text((right - 80, line), f"{measure.volume_ml:,.0f}", _TEXT, _font(15), "rs")
        draw.text((right, line), f"{measure.percent:.1f}", _TEXT, _font(15), "rs")
    notes = (
        f"model {labelling.model.name}, method {labelling.method.name}",
        "Colours show the smoothed map, numbers the",
        "labels before smoothing.",
        "For research, not for diagnosis.",
    )
    for i, note in enumerate(notes):
        draw.text((left, line + 40 + 20 * i), note, _FAINT, _font(13), "ls")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
