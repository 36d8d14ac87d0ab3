"""The preview: three planes through the lungs, the CT beside its tissues, and the numbers."""

from PIL import Image, ImageDraw

from gmmlabel.pages.pictures import (
    INK,
    PAPER,
    Plane,
    draw_plane,
    font,
    planes_of_most_lung,
    write,
    write_sides,
)
from gmmlabel.pipeline import Labelling
from gmmlabel.tissues import TISSUE_SEGMENTS, Tissue

_PLANE_HEIGHT = 300
_WIDEST = 420
_GAP = 10
_TEXT_WIDTH = 330
_FAINT = (150, 156, 165)


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
    pairs = [_draw_pair(plane) for plane in planes_of_most_lung(labelling)]
    width = max(pair.width for pair in pairs)
    height = sum(pair.height + _GAP for pair in pairs) + _GAP
    picture = Image.new("RGB", (width + _TEXT_WIDTH + 3 * _GAP, height), PAPER)
    top = _GAP
    for pair in pairs:
        picture.paste(pair, (_GAP + (width - pair.width) // 2, top))
        top += pair.height + _GAP
    _write_numbers(picture, labelling, width + 3 * _GAP)
    return picture


def _draw_pair(plane: Plane) -> Image.Image:
    size = plane.size_within(_WIDEST, _PLANE_HEIGHT)
    pair = Image.new("RGB", (2 * size[0] + _GAP, size[1]), PAPER)
    for i, tissues in enumerate((False, True)):
        part = draw_plane(plane, size, tissues=tissues)
        write_sides(part, plane)
        write(part, plane.name, (4, 2), "lt")
        pair.paste(part, (i * (size[0] + _GAP), 0))
    return pair


def _write_numbers(picture: Image.Image, labelling: Labelling, left: int) -> None:
    draw = ImageDraw.Draw(picture)
    involvement = labelling.involvement
    right = picture.width - _GAP
    draw.text((left, 14), "Lung involvement", _FAINT, font(16))
    draw.text((left, 34), f"{involvement.percent:.1f} %", INK, font(44))
    draw.text((left, 88), f"score {involvement.score} of 0 to 5", INK, font(16))
    draw.text((left, 122), f"Lungs {labelling.lungs_ml:,.0f} mL", INK, font(16))
    line = 178
    draw.text((right - 80, line), "mL", _FAINT, font(13), "rs")
    draw.text((right, line), "% of lung", _FAINT, font(13), "rs")
    for segment in TISSUE_SEGMENTS:
        line += 28
        measure = labelling.tissues[Tissue(segment.value)]
        draw.rectangle((left, line - 13, left + 15, line + 2), segment.rgb)
        draw.text((left + 24, line), segment.name, INK, font(15), "ls")
        draw.text((right - 80, line), f"{measure.volume_ml:,.0f}", INK, font(15), "rs")
        draw.text((right, line), f"{measure.percent:.1f}", INK, font(15), "rs")
    notes = (
        f"model {labelling.model.name}, method {labelling.method.name}",
        "Colours show the smoothed map, numbers the",
        "labels before smoothing.",
        "For research, not for diagnosis.",
    )
    for i, note in enumerate(notes):
        draw.text((left, line + 40 + 20 * i), note, _FAINT, font(13), "ls")
