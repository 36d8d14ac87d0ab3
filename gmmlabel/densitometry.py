"""Densitometry: what the histogram of lung HU says about gas, tissue and emphysema."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.volume import Volume

FIRST_HU = -1024
"""First value counted, the lightest that a 12-bit CT can store; lower ones are counted with it."""

LAST_HU = 3071
"""Last value counted, the heaviest that a 12-bit CT can store; higher ones are counted with it."""

_HU = np.arange(FIRST_HU, LAST_HU + 1, dtype=np.float64)


@dataclass(frozen=True)
class Acquisition:
    """How a CT was made, as far as emphysema figures depend on it.

    Thin slices and sharp kernels are noisy, and noise alone moves voxels below -950 HU; figures
    of CTs that differ here must not be compared.

    Parameters
    ----------
    slice_spacing_mm
        Distance of neighbouring axial slices.
    slice_thickness_mm
        Thickness of a slice as the scanner states it, or None if that is not known.
    kernel
        Reconstruction kernel by the maker's name, or None if that is not known.
    """

    slice_spacing_mm: float
    slice_thickness_mm: float | None
    kernel: str | None

    @classmethod
    def of(cls, volume: Volume) -> "Acquisition":
        """Say how a volume was made."""
        return cls(volume.geometry.spacing_zyx[0], volume.slice_thickness_mm, volume.kernel)


@dataclass(frozen=True)
class Densitometry:
    """Figures of the HU of a region; those that an empty region has not are None.

    Values beyond -1024 and 3071 HU count as these. Percentages are of the region's voxels.

    Parameters
    ----------
    mean_hu, sd_hu
        Mean and standard deviation (of all voxels, not of a sample of them).
    percentile_15_hu
        15th percentile, linear between ranks as `numpy.percentile` has it: "Perc15".
    laa_950_percent, laa_910_percent
        Low attenuation areas: voxels below -950 or -910 HU, without that value.
    haa_600_250_percent
        High attenuation areas (Podolanczuk et al. 2016, Eur Respir J 48:1442): voxels from -600
        up to but not including -250 HU.
    dense_250_50_percent
        Voxels from -250 up to but not including 50 HU.
    gas_ml, tissue_g
        Volume of gas and mass of tissue, blood and fluid, see `measure_density`.
    """

    mean_hu: float | None
    sd_hu: float | None
    percentile_15_hu: float | None
    laa_950_percent: float | None
    laa_910_percent: float | None
    haa_600_250_percent: float | None
    dense_250_50_percent: float | None
    gas_ml: float
    tissue_g: float


def measure_density(counts: NDArray[np.int64], voxel_ml: float) -> Densitometry:
    """Measure the HU of a region.

    Gas and tissue follow from the law of two compartments (Cressoni et al. 2013, Crit Care
    17:R93): a voxel is a mixture of gas at -1000 HU and of tissue at 0 HU and 1 g/mL, so -HU/1000
    of it is gas. One below -1000 HU is all gas, and one above 0 HU all tissue, since iodine and
    calcium do not weigh what their HU say. So gas in mL and tissue in g add up to the volume in mL.

    Parameters
    ----------
    counts
        Voxels of each value from `FIRST_HU` to `LAST_HU`, int64.
    voxel_ml
        Volume of a voxel, in mL.
    """
    voxels = int(counts.sum())
    gas = float(counts @ np.clip(-_HU / 1000, 0, 1))
    gas_ml, tissue_g = gas * voxel_ml, (voxels - gas) * voxel_ml
    if not voxels:
        return Densitometry(None, None, None, None, None, None, None, gas_ml, tissue_g)
    mean = float(counts @ _HU) / voxels

    def share(first: int, stop: int) -> float:
        return 100.0 * int(counts[first - FIRST_HU : stop - FIRST_HU].sum()) / voxels

    return Densitometry(
        mean_hu=mean,
        sd_hu=float(np.sqrt(counts @ (_HU - mean) ** 2 / voxels)),
        percentile_15_hu=percentile(counts, 15),
        laa_950_percent=share(FIRST_HU, -950),
        laa_910_percent=share(FIRST_HU, -910),
        haa_600_250_percent=share(-600, -250),
        dense_250_50_percent=share(-250, 50),
        gas_ml=gas_ml,
        tissue_g=tissue_g,
    )


def percentile(counts: NDArray[np.int64], percent: float) -> float:
    """HU at a percentile, linear between ranks as `numpy.percentile` of the voxels.

    Parameters
    ----------
    counts
        Voxels of each value from `FIRST_HU` to `LAST_HU`, int64, not all 0.
    percent
        From 0 to 100.
    """
    ranks = counts.cumsum()
    place = percent / 100 * (int(ranks[-1]) - 1)
    below, above = (
        int(ranks.searchsorted(rank, side="right")) + FIRST_HU
        for rank in (np.floor(place), np.ceil(place))
    )
    return below + (above - below) * (place - float(np.floor(place)))
