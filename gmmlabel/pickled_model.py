"""A Gaussian mixture of scikit-learn, out of a file of joblib or pickle."""

import hashlib
import io
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.mixture import GaussianMixture

from gmmlabel.errors import ModelError
from gmmlabel.mixture import Mixture
from gmmlabel.tissues import Tissue

_SHAPES = {
    "full": (len(Tissue), 1, 1),
    "tied": (1, 1),
    "diag": (len(Tissue), 1),
    "spherical": (len(Tissue),),
}
"""Shape of scikit-learn's covariances of five components of one value, by covariance_type."""

_KEPT = {
    "covariance_type": "covariance_type",
    "seed": "random_state",
    "starts": "n_init",
    "tolerance": "tol",
    "iterations": "n_iter_",
    "converged": "converged_",
    "log_likelihood": "lower_bound_",  # for this class the mean log-likelihood of a value
}
"""What scikit-learn keeps of a fit, by what the training document calls it."""


def read_scikit_learn(content: bytes, file: Path, name: str) -> Mixture:
    """Read a Gaussian mixture of scikit-learn, saved by joblib or pickle. This runs code in it.

    Parameters
    ----------
    content
        The bytes of the file.
    file
        Where they were read.
    name
        What to call the model.

    Returns
    -------
    Mixture
        Its components in the order of their means; of its training, what scikit-learn kept.

    Raises
    ------
    ModelError
        If it cannot be unpickled, or is no fitted mixture of five components of one value each.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = _unpickled(content, file)
    if not isinstance(model, GaussianMixture):  # a Bayesian one labels by other rules
        raise ModelError(
            f"{file}: holds an object of type {type(model).__name__}, not a GaussianMixture of "
            "scikit-learn; save the fitted mixture itself"
        )
    versions = [
        warning.message.original_sklearn_version
        for warning in caught
        if isinstance(warning.message, InconsistentVersionWarning)
    ]
    means, variances, weights = _parameters(model, file)
    order = np.argsort(means, kind="stable")
    kept = {key: _plain(getattr(model, attribute, None)) for key, attribute in _KEPT.items()}
    return Mixture(
        name,
        means[order],
        variances[order],
        weights[order],
        training={
            "imported": datetime.now(UTC).date().isoformat(),
            "source": {"file": file.name, "sha256": hashlib.sha256(content).hexdigest()},
            "prior": "none",
            **kept,
            "software": f"scikit-learn {(versions or [sklearn.__version__])[0]}",
        },
    )


def _unpickled(content: bytes, file: Path) -> Any:
    try:
        return joblib.load(io.BytesIO(content))
    except Exception as error:  # a pickle may raise anything
        reason = " ".join(f"{type(error).__name__} {error}".split())
        raise ModelError(
            f"{file}: cannot be unpickled ({reason}); save the mixture again by joblib.dump, or "
            "with the scikit-learn that is installed here"
        ) from error


def _parameters(
    model: GaussianMixture, file: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Take means, variances and weights, (5,) each; whether they are sound is for the schema."""
    try:
        means = np.asarray(model.means_, np.float64)
        covariances = np.asarray(model.covariances_, np.float64)
        weights = np.asarray(model.weights_, np.float64)
    except AttributeError as error:
        raise ModelError(f"{file}: the mixture is not fitted; save it after fit") from error
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{file}: the mixture's parameters are no numbers; fit it again"
        ) from error
    needed = (len(Tissue), 1)
    if means.shape != needed:
        found = " x ".join(map(str, means.shape))
        raise ModelError(
            f"{file}: the mixture has {found} means (components x features), not 5 x 1; "
            "fit five components to HU alone"
        )
    shape = _SHAPES.get(model.covariance_type)
    if covariances.shape != shape or weights.shape != (len(Tissue),):
        raise ModelError(
            f"{file}: the mixture's weights or covariances do not belong to its means; fit it again"
        )
    return means[:, 0], np.broadcast_to(covariances.ravel(), len(Tissue)), weights


def _plain(value: Any) -> Any:
    """Bring a value into JSON: numbers as they are, anything else in words."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
