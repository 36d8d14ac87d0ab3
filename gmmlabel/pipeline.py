"""The chain from a volume to its labels and measures, in one function that everything calls."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.histogram import LungHistogram
from gmmlabel.lungs import Lungs, find_lungs
from gmmlabel.measures import (
    Involvement,
    TissueMeasure,
    measure_involvement,
    measure_tissues,
)
from gmmlabel.method import DefaultMethod, Method, PublishedMethod
from gmmlabel.mixture import Mixture, load_model
from gmmlabel.morphology.lookup import count_labels, look_up
from gmmlabel.morphology.median import Window, median_labels
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
        Where the lungs are; `cropped_labels` and `cropped_smoothed` lie on its box.
    cropped_labels
        Most probable tissue of each lung voxel, 0 outside the lungs, uint8.
    cropped_smoothed
        The same after the median, uint8.
    tissues, smoothed_tissues
        Voxels, volume and percentage of each tissue before and after the median.
    involvement
        Lung involvement, from `tissues`.
    histogram
        HU of the lung voxels.
    seconds
        Time that each stage took.
    """

    volume: Volume
    model: Mixture
    method: Method
    lungs: Lungs
    cropped_labels: NDArray[np.uint8]
    cropped_smoothed: NDArray[np.uint8]
    tissues: dict[Tissue, TissueMeasure]
    smoothed_tissues: dict[Tissue, TissueMeasure]
    involvement: Involvement
    histogram: LungHistogram
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
        """Lung mask over the whole volume, 0 or 1, made on each access."""
        return self._whole(self.lungs.mask)

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
    lungs: Lungs | None = None,
) -> Labelling:
    """Find the lungs of a chest CT, label their tissues and measure them.

    Parameters
    ----------
    volume
        Chest CT in Hounsfield units.
    model
        The mixture; the published one unless given.
    method
        The numbers of the pipeline; those of `DefaultMethod` unless given.
    lungs
        A lung mask to use instead of the segmenter.

    Raises
    ------
    NoLungsError
        If no lungs are found.
    """
    model = model or load_model()
    method = method or DefaultMethod()
    seconds: dict[str, float] = {}
    with _timed(seconds, "lungs"):
        lungs = lungs or find_lungs(volume, method)
    with _timed(seconds, "label"):
        table = _clipped(model.table, method.clip_hu)
        labels, hu_counts = look_up(volume.hu[lungs.region], lungs.mask, table)
    with _timed(seconds, "smooth"):
        smoothed = _smooth(labels, volume, method)
    voxel_ml = volume.geometry.voxel_ml
    tissues = measure_tissues(count_labels(labels), voxel_ml)
    return Labelling(
        volume,
        model,
        method,
        lungs,
        labels,
        smoothed,
        tissues,
        measure_tissues(count_labels(smoothed), voxel_ml),
        measure_involvement(tissues),
        LungHistogram.of_int16_counts(hu_counts, volume.geometry.spacing, method, volume.sha256),
        seconds,
    )


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
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
