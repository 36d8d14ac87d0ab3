"""EM on a histogram is scikit-learn's EM on the voxels."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import dirichlet, invgamma, norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from gmmlabel.fitting.expectation import VARIANCE_FLOOR, maximise
from gmmlabel.fitting.pool import Bins
from gmmlabel.fitting.prior import Prior
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.pipeline import count_lungs
from gmmlabel.readers import read_volume


def _mixture(gaps: list[float], deviations: list[float], weights: list[float]) -> Mixture:
    means, shares = np.cumsum(gaps) - 1050, np.array(weights)
    return Mixture("any", means, np.array(deviations) ** 2, shares / shares.sum())


mixtures = st.builds(
    _mixture,
    st.lists(st.floats(50, 300), min_size=5, max_size=5),
    st.lists(st.floats(20, 200), min_size=5, max_size=5),
    st.lists(st.floats(0.05, 1), min_size=5, max_size=5),
)


def _drawn(mixture: Mixture, voxels: int, seed: int) -> NDArray[np.int64]:
    random = np.random.default_rng(seed)
    tissue = random.choice(5, voxels, p=mixture.weights)
    hu = random.normal(mixture.means[tissue], mixture.variances[tissue] ** 0.5)
    return np.rint(hu).astype(np.int64).clip(-1000, 3071)


def _bins(hu: NDArray[Any]) -> Bins:
    values, counts = np.unique(hu, return_counts=True)
    return Bins(values.astype(np.float64), counts.astype(np.float64))


def _fitted_by_scikit_learn(hu: NDArray[Any], start: Mixture) -> GaussianMixture:
    oracle = GaussianMixture(
        5,
        tol=1e-9,
        max_iter=2000,
        reg_covar=VARIANCE_FLOOR,
        means_init=start.means[:, None],
        weights_init=start.weights,
        precisions_init=1 / start.variances[:, None, None],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return oracle.fit(hu.astype(np.float64)[:, None])


def _assert_exact(hu: NDArray[Any], start: Mixture) -> None:
    ours = maximise(start, _bins(hu), None, tolerance=1e-9, iterations=2000)
    theirs = _fitted_by_scikit_learn(hu, start)
    order = theirs.means_[:, 0].argsort()
    np.testing.assert_allclose(ours.mixture.means, theirs.means_[order, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.mixture.weights, theirs.weights_[order], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.mixture.variances, theirs.covariances_[order, 0, 0], rtol=1e-8)
    assert ours.log_likelihood == pytest.approx(
        theirs.score(hu.astype(np.float64)[:, None]), abs=1e-10, rel=0
    )
    assert (ours.iterations, ours.converged) == (theirs.n_iter_, theirs.converged_)


@settings(max_examples=8)
@given(mixtures, mixtures, st.integers(0, 1000))
def test_a_fit_to_the_bins_is_that_of_scikit_learn_to_the_voxels(
    truth: Mixture, start: Mixture, seed: int
) -> None:
    _assert_exact(_drawn(truth, 1000, seed), start)


def test_so_it_is_for_the_lungs_of_a_real_ct(shared: Path) -> None:
    counts = count_lungs(read_volume(shared / "data" / "small_id001.nrrd"))
    hu = np.repeat(np.arange(len(counts.counts)) + counts.first_hu, counts.counts)[::64]
    assert len(hu) > 2_000
    _assert_exact(hu, load_model())


@given(mixtures, mixtures, st.floats(1, 1e5), st.integers(0, 1000))
def test_no_step_lowers_the_objective(
    truth: Mixture, known: Mixture, strength: float, seed: int
) -> None:
    bins = _bins(_drawn(truth, 500, seed))
    for prior in (None, Prior(known, strength)):
        objectives = [
            maximise(load_model(), bins, prior, tolerance=0, iterations=steps).objective
            for steps in range(1, 12)
        ]
        assert (np.diff(objectives) > -1e-9).all()


@given(mixtures, mixtures, st.floats(1, 1e5), st.integers(0, 1000))
def test_a_step_with_a_prior_is_one_with_as_many_voxels_of_known_tissue(
    truth: Mixture, known: Mixture, strength: float, seed: int
) -> None:
    hu = _drawn(truth, 500, seed).astype(np.float64)
    start = load_model()
    ours = maximise(start, _bins(hu), Prior(known, strength), tolerance=0, iterations=1).mixture
    density = start.weights * norm(start.means, start.variances**0.5).pdf(hu[:, None])
    of_tissue = density / density.sum(axis=1, keepdims=True)
    # Two points at mean - SD and mean + SD have the mean and the variance of their component.
    points = np.concatenate(
        [known.means - known.variances**0.5, known.means + known.variances**0.5]
    )
    shares = np.tile(np.diag(known.weights * strength / 2), (2, 1))
    voxels, shares = np.concatenate([hu, points]), np.concatenate([of_tissue, shares])
    means = [np.average(voxels, weights=shares[:, k]) for k in range(5)]
    variances = [np.average((voxels - means[k]) ** 2, weights=shares[:, k]) for k in range(5)]
    order = np.argsort(means)
    np.testing.assert_allclose(ours.means, np.array(means)[order])
    np.testing.assert_allclose(ours.variances, np.array(variances)[order], rtol=1e-6)
    weights = shares.sum(axis=0) / shares.sum()
    np.testing.assert_allclose(ours.weights, weights[order])


@given(mixtures, mixtures, st.floats(10, 1e4))
def test_the_prior_is_the_product_of_conjugate_densities(
    one: Mixture, known: Mixture, strength: float
) -> None:
    """Dirichlet x normal-inverse-gamma as SciPy has them, up to a constant.

    The mode of the joint density over (mean, variance) with shape a and scale b lies at
    b / (a + 3/2), so a = n / 2 - 3 / 2 makes it the variance of the model.
    """
    counts = strength * known.weights
    counts = np.maximum(counts, 4)  # a proper inverse gamma needs a > 0
    known = Mixture("known", known.means, known.variances, counts / counts.sum())
    prior = Prior(known, float(counts.sum()))

    def by_scipy(mixture: Mixture) -> float:
        density = dirichlet(prior.voxels + 1).logpdf(mixture.weights)
        for k, n in enumerate(prior.voxels):
            deviation = np.sqrt(mixture.variances[k] / n)
            density += norm(known.means[k], deviation).logpdf(mixture.means[k])
            density += invgamma(n / 2 - 1.5, scale=n * known.variances[k] / 2).logpdf(
                mixture.variances[k]
            )
        return float(density)

    ours = prior.log_density(one) - prior.log_density(known)
    assert ours == pytest.approx(by_scipy(one) - by_scipy(known), rel=1e-6, abs=1e-6)
