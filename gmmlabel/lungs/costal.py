"""Dense lung at the ribs, which no threshold tells from the chest wall.

Seen from the middle of the chest, the outermost lung in each slice and direction makes a chart of
the costal surface, which bulges outwards and is smooth. Where lung is consolidated up to the ribs
the chart has a pit: lung further in on the ray or none, and the surface of the same lung around.
The pit is bridged by the surface that its rim spans, and what lies between is taken into the lung.
The chest is seen from three axes, because what is in profile from one is in full view from another.

Ribs and the hollows beside the breastbone make pits as well, but flat ones, of bone and fat.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.lungs.cells import Cells
from gmmlabel.lungs.midline import midline
from gmmlabel.lungs.pits import Chart, Region, closed, distance_round, pieces_round, span, trend
from gmmlabel.method import DefaultMethod
from gmmlabel.morphology.polar import ends, fill_between

_DIRECTIONS = 240
_STEP_MM = 1.0
_SAMPLE_MM = 2.0
_RADIUS_MM = 110.0  # of a chest, for distances along a row of the chart
_BEYOND_MM = 20.0  # an axis in front looks at the back, and this far to the front
_BEHIND_MM = 20.0  # how far behind a pit bone is looked for
_SHARPEST = 36.0  # a pit so deep is told from a hollow around it by its edge


@dataclass(frozen=True, eq=False)
class View:
    """The lungs seen from an axis along z.

    Parameters
    ----------
    axis
        (y, x), in voxels of the volume.
    slices
        Slice of the volume at each row of the chart.
    first, reach
        Where the outermost lung begins and ends, in mm from the axis; 0 where a ray meets none.
    sides
        Which lung that is.
    scale
        Distance of rows and of columns, in mm.
    goes_on
        Whether the lungs go on beyond the first and the last row.
    """

    axis: tuple[float, float]
    slices: NDArray[np.int64]
    first: Chart
    reach: Chart
    sides: NDArray[np.uint8]
    scale: tuple[float, float]
    goes_on: tuple[bool, bool]

    @classmethod
    def of_mask(
        cls,
        mask: NDArray[np.uint8],
        corner: tuple[int, int, int],
        axis: tuple[float, float],
        cells: Cells,
    ) -> "View":
        """Look at a lung mask, a crop of the volume that begins at `corner`, from an axis."""
        step = cells.size[0]
        rows = np.arange((step - 1) // 2, len(mask), step)
        within = axis[0] - corner[1], axis[1] - corner[2]
        first, reach, sides = ends(mask, within, cells.pixel, rows, _DIRECTIONS, _STEP_MM)
        scale = cells.spacing[0], 2 * np.pi * _RADIUS_MM / _DIRECTIONS
        # The tip of a lung in the first slice ends there or soon; a whole section goes on.
        sections = np.count_nonzero(reach, axis=1)
        whole = sections >= sections.max() / 2
        last_cell = (corner[0] + len(mask) - 1) // step
        goes_on = (
            bool(corner[0] == 0 and whole[0]),
            bool(last_cell == len(cells.means) - 1 and whole[-1]),
        )
        return cls(axis, corner[0] + rows, first, reach, sides, scale, goes_on)


@dataclass(frozen=True, eq=False)
class Pit:
    """A pit in the costal surface of a lung.

    Parameters
    ----------
    where
        Where it is in the chart.
    inner, outer
        The surfaces, in mm from the axis, between which dense lung may lie.
    depth
        Mean of the distance between them, in mm.
    bounded
        Share of its edge that is surface of the same lung.
    """

    where: Region
    inner: Chart
    outer: Chart
    depth: float
    bounded: float


def repair_at_ribs(
    mask: NDArray[np.uint8],
    hu: NDArray[np.int16],
    corner: tuple[int, int, int],
    cells: Cells,
    method: DefaultMethod,
) -> int:
    """Take dense lung at the ribs into a lung mask, in place.

    Parameters
    ----------
    mask
        uint8, (z, y, x): 1 right lung, 2 left lung.
    hu
        int16, of the same shape.
    corner
        Index of the mask's first voxel in the volume.
    cells
        The volume in cells.
    method
        Its ``costal_*`` numbers are used.

    Returns
    -------
    int
        Voxels taken in.
    """
    sample = tuple(slice(None, None, size) for size in cells.size)
    in_rows = np.count_nonzero(mask[sample].any(axis=2), axis=0)
    y = corner[1] + float(np.average(np.arange(len(in_rows)), weights=in_rows)) * cells.size[1]
    x = midline(cells) * cells.size[2]
    hu_range = method.padding_below_hu, method.costal_below_hu
    count = 0
    for shift in (-method.costal_shift_mm, method.costal_shift_mm, 0.0):
        view = View.of_mask(mask, corner, (y + shift / cells.voxel[1], x), cells)
        for side in np.unique(view.sides[view.sides > 0]):
            inner, outer = view.reach.copy(), view.reach.copy()
            for pit in find_pits(view, int(side), method):
                if _faces(pit, shift) and _is_lung(view, pit, cells, method):
                    inner[pit.where], outer[pit.where] = pit.inner[pit.where], pit.outer[pit.where]
            if (outer > inner).any():
                within = view.axis[0] - corner[1], view.axis[1] - corner[2]
                rows = view.slices - corner[0]
                surfaces = within, cells.pixel, rows, inner, outer
                count += fill_between(mask, hu, *surfaces, hu_range, int(side))
    return count


def find_pits(view: View, side: int, method: DefaultMethod) -> Iterator[Pit]:
    """Find the pits in the costal surface of a lung."""
    reach, scale, own = view.reach, view.scale, view.sides == side
    # Where a ray meets but the part of a lung that lies at the mediastinum is no costal surface.
    surface = own & (reach >= method.costal_reach * np.percentile(reach[own], 95))
    level = trend(reach, surface, method.costal_trend_mm, method.costal_rim_mm, scale)
    rest = reach - level
    full = closed(rest, surface, method.costal_pit_mm / 2, scale, view.goes_on)
    free = own | (view.sides == 0)
    depth = np.where(free & (full > -level), full - rest, 0)
    numbers = pieces_round(depth > method.costal_rim_mm)
    for number in np.unique(numbers[numbers > 0]):
        peak = depth[numbers == number].max()
        # A pit in a hollow of the chest wall begins well under the hollow's own depth.
        core = (numbers == number) & (depth > 0.4 * min(peak, _SHARPEST))
        area = np.count_nonzero(core) * scale[0] * scale[1]
        if peak < method.costal_depth_mm:
            continue
        away = distance_round(core, scale)
        where = core | (own & (away <= method.costal_edge_mm))
        rim = surface & ~where & (away <= method.costal_span_mm)
        if np.count_nonzero(rim) < 10:  # as many as a cubic surface has terms
            continue
        edge = ~where & (distance_round(where, scale) <= 1.01 * max(scale))
        outer = span(reach, where, rim, scale) + np.float32(method.costal_margin_mm)
        inner = np.where(own, reach, span(view.first, where & ~own, rim, scale))
        mean = float((outer - inner)[core].mean())
        narrow = mean > method.costal_shaft * np.sqrt(area / np.pi)
        if not narrow and area * mean / 1000 >= method.costal_ml:
            yield Pit(where, inner, outer, mean, float(surface[edge].mean()))


def _faces(pit: Pit, shift: float) -> bool:
    """Whether a pit lies on the side of the chest that an axis, shifted to one side, looks at."""
    turn = np.nonzero(pit.where)[1] * (2 * np.pi / _DIRECTIONS)
    behind = shift + float((pit.outer[pit.where] * np.cos(turn)).mean())
    return bool(behind * np.sign(shift) <= _BEYOND_MM)


def _is_lung(view: View, pit: Pit, cells: Cells, method: DefaultMethod) -> bool:
    """Tell a pit that holds dense lung from one that holds chest wall or heart."""
    foreign, backed = _tissues(view, pit, cells, method)
    return bool(
        foreign <= method.costal_foreign_share[pit.depth >= method.costal_deep_mm]
        and pit.bounded >= method.costal_bounded_share[backed >= method.costal_backed_share]
    )


def _tissues(view: View, pit: Pit, cells: Cells, method: DefaultMethod) -> tuple[float, float]:
    """Share of a pit that is bone, fat or air, and share of its rays that meet bone behind it."""
    rows, columns = np.nonzero(pit.where & (pit.outer > pit.inner + _SAMPLE_MM))
    if not len(rows):
        return 1.0, 0.0
    inner, outer = pit.inner[rows, columns, np.newaxis], pit.outer[rows, columns, np.newaxis]
    distance = inner + np.arange(_SAMPLE_MM, (outer - inner).max() + _BEHIND_MM, _SAMPLE_MM)
    turn = (columns * (2 * np.pi / _DIRECTIONS))[:, np.newaxis]
    y = (view.axis[0] + distance * np.cos(turn) / cells.voxel[1]) // cells.size[1]
    x = (view.axis[1] + distance * np.sin(turn) / cells.voxel[2]) // cells.size[2]
    z = (view.slices[rows] // cells.size[0])[:, np.newaxis]
    _, height, width = cells.means.shape
    y, x = (place.astype(np.intp) for place in (y.clip(0, height - 1), x.clip(0, width - 1)))
    found = cells.means[z, y, x]
    fat_below, bone_above = method.costal_soft_hu
    bone = found > bone_above
    fat = (found > method.threshold_hu) & (found < fat_below)
    nothing = found < method.airway_gas_hu  # outside the patient or the field of view
    within = distance < outer
    behind = ~within & (distance < outer + _BEHIND_MM)
    return float((bone | fat | nothing)[within].mean()), float((bone & behind).any(axis=1).mean())
