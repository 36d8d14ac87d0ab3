"""The histogram of lung HU: all that a refit of the mixture needs of a case."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gmmlabel.errors import UnreadableError
from gmmlabel.method import Method, method_document
from gmmlabel.validation import first_fault

LAST_HU = 3071
"""Last value counted, the largest of a 12-bit CT; higher ones are counted with it."""

MOST_VOXELS = 1 << 53
"""So many voxels, a hundred million CTs, can be counted exactly in float64."""

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class LungHistogram:
    """How often each HU occurs in the lungs of a case. No name, no date and no pixel is in it.

    Parameters
    ----------
    first_hu
        HU of the first count; lower values are counted with it.
    counts
        Lung voxels of each HU from `first_hu` up to `LAST_HU`, int64.
    method
        Name and every number of the method that found the lungs, as in the JSON.
    spacing
        Voxel spacing along the stored axes x, y and z, in mm; None of several cases.
    input_sha256
        Hash of the input, by which a case is known again; None of several cases.
    cases
        How many cases were counted together.
    suppressed_below
        Counts below this were taken for 0; 0 or 1 if none were.
    """

    first_hu: int
    counts: NDArray[np.int64]
    method: Mapping[str, Any]
    spacing: tuple[float, float, float] | None = None
    input_sha256: str | None = None
    cases: int = 1
    suppressed_below: int = 0

    @property
    def voxels(self) -> int:
        """Lung voxels that were counted."""
        return int(self.counts.sum())

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
        return cls(method.clip_hu, kept, method_document(method), spacing, input_sha256)

    @property
    def fingerprint(self) -> str:
        """SHA-256 by which it is known again: of its input, or of all that it says."""
        return self.input_sha256 or hashlib.sha256(self._json().encode()).hexdigest()

    def suppressed(self, below: int) -> "LungHistogram":
        """Take counts smaller than `below` for 0, so that no HU of few voxels is told."""
        kept = np.where(self.counts < below, 0, self.counts)
        return replace(self, counts=kept, suppressed_below=max(below, self.suppressed_below))

    def document(self) -> dict[str, Any]:
        """Make the content of ``histogram.json``; the counts end with the last that is not 0."""
        return {
            "schema_version": SCHEMA_VERSION,
            "input_sha256": self.input_sha256,
            "cases": self.cases,
            "spacing_mm": self.spacing,
            "method": self.method,
            "suppressed_below": self.suppressed_below,
            "voxels": self.voxels,
            "first_hu": self.first_hu,
            "counts": np.trim_zeros(self.counts, "b").tolist(),
        }

    def write(self, path: Path) -> None:
        """Write a histogram file.

        Raises
        ------
        OSError
            If the file system refuses.
        """
        path.write_text(self._json(), encoding="utf-8")

    def _json(self) -> str:
        return json.dumps(self.document(), allow_nan=False) + "\n"


_Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _MethodDocument(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str
    clip_hu: int


class _HistogramFile(BaseModel):
    """The JSON of a histogram, schema version 1."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_version: Literal[1]
    input_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None
    cases: Annotated[int, Field(ge=1)] = 1
    spacing_mm: tuple[_Millimetres, _Millimetres, _Millimetres] | None
    method: _MethodDocument
    suppressed_below: Annotated[int, Field(ge=0)] = 0
    voxels: int
    first_hu: Annotated[int, Field(ge=-(1 << 15), le=LAST_HU)]
    counts: list[Annotated[int, Field(ge=0)]]

    @model_validator(mode="after")
    def _check(self) -> "_HistogramFile":
        if self.first_hu != self.method.clip_hu:
            raise ValueError("first_hu is not the clip_hu of the method")
        if len(self.counts) > LAST_HU - self.first_hu + 1:
            raise ValueError(f"there are counts above {LAST_HU} HU")
        if self.voxels != sum(self.counts):
            raise ValueError(f"the counts add up to {sum(self.counts)}, not to voxels")
        if self.voxels == 0:
            raise ValueError("it is empty: no lung voxel was counted")
        if self.voxels > MOST_VOXELS:
            raise ValueError(f"it has more than {MOST_VOXELS} voxels")
        return self


def read_histogram(path: Path) -> LungHistogram:
    """Read a ``histogram.json`` and check it.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UnreadableError
        If it cannot be read, is no histogram, is empty, or does not add up.
    """
    try:
        file = _HistogramFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise UnreadableError(
            f"{path}: this is not a histogram of gmmlabel ({first_fault(error)}); "
            "make one with gmmlabel histogram or gmmlabel label"
        ) from error
    counts = np.zeros(LAST_HU - file.first_hu + 1, np.int64)
    counts[: len(file.counts)] = file.counts
    return LungHistogram(
        file.first_hu,
        counts,
        file.method.model_dump(),
        file.spacing_mm,
        file.input_sha256,
        file.cases,
        file.suppressed_below,
    )
