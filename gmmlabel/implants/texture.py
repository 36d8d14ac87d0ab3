"""Random fields: the grain of diseased lung, and a scanner's noise as a CT shows it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SLICES = 12  # as many, spread over the CT, tell its noise
_SOFT_HU = (0.0, 100.0)  # muscle, blood and organs
_SOFT_MM = 10.0  # side of the square whose mean must be soft tissue
_NEIGHBOURS = np.linspace(0.0, 0.95, 96)
"""Correlations of neighbours that are looked for; a CT on a very fine grid has 0.9."""


@dataclass(frozen=True)
class Noise:
    """A scanner's noise, alike along x and y, and independent from slice to slice.

    Parameters
    ----------
    sd_hu
        Standard deviation.
    grain_voxels
        Sigma of the Gaussian, in voxels of the plane, that smooths white noise to such noise.
    """

    sd_hu: float
    grain_voxels: float

    @classmethod
    def of(cls, hu: NDArray[np.int16], spacing: tuple[float, float, float]) -> "Noise":
        """Measure the noise of a CT in its soft tissue, where there is little else at 1 mm.

        The second difference along x and y leaves nothing of planes and straight edges. That of
        neighbours, against that of every other voxel, tells how alike neighbours are; medians
        leave vessels and layers of fat out.

        Parameters
        ----------
        hu
            int16, (z, y, x).
        spacing
            Distance of voxels along (z, y, x), in mm.

        Returns
        -------
        Noise
            Of 0 HU if there is no soft tissue.
        """
        planes = hu[:: max(1, len(hu) // _SLICES)].astype(np.float32)
        reach = [1, *(max(3, round(_SOFT_MM / step)) for step in spacing[1:])]
        mean = ndimage.uniform_filter(planes, reach)
        soft = (mean > _SOFT_HU[0]) & (mean < _SOFT_HU[1])
        if not soft.any():
            return cls(0.0, 0.0)
        near, far = (_difference(planes, soft, step) for step in (1, 2))
        # Of Gaussian noise, voxels k apart correlate by q ** (k * k).
        q = _NEIGHBOURS
        near_of, far_of = 6 - 8 * q + 2 * q**4, 6 - 8 * q**4 + 2 * q**16
        best = int(np.abs(near * far_of - far * near_of).argmin())
        grain = 0.5 / np.sqrt(-np.log(q[best])) if best else 0.0
        return cls(float(near / near_of[best]), float(grain))

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Draw noise of this kind, (z, y, x), in HU."""
        field = rng.standard_normal(shape, np.float32)
        field = ndimage.gaussian_filter(field, (0, self.grain_voxels, self.grain_voxels))
        return np.asarray(field * np.float32(self.sd_hu / field.std()))


def draw_texture(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    spacing: tuple[float, float, float],
    grain_mm: float,
) -> NDArray[np.float32]:
    """Draw a field of tissue as voxels see it: of SD 1 at points, less in the mean of a voxel.

    Parameters
    ----------
    rng
        Source of chance.
    shape, spacing
        Voxels, and their distance in mm, along (z, y, x).
    grain_mm
        Sigma of the Gaussian that smooths white noise: points d mm apart correlate by
        ``exp(-d^2 / (4 grain^2))``.
    """
    steps = np.array(spacing)
    # A voxel blurs like a Gaussian of its variance, step^2 / 12. White noise in three dimensions
    # that is smoothed by a Gaussian has a variance that goes with one over its three sigmas.
    seen = np.sqrt(grain_mm**2 + steps**2 / 12)
    field = ndimage.gaussian_filter(
        rng.standard_normal(shape, np.float32), seen / steps, mode="wrap"
    )
    return np.asarray(field * np.float32(np.sqrt(np.prod(grain_mm / seen)) / field.std()))


def _difference(planes: NDArray[np.float32], where: NDArray[np.bool_], step: int) -> float:
    """Robust SD of the second difference along both x and y."""
    kernel = np.zeros(2 * step + 1, np.float32)
    kernel[[0, step, -1]] = 1, -2, 1
    along_y = ndimage.correlate1d(planes, kernel, axis=1)
    return float(1.4826 * np.median(np.abs(ndimage.correlate1d(along_y, kernel, axis=2)[where])))
