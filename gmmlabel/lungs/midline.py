"""Where the middle of the patient is, from the spine."""

import numpy as np

from gmmlabel.lungs.cells import Cells

_BONE_HU = 150.0
_SPINE_MM = 40.0
_SPINE_CM2 = 3.0
_SOFT_HU = -300.0


def midline(cells: Cells) -> float:
    """Find the column of cells, along x, in which the spine stands.

    The spine is where a strip of 40 mm holds most bone in the dorsal half of the body. Where there
    is hardly any, as in a phantom or a view that leaves it out, it is the middle of the body.

    Parameters
    ----------
    cells
        Chest CT.

    Returns
    -------
    float
        Position along x, in cells; the first cell's centre is 0.
    """
    soft = cells.means > _SOFT_HU
    along_y = soft.sum(axis=(0, 2)).cumsum()
    dorsal = int(np.searchsorted(along_y, along_y[-1] / 2))
    bone = (cells.means[:, dorsal:] > _BONE_HU).sum(axis=(0, 1))
    width = max(1, round(_SPINE_MM / cells.spacing[2]))
    strips = np.convolve(bone, np.ones(width), "full")[(width - 1) // 2 :][: len(bone)]
    if strips.max() * cells.area_mm2 / 100 < _SPINE_CM2 * len(soft):
        along_x = np.flatnonzero(soft.any(axis=(0, 1)))
        return float((along_x[0] + along_x[-1]) / 2) if len(along_x) else (len(bone) - 1) / 2
    return float(np.flatnonzero(strips >= 0.98 * strips.max()).mean())
