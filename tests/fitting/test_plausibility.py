"""What is not the five tissues is told with its figures."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from gmmlabel.fitting.expectation import Maximum
from gmmlabel.fitting.plausibility import MEANS_HU, bhattacharyya, implausible
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.tissues import Tissue


def _reasons(converged: bool = True, **changes: dict[int, float]) -> tuple[str, ...]:
    """The reasons against the published model with some of its parameters changed."""
    mixture = load_model()
    for name, values in changes.items():
        parameters = getattr(mixture, name).copy()
        for place, value in values.items():
            parameters[place] = value
        mixture = replace(mixture, **{name: parameters})
    return implausible(Maximum(mixture, -6.0, -6.0, 100, converged), -1000)


def test_the_published_model_is_plausible() -> None:
    assert _reasons() == ()


def test_a_mean_outside_the_range_of_its_tissue_is_told() -> None:
    assert "the mean of ground glass is -806 HU, outside -740 to -495" in _reasons(means={2: -806})


def test_the_ranges_touch_and_hold_the_published_means() -> None:
    ranges = [MEANS_HU[tissue] for tissue in Tissue]
    assert [high for _, high in ranges[:-1]] == [low for low, _ in ranges[1:]]
    means = load_model().means
    for k in range(4):
        assert ranges[k][1] == pytest.approx((means[k] + means[k + 1]) / 2, abs=6)


def test_components_that_coincide_are_told() -> None:
    reasons = _reasons(means={0: -900, 1: -880})
    assert any("air and healthy coincide: their overlap is 0.9" in it for it in reasons)


def test_a_component_that_vanished_is_told() -> None:
    reasons = _reasons(weights={3: 1e-5})
    assert "consolidation has vanished: 0.001 % of the voxels" in reasons
    assert "consolidation is nowhere the most probable tissue" in reasons


def test_a_spike_is_told() -> None:
    assert any("air is a spike at -950 HU" in it for it in _reasons(variances={0: 1.0}))


def test_labels_that_fall_are_told() -> None:
    reasons = _reasons(variances={3: 200.0**2, 4: 90.0**2})
    assert any("labels fall from dense to consolidation at" in it for it in reasons)


def test_a_fit_that_did_not_converge_is_told() -> None:
    assert _reasons(converged=False) == ("the fit did not converge in 100 iterations",)


@given(st.floats(-500, 500), st.floats(10, 200), st.floats(10, 200))
def test_the_overlap_is_the_integral_of_the_mean_of_two_densities(
    away: float, one: float, other: float
) -> None:
    mixture = Mixture(
        "any",
        np.array([0, away, away, away, away]),
        np.array([one, other, other, other, other]) ** 2,
        np.full(5, 0.2),
    )
    expected, _ = quad(
        lambda hu: np.sqrt(norm.pdf(hu, 0, one) * norm.pdf(hu, away, other)),
        -3000,
        3000,
        points=[0, away],
        limit=200,
    )
    assert bhattacharyya(mixture) == pytest.approx((expected, 1, 1, 1), abs=1e-6)
