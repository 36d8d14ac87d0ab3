"""A volume or a mask averaged over cells, and cells laid back over a volume or a mask."""

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
    cells: NDArray[np.bool_], cell: tuple[int, int, int], shape: tuple[int, ...]
) -> NDArray[np.uint64]:
    """Packed mask over a volume of the voxels whose cell is set.

    Parameters
    ----------
    cells
        Boolean, one value a cell, (z, y, x).
    cell
        Voxels in a cell along each axis.
    shape
        Size of the volume.
    """
    rows = pack(cells.repeat(cell[2], axis=2)[:, :, : shape[2]])
    slices = rows.repeat(cell[1], axis=1)[:, : shape[1]]
    return slices.repeat(cell[0], axis=0)[: shape[0]]


def cell_shares(
    mask: NDArray[np.uint8],
    corner: tuple[int, int, int],
    cell: tuple[int, int, int],
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """Share of each cell that a mask fills.

    Parameters
    ----------
    mask
        uint8, 0 or not, (z, y, x), a crop of the volume.
    corner
        Index of the mask's first voxel in the volume.
    cell
        Voxels in a cell along each axis.
    shape
        Cells along each axis of the volume.

    Returns
    -------
    ndarray
        float32, 0 to 1, (z, y, x) of cells.
    """
    counts = np.zeros(shape, np.int32)
    each_slab(lambda a, b: _cell_counts(mask, *corner, *cell, counts, a, b), shape[0])
    return np.divide(counts, np.prod(cell), dtype=np.float32)


def paint_cells(
    mask: NDArray[np.uint8],
    corner: tuple[int, int, int],
    cell: tuple[int, int, int],
    values: NDArray[np.uint8],
) -> None:
    """Give every voxel of a mask that is not 0 the value of its cell, in place.

    Parameters
    ----------
    mask, corner, cell
        As for `cell_shares`.
    values
        uint8, one a cell, (z, y, x).
    """
    columns = ((corner[2] + np.arange(mask.shape[2])) // cell[2]).astype(np.int64)
    each_slab(
        lambda a, b: _paint_cells(mask[a:b], corner[0] + a, corner[1], *cell[:2], columns, values),
        len(mask),
    )


def clear_cells(
    mask: NDArray[np.uint8],
    corner: tuple[int, int, int],
    cell: tuple[int, int, int],
    cleared: NDArray[np.bool_],
) -> None:
    """Set the voxels of some cells to 0, in place.

    Parameters
    ----------
    mask, corner, cell
        As for `cell_shares`.
    cleared
        Which cells, (z, y, x).
    """
    for index in np.argwhere(cleared):
        start = index * cell - corner
        z, y, x = (slice(max(0, f), max(0, f + n)) for f, n in zip(start, cell, strict=True))
        mask[z, y, x] = 0


@kernel
def _cell_counts(mask, z0, y0, x0, depth, height, length, counts, start, stop):
    first, last = max(start * depth - z0, 0), min(stop * depth - z0, len(mask))
    for k in range(first, last):
        for j in range(mask.shape[1]):
            line = counts[(z0 + k) // depth, (y0 + j) // height]
            for i in range(mask.shape[2]):
                line[(x0 + i) // length] += mask[k, j, i] != 0


@kernel
def _paint_cells(mask, z0, y0, depth, height, columns, values):
    for k in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            line = values[(z0 + k) // depth, (y0 + j) // height]
            row = mask[k, j]
            for i in range(len(row)):
                row[i] = line[columns[i]] if row[i] else np.uint8(0)


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
