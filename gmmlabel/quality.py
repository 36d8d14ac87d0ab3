"""Quality flags: what to know of a CT and its lungs before using the numbers.

A flag does not change a number and does not say that it is wrong; it says why it might be.
docs/measures.md gives the reason for each limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gmmlabel.densitometry import Acquisition
from gmmlabel.histogram import LungHistogram
from gmmlabel.inspection import Inspection, inspect
from gmmlabel.lungs import Lungs
from gmmlabel.mixture import Mixture
from gmmlabel.regions import RegionMeasures
from gmmlabel.volume import Volume

LUNGS_L = (1.0, 10.0)
RIGHT_PERCENT = (45.0, 62.0)
EDGE_CM2 = 5.0
ENDS_PERCENT = 5.0
REPAIRED_ML = 5.0
SLICE_MM = 3.0
BLOOD_HU = 90.0
BLOOD_ABOVE_SOFT_TISSUE_HU = 30.0
NOISE_HU = 40.0
STEP = 3.0
AIR_HU = (-1025.0, -975.0)
SOFT_TISSUE_HU = (20.0, 80.0)
AIRWAYS_ML = 120.0
EXPIRATION_HU = -750.0
EXPIRATION_L = 3.5


@dataclass(frozen=True)
class Flag:
    """Something to know before using the numbers.

    Parameters
    ----------
    flag
        Which flag it is: one name a reason.
    message
        One plain sentence.
    value
        The number that raised it, in the unit that the sentence gives, or None.
    """

    flag: str
    message: str
    value: float | None


def quality_flags(
    volume: Volume,
    lungs: Lungs,
    regions: dict[str, RegionMeasures],
    histogram: LungHistogram,
) -> tuple[Flag, ...]:
    """Raise the flags of a case, those of the reader first.

    Parameters
    ----------
    volume
        The CT.
    lungs
        Its lungs.
    regions
        What was measured in them.
    histogram
        HU of the lungs.
    """
    shown = inspect(volume, lungs)
    notes = [Flag("input_note", note, None) for note in volume.notes]
    return (
        *notes,
        *_of_lungs(lungs, regions),
        *_of_view(shown),
        *_of_scan(Acquisition.of(volume), shown),
        *_of_breath(shown, regions, histogram),
    )


def model_flags(model: Mixture) -> tuple[Flag, ...]:
    """Warn of a model that was saved although its refit had been refused."""
    if not model.doubts:
        return ()
    return (
        Flag(
            "implausible_model",
            f"The refit of model {model.name} was refused and saved all the same: "
            f"{'; '.join(model.doubts)}. Its tissues may not be what they are called.",
            None,
        ),
    )


def _of_lungs(lungs: Lungs, regions: dict[str, RegionMeasures]) -> Iterator[Flag]:
    both_ml = regions["both"].volume_ml
    right = 100 * regions["right"].volume_ml / both_ml if both_ml else 0.0
    if not LUNGS_L[0] <= both_ml / 1000 <= LUNGS_L[1]:
        yield Flag(
            "lung_volume",
            f"The lungs measure {both_ml / 1000:.2f} L, outside {LUNGS_L[0]:g} to "
            f"{LUNGS_L[1]:g} L: a part of them is missing, or something else was taken for lung.",
            both_ml / 1000,
        )
    if not lungs.sides_told:
        yield Flag(
            "sides_not_told",
            "Left and right lung could not be told apart reliably: figures of one lung and of its "
            f"zones are uncertain (right lung {right:.0f} % of both).",
            right,
        )
    elif not RIGHT_PERCENT[0] <= right <= RIGHT_PERCENT[1]:
        yield Flag(
            "lung_proportion",
            f"The right lung is {right:.0f} % of both, outside {RIGHT_PERCENT[0]:g} to "
            f"{RIGHT_PERCENT[1]:g} %: one lung is small, or a part of it was missed.",
            right,
        )
    if lungs.repaired_ml > REPAIRED_ML:
        yield Flag(
            "dense_repair",
            f"{lungs.repaired_ml:.0f} mL of dense tissue at the chest wall were added to the "
            "lungs: look whether it is consolidation, and not effusion or pleura.",
            lungs.repaired_ml,
        )
    if lungs.airways_ml > AIRWAYS_ML:
        yield Flag(
            "airway_leak",
            f"{lungs.airways_ml:.0f} mL were taken out as trachea and bronchi, more than "
            f"{AIRWAYS_ML:g} mL: some of it may be lung.",
            lungs.airways_ml,
        )


def _of_view(shown: Inspection) -> Iterator[Flag]:
    if shown.edge_cm2 > EDGE_CM2:
        yield Flag(
            "lungs_at_edge",
            f"The lungs reach the edge of the image over {shown.edge_cm2:.0f} cm2: a part of them "
            "is not in the image.",
            shown.edge_cm2,
        )
    if shown.ends_percent > ENDS_PERCENT:
        yield Flag(
            "lungs_cut_off",
            "The lungs run through the first or last slice with "
            f"{shown.ends_percent:.0f} % of their largest cross-section: a part of them is not in "
            "the image, and zones are those of the part that is.",
            shown.ends_percent,
        )


def _of_scan(acquisition: Acquisition, shown: Inspection) -> Iterator[Flag]:
    thickness = max(acquisition.slice_spacing_mm, acquisition.slice_thickness_mm or 0)
    if thickness > SLICE_MM:
        yield Flag(
            "thick_slices",
            f"Slices are {thickness:.3g} mm, thicker than {SLICE_MM:g} mm: partial volume blurs "
            "vessels and small lesions, and hides emphysema.",
            thickness,
        )
    blood, soft = shown.blood_hu, shown.soft_tissue_hu
    # Where all soft tissue is as dense as the blood, the HU are wrong and there is no contrast.
    if blood is not None and blood > max(BLOOD_HU, (soft or 0) + BLOOD_ABOVE_SOFT_TISSUE_HU):
        yield Flag(
            "contrast",
            f"Heart and great vessels measure {blood:.0f} HU, more than blood without "
            f"contrast medium ({BLOOD_HU:g} HU at most): enhanced lung and vessels are denser.",
            blood,
        )
    if shown.noise_hu is not None and shown.noise_hu > NOISE_HU:
        yield Flag(
            "noise",
            f"Noise in soft tissue is {shown.noise_hu:.0f} HU, more than {NOISE_HU:g} HU: it alone "
            "moves voxels between tissues, and adds to low attenuation areas.",
            shown.noise_hu,
        )
    if shown.step is not None and shown.step > STEP:
        yield Flag(
            "motion",
            f"The lungs' outline moves {shown.step:.1f} times as far between two slices as between "
            "those around them: the patient moved or breathed, or slices are missing.",
            shown.step,
        )
    if shown.air_hu is not None and not AIR_HU[0] <= shown.air_hu <= AIR_HU[1]:
        yield Flag(
            "hu_calibration",
            f"Air around the patient measures {shown.air_hu:.0f} HU, not -1000: all HU are "
            "uncertain, and low attenuation areas most.",
            shown.air_hu,
        )
    if soft is not None and not SOFT_TISSUE_HU[0] <= soft <= SOFT_TISSUE_HU[1]:
        yield Flag(
            "hu_calibration",
            f"Soft tissue measures {soft:.0f} HU, outside {SOFT_TISSUE_HU[0]:g} to "
            f"{SOFT_TISSUE_HU[1]:g} HU: all HU are uncertain.",
            soft,
        )


def _of_breath(
    shown: Inspection, regions: dict[str, RegionMeasures], histogram: LungHistogram
) -> Iterator[Flag]:
    litres = regions["both"].volume_ml / 1000
    seen_whole = shown.ends_percent <= ENDS_PERCENT and shown.edge_cm2 <= EDGE_CM2
    # The most frequent value is that of the healthy part, if there is one.
    counts = np.convolve(histogram.counts, np.ones(25), "same")
    most = float(counts.argmax() + histogram.first_hu)
    if seen_whole and litres < EXPIRATION_L and most > EXPIRATION_HU:
        yield Flag(
            "expiration",
            f"The lungs are small ({litres:.1f} L) and dense, {most:.0f} HU being the most "
            "frequent value: the scan was taken in expiration, or most of the lung is diseased.",
            most,
        )
