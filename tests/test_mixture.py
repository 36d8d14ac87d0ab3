"""The table is the most probable tissue at every HU."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.tissues import Tissue

HU = np.arange(-1024, 3072)


def _probabilities(mixture: Mixture) -> NDArray[np.float64]:
    """Scikit-learn's posterior at every HU; in float64, as 1.7 and later truncate for integers."""
    oracle = GaussianMixture(5, covariance_type="full")
    oracle.means_ = mixture.means[:, None]
    oracle.weights_ = mixture.weights
    oracle.covariances_ = mixture.variances[:, None, None]
    oracle.precisions_cholesky_ = 1 / np.sqrt(oracle.covariances_)
    return oracle.predict_proba(HU.astype(np.float64)[:, None])


def _assert_table_is_that_of_scikit_learn(mixture: Mixture) -> None:
    """Where the two best tissues are as probable to within 1e-9, either label is right."""
    probabilities = _probabilities(mixture)
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    clear = second < first * (1 - 1e-9)
    expected = probabilities.argmax(axis=1) + 1
    np.testing.assert_array_equal(mixture.table[HU + 32768][clear], expected[clear])


def _mixture(means: list[float], deviations: list[float], weights: list[float]) -> Mixture:
    shares = np.array(weights)
    return Mixture("any", np.array(means), np.array(deviations) ** 2, shares / shares.sum())


mixtures = st.builds(
    _mixture,
    st.lists(st.floats(-1050, 400), min_size=5, max_size=5).map(sorted),
    st.lists(st.floats(5, 400), min_size=5, max_size=5),
    st.lists(st.floats(0.01, 1), min_size=5, max_size=5),
)


def test_the_boundaries_of_the_published_model_are_those_it_is_known_by() -> None:
    assert load_model().boundaries() == (-893, -721, -472, -235)


def test_a_boundary_is_the_first_hu_of_the_next_tissue() -> None:
    table = load_model().table
    for tissue, boundary in zip(Tissue, (-893, -721, -472, -235), strict=False):
        assert table[32768 + boundary - 1] == tissue
        assert table[32768 + boundary] == tissue + 1


def test_boundaries_are_searched_above_the_first_up_to_the_last_hu_asked_for() -> None:
    model = load_model()
    assert model.boundaries(-894, -235) == (-893, -721, -472, -235)
    assert model.boundaries(-893, -236) == (-721, -472)
    assert model.boundaries(-893, -722) == ()


def test_far_below_air_the_widest_gaussian_wins() -> None:
    # So HU that no lung has must be clipped before they are looked up.
    table = load_model().table
    assert table[32768 - 1200] == Tissue.AIR
    assert table[32768 - 1300] != Tissue.AIR
    assert table[32768 - 2000] == table[32768 - 3024] == table[0] == Tissue.DENSE


def test_the_published_model_labels_as_scikit_learn() -> None:
    model = load_model()
    _assert_table_is_that_of_scikit_learn(model)
    assert len(model.table) == 1 << 16
    assert model.table.dtype == np.uint8
    assert set(np.unique(model.table)) == set(Tissue)


def test_a_model_whose_label_falls_again_labels_as_scikit_learn() -> None:
    # A narrow healthy lung within a wide ground glass: 3, 2, 3 as HU grow.
    model = _mixture([-1000, -830, -820, 0, 300], [10, 15, 200, 50, 50], [1, 3, 3, 1, 1])
    labels = model.table[HU + 32768].astype(int)
    assert (np.diff(labels) < 0).any()
    assert len(model.boundaries(-1024)) > 4
    _assert_table_is_that_of_scikit_learn(model)


def test_scikit_learn_finds_no_tie_in_the_published_model() -> None:
    second, first = np.sort(_probabilities(load_model()), axis=1)[:, -2:].T
    assert (second < first * (1 - 1e-9)).all()


@given(mixture=mixtures)
def test_any_model_labels_as_scikit_learn(mixture: Mixture) -> None:
    _assert_table_is_that_of_scikit_learn(mixture)


@given(mixture=mixtures)
def test_between_two_boundaries_the_label_is_one(mixture: Mixture) -> None:
    labels = mixture.table[HU + 32768]
    expected = HU[1:][labels[1:] != labels[:-1]]
    assert mixture.boundaries(-1023, 3071) == tuple(expected)


def test_log_posteriors_differ_by_the_log_of_scikit_learns_odds() -> None:
    model = load_model()
    ours = model.log_posterior(HU)
    assert ours.shape == (4096, 5)
    theirs = _probabilities(model)[:800]
    odds = ours[:800] - ours[:800, 1:2]
    np.testing.assert_allclose(np.exp(odds), theirs / theirs[:, 1:2], rtol=1e-9)


@pytest.mark.parametrize(
    ("training", "doubts"),
    [
        ({}, ()),
        ({"implausible": None}, ()),
        ({"implausible": []}, ()),
        ({"implausible": ["too light", "too dense"]}, ("too light", "too dense")),
        ({"implausible": ("too light",)}, ("too light",)),
        ({"implausible": "too light"}, ("too light",)),  # a string is one reason, not nine
        ({"implausible": True}, ("True",)),
        ({"implausible": {"mean": -806}}, ("{'mean': -806}",)),
    ],
)
def test_why_a_refit_is_doubtful_stands_in_its_training(
    training: dict[str, Any], doubts: tuple[str, ...]
) -> None:
    model = load_model()
    forced = Mixture("any", model.means, model.variances, model.weights, training=training)
    assert forced.doubts == doubts
