"""The columns of ``summary.csv``, and where in ``result.json`` their values stand.

docs/cohort.md says what each is.
"""

from itertools import product

from gmmlabel.densitometry import Densitometry
from gmmlabel.regions import SIDES, ZONES
from gmmlabel.tissues import Tissue

KeyPath = tuple[str | int, ...]
"""Keys and places from the top of a document down to a value."""

_STAGES = ("read", "lungs", "label", "smooth", "opacity", "measure", "write", "total")


def _tissue_columns(prefix: str, *path: str) -> dict[str, KeyPath]:
    units = {"voxels": "voxels", "ml": "volume_ml", "percent": "percent"}
    return {
        f"{prefix}{tissue.key}_{unit}": (*path, tissue.key, key)
        for tissue, (unit, key) in product(Tissue, units.items())
    }


def _opacity_columns(prefix: str, *path: str) -> dict[str, KeyPath]:
    return {
        f"{prefix}opacity_percent": (*path, "opacity", "percent"),
        f"{prefix}opacity_ml": (*path, "opacity", "volume_ml"),
        f"{prefix}high_opacity_percent": (*path, "opacity", "high_opacity_percent"),
    }


def _density_columns(prefix: str, region: str) -> dict[str, KeyPath]:
    names = Densitometry.__dataclass_fields__
    return {f"{prefix}{name}": ("regions", region, "densitometry", name) for name in names}


def _region_columns(region: str) -> dict[str, KeyPath]:
    return {
        f"{region}_volume_ml": ("regions", region, "volume_ml"),
        **_opacity_columns(f"{region}_", "regions", region),
        **_tissue_columns(f"{region}_", "regions", region, "tissues"),
        **_density_columns(f"{region}_", region),
    }


def _zone_columns(zone: str) -> dict[str, KeyPath]:
    return {f"{zone}_score": ("zone_scores", "zones", zone), **_region_columns(zone)}


TEXTS: dict[str, KeyPath] = {
    "input_name": ("input", "name"),
    "input_sha256": ("input", "sha256"),
    "kernel": ("acquisition", "kernel"),
    "model": ("model", "name"),
    "model_sha256": ("model", "sha256"),
    "method": ("method", "name"),
    "software": ("software", "name"),
    "software_version": ("software", "version"),
}
"""Columns of text, and where in ``result.json`` their values stand."""

_FIGURES: dict[str, KeyPath] = {
    "lungs_volume_ml": ("lungs", "volume_ml"),
    "lungs_voxels": ("lungs", "voxels"),
    **_opacity_columns(""),
    "involvement_percent": ("involvement", "percent"),
    "involvement_score": ("involvement", "score"),
    "zone_score_sum": ("zone_scores", "sum"),
    "zone_score_maximum": ("zone_scores", "maximum"),
}
_SCAN: dict[str, KeyPath] = {
    **{f"size_{axis}_voxels": ("input", "size", at) for at, axis in enumerate("xyz")},
    **{f"spacing_{axis}_mm": ("input", "spacing_mm", at) for at, axis in enumerate("xyz")},
    "slice_spacing_mm": ("acquisition", "slice_spacing_mm"),
    "slice_thickness_mm": ("acquisition", "slice_thickness_mm"),
}
_DETAILS: dict[str, KeyPath] = {
    **_tissue_columns("", "tissues"),
    **_tissue_columns("smoothed_", "smoothed"),
    **_density_columns("lungs_", "both"),
    **{name: path for side in SIDES for name, path in _region_columns(side).items()},
    **{name: path for zone in ZONES for name, path in _zone_columns(zone).items()},
    **{f"{stage}_seconds": ("seconds", stage) for stage in _STAGES},
    "schema_version": ("schema_version",),
}
NUMBERS = {**_FIGURES, **_SCAN, **_DETAILS}
"""Columns of numbers, and where in ``result.json`` their values stand."""

COLUMNS = (
    "case",
    *_FIGURES,
    "quality_flags",
    "quality_flag_count",
    "input_note_count",
    "input_name",
    "input_sha256",
    *_SCAN,
    "kernel",
    "model",
    "model_sha256",
    "model_boundaries_hu",
    "method",
    "method_sha256",
    "software",
    "software_version",
    *_DETAILS,
)
"""Columns of ``summary.csv``: the first say most, and the finest come last."""

REQUIRED = (
    "input_name",
    *("lungs_volume_ml", "lungs_voxels", "involvement_percent", "involvement_score"),
    *_tissue_columns("", "tissues"),
)
"""Columns that no case is without: a ``result.json`` that lacks one is damaged."""
