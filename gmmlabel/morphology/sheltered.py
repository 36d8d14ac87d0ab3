"""How much of each island lies in the shelter of a body, slice by slice."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.components import Components


def sheltered_share(
    islands: Components, pieces: Components, body: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Share of each island's voxels that see the body on three or four sides of their slice.

    The sides are the two ways along the row and the two ways along the column. Lung has ribs or
    mediastinum on each of them, or on three where the image cuts through it; the air around the
    patient, the couch below and the blanket above do not.

    Parameters
    ----------
    islands
        Components whose share is asked for.
    pieces
        Components on the same grid, some of which are the body.
    body
        Which of the pieces are the body, boolean.

    Returns
    -------
    ndarray
        float64, (islands).
    """
    counts = _count_sheltered(
        islands.row_start,
        islands.runs,
        islands.owner,
        len(islands.sizes),
        pieces.row_start,
        pieces.runs,
        body[pieces.owner],
        *islands.shape[1:],
    )
    return np.asarray(counts / np.maximum(islands.sizes, 1))


@kernel
def _count_sheltered(row_start, runs, owner, islands, body_start, body_runs, body, rows, width):
    counts = np.zeros(islands, np.int64)
    first_x, last_x = np.empty(rows, np.int64), np.empty(rows, np.int64)
    first_y, last_y = np.empty(width, np.int64), np.empty(width, np.int64)
    for top in range(0, len(row_start) - 1, rows):
        first_x[:], last_x[:], first_y[:], last_y[:] = width, -1, rows, -1
        for y in range(rows):
            for i in range(body_start[top + y], body_start[top + y + 1]):
                if body[i]:
                    start, stop = body_runs[i]
                    first_x[y] = min(first_x[y], start)
                    last_x[y] = stop - 1
                    for x in range(start, stop):
                        first_y[x] = min(first_y[x], y)
                        last_y[x] = y
        for y in range(rows):
            for i in range(row_start[top + y], row_start[top + y + 1]):
                for x in range(runs[i, 0], runs[i, 1]):
                    sides = (first_x[y] < x) + (x < last_x[y]) + (first_y[x] < y) + (y < last_y[x])
                    counts[owner[i]] += sides >= 3
    return counts
