"""The content of ``result.json``: every number that is known of a labelled case."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from gmmlabel.densitometry import Acquisition
from gmmlabel.measures import TissueMeasure
from gmmlabel.pipeline import Labelling
from gmmlabel.regions import RegionMeasures, score_zones
from gmmlabel.tissues import Tissue

SCHEMA_VERSION = 1


def result_document(labelling: Labelling) -> dict[str, Any]:
    """Make the content of ``result.json``, schema version 1.

    Volumes are in mL, percentages are of lung voxels, spacing is in mm along the stored axes
    x, y and z, and seconds are those of the stages so far.
    """
    volume, model = labelling.volume, labelling.model
    zone_scores = score_zones(labelling.regions)
    seconds = {"read": volume.read_seconds, **labelling.seconds}
    return {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "gmmlabel", "version": version("gmmlabel")},
        "input": {
            "name": volume.name,
            "sha256": volume.sha256,
            "size": volume.geometry.size,
            "spacing_mm": volume.geometry.spacing,
        },
        "acquisition": asdict(Acquisition.of(volume)),
        "method": asdict(labelling.method),
        "model": {
            "name": model.name,
            "sha256": model.sha256,
            "boundaries_hu": model.boundaries(labelling.method.clip_hu),
        },
        "lungs": {
            "voxels": sum(measure.voxels for measure in labelling.tissues.values()),
            "volume_ml": labelling.lungs_ml,
        },
        "tissues": _tissues(labelling.tissues),
        "smoothed": _tissues(labelling.smoothed_tissues),
        "involvement": asdict(labelling.involvement),
        "opacity": asdict(labelling.opacity) if labelling.opacity else None,
        "regions": {name: _region(region) for name, region in labelling.regions.items()},
        "zone_scores": asdict(zone_scores) if zone_scores else None,
        "quality": [asdict(flag) for flag in labelling.quality],
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
    }


def _tissues(measures: dict[Tissue, TissueMeasure]) -> dict[str, Any]:
    return {tissue.key: asdict(measure) for tissue, measure in measures.items()}


def _region(region: RegionMeasures) -> dict[str, Any]:
    return {**asdict(region), "tissues": _tissues(region.tissues)}
