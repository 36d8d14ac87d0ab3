"""Which of the lungs is the right one, and where the two part.

Two lungs that touch, at the anterior junction line or behind the oesophagus, are one island of
light voxels. Eroded by some millimetres they fall apart into two cores on either side of the
spine. Where the cores, grown back, meet again, the lungs part along the smallest and brightest
surface: a minimum cut (Boykov and Kolmogorov 2004) through the cells around the meeting place.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.lungs.cells import Cells
from gmmlabel.lungs.midline import midline
from gmmlabel.lungs.parting import part
from gmmlabel.method import DefaultMethod
from gmmlabel.morphology.ball import Ball, dilate_ball
from gmmlabel.morphology.flood import flood


class Side(IntEnum):
    """The value of a lung in a lung mask."""

    RIGHT = 1
    LEFT = 2


@dataclass(frozen=True, eq=False)
class Sides:
    """The side of each cell that holds lung.

    Parameters
    ----------
    cells
        uint8, a `Side` or 0, (z, y, x).
    told
        Whether right and left could be told apart reliably.
    """

    cells: NDArray[np.uint8]
    told: bool


def tell_sides(
    cells: Cells, shares: NDArray[np.float32], airways: NDArray[np.bool_], method: DefaultMethod
) -> Sides:
    """Tell the right lung from the left one.

    Parameters
    ----------
    cells
        Chest CT.
    shares
        Share of each cell that is lung, 0 to 1, of the cells' shape; not 0 everywhere.
    airways
        Cells of the trachea and the main bronchi, which join the lungs.
    method
        Its ``side_*`` numbers are used.

    Returns
    -------
    Sides
        A side for every cell of which any share is lung.
    """
    box = ndimage.find_objects((shares > 0).astype(np.int8))[0]
    means, lung = cells.means[box], shares[box] > 0
    light = (shares[box] >= 0.5) & (means < method.soft_above_hu) & ~airways[box]
    labels, told = _cores(light, midline(cells) - box[2].start, cells, method)
    cores = labels > 0
    flood(labels, light)
    part(labels, cores, means, cells.spacing, method)
    flood(labels, lung)
    flood(labels, np.ones_like(lung))  # islands go to the side that is nearer
    whole = np.zeros(shares.shape, np.uint8)
    whole[box] = np.where(lung, labels, np.uint8(0))
    return Sides(whole, told)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The connected pieces of a core and how they lie along x.

    `numbers` is 0 outside the pieces and above `len(sizes)` in those that are too small to count.
    """

    numbers: NDArray[np.int32]
    sizes: NDArray[np.int64]
    columns: NDArray[np.int64]
    """Cells of each piece in each column, (pieces, x)."""

    @classmethod
    def of(cls, core: NDArray[np.bool_], least: float) -> "_Pieces":
        numbers, count = ndimage.label(core)
        width = core.shape[2]
        columns = np.bincount(
            (numbers * width + np.arange(width)).ravel(), minlength=(count + 1) * width
        ).reshape(count + 1, width)[1:]
        sizes = columns.sum(axis=1)
        order = np.argsort(-sizes, kind="stable")
        rank = np.zeros(count + 1, np.int32)
        rank[order + 1] = np.arange(1, count + 1)
        order = order[sizes[order] >= max(least, 1)]
        return cls(rank[numbers], sizes[order], columns[order])

    def quantile(self, share: float) -> NDArray[np.int64]:
        """Column below which a share of each piece lies."""
        below = self.columns.cumsum(axis=1) < share * self.sizes[:, np.newaxis]
        return np.asarray(below.sum(axis=1))

    def labels(self, boundary: float) -> NDArray[np.uint8]:
        """Side of each cell by the side of the boundary on which most of its piece lies."""
        first, last = self.quantile(0.15), self.quantile(0.85)
        sides = np.where(last < boundary, Side.RIGHT, np.where(first > boundary, Side.LEFT, 0))
        table = np.zeros(self.numbers.max() + 1, np.uint8)
        table[1 : len(sides) + 1] = sides
        return table[self.numbers]


def _cores(
    light: NDArray[np.bool_], middle: float, cells: Cells, method: DefaultMethod
) -> tuple[NDArray[np.uint8], bool]:
    """Erode the lungs until they are two, or surely one; return their sides, and if sure."""
    margin = method.side_margin_mm / cells.spacing[2]
    whole = float(np.count_nonzero(light))
    for radius in method.side_erosions_mm:
        pieces = _Pieces.of(_eroded(light, radius, cells), method.side_share * whole)
        if not len(pieces.sizes):
            break
        first, last, centre = pieces.quantile(0.1), pieces.quantile(0.9), pieces.quantile(0.5)
        apart = (first > last[0]) | (last < first[0])
        same = ((centre < middle - margin) & (centre[0] < middle - margin)) | (
            (centre > middle + margin) & (centre[0] > middle + margin)
        )
        others = np.flatnonzero(apart & ~same)
        if len(others):
            other = others[0]
            right, left = (0, other) if centre[0] < centre[other] else (other, 0)
            return pieces.labels((last[right] + first[left]) / 2), True
        beyond = min(
            pieces.columns[0, : max(0, int(middle - margin))].sum(),
            pieces.columns[0, int(middle + margin) + 1 :].sum(),
        )
        if beyond < method.side_beyond_share * pieces.sizes[0]:
            break
    else:  # they touch over so broad a surface that only the cut can part them
        columns = np.arange(light.shape[2])
        beside = (columns < middle - margin) * Side.RIGHT + (columns > middle + margin) * Side.LEFT
        return np.where(light, beside, 0).astype(np.uint8), False
    largest = _Pieces.of(light, 0)
    centre = largest.quantile(0.5)[0]
    labels = largest.labels(middle)
    labels[largest.numbers == 1] = Side.RIGHT if centre < middle else Side.LEFT
    return labels, bool(abs(centre - middle) >= margin)


def _eroded(light: NDArray[np.bool_], radius: float, cells: Cells) -> NDArray[np.bool_]:
    """Erode with a ball; what lies outside the array counts as lung."""
    if radius == 0:
        return light
    gaps = (~light).astype(np.uint8)
    dilate_ball(gaps, Ball.of_mm(radius, cells.spacing))
    return np.asarray(gaps == 0)
