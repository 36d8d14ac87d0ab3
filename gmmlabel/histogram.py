"""The histogram of lung HU: all that a refit of the mixture needs of a case."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.method import Method

LAST_HU = 3071
"""Last value counted, the largest of a 12-bit CT; higher ones are counted with it."""

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class LungHistogram:
    """How often each HU occurs in the lungs of a case. No name, no date and no pixel is in it.

    Parameters
    ----------
    first_hu
        HU of the first count; lower values are counted with it.
    counts
        Lung voxels of each HU from `first_hu` up, int64.
    spacing
        Voxel spacing along the stored axes x, y and z, in mm.
    method
        The method that found the lungs.
    input_sha256
        Hash of the input, by which a case is known again.
    """

    first_hu: int
    counts: NDArray[np.int64]
    spacing: tuple[float, float, float]
    method: Method
    input_sha256: str | None

    @classmethod
    def of_int16_counts(
        cls,
        counts: NDArray[np.int64],
        spacing: tuple[float, float, float],
        method: Method,
        input_sha256: str | None,
    ) -> "LungHistogram":
        """Make a histogram from the counts of all values from -32768 to 32767."""
        first, last = method.clip_hu + (1 << 15), LAST_HU + (1 << 15)
        kept = counts[first : last + 1].copy()
        kept[0] += counts[:first].sum()
        kept[-1] += counts[last + 1 :].sum()
        return cls(method.clip_hu, kept, spacing, method, input_sha256)

    def document(self) -> dict[str, Any]:
        """Make the content of ``histogram.json``; the counts end with the last that is not 0."""
        return {
            "schema_version": SCHEMA_VERSION,
            "input_sha256": self.input_sha256,
            "spacing_mm": self.spacing,
            "method": asdict(self.method),
            "voxels": int(self.counts.sum()),
            "first_hu": self.first_hu,
            "counts": np.trim_zeros(self.counts, "b").tolist(),
        }
