"""Labels of voxels through a table over all int16 values, and counts of both."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab


def look_up(
    hu: NDArray[np.int16],
    mask: NDArray[np.uint8],
    table: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Label the voxels of a mask through a table.

    Parameters
    ----------
    hu
        int16, (z, y, x).
    mask
        uint8, 0 or not, same shape.
    table
        Label of each value from -32768 to 32767, uint8.

    Returns
    -------
    labels
        uint8, same shape, 0 outside the mask.
    counts
        How often each value from -32768 to 32767 lies in the mask, int64.
    """
    labels = np.empty(hu.shape, np.uint8)
    counts = each_slab(lambda a, b: _look_up(hu[a:b], mask[a:b], table, labels[a:b]), len(hu))
    return labels, np.sum(counts, axis=0)


def count_labels(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the voxels with each of the values 0 to 5 of a label map, (6,)."""
    counts = each_slab(lambda a, b: _count_labels(labels[a:b]), len(labels))
    return np.asarray(np.sum(counts, axis=0))


@kernel
def _count_labels(labels):
    counts = np.zeros(6, np.int64)
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            row = labels[z, y]
            for value in range(1, 6):
                found = 0
                for x in range(len(row)):
                    found += row[x] == value
                counts[value] += found
    counts[0] = labels.size - counts.sum()
    return counts


@kernel
def _look_up(hu, mask, table, labels):
    counts = np.zeros(len(table), np.int64)
    half = len(table) // 2
    slices, rows, width = hu.shape
    for z in range(slices):
        for y in range(rows):
            for x in range(width):
                place = np.int64(hu[z, y, x]) + half
                inside = mask[z, y, x] != 0
                counts[place] += inside
                labels[z, y, x] = table[place] * inside
    return counts
