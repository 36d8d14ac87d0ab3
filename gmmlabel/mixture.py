"""The model: a mixture of five Gaussians over Hounsfield units, one for each tissue.

The most probable tissue of a voxel depends on its HU alone, so a table over all int16 values is
an exact classifier, and the HU at which the label changes - the boundaries - say all there is to
know about it.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gmmlabel.errors import ModelError
from gmmlabel.tissues import Tissue

DEFAULT_MODEL = "zaffino2021"
"""Name of the published model."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Five Gaussians over HU, in the order of the tissues.

    Parameters
    ----------
    name
        What the model is called.
    means
        Mean of each tissue, HU, float64, (5,).
    variances
        Variance of each tissue, HU squared.
    weights
        Share of each tissue; positive, with a sum of 1.
    sha256
        Hash of the model file, or None.
    """

    name: str
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    weights: NDArray[np.float64]
    sha256: str | None = None

    def log_posterior(self, hu: ArrayLike) -> NDArray[np.float64]:
        """Unnormalised log-probability of each tissue at each value.

        Parameters
        ----------
        hu
            Values in HU, (n,).

        Returns
        -------
        ndarray
            ``log(weight) + log N(hu; mean, variance)`` up to a constant, float64, (n, 5).
        """
        away = np.asarray(hu, np.float64)[:, np.newaxis] - self.means
        return np.asarray(
            np.log(self.weights) - 0.5 * (np.log(self.variances) + away**2 / self.variances)
        )

    @cached_property
    def table(self) -> NDArray[np.uint8]:
        """Most probable tissue of each int16 value: the label of `hu` is ``table[hu + 32768]``."""
        values = np.arange(-(1 << 15), 1 << 15)
        return np.asarray(self.log_posterior(values).argmax(axis=1) + Tissue.AIR, np.uint8)

    def boundaries(self, low: int = -1000, high: int = 3071) -> tuple[int, ...]:
        """Every HU above `low`, up to `high`, whose label differs from that of the HU below."""
        labels = self.table[low + (1 << 15) : high + (1 << 15) + 1]
        return tuple(int(i) + low + 1 for i in np.flatnonzero(np.diff(labels)))


class _TissueEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tissue: str
    mean_hu: Annotated[float, Field(allow_inf_nan=False)]
    variance_hu2: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    weight: Annotated[float, Field(gt=0, le=1)]


class _ModelFile(BaseModel):
    """The JSON of a model file, schema version 1."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    tissues: Annotated[list[_TissueEntry], Field(min_length=5, max_length=5)]
    training: dict[str, Any]
    citation: str

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


def load_model(name: str | Path = DEFAULT_MODEL) -> Mixture:
    """Load a model by the name of one that is installed, or from a JSON file.

    Parameters
    ----------
    name
        A name that `model_names` lists, or the path of a model file.

    Raises
    ------
    ModelError
        If there is no such model, or the file is not a model.
    """
    if str(name) in model_names():
        return _parse(_folder().joinpath(f"{name}.json").read_bytes(), f"model {name}")
    try:
        return _parse(Path(name).read_bytes(), str(name))
    except OSError as error:
        raise ModelError(
            f"{name}: no such model, nor a file that can be read ({error.strerror}); installed "
            f"are {', '.join(model_names())}, or give the path of a model file"
        ) from error


def model_names() -> list[str]:
    """Names of the models that are installed with the package."""
    names = (entry.name for entry in _folder().iterdir())
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def _folder() -> Traversable:
    """Find the installed models, or those of the checkout that Python was started in."""
    installed = resources.files("gmmlabel").joinpath("models")
    return installed if installed.is_dir() else Path(__file__).parents[1] / "models"


def _parse(content: bytes, where: str) -> Mixture:
    try:
        file = _ModelFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        detail = f"{place}: {first['msg']}" if place else first["msg"]
        raise ModelError(
            f"{where}: this is not a gmmlabel model file ({' '.join(detail.split())}); "
            "see docs/method.md for its form"
        ) from error
    return Mixture(
        file.name,
        np.array([entry.mean_hu for entry in file.tissues]),
        np.array([entry.variance_hu2 for entry in file.tissues]),
        np.array([entry.weight for entry in file.tissues]),
        hashlib.sha256(content).hexdigest(),
    )
