"""What was known before a refit: an earlier model, worth so many voxels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmmlabel.fitting.pool import Pool
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model

FREE_FIT = "none"
"""What is named instead of a model for a fit without a prior."""

PATIENTS = 10.0
"""What the prior is worth, in patients, unless said otherwise: see docs/refit.md."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Conjugate priors of all parameters, centred on a model.

    The weights have a Dirichlet prior, mean and variance of each component a normal-inverse-gamma
    one. Their most probable parameters under data are those that maximum likelihood would give if
    `strength` voxels were added, drawn from the model and each known to be of its tissue
    (Gauvain and Lee 1994, IEEE Transactions on Speech and Audio Processing 2(2):291).

    Parameters
    ----------
    model
        The model; its parameters are the most probable ones without data.
    strength
        Voxels that it is worth, positive.
    """

    model: Mixture
    strength: float

    @property
    def voxels(self) -> NDArray[np.float64]:
        """What each component of the model is worth, in voxels, (5,)."""
        return np.asarray(self.strength * self.model.weights)

    def log_density(self, mixture: Mixture) -> float:
        """Log-density of a mixture's parameters, in nats, up to a constant."""
        away = self.model.variances + (self.model.means - mixture.means) ** 2
        each = np.log(mixture.weights) - (np.log(mixture.variances) + away / mixture.variances) / 2
        return float(self.voxels @ each)


def named_prior(
    name: str, pool: Pool, *, patients: float = PATIENTS, voxels: float | None = None
) -> Prior | None:
    """Make the prior of a fit.

    Parameters
    ----------
    name
        Model by name, or a model file; ``none`` for a free fit.
    pool
        The patients to fit to.
    patients
        What the prior is worth, in patients of the pool's mean size.
    voxels
        The same in voxels, instead of `patients`.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    if name == FREE_FIT:
        return None
    return Prior(load_model(name), voxels or patients * pool.voxels_per_case)
