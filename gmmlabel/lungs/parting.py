"""Where two lungs that touch part: a minimum cut.

The cells around the place where they meet are the nodes of a graph, and neighbours are joined by
edges that cost the area of their common face, less where one of the two is bright: the junction
of the lungs is two layers of pleura, and a voxel that holds a part of it is brighter than lung.
The cheapest set of edges that parts the two cores is the surface asked for.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from gmmlabel.method import DefaultMethod
from gmmlabel.morphology.ball import Ball, dilate_ball

T = TypeVar("T", bound=np.generic)

_RIGHT, _LEFT = 1, 2
_DEAREST = 1000


def part(
    labels: NDArray[np.uint8],
    cores: NDArray[np.bool_],
    means: NDArray[np.float32],
    spacing: tuple[float, float, float],
    method: DefaultMethod,
) -> None:
    """Move the boundary of two labels to the smallest and brightest surface, in place.

    Parameters
    ----------
    labels
        uint8, 1, 2 or 0 outside, (z, y, x).
    cores
        What keeps its label.
    means
        HU.
    spacing
        Distance of neighbouring cells along (z, y, x), in mm.
    method
        Its ``parting_*`` numbers are used.
    """
    band = _band(labels, Ball.of_mm(method.parting_mm, spacing))
    if not band.any():
        return
    nodes = np.full(labels.shape, -1, np.int32)
    free = band & ~cores
    nodes[free] = np.arange(2, np.count_nonzero(free) + 2)
    # All that keeps its label is one of two nodes, the source and the sink of the flow.
    fixed = (labels > 0) & ~free
    nodes[fixed] = labels[fixed] - 1
    size = np.count_nonzero(free) + 2
    cost = np.exp((method.parting_from_hu - means) / method.parting_fall_hu).clip(0.01, 1)
    largest = max(np.prod(spacing) / step for step in spacing)
    edges = []
    for axis, step in enumerate(spacing):
        here, there = _neighbours(nodes, axis)
        joined = (here >= 0) & (there >= 0) & (here != there) & (np.maximum(here, there) > 1)
        area = np.prod(spacing) / step / largest
        capacity = np.rint(np.minimum(*_neighbours(cost, axis))[joined] * (_DEAREST * area))
        edges += [(capacity, here[joined], there[joined]), (capacity, there[joined], here[joined])]
    capacity, start, stop = (np.concatenate(column) for column in zip(*edges, strict=True))
    graph = sparse.csr_array((capacity.astype(np.int32), (start, stop)), (size, size))
    flow = csgraph.maximum_flow(graph, 0, 1).flow
    left = sparse.coo_array(graph - flow)
    room = left.data > 0
    left = sparse.coo_array((left.data[room], (left.row[room], left.col[room])), (size, size))
    reached = csgraph.breadth_first_order(left.tocsr(), 0, return_predecessors=False)
    side = np.full(size, _LEFT, np.uint8)
    side[reached] = _RIGHT
    labels[free] = side[nodes[free]]


def _band(labels: NDArray[np.uint8], ball: Ball) -> NDArray[np.bool_]:
    """Find the labelled cells that are near to a place where both labels meet."""
    meeting = np.zeros(labels.shape, np.uint8)
    for axis in range(3):
        one, other = _neighbours(labels, axis)
        here, there = _neighbours(meeting, axis)
        met = (one | other) == (_RIGHT | _LEFT)
        here |= met
        there |= met
    if meeting.any():
        dilate_ball(meeting, ball)
    return (meeting > 0) & (labels > 0)


def _neighbours(array: NDArray[T], axis: int) -> tuple[NDArray[T], NDArray[T]]:
    """View all cells that have a next one along an axis, and those next ones."""
    moved = np.moveaxis(array, axis, 0)
    return moved[:-1], moved[1:]
