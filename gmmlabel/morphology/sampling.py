"""Volumes averaged onto a coarse grid, and a field on that grid read back at the voxels.

Both are separable: an axis is a band matrix, one row of few weights for each place on it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.compiling import kernel
from gmmlabel.morphology.slabs import each_slab


@dataclass(frozen=True, eq=False)
class Band:
    """Weights of neighbouring samples, for each of many places along an axis.

    Parameters
    ----------
    first
        Index of the first sample with a weight, int64, (places).
    weights
        Weights from there on, float32, (places, taps).
    """

    first: NDArray[np.int64]
    weights: NDArray[np.float32]

    @classmethod
    def of_hat(
        cls,
        places: NDArray[np.float64],
        samples: int,
        step: float,
        reach: float,
        goes_on: tuple[bool, bool],
    ) -> "Band":
        """Weigh the samples around each place by a hat, 1 at the place and 0 at `reach` from it.

        Parameters
        ----------
        places
            Where to look, in mm from the first sample.
        samples
            Number of samples.
        step
            Distance from one to the next, in mm.
        reach
            Half the width of the hat, in mm; at least `step`, or else some places see nothing.
        goes_on
            Whether the first and the last sample go on beyond the end; otherwise there is 0.
        """
        lowest = np.floor((places - reach) / step).astype(np.int64)
        around = lowest[:, np.newaxis] + np.arange(int(2 * reach / step) + 3)
        hat = np.maximum(0, 1 - np.abs(around * step - places[:, np.newaxis]) / reach)
        hat /= hat.sum(axis=1, keepdims=True)
        hat[(around < 0) & (not goes_on[0])] = 0
        hat[(around >= samples) & (not goes_on[1])] = 0
        taps = min(samples, hat.shape[1])
        first = lowest.clip(0, samples - taps)
        weights = np.zeros((len(places), taps))
        rows = np.broadcast_to(np.arange(len(places))[:, np.newaxis], around.shape)
        inside = around.clip(0, samples - 1) - first[:, np.newaxis]
        # A tap further than the band reaches is one whose weight is 0.
        np.add.at(weights, (rows, inside.clip(0, taps - 1)), hat)
        return cls(first, weights.astype(np.float32))

    @classmethod
    def between(cls, places: NDArray[np.float64], samples: int, step: float) -> "Band":
        """Weigh the two samples around each place linearly; the ends go on beyond the samples.

        Parameters
        ----------
        places, samples, step
            As of `of_hat`.
        """
        first = np.floor(places / step).astype(np.int64).clip(0, max(0, samples - 2))
        after = (places / step - first).clip(0, 1 if samples > 1 else 0).astype(np.float32)
        return cls(first, np.stack([1 - after, after], axis=1))


Bands = tuple[Band, Band, Band]


def average(
    values: NDArray[np.int16] | NDArray[np.uint8], bands: Bands, low: int, high: int
) -> NDArray[np.float32]:
    """Average a volume onto a grid.

    Parameters
    ----------
    values
        int16 or uint8, (z, y, x).
    bands
        The grid's places along (z, y, x) among the voxels.
    low, high
        Lower and higher values count as these.

    Returns
    -------
    ndarray
        float32, one value for each place.
    """
    z, y, x = bands
    means = np.zeros((len(z.first), len(y.first), len(x.first)), np.float32)
    parts = (z.first, z.weights, y.first, y.weights, x.first, x.weights)
    each_slab(lambda a, b: _average(values, low, high, *parts, means, a, b), len(means))
    return means


def exceeds(
    field: NDArray[np.float32], bands: Bands, level: float, mask: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Find the voxels of a mask at which a field on a grid exceeds a level.

    Parameters
    ----------
    field
        float32, (z, y, x) of the grid.
    bands
        The voxels' places along (z, y, x) on the grid, from `Band.between`.
    level
        What to exceed.
    mask
        uint8, (z, y, x) of the voxels; only those that are not 0 are looked at.

    Returns
    -------
    ndarray
        uint8, 0 or 1, of the mask's shape.
    """
    z, y, x = bands
    found = np.zeros(mask.shape, np.uint8)
    parts = (z.first, z.weights, y.first, y.weights, x.first, x.weights)
    each_slab(lambda a, b: _exceeds(field, *parts, level, mask, found, a, b), len(mask))
    return found


@kernel
def _average(values, low, high, z0, wz, y0, wy, x0, wx, means, start, stop):
    rows, columns = means.shape[1:]
    lines = np.empty((values.shape[1], columns), np.float32)
    plane = np.empty((rows, columns), np.float32)
    for k in range(z0[start:stop].min(), (z0[start:stop] + wz.shape[1]).max()):
        for j in range(values.shape[1]):
            row = values[k, j]
            for x in range(columns):
                total = np.float32(0)
                for t in range(wx.shape[1]):
                    value = min(max(np.int64(row[x0[x] + t]), low), high)
                    total += wx[x, t] * np.float32(value)
                lines[j, x] = total
        plane[:] = 0
        for y in range(rows):
            for t in range(wy.shape[1]):
                weight = wy[y, t]
                for x in range(columns):
                    plane[y, x] += weight * lines[y0[y] + t, x]
        for z in range(start, stop):
            if z0[z] <= k < z0[z] + wz.shape[1]:
                means[z] += wz[z, k - z0[z]] * plane


@kernel
def _exceeds(field, z0, wz, y0, wy, x0, wx, level, mask, found, start, stop):
    line = np.empty(field.shape[2], np.float32)
    last_z, last_y, last_x = field.shape[0] - 1, field.shape[1] - 1, field.shape[2] - 1
    for z in range(start, stop):
        near, far = field[z0[z]], field[min(z0[z] + 1, last_z)]
        for y in range(mask.shape[1]):
            j, after = y0[y], min(y0[y] + 1, last_y)
            highest = np.float32(0)
            for i in range(len(line)):
                line[i] = wz[z, 0] * (wy[y, 0] * near[j, i] + wy[y, 1] * near[after, i])
                line[i] += wz[z, 1] * (wy[y, 0] * far[j, i] + wy[y, 1] * far[after, i])
                highest = max(highest, line[i])
            if highest > level:
                for x in range(mask.shape[2]):
                    if mask[z, y, x]:
                        i = x0[x]
                        here = wx[x, 0] * line[i] + wx[x, 1] * line[min(i + 1, last_x)]
                        found[z, y, x] = here > level
