"""Gas that is not in the lungs: stomach, bowel, trachea and main bronchi.

Gas is as light as the lightest lung, and a diaphragm of one voxel does not always keep it apart,
so neither a threshold nor an opening can tell stomach from lung. But gas is even, so that noise
vanishes in the mean of a small cell, and it is wrapped in soft tissue, where bullae and
emphysema have lung around them.
"""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.method import DefaultMethod
from gmmlabel.morphology.ball import Ball, dilate_ball
from gmmlabel.morphology.cells import cell_means, pack_cells
from gmmlabel.morphology.components import Components, components
from gmmlabel.morphology.packed import pack
from gmmlabel.volume import Volume


def gas_outside_lungs(volume: Volume, method: DefaultMethod) -> NDArray[np.uint64]:
    """Find pockets of gas wrapped in soft tissue.

    The volume is averaged over cells of about `method.gas_cell_mm`. At each of several levels, a
    pocket is a connected region of cells below the level, of a size within `method.gas_ml`. It is
    gas outside the lungs if its mean is that of gas and enough of the cells around it are soft
    tissue. There are several levels because a pocket that has grown together with the lung at one
    level stands alone at a lower one. A pocket that runs through all slices is left alone: in a
    slab of a few slices a light lung looks the same.

    Parameters
    ----------
    volume
        Chest CT.
    method
        Its ``gas_*`` numbers are used.

    Returns
    -------
    ndarray
        Packed mask over the volume: the pockets, and the cells around them that hold their rim
        of partial volume.
    """
    steps = volume.geometry.spacing_zyx
    depth, height, length = (max(1, round(method.gas_cell_mm / step)) for step in steps)
    z, y, x = depth * steps[0], height * steps[1], length * steps[2]
    means = cell_means(volume.hu, (depth, height, length), method.clip_hu)
    smallest, largest = method.gas_ml
    gas = np.zeros(means.shape, np.uint8)
    for level in method.gas_levels_hu:
        pockets = components(pack(means < level), means.shape[2])
        ml = pockets.sizes * (z * y * x / 1000)
        through = (pockets.boxes[:, 0] == (0, len(means))).all(axis=1)
        for number in np.flatnonzero((ml >= smallest) & (ml <= largest) & ~through):
            _add_if_gas(gas, pockets, int(number), means, (z, y, x), method)
    dilate_ball(gas, Ball.of_mm(method.gas_wrap_mm[0], (z, y, x)))
    return pack_cells(gas, (depth, height, length), volume.hu.shape)


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
