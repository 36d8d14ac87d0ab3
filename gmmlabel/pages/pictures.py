"""Pictures of slices through the lungs: the CT, its tissues in colour, lungs and opacity outlined.

Pictures are in radiological convention: head and front upwards, the patient's right on the left.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from gmmlabel.pipeline import Labelling
from gmmlabel.tissues import LUNG_SEGMENTS, OPACITY_SEGMENTS, TISSUE_SEGMENTS

INK = (236, 238, 241)
"""Colour of what is written on a picture."""

PAPER = (16, 18, 22)
"""Colour behind and between pictures."""

_LUNG_WINDOW_HU = (-1350, 150)
_MARGIN_MM = 15.0
_TISSUE_SHARE = 0.55
_SCALE_BAR_MM = 50.0


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice through the lungs and a margin around them, as it is looked at.

    Parameters
    ----------
    name
        ``axial``, ``coronal`` or ``sagittal``.
    index
        Which slice of the volume it is, along its (z, y, x).
    hu
        Hounsfield units, (rows, columns).
    lungs, tissues, opacity
        The maps of the labelling on the same pixels, 0 outside the lungs.
    pixel_mm
        Height and width of a pixel, in mm.
    sides
        What lies above, below, left and right.
    """

    name: str
    index: int
    hu: NDArray[np.int16]
    lungs: NDArray[np.uint8]
    tissues: NDArray[np.uint8]
    opacity: NDArray[np.uint8]
    pixel_mm: tuple[float, float]
    sides: tuple[str, str, str, str]

    def size_within(self, width: float, height: float) -> tuple[int, int]:
        """Width and height in pixels of the largest picture of true proportions in a frame."""
        down, right = (n * mm for n, mm in zip(self.hu.shape, self.pixel_mm, strict=True))
        scale = min(height / down, width / right)
        return max(1, round(right * scale)), max(1, round(down * scale))


def planes_of_most_lung(labelling: Labelling) -> list[Plane]:
    """Cut the axial, the coronal and the sagittal plane that show most lung."""
    mask = labelling.lungs.mask
    counts = [np.zeros(length, np.int64) for length in mask.shape]
    # A hundred slices tell where the lungs are widest; all of a thin CT would take a second.
    step = 1 + len(mask) // 100
    for z in range(0, len(mask), step):
        inside = mask[z] != 0
        counts[0][z] = np.count_nonzero(inside)
        counts[1] += np.count_nonzero(inside, axis=1)
        counts[2] += np.count_nonzero(inside, axis=0)
    return [_cut(labelling, axis, int(count.argmax())) for axis, count in enumerate(counts)]


def axial_planes(labelling: Labelling, most: int) -> list[Plane]:
    """Cut axial planes at even distances through the lungs, from head to foot.

    Parameters
    ----------
    labelling
        What to cut.
    most
        How many there are, unless the lungs lie in fewer slices.
    """
    inside = np.flatnonzero([plane.any() for plane in labelling.lungs.mask])
    count = min(most, len(inside))
    places = inside[((np.arange(count) + 0.5) * len(inside) / count).astype(int)]
    return [_cut(labelling, 0, int(place)) for place in places[::-1]]


def draw_plane(
    plane: Plane, size: tuple[int, int], *, tissues: bool = False, outlines: int = 0
) -> Image.Image:
    """Draw a plane in the lung window.

    Parameters
    ----------
    plane
        What to draw.
    size
        Width and height in pixels.
    tissues
        Whether the tissues lie over it in their colours.
    outlines
        Width in pixels of the outline of the opacity, or 0 for none; that of each lung is half.

    Returns
    -------
    PIL.Image.Image
        RGB picture.
    """
    low, high = _LUNG_WINDOW_HU
    grey = ((plane.hu.astype(np.float32) - low) * (255 / (high - low))).clip(0, 255)
    pixels = np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if tissues:
        colours = np.zeros((6, 3), np.float32)
        for segment in TISSUE_SEGMENTS:
            colours[segment.value] = segment.rgb
        share = np.where(plane.tissues > 0, np.float32(_TISSUE_SHARE), 0)[:, :, np.newaxis]
        pixels += (colours[plane.tissues] - pixels) * share
    picture = Image.fromarray(pixels.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    if outlines:
        for side in LUNG_SEGMENTS:
            picture.paste(side.rgb, mask=_outline(plane.lungs == side.value, size, outlines // 2))
        for opacity in OPACITY_SEGMENTS:
            there = plane.opacity == opacity.value
            picture.paste(opacity.rgb, mask=_outline(there, size, outlines))
    return picture


def write_sides(picture: Image.Image, plane: Plane, size: int = 13) -> None:
    """Write on a picture of a plane what its four sides are, in letters of `size` pixels."""
    width, height = picture.size
    top, bottom, left, right = plane.sides
    write(picture, top, (width / 2, 2), "mt", size)
    write(picture, bottom, (width / 2, height - 3), "mb", size)
    write(picture, left, (4, height / 2), "lm", size)
    write(picture, right, (width - 4, height / 2), "rm", size)


def write(
    picture: Image.Image, text: str, place: tuple[float, float], anchor: str, size: int = 13
) -> None:
    """Write a few words where they can be read on light and dark; `anchor` is Pillow's."""
    ImageDraw.Draw(picture).text(
        place, text, INK, font(size), anchor, stroke_width=max(1, size // 10), stroke_fill=PAPER
    )


def draw_scale_bar(picture: Image.Image, plane: Plane, size: int = 13) -> None:
    """Draw a bar of 5 cm into the lower right corner of a picture of a plane."""
    length = _SCALE_BAR_MM / plane.pixel_mm[1] * picture.width / plane.hu.shape[1]
    right, bottom = picture.width - size, picture.height - size
    draw = ImageDraw.Draw(picture)
    draw.line((right - length - 1, bottom, right + 1, bottom), PAPER, 6)
    draw.line((right - length, bottom, right, bottom), INK, 3)
    write(picture, "5 cm", (right - length / 2, bottom - 5), "mb", size)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load the font of all pictures, which comes with Pillow."""
    return ImageFont.load_default(size)


def _cut(labelling: Labelling, axis: int, place: int) -> Plane:
    """Cut a slice of the lungs' box, with a margin around it.

    Slices are views or small copies: nothing here touches the whole volume.
    """
    hu, lungs = labelling.volume.hu, labelling.lungs
    spacing = labelling.volume.geometry.spacing_zyx
    region: list[slice | int] = []
    margins = []
    for i in range(3):
        if i == axis:
            region.append(lungs.corner[i] + place)
            continue
        room = int(_MARGIN_MM / spacing[i])
        before = min(room, lungs.corner[i])
        after = min(room, hu.shape[i] - lungs.corner[i] - lungs.mask.shape[i])
        region.append(
            slice(lungs.corner[i] - before, lungs.corner[i] + lungs.mask.shape[i] + after)
        )
        margins.append((before, after))
    turn = slice(None, None, -1 if axis else 1)  # z grows to the head, and rows downwards

    def padded(box: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.pad(box.take(place, axis), margins)[turn]

    name, sides = _NAMES[axis]
    sides_here, opacity = padded(lungs.mask), labelling.cropped_opacity
    down, right = (spacing[i] for i in range(3) if i != axis)
    return Plane(
        name=name,
        index=lungs.corner[axis] + place,
        hu=hu[tuple(region)][turn],
        lungs=sides_here,
        tissues=padded(labelling.cropped_smoothed),
        opacity=np.zeros_like(sides_here) if opacity is None else padded(opacity),
        pixel_mm=(down, right),
        sides=sides,
    )


_NAMES = (
    ("axial", ("A", "P", "R", "L")),
    ("coronal", ("H", "F", "R", "L")),
    ("sagittal", ("H", "F", "A", "P")),
)


def _outline(mask: NDArray[np.bool_], size: tuple[int, int], width: int) -> Image.Image:
    """Mask of the pixels of a picture within `width` of the border of a mask, on its inside."""
    whole = Image.fromarray(mask.astype(np.uint8) * 255)
    whole = whole.resize(size, Image.Resampling.BILINEAR).point(lambda value: 255 * (value > 127))
    # Within a mask, the mean of a box falls below 255 where the box reaches over the border.
    blurred = np.asarray(whole.filter(ImageFilter.BoxBlur(width)))
    return Image.fromarray(np.where(blurred < 255, np.asarray(whole), 0).astype(np.uint8))
