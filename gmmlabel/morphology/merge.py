"""One mask laid into another."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab


def merge(into: NDArray[np.uint8], mask: NDArray[np.uint8], value: int) -> None:
    """Give the voxels of a mask a value where there is none yet, in place.

    Parameters
    ----------
    into
        uint8, (z, y, x), 0 where there is no value.
    mask
        uint8, 0 or not, same shape.
    value
        1 to 255.
    """
    each_slab(lambda a, b: _merge(into[a:b], mask[a:b], np.uint8(value)), len(into))


@kernel
def _merge(into, mask, value):
    for z in range(into.shape[0]):
        for y in range(into.shape[1]):
            for x in range(into.shape[2]):
                if mask[z, y, x] and into[z, y, x] == 0:
                    into[z, y, x] = value
