"""The methods: every number of the labelling that is not the model.

`PublishedMethod` is that of Zaffino et al. 2021 (Bioengineering 8(2):26), in voxels as their
scripts have it. `DefaultMethod` is the same idea in mm and mL; docs/method.md gives the reason
for each number.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PublishedMethod:
    """The published method, in voxels."""

    name: Literal["published"] = "published"
    clip_hu: int = -1000
    threshold_hu: int = -155
    opening_voxels: int = 3
    island_voxels: int = 500_000
    closing_voxels: tuple[int, ...] = (30, 20)
    median_voxels: int = 4


@dataclass(frozen=True)
class DefaultMethod:
    """The corrected method, in mm and mL."""

    name: Literal["default"] = "default"
    clip_hu: int = -1000
    padding_below_hu: int = -1200
    threshold_hu: int = -155
    gas_cell_mm: float = 3.0
    gas_levels_hu: tuple[int, ...] = (-910, -930, -950)
    gas_ml: tuple[float, float] = (5.0, 1000.0)
    gas_mean_hu: int = -950
    gas_wrap_mm: tuple[float, float] = (4.5, 10.0)
    gas_wrapped_share: float = 0.65
    soft_above_hu: int = -300
    opening_mm: float = 2.1
    body_opening_mm: float = 5.0
    in_body_share: float = 0.25
    island_ml: float = 10.0
    island_share: float = 0.01
    lung_above_hu: int = -970
    lungs_ml: float = 200.0
    closing_mm: float = 10.0
    median_radius_mm: float = 1.5


Method = PublishedMethod | DefaultMethod

METHODS: dict[str, Method] = {
    method.name: method for method in (DefaultMethod(), PublishedMethod())
}
"""The methods by name."""
