"""The methods: every number of the labelling that is not the model.

`PublishedMethod` is that of Zaffino et al. 2021 (Bioengineering 8(2):26), in voxels as their
scripts have it. `DefaultMethod` is the same idea in mm and mL; docs/method.md gives the reason
for each number.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal


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
class OpacityMethod:
    """How opacity is told from vessels, rims, noise and specks."""

    grid_mm: float = 2.5
    blur_mm: float = 4.0
    above_hu: int = -680
    vessel_blur_mm: float = 1.5
    vessel_hu: float = 100.0
    rim_mm: float = 8.0
    slope_hu_mm: float = 30.0
    edge_mm: float = 4.0
    edge_share: float = 0.35
    window_mm: float = 3.0
    region_ml: float = 2.0


@dataclass(frozen=True)
class DefaultMethod:
    """The corrected method, in mm and mL."""

    name: Literal["default"] = "default"
    clip_hu: int = -1000
    padding_below_hu: int = -1200
    threshold_hu: int = -155
    cell_mm: float = 3.0
    gas_levels_hu: tuple[int, ...] = (-910, -930, -950)
    gas_ml: tuple[float, float] = (1.0, 1000.0)
    gas_mean_hu: int = -930
    gas_wrap_mm: tuple[float, float] = (4.5, 10.0)
    gas_wrapped_share: float = 0.65
    soft_above_hu: int = -300
    airway_levels_hu: tuple[int, ...] = (-500, -600, -700, -800, -850, -900, -930, -950)
    airway_gas_hu: int = -900
    airway_area_mm2: tuple[float, float] = (40.0, 800.0)
    airway_ragged: float = 70.0
    airway_length_mm: float = 20.0
    airway_aside_mm: float = 40.0
    airway_wrapped_share: float = 0.4
    side_erosions_mm: tuple[float, ...] = (0.0, 3.5, 5.0, 7.0, 10.0, 13.0, 16.0, 20.0)
    side_share: float = 0.02
    side_margin_mm: float = 15.0
    side_beyond_share: float = 0.05
    parting_mm: float = 15.0
    parting_from_hu: int = -850
    parting_fall_hu: float = 120.0
    opening_mm: float = 2.1
    body_opening_mm: float = 5.0
    in_body_share: float = 0.25
    island_ml: float = 10.0
    island_share: float = 0.01
    lung_above_hu: int = -970
    lungs_ml: float = 200.0
    closing_mm: float = 10.0
    rim_above_hu: int = -400
    rim_light_hu: int = -500
    rim_mm: float = 6.0
    costal_shift_mm: float = 30.0
    costal_reach: float = 0.45
    costal_trend_mm: float = 30.0
    costal_pit_mm: float = 90.0
    costal_rim_mm: float = 4.0
    costal_edge_mm: float = 8.0
    costal_span_mm: float = 60.0
    costal_margin_mm: float = 1.0
    costal_depth_mm: float = 10.0
    costal_shaft: float = 2.5
    costal_deep_mm: float = 10.0
    costal_ml: float = 5.0
    costal_bounded_share: tuple[float, float] = (0.8, 0.65)
    costal_soft_hu: tuple[int, int] = (-30, 180)
    costal_backed_share: float = 0.3
    costal_foreign_share: tuple[float, float] = (0.15, 0.3)
    costal_below_hu: int = 250
    median_radius_mm: float = 1.5
    opacity: OpacityMethod = OpacityMethod()


Method = PublishedMethod | DefaultMethod


def method_document(method: Method) -> dict[str, Any]:
    """Name and every number of a method, as they come back from JSON: tuples are lists."""
    document: dict[str, Any] = json.loads(json.dumps(asdict(method)))
    return document


METHODS: dict[str, Method] = {
    method.name: method for method in (DefaultMethod(), PublishedMethod())
}
"""The methods by name."""
