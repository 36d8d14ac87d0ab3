"""Labels that spread through a mask, one step at a time and all at once."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel


def flood(labels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
    """Give the cells of a mask the label that reaches them first, in place.

    Labels spread from face to face through the mask, all at the same pace; where two arrive in
    the same step, the one that set out from the earlier cell in scan order wins. Cells that no
    label reaches stay 0.

    Parameters
    ----------
    labels
        uint8, (z, y, x), C-contiguous, 0 where there is no label yet.
    mask
        Where labels may spread, of the same shape.
    """
    _flood(labels.reshape(-1), mask.reshape(-1), *labels.shape, np.flatnonzero(labels))


@kernel
def _flood(labels, mask, slices, rows, width, start):
    queue = np.empty(len(start) + mask.sum(), np.int64)
    queue[: len(start)] = start
    head, tail = 0, len(start)
    plane = rows * width
    while head < tail:
        here = queue[head]
        head += 1
        z, y, x = here // plane, here // width % rows, here % width
        for there, inside in (
            (here - plane, z > 0),
            (here + plane, z + 1 < slices),
            (here - width, y > 0),
            (here + width, y + 1 < rows),
            (here - 1, x > 0),
            (here + 1, x + 1 < width),
        ):
            if inside and mask[there] and labels[there] == 0:
                labels[there] = labels[here]
                queue[tail] = there
                tail += 1
