"""Opacity: what of the lungs is denser than aerated lung, without vessels, rims, noise and specks.

The mixture labels each voxel by its own HU, so vessel walls, the rim of partial volume at the
pleura and noise are labelled ground glass. Here each place is decided by the lung around it:

1. density is averaged onto a grid that is the same for every CT, whatever its voxels;
2. cells vote on whether the lung is opaque; vessels, which are brighter than what is left after a
   grey opening, and slopes at the pleura do not vote;
3. a place is opaque if the weighted majority of the votes around it is. Where opaque and clear
   lung meet, the edge lies part of the way between the densities of the two;
4. regions under a volume are dropped.

docs/method.md compares it with a grey opening with a local mean and with a Markov random field.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.lungs import Lungs
from gmmlabel.method import OpacityMethod
from gmmlabel.morphology.sampling import Band, Bands, average, exceeds
from gmmlabel.volume import Volume

_BRIGHTEST_HU = 200
_MAJORITY = 0.5
_FEW = 1e-3
_CROSS = ndimage.generate_binary_structure(3, 1)


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis of the grid: places of its cells in the volume and in the lungs' box, in mm."""

    voxels: int
    spacing: float
    first: int
    total: int
    step: float

    @property
    def goes_on(self) -> tuple[bool, bool]:
        """Whether the lungs may go on beyond the ends of the box, as they may where it is cut."""
        return self.first == 0, self.first + self.voxels == self.total

    @property
    def places(self) -> NDArray[np.float64]:
        """Centres of the cells from the first voxel of the box, the grid centred on the box.

        A cell more lies beyond each end at which the lungs end, or else a pleura on the face of
        the box would be none.
        """
        cells = int(np.ceil(self.voxels * self.spacing / self.step))
        start = ((self.voxels - 1) * self.spacing - (cells - 1) * self.step) / 2
        before, after = (int(not goes_on) for goes_on in self.goes_on)
        return np.asarray(start + np.arange(-before, cells + after) * self.step, np.float64)

    def density(self, reach: float) -> Band:
        """Weights of the voxels of the volume, which goes on beyond its ends."""
        places = self.places + self.first * self.spacing
        return Band.of_hat(places, self.total, self.spacing, max(reach, self.spacing), (True, True))

    def share(self) -> Band:
        """Weights of the voxels of the box; lungs end there unless the volume does."""
        reach = max(self.step, self.spacing)
        return Band.of_hat(self.places, self.voxels, self.spacing, reach, self.goes_on)

    def back(self) -> Band:
        """Weights of the cells at the voxels of the box."""
        places = np.arange(self.voxels) * self.spacing - self.places[0]
        return Band.between(places, len(self.places), self.step)


def find_opacity(
    volume: Volume, lungs: Lungs, method: OpacityMethod, clip_hu: int
) -> NDArray[np.uint8]:
    """Find the opaque voxels of the lungs.

    Parameters
    ----------
    volume
        Chest CT.
    lungs
        Its lungs.
    method
        Whose numbers to use.
    clip_hu
        Lower HU count as this.

    Returns
    -------
    ndarray
        uint8, 0 or 1, on the box of the lungs.
    """
    z, y, x = (
        _Axis(voxels, spacing, first, total, method.grid_mm)
        for voxels, spacing, first, total in zip(
            lungs.mask.shape,
            volume.geometry.spacing_zyx,
            lungs.corner,
            volume.hu.shape,
            strict=True,
        )
    )
    density: Bands = (
        z.density(method.blur_mm),
        y.density(method.blur_mm),
        x.density(method.blur_mm),
    )
    hu = average(volume.hu, density, clip_hu, _BRIGHTEST_HU)
    share = average(lungs.mask, (z.share(), y.share(), x.share()), 0, 1)
    votes = _majority(hu, share, method)
    _drop_specks(votes, share, method)
    return exceeds(votes, (z.back(), y.back(), x.back()), _MAJORITY, lungs.mask)


def _majority(
    hu: NDArray[np.float32], share: NDArray[np.float32], method: OpacityMethod
) -> NDArray[np.float32]:
    """Weighted share of the votes around each cell that say opaque; 0 where nobody votes."""
    voters = _voters(hu, share, method)
    opaque = voters & (hu > method.above_hu)
    near_opaque, near_clear = (
        _around(part, method.edge_mm, method) for part in (opaque, voters & ~opaque)
    )
    opaque_hu, clear_hu = (
        _around(np.where(part, hu, 0), method.edge_mm, method) / np.maximum(near, _FEW)
        for part, near in ((opaque, near_opaque), (voters & ~opaque, near_clear))
    )
    edge = clear_hu + method.edge_share * (opaque_hu - clear_hu)
    both = np.minimum(near_opaque, near_clear) > _FEW
    opaque = voters & (hu > np.where(both, edge, method.above_hu))
    all_votes, votes = (_around(part, method.window_mm, method) for part in (voters, opaque))
    return np.where(all_votes > _FEW, votes / np.maximum(all_votes, _FEW), 0).astype(np.float32)


def _voters(
    hu: NDArray[np.float32], share: NDArray[np.float32], method: OpacityMethod
) -> NDArray[np.bool_]:
    """Cells whose density is that of the lung there: no vessel, no slope at the pleura, no rim."""
    within = ndimage.binary_erosion(share > 0.99, _CROSS, border_value=1)
    smooth = ndimage.gaussian_filter(hu, method.vessel_blur_mm / method.grid_mm)
    vessel = smooth - _opened(np.where(share > 0, smooth, _BRIGHTEST_HU)) > method.vessel_hu
    slopes = [
        np.gradient(smooth, method.grid_mm, axis=axis)
        for axis in range(3)
        if smooth.shape[axis] > 1
    ]
    steep = sum(slope**2 for slope in slopes) > method.slope_hu_mm**2
    lung = share > 0.5
    depth = ndimage.distance_transform_edt(lung) * method.grid_mm
    at_pleura = (depth < method.rim_mm) & ~lung.all()
    return np.asarray(within & ~vessel & ~(at_pleura & steep))


def _opened(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey opening by a round shape 9 cells wide, and 11 wide for the dilation.

    The dilation reaches a cell further so that the edges of what is wide enough come back whole.
    """
    eroded = ndimage.minimum_filter(hu, 3, mode="nearest")
    for _ in range(3):
        eroded = ndimage.minimum_filter(eroded, footprint=_CROSS, mode="nearest")
    opened = ndimage.maximum_filter(eroded, 3, mode="nearest")
    for _ in range(4):
        opened = ndimage.maximum_filter(opened, footprint=_CROSS, mode="nearest")
    return np.asarray(opened)


def _around(
    values: NDArray[np.bool_] | NDArray[np.float32], sigma_mm: float, method: OpacityMethod
) -> NDArray[np.float32]:
    """Gaussian mean around each cell."""
    sigma = sigma_mm / method.grid_mm
    mean = ndimage.gaussian_filter(values.astype(np.float32), sigma, mode="nearest", truncate=3.0)
    return np.asarray(mean)


def _drop_specks(
    votes: NDArray[np.float32], share: NDArray[np.float32], method: OpacityMethod
) -> None:
    """Take, in place, the majority from regions that are too small."""
    regions, count = ndimage.label(votes > _MAJORITY)
    ml = ndimage.sum_labels(share, regions, np.arange(count + 1)) * method.grid_mm**3 / 1000
    votes[(ml < method.region_ml)[regions] & (regions > 0)] = 0
