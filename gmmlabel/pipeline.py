"""The chain from a volume to its labels and measures, in one function that everything calls."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gmmlabel.histogram import LungHistogram
from gmmlabel.lungs import Lungs, find_lungs
from gmmlabel.measures import (
    Involvement,
    Opacity,
    TissueMeasure,
    measure_involvement,
    measure_tissues,
)
from gmmlabel.method import DefaultMethod, Method, PublishedMethod
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.morphology.lookup import count_labels, look_up
from gmmlabel.morphology.median import Window, median_labels
from gmmlabel.opacity import find_opacity
from gmmlabel.quality import Flag, model_flags, quality_flags
from gmmlabel.regions import RegionMeasures, measure_regions
from gmmlabel.segmenters import Segmenter, segment
from gmmlabel.tissues import Tissue
from gmmlabel.volume import Volume


@dataclass(frozen=True, eq=False)
class Labelling:
    """A labelled chest CT.

    Parameters
    ----------
    volume
        The CT.
    model, method
        What it was labelled with.
    lungs
        Where the lungs are; the cropped maps lie on its box.
    cropped_labels
        Most probable tissue of each lung voxel, 0 outside the lungs, uint8.
    cropped_smoothed
        The same after the median, uint8.
    cropped_opacity
        1 where a voxel is opaque, otherwise 0, uint8; None with the published method, which has
        no opacity: its lungs hold the mediastinum.
    tissues, smoothed_tissues
        Voxels, volume and percentage of each tissue before and after the median.
    involvement
        Lung involvement, from `tissues`.
    histogram
        HU of the lung voxels.
    regions
        What was measured in both lungs, each lung and each zone, by name.
    quality
        What to know before using the numbers.
    seconds
        Time that each stage took.
    """

    volume: Volume
    model: Mixture
    method: Method
    lungs: Lungs
    cropped_labels: NDArray[np.uint8]
    cropped_smoothed: NDArray[np.uint8]
    cropped_opacity: NDArray[np.uint8] | None
    tissues: dict[Tissue, TissueMeasure]
    smoothed_tissues: dict[Tissue, TissueMeasure]
    involvement: Involvement
    histogram: LungHistogram
    regions: dict[str, RegionMeasures]
    quality: tuple[Flag, ...]
    seconds: dict[str, float]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Label map over the whole volume, (z, y, x) of the patient, made on each access."""
        return self._whole(self.cropped_labels)

    @property
    def smoothed(self) -> NDArray[np.uint8]:
        """Smoothed label map over the whole volume, made on each access."""
        return self._whole(self.cropped_smoothed)

    @property
    def lung_mask(self) -> NDArray[np.uint8]:
        """Lungs over the whole volume, 1 right and 2 left, made on each access."""
        return self._whole(self.lungs.mask)

    @property
    def opacity_map(self) -> NDArray[np.uint8] | None:
        """Opacity over the whole volume, 0 or 1, made on each access."""
        return None if self.cropped_opacity is None else self._whole(self.cropped_opacity)

    @property
    def opacity(self) -> Opacity | None:
        """Opacity of both lungs."""
        return self.regions["both"].opacity

    @property
    def lungs_ml(self) -> float:
        """Volume of the lungs, in mL."""
        return sum(measure.volume_ml for measure in self.tissues.values())

    def _whole(self, cropped: NDArray[np.uint8]) -> NDArray[np.uint8]:
        whole = np.zeros(self.volume.hu.shape, np.uint8)
        whole[self.lungs.region] = cropped
        return whole


def label_volume(
    volume: Volume,
    model: Mixture | None = None,
    method: Method | None = None,
    *,
    lungs: Lungs | Segmenter | None = None,
    watch: Callable[[str], None] | None = None,
) -> Labelling:
    """Find the lungs of a chest CT, label their tissues, find their opacity and measure them.

    Parameters
    ----------
    volume
        Chest CT in Hounsfield units.
    model
        The mixture; the published one unless given.
    method
        The numbers of the pipeline; those of `DefaultMethod` unless given.
    lungs
        The lungs, or what finds them instead of the method: see `gmmlabel.segmenters`.
    watch
        Is told the name of each stage as it begins; the names are those of `Labelling.seconds`.

    Raises
    ------
    NoLungsError
        If no lungs are found.
    SegmenterError
        If the segmenter fails or gives no label map of the volume.
    """
    model = model or load_model()
    method = method or DefaultMethod()
    seconds: dict[str, float] = {}
    stage = partial(_stage, seconds, watch)
    with stage("lungs"):
        lungs = _find(volume, method, lungs)
    hu, voxel_ml = volume.hu[lungs.region], volume.geometry.voxel_ml
    with stage("label"):
        labels, hu_counts = look_up(hu, lungs.mask, _clipped(model.table, method.clip_hu))
    with stage("smooth"):
        smoothed = _smooth(labels, volume, method)
    with stage("opacity"):
        opacity = None
        if isinstance(method, DefaultMethod):
            opacity = find_opacity(volume, lungs, method.opacity, method.clip_hu)
    with stage("measure"):
        tissues = measure_tissues(count_labels(labels), voxel_ml)
        histogram = _histogram(hu_counts, volume, method)
        regions = measure_regions(hu, lungs.mask, labels, opacity, voxel_ml)
        quality = (*model_flags(model), *quality_flags(volume, lungs, regions, histogram))
    return Labelling(
        volume,
        model,
        method,
        lungs,
        labels,
        smoothed,
        opacity,
        tissues,
        measure_tissues(count_labels(smoothed), voxel_ml),
        measure_involvement(tissues),
        histogram,
        regions,
        quality,
        seconds,
    )


def count_lungs(
    volume: Volume, method: Method | None = None, *, lungs: Lungs | Segmenter | None = None
) -> LungHistogram:
    """Find the lungs of a chest CT and count their HU: what a refit needs, and no more.

    Parameters
    ----------
    volume, method, lungs
        As of `label_volume`, which gives the same histogram.

    Raises
    ------
    NoLungsError, SegmenterError
        As of `label_volume`.
    """
    method = method or DefaultMethod()
    lungs = _find(volume, method, lungs)
    unlabelled = np.zeros(1 << 16, np.uint8)
    counts = look_up(volume.hu[lungs.region], lungs.mask, unlabelled)[1]
    return _histogram(counts, volume, method)


def _find(volume: Volume, method: Method, lungs: Lungs | Segmenter | None) -> Lungs:
    if lungs is None:
        return find_lungs(volume, method)
    return lungs if isinstance(lungs, Lungs) else segment(volume, lungs, method)


def _histogram(counts: NDArray[np.int64], volume: Volume, method: Method) -> LungHistogram:
    return LungHistogram.of_int16_counts(counts, volume.geometry.spacing, method, volume.sha256)


def _clipped(table: NDArray[np.uint8], lowest: int) -> NDArray[np.uint8]:
    """Give every value under `lowest` the label of `lowest`.

    A mixture has no meaning far below air: with the published one, wider Gaussians than that of
    air are more probable under -1221 HU, and that of dense tissue under -1656 HU.
    """
    table = table.copy()
    table[: lowest + (1 << 15)] = table[lowest + (1 << 15)]
    return table


def _smooth(labels: NDArray[np.uint8], volume: Volume, method: Method) -> NDArray[np.uint8]:
    if isinstance(method, PublishedMethod):
        # An even window reaches further back than ahead, in the order in which voxels are stored.
        ahead = (method.median_voxels - 1) // 2
        back = method.median_voxels - 1 - ahead
        before = tuple(ahead if flip else back for flip in volume.geometry.flipped)
        after = tuple(back if flip else ahead for flip in volume.geometry.flipped)
        return median_labels(labels, Window(before, after), inside=False)
    radius = tuple(int(method.median_radius_mm / s + 1e-6) for s in volume.geometry.spacing_zyx)
    return median_labels(labels, Window(radius, radius), inside=True)


@contextmanager
def _stage(
    seconds: dict[str, float], watch: Callable[[str], None] | None, name: str
) -> Iterator[None]:
    if watch:
        watch(name)
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
