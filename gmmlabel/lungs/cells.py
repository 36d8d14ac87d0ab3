"""A volume seen coarsely: cells of about 3 mm, on which anatomy is told apart.

In the mean of a cell noise vanishes, and a chest has a million cells instead of a hundred million
voxels, so that what asks for shapes and neighbours can be asked of cells.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.method import DefaultMethod
from gmmlabel.morphology.cells import cell_means
from gmmlabel.volume import Volume


@dataclass(frozen=True, eq=False)
class Cells:
    """The means of a volume over cells.

    Parameters
    ----------
    means
        HU, float32, one value a cell, (z, y, x) of the patient.
    size
        Voxels in a cell along each axis (z, y, x); the last cells of an axis may hold fewer.
    spacing
        Distance of neighbouring cells along (z, y, x), in mm.
    """

    means: NDArray[np.float32]
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @classmethod
    def of_volume(cls, volume: Volume, method: DefaultMethod) -> "Cells":
        """Average a volume over cells of about `method.cell_mm`, at least a voxel each."""
        steps = volume.geometry.spacing_zyx
        depth, height, length = (max(1, round(method.cell_mm / step)) for step in steps)
        means = cell_means(volume.hu, (depth, height, length), method.clip_hu)
        z, y, x = depth * steps[0], height * steps[1], length * steps[2]
        return cls(means, (depth, height, length), (z, y, x))

    @property
    def voxel(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along (z, y, x), in mm."""
        z, y, x = (step / size for step, size in zip(self.spacing, self.size, strict=True))
        return z, y, x

    @property
    def pixel(self) -> tuple[float, float]:
        """Distance of neighbouring voxels along (y, x), in mm."""
        return self.voxel[1], self.voxel[2]

    @property
    def ml(self) -> float:
        """Volume of a cell, in mL."""
        z, y, x = self.spacing
        return z * y * x / 1000

    @property
    def area_mm2(self) -> float:
        """Area of a cell in an axial section."""
        return self.spacing[1] * self.spacing[2]
