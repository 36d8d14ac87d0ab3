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
from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.components import Components, components
from gmmlabel.morphology.packed import pack
from gmmlabel.morphology.slabs import each_slab
from gmmlabel.volume import Volume


def gas_outside_lungs(volume: Volume, method: DefaultMethod) -> NDArray[np.uint64]:
    """Find pockets of gas wrapped in soft tissue.

    The volume is averaged over cells of about `method.gas_cell_mm`. At each of several levels,
    a pocket is a connected region of cells below the level, of at least `method.gas_ml`, clear of
    the image border. It is gas outside the lungs if enough of the cells around it are soft
    tissue. There are several levels because a pocket that has grown together with the lung at one
    level stands alone at a lower one.

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
    cell = _cell_shape(volume, method)
    z, y, x = (float(size) for size in cell * volume.geometry.spacing_zyx)
    means = cell_means(volume.hu, cell)
    gas = np.zeros(means.shape, np.uint8)
    for level in method.gas_levels_hu:
        pockets = components(pack(means < level), means.shape[2])
        large = pockets.sizes * (z * y * x / 1000) >= method.gas_ml
        for number in np.flatnonzero(large & ~pockets.touches_border()):
            _add_if_wrapped(gas, pockets, number, means, (z, y, x), method)
    dilate_ball(gas, Ball.of_mm(max(z, y, x), (z, y, x)))
    return _over_volume(gas, cell, volume.hu.shape)


def _cell_shape(volume: Volume, method: DefaultMethod) -> NDArray[np.int64]:
    """Voxels in a cell along each array axis."""
    cells = np.rint(method.gas_cell_mm / np.array(volume.geometry.spacing_zyx))
    return np.maximum(cells, 1).astype(np.int64)


def cell_means(hu: NDArray[np.int16], cell: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean of a volume over cells; values below -1024 count as -1024.

    Parameters
    ----------
    hu
        int16, (z, y, x).
    cell
        Voxels in a cell along each axis; the last cells may hold fewer.

    Returns
    -------
    ndarray
        float32, one value a cell.
    """
    shape = -(-np.array(hu.shape) // cell)
    means = np.empty(shape, np.float32)
    each_slab(lambda a, b: _cell_means(hu, *cell, means, a, b), len(means))
    return means


def _add_if_wrapped(
    gas: NDArray[np.uint8],
    pockets: Components,
    number: int,
    means: NDArray[np.float32],
    spacing: tuple[float, float, float],
    method: DefaultMethod,
) -> None:
    """Add a pocket to the gas if what surrounds it is soft tissue."""
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
    wrap = means[z, y, x][outer > inner]
    if (wrap > method.soft_above_hu).sum() > method.gas_wrapped_share * wrap.size:
        gas[z, y, x] |= pocket


def _over_volume(
    cells: NDArray[np.uint8], cell: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.uint64]:
    """Packed mask of the voxels that lie in the cells."""
    rows = pack(cells.repeat(cell[2], axis=2)[:, :, : shape[2]] > 0)
    slices = rows.repeat(cell[1], axis=1)[:, : shape[1]]
    return slices.repeat(cell[0], axis=0)[: shape[0]]


@kernel
def _cell_means(hu, depth, height, length, means, start, stop):
    slices, rows, width = hu.shape
    sums = np.empty(means.shape[2], np.int64)
    for z in range(start, stop):
        for y in range(means.shape[1]):
            sums[:] = 0
            z_stop, y_stop = min(slices, (z + 1) * depth), min(rows, (y + 1) * height)
            for k in range(z * depth, z_stop):
                for j in range(y * height, y_stop):
                    for i in range(width):
                        sums[i // length] += max(hu[k, j, i], -1024)
            lines = (z_stop - z * depth) * (y_stop - y * height)
            for x in range(len(sums)):
                voxels = lines * (min(width, (x + 1) * length) - x * length)
                means[z, y, x] = sums[x] / voxels
