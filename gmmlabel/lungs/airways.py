"""The trachea and the main bronchi, followed from slice to slice.

In an axial slice an airway is a small island of gas in soft tissue, from the larynx down to where
the bronchi enter the lungs. A wall thinner than a voxel does not part it from the lung at every
level of HU, but at some: a slice is looked at from the highest level down, until what overlaps the
airway of the slice before is as small as an airway.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.lungs.cells import Cells
from gmmlabel.lungs.midline import midline
from gmmlabel.method import DefaultMethod

_CROSS = ndimage.generate_binary_structure(2, 1)
_IN_PLANE = np.zeros((3, 3, 3), np.bool_)
_IN_PLANE[1] = _CROSS

_VESSEL_MM = 12.0  # beside a bronchus; what it parts is closed

Section = NDArray[np.bool_]
Window = tuple[slice, ...]


def find_airways(cells: Cells, method: DefaultMethod) -> NDArray[np.bool_]:
    """Find the lumen of the trachea and of the main bronchi outside the lungs.

    Parameters
    ----------
    cells
        Chest CT.
    method
        Its ``airway_*`` numbers are used.

    Returns
    -------
    ndarray
        Which cells are airway, (z, y, x); none if there is no trachea in the volume.
    """
    airways = np.zeros(cells.means.shape, np.bool_)
    trachea = _trachea(cells, method)
    if trachea is None:
        return airways
    # What lies low in the piece may be a bronchus within the lung, so that is looked for anew.
    slices = np.flatnonzero(trachea.any(axis=(1, 2)))
    first, last = slices[int(0.7 * len(slices))], slices[-1]
    airways[first:] = trachea[first:]
    _follow(airways, cells, range(first - 1, -1, -1), method)
    _follow(airways, cells, range(last + 1, len(airways)), method)
    return airways


def outside_lungs(
    airways: NDArray[np.bool_], sides: NDArray[np.uint8], cells: Cells
) -> NDArray[np.bool_]:
    """Leave out the airways that one lung encloses in their slice: those belong to the lung.

    Parameters
    ----------
    airways
        Which cells are airway or its wall, (z, y, x).
    sides
        Which cells are lung, a value a lung, of the same shape.
    cells
        Chest CT.
    """
    outside = airways.copy()
    gap = max(1, round(_VESSEL_MM / 2 / min(cells.spacing[1:])))
    for z in np.flatnonzero(airways.any(axis=(1, 2))):
        for side in np.unique(sides[z][sides[z] > 0]):
            lung = np.pad(sides[z] == side, gap + 1)
            closed = ndimage.binary_fill_holes(ndimage.binary_closing(lung, _CROSS, gap))
            inner = slice(gap + 1, -gap - 1)
            outside[z] &= ~closed[inner, inner]
    return outside


def _trachea(cells: Cells, method: DefaultMethod) -> NDArray[np.bool_] | None:
    """Find the longest piece of small islands of gas in soft tissue, near the midline."""
    middle = midline(cells)
    best, longest = None, method.airway_length_mm
    for level in method.airway_levels_hu:
        islands, count = ndimage.label(cells.means < level, _IN_PLANE)
        small = np.bincount(islands.ravel(), minlength=count + 1) <= (
            method.airway_area_mm2[1] / cells.area_mm2
        )
        small[0] = False
        pieces, _ = ndimage.label(small[islands])
        for number, box in enumerate(ndimage.find_objects(pieces), 1):
            length = (box[0].stop - box[0].start) * cells.spacing[0]
            if length <= longest:
                continue
            piece = pieces[box] == number
            aside = np.nonzero(piece)[2].mean() + box[2].start - middle
            if abs(aside) * cells.spacing[2] > method.airway_aside_mm:
                continue
            if np.percentile(cells.means[box][piece], 30) > method.airway_gas_hu:
                continue
            wide = (box[0], *_widened(box[1:], 10.0, cells))
            sections = zip(cells.means[wide], pieces[wide] == number, strict=True)
            wrapped = [_wrapped_share(means, part, cells, method) for means, part in sections]
            if np.mean(wrapped) >= method.gas_wrapped_share:
                best, longest = pieces == number, length
    return best


def _follow(airways: NDArray[np.bool_], cells: Cells, slices: range, method: DefaultMethod) -> None:
    """Go on with the airways of the slice before `slices`, branch by branch, in place."""
    if not slices:
        return
    sections, count = ndimage.label(airways[slices.start - slices.step], _CROSS)
    branches = [sections == number for number in range(1, count + 1)]
    for z in slices:
        here = airways[z]
        here[:] = False
        found = []
        for branch in branches:
            for island in _next_sections(cells.means[z], branch, cells, method):
                if not here[island].any():
                    here |= island
                    found.append(island)
        branches = found


def _next_sections(
    means: NDArray[np.float32], before: Section, cells: Cells, method: DefaultMethod
) -> list[Section]:
    """Find the islands of a slice with which an airway of the neighbouring slice goes on."""
    rows, columns = ndimage.find_objects(before.astype(np.int8))[0]
    window = _widened((rows, columns), 30.0, cells)
    nearby, overlap = means[window], before[window]
    least, most = method.airway_area_mm2
    most = min(most, 1.5 * np.count_nonzero(before) * cells.area_mm2 + 100)
    taken = np.zeros_like(overlap)
    found = []
    for level in method.airway_levels_hu:
        islands, _ = ndimage.label(nearby < level, _CROSS)
        for number in np.unique(islands[overlap & (islands > 0)]):
            island = islands == number
            if (
                not taken[island].any()
                and least <= np.count_nonzero(island) * cells.area_mm2 <= most
                and np.percentile(nearby[island], 30) <= method.airway_gas_hu
                and _raggedness(island) <= method.airway_ragged
                and _wrapped_share(nearby, island, cells, method) >= method.airway_wrapped_share
            ):
                section = np.zeros_like(before)
                section[window] = island
                found.append(section)
                taken |= island
    return found


def _raggedness(section: Section) -> float:
    """Squared length of a section's outline over its area: 16 for a square, more if ragged."""
    padded = np.pad(section, 1)
    outline = sum(np.count_nonzero(np.diff(padded, axis=axis)) for axis in (0, 1))
    return float(outline**2 / np.count_nonzero(section))


def _widened(box: Window, mm: float, cells: Cells) -> Window:
    """Widen a window of rows and columns on all sides."""
    room = [int(mm / step) + 1 for step in cells.spacing[1:]]
    return tuple(slice(max(0, s.start - r), s.stop + r) for s, r in zip(box, room, strict=True))


def _wrapped_share(
    means: NDArray[np.float32], section: Section, cells: Cells, method: DefaultMethod
) -> float:
    """Share of soft tissue in a ring around a section, which begins beyond its blurred rim."""
    step = min(cells.spacing[1:])
    inner = ndimage.binary_dilation(section, _CROSS, iterations=max(1, round(3 / step)))
    outer = ndimage.binary_dilation(inner, _CROSS, iterations=max(1, round(6 / step)))
    ring = means[outer & ~inner]
    return float(np.mean(ring > method.soft_above_hu)) if len(ring) else 0.0
