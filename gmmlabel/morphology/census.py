"""One pass over the lungs that counts all that is known of their zones."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab


def count_rows(mask: NDArray[np.uint8], values: int) -> NDArray[np.int64]:
    """Count each value of a mask in each row along x.

    Parameters
    ----------
    mask
        uint8, (z, y, x), no value above `values`.
    values
        The largest value.

    Returns
    -------
    ndarray
        int64, (values, z, y): for the values from 1 up.
    """
    counts = np.zeros((values, *mask.shape[:2]), np.int64)
    each_slab(lambda a, b: _count_rows(mask[a:b], counts[:, a:b]), len(mask))
    return counts


def take_census(
    hu: NDArray[np.int16],
    mask: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    marks: NDArray[np.uint8],
    zones: NDArray[np.uint8],
    zone_count: int,
    limits: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count the voxels of a mask by zone, value, label and mark.

    Parameters
    ----------
    hu
        int16, (z, y, x).
    mask
        uint8, same shape; 0 is not counted, another value chooses from `zones`.
    labels
        uint8 from 0 to 5, same shape.
    marks
        uint8, 0 or 1, same shape.
    zones
        Zone of the voxels of a row that have the mask's value 1, 2, ...; uint8, (values, z, y).
    zone_count
        Number of zones.
    limits
        First and last value counted; lower and higher ones are counted with them.

    Returns
    -------
    histograms
        How often each value from the first to the last lies in each zone, int64, (zones, values).
    marked
        The same of the voxels with a mark.
    labelled
        How often each label lies in each zone, int64, (zones, 6).
    """
    first, last = limits
    parts = each_slab(
        lambda a, b: _take_census(
            hu[a:b], mask[a:b], labels[a:b], marks[a:b], zones[:, a:b], zone_count, first, last
        ),
        len(hu),
    )
    histograms, marked, labelled = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    return histograms, marked, labelled


@kernel
def _count_rows(mask, counts):
    for z in range(mask.shape[0]):
        for y in range(mask.shape[1]):
            row = mask[z, y]
            for value in range(len(counts)):
                found = 0
                for x in range(len(row)):
                    found += row[x] == value + 1
                counts[value, z, y] = found


@kernel
def _take_census(hu, mask, labels, marks, zones, count, first, last):
    histograms = np.zeros((count, last - first + 1), np.int64)
    marked = np.zeros((count, last - first + 1), np.int64)
    labelled = np.zeros((count, 6), np.int64)
    slices, rows, width = hu.shape
    for z in range(slices):
        for y in range(rows):
            for x in range(width):
                inside = mask[z, y, x]
                if inside:
                    zone = zones[inside - 1, z, y]
                    place = min(max(np.int64(hu[z, y, x]), first), last) - first
                    histograms[zone, place] += 1
                    marked[zone, place] += marks[z, y, x]
                    labelled[zone, labels[z, y, x]] += 1
    return histograms, marked, labelled
