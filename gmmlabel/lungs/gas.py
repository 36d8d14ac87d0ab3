"""Gas that is not in the lungs: stomach, bowel, trachea and main bronchi.

Gas is as light as the lightest lung, and a diaphragm of one voxel does not always keep it apart,
so neither a threshold nor an opening can tell stomach from lung. But gas is even, so that noise
vanishes in the mean of a small cell, and it is wrapped in soft tissue, where bullae and
emphysema have lung around them.
"""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.lungs.cells import Cells
from gmmlabel.method import DefaultMethod
from gmmlabel.morphology.ball import Ball, dilate_ball
from gmmlabel.morphology.components import Components, components
from gmmlabel.morphology.packed import pack


def gas_outside_lungs(cells: Cells, method: DefaultMethod) -> NDArray[np.bool_]:
    """Find pockets of gas wrapped in soft tissue.

    At each of several levels, a pocket is a connected region of cells below the level, of a size
    within `method.gas_ml`. It is gas outside the lungs if its mean is that of gas and enough of
    the cells around it are soft tissue. There are several levels because a pocket that has grown
    together with the lung at one level stands alone at a lower one. A pocket that runs through
    all slices is left alone: in a slab of a few slices a light lung looks the same.

    Parameters
    ----------
    cells
        Chest CT.
    method
        Its ``gas_*`` numbers are used.

    Returns
    -------
    ndarray
        Which cells are in a pocket, (z, y, x), or hold its rim of partial volume.
    """
    means, spacing = cells.means, cells.spacing
    smallest, largest = method.gas_ml
    gas = np.zeros(means.shape, np.uint8)
    for level in method.gas_levels_hu:
        pockets = components(pack(means < level), means.shape[2])
        ml = pockets.sizes * cells.ml
        through = (pockets.boxes[:, 0] == (0, len(means))).all(axis=1)
        for number in np.flatnonzero((ml >= smallest) & (ml <= largest) & ~through):
            _add_if_gas(gas, pockets, int(number), means, spacing, method)
    dilate_ball(gas, Ball.of_mm(method.gas_wrap_mm[0], spacing))
    return gas.view(np.bool_)


def _add_if_gas(
    gas: NDArray[np.uint8],
    pockets: Components,
    number: int,
    means: NDArray[np.float32],
    spacing: tuple[float, float, float],
    method: DefaultMethod,
) -> None:
    """Add a pocket if it is as light as gas, and what surrounds it is soft tissue."""
    near, far = method.gas_wrap_mm
    room = np.array(Ball.of_mm(far, spacing).reach)
    box = pockets.boxes[number]
    start = np.maximum(box[:, 0] - room, 0)
    stop = np.minimum(box[:, 1] + room, means.shape)
    z, y, x = (slice(first, last) for first, last in zip(start, stop, strict=True))
    pocket = np.zeros(stop - start, np.uint8)
    pockets.paint(np.arange(len(pockets.sizes)) == number, pocket, start)
    inner, outer = pocket.copy(), pocket.copy()
    dilate_ball(inner, Ball.of_mm(near, spacing))
    dilate_ball(outer, Ball.of_mm(far, spacing))
    here = means[z, y, x]
    soft = here[outer > inner] > method.soft_above_hu
    if (
        here[pocket > 0].mean() <= method.gas_mean_hu
        and soft.sum() > method.gas_wrapped_share * soft.size
    ):
        gas[z, y, x] |= pocket
