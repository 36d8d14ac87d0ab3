"""A volume averaged over cells, and a mask of cells laid back over the volume."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.packed import pack
from gmmlabel.morphology.slabs import each_slab


def cell_means(
    hu: NDArray[np.int16], cell: tuple[int, int, int], lowest: int
) -> NDArray[np.float32]:
    """Mean of a volume over cells.

    Parameters
    ----------
    hu
        int16, (z, y, x).
    cell
        Voxels in a cell along each axis; the last cells of an axis may hold fewer.
    lowest
        Lower values count as this one.

    Returns
    -------
    ndarray
        float32, one value a cell.
    """
    shape = [-(-length // size) for length, size in zip(hu.shape, cell, strict=True)]
    means = np.empty(shape, np.float32)
    each_slab(lambda a, b: _cell_means(hu, *cell, lowest, means, a, b), len(means))
    return means


def pack_cells(
    cells: NDArray[np.uint8], cell: tuple[int, int, int], shape: tuple[int, ...]
) -> NDArray[np.uint64]:
    """Packed mask over a volume of the voxels whose cell is set.

    Parameters
    ----------
    cells
        uint8, one value a cell, (z, y, x).
    cell
        Voxels in a cell along each axis.
    shape
        Size of the volume.
    """
    rows = pack(cells.repeat(cell[2], axis=2)[:, :, : shape[2]] > 0)
    slices = rows.repeat(cell[1], axis=1)[:, : shape[1]]
    return slices.repeat(cell[0], axis=0)[: shape[0]]


@kernel
def _cell_means(hu, depth, height, length, lowest, means, start, stop):
    slices, rows, width = hu.shape
    sums = np.empty(means.shape[2], np.int64)
    for z in range(start, stop):
        for y in range(means.shape[1]):
            sums[:] = 0
            z_stop, y_stop = min(slices, (z + 1) * depth), min(rows, (y + 1) * height)
            for k in range(z * depth, z_stop):
                for j in range(y * height, y_stop):
                    for i in range(width):
                        sums[i // length] += max(hu[k, j, i], lowest)
            lines = (z_stop - z * depth) * (y_stop - y * height)
            for x in range(len(sums)):
                voxels = lines * (min(width, (x + 1) * length) - x * length)
                means[z, y, x] = sums[x] / voxels
