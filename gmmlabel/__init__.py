"""Label the lung tissue of a chest CT with a Gaussian mixture over Hounsfield units.

>>> import gmmlabel
>>> volume = gmmlabel.read_volume("ct.nrrd")          # doctest: +SKIP
>>> labelling = gmmlabel.label_volume(volume)         # doctest: +SKIP
>>> labelling.opacity.percent                         # doctest: +SKIP
>>> gmmlabel.write_case(labelling, "case")            # doctest: +SKIP

What stands in ``__all__`` is the whole public interface. Each name is imported when it is first
used, so that ``import gmmlabel`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmmlabel.case import write_case
    from gmmlabel.errors import (
        GeometryError,
        GmmlabelError,
        InputError,
        IntensityError,
        ModelError,
        NoLungsError,
        OutputError,
        SegmenterError,
        UnreadableError,
    )
    from gmmlabel.histogram import LungHistogram
    from gmmlabel.lungs import Lungs, find_lungs
    from gmmlabel.lungs.unet import Lungmask
    from gmmlabel.measures import Involvement, Opacity, TissueMeasure
    from gmmlabel.method import DefaultMethod, OpacityMethod, PublishedMethod
    from gmmlabel.mixture import Mixture
    from gmmlabel.model_files import load_model, model_names, write_model
    from gmmlabel.opacity import find_opacity
    from gmmlabel.phantom import Phantom, make_phantom
    from gmmlabel.pipeline import Labelling, label_volume
    from gmmlabel.quality import Flag
    from gmmlabel.readers import read_volume
    from gmmlabel.regions import RegionMeasures
    from gmmlabel.segmenters import MaskFile
    from gmmlabel.tissues import Tissue
    from gmmlabel.volume import Geometry, Volume
    from gmmlabel.writers import write_label_map

_HOMES = {
    "case": ("write_case",),
    "errors": (
        "GeometryError",
        "GmmlabelError",
        "InputError",
        "IntensityError",
        "ModelError",
        "NoLungsError",
        "OutputError",
        "SegmenterError",
        "UnreadableError",
    ),
    "histogram": ("LungHistogram",),
    "lungs": ("Lungs", "find_lungs"),
    "lungs.unet": ("Lungmask",),
    "measures": ("Involvement", "Opacity", "TissueMeasure"),
    "method": ("DefaultMethod", "OpacityMethod", "PublishedMethod"),
    "mixture": ("Mixture",),
    "model_files": ("load_model", "model_names", "write_model"),
    "opacity": ("find_opacity",),
    "phantom": ("Phantom", "make_phantom"),
    "pipeline": ("Labelling", "label_volume"),
    "quality": ("Flag",),
    "readers": ("read_volume",),
    "regions": ("RegionMeasures",),
    "segmenters": ("MaskFile",),
    "tissues": ("Tissue",),
    "volume": ("Geometry", "Volume"),
    "writers": ("write_label_map",),
}

__all__ = [
    "DefaultMethod",
    "Flag",
    "Geometry",
    "GeometryError",
    "GmmlabelError",
    "InputError",
    "IntensityError",
    "Involvement",
    "Labelling",
    "LungHistogram",
    "Lungmask",
    "Lungs",
    "MaskFile",
    "Mixture",
    "ModelError",
    "NoLungsError",
    "Opacity",
    "OpacityMethod",
    "OutputError",
    "Phantom",
    "PublishedMethod",
    "RegionMeasures",
    "SegmenterError",
    "Tissue",
    "TissueMeasure",
    "UnreadableError",
    "Volume",
    "find_lungs",
    "find_opacity",
    "label_volume",
    "load_model",
    "make_phantom",
    "model_names",
    "read_volume",
    "write_case",
    "write_label_map",
    "write_model",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"gmmlabel.{module}"), name)
    raise AttributeError(f"module 'gmmlabel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
