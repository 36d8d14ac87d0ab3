"""The JSON of a model: what a model file must hold, and how it is read and written."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gmmlabel.errors import ModelError
from gmmlabel.mixture import Mixture
from gmmlabel.tissues import Tissue
from gmmlabel.validation import first_fault

SCHEMA_VERSION = 1

_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
_MOST_BINS = 1 << 16
_MOST_VOXELS = 1e18


class _TissueEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tissue: str
    # Beyond these bounds no model is meant, and its posteriors would overflow.
    mean_hu: Annotated[float, Field(ge=-(1 << 15), lt=1 << 15)]
    variance_hu2: Annotated[float, Field(ge=1e-9, le=1e10)]
    weight: Annotated[float, Field(gt=0, le=1)]


class _ModelFile(BaseModel):
    """The JSON of a model file, schema version 1."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=_NAME_PATTERN)]
    tissues: Annotated[list[_TissueEntry], Field(min_length=5, max_length=5)]
    training: dict[str, Any] = Field(default_factory=dict)
    citation: str

    @field_validator("training")
    @classmethod
    def _without_nan(cls, training: dict[str, Any]) -> dict[str, Any]:
        """Take NaN and infinity, which are no JSON though many programs write them, for null."""
        return {key: _finite(value) for key, value in training.items()}

    @model_validator(mode="after")
    def _check(self) -> "_ModelFile":
        keys = [tissue.key for tissue in Tissue]
        if [entry.tissue for entry in self.tissues] != keys:
            raise ValueError(f"the tissues must be {', '.join(keys)}, in this order")
        total = sum(entry.weight for entry in self.tissues)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights add up to {total:g}, not 1")
        means = [entry.mean_hu for entry in self.tissues]
        if means != sorted(means):
            raise ValueError("the means must grow from air to dense tissue")
        return self


class _HistogramEntry(BaseModel):
    first_hu: Annotated[int, Field(ge=-(1 << 15), lt=1 << 15)]
    counts: Annotated[
        list[Annotated[float, Field(ge=0, le=_MOST_VOXELS)]],
        Field(min_length=1, max_length=_MOST_BINS),
    ]

    @model_validator(mode="after")
    def _check(self) -> "_HistogramEntry":
        if not sum(self.counts) > 0:
            raise ValueError("all counts are 0")
        return self


@dataclass(frozen=True, eq=False)
class TrainingHistogram:
    """How often each HU occurred in what a model was fitted to.

    Parameters
    ----------
    first_hu
        HU of the first count.
    counts
        Voxels of each HU from `first_hu` up; whole unless cases were weighted. float64, (n,).
    """

    first_hu: int
    counts: NDArray[np.float64]


def check_name(name: str, where: str) -> None:
    """Refuse what no model can be called.

    Parameters
    ----------
    name
        The name.
    where
        What the error is to begin with.

    Raises
    ------
    ModelError
        If it is no name.
    """
    if not re.fullmatch(_NAME_PATTERN, name):
        raise ModelError(
            f"{where}: {name!r} is no name for a model; give one of at most 100 letters, digits, "
            "'.', '_' and '-' that begins with a letter or digit"
        )


def parse_model(content: bytes, where: str) -> Mixture:
    """Read the JSON of a model.

    Parameters
    ----------
    content
        The bytes of the file.
    where
        What to call them in an error.

    Raises
    ------
    ModelError
        If they are no model.
    """
    try:
        file = _ModelFile.model_validate_json(content)
    except ValidationError as error:
        raise ModelError(
            f"{where}: this is not a gmmlabel model file ({first_fault(error)}); "
            "see docs/models.md for its form"
        ) from error
    return Mixture(
        file.name,
        np.array([entry.mean_hu for entry in file.tissues]),
        np.array([entry.variance_hu2 for entry in file.tissues]),
        np.array([entry.weight for entry in file.tissues]),
        hashlib.sha256(content).hexdigest(),
        file.training,
        file.citation,
    )


def serialise_model(mixture: Mixture, where: str) -> bytes:
    """Make the JSON of a model: a line for each tissue and each fact of the training.

    Parameters
    ----------
    mixture
        The model. NaN and infinity in its training become null.
    where
        What to call it in an error.

    Raises
    ------
    ModelError
        If the mixture is no valid model.
    TypeError
        If `training` holds what JSON cannot.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": mixture.name,
        "tissues": tissue_entries(mixture),
        "training": dict(mixture.training),
        "citation": mixture.citation,
    }
    try:
        file = _ModelFile.model_validate(document)
    except ValidationError as error:
        raise ModelError(f"{where}: the mixture is no model ({first_fault(error)})") from error
    tissues = ",\n".join(f"    {_json(entry.model_dump())}" for entry in file.tissues)
    training = ",\n".join(f"    {_json(key)}: {_json(v)}" for key, v in file.training.items())
    return (
        f'{{\n  "schema_version": {SCHEMA_VERSION},\n  "name": {_json(file.name)},\n'
        f'  "tissues": [\n{tissues}\n  ],\n'
        f'  "training": {{\n{training}\n  }},\n'
        f'  "citation": {_json(file.citation)}\n}}\n'
    ).encode("utf-8", "replace")


def tissue_entries(mixture: Mixture) -> list[dict[str, Any]]:
    """Make the ``tissues`` of a model file."""
    parameters = zip(
        Tissue,
        mixture.means.tolist(),
        mixture.variances.tolist(),
        mixture.weights.tolist(),
        strict=True,
    )
    return [
        {"tissue": tissue.key, "mean_hu": mean, "variance_hu2": variance, "weight": weight}
        for tissue, mean, variance, weight in parameters
    ]


def training_histogram(mixture: Mixture) -> TrainingHistogram | None:
    """Take the histogram that a model was fitted to out of its training document.

    Parameters
    ----------
    mixture
        The model.

    Returns
    -------
    TrainingHistogram or None
        None if the document has none.

    Raises
    ------
    ModelError
        If what it has is no histogram.
    """
    document = mixture.training.get("histogram")
    if document is None:
        return None
    try:
        entry = _HistogramEntry.model_validate(document)
    except ValidationError as error:
        raise ModelError(
            f"model {mixture.name}: training.histogram is no histogram ({first_fault(error)}); "
            "fit the model again, or remove the histogram from its file"
        ) from error
    return TrainingHistogram(entry.first_hu, np.array(entry.counts))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value
