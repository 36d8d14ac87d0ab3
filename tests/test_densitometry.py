"""Densitometry of a histogram equals that of the voxels it was counted from."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.densitometry import (
    FIRST_HU,
    LAST_HU,
    Acquisition,
    Densitometry,
    measure_density,
    percentile,
)
from gmmlabel.volume import Geometry, Volume

values = st.lists(st.integers(FIRST_HU, LAST_HU), min_size=1, max_size=60)


def _counts(voxels):
    return np.bincount(np.asarray(voxels, int) - FIRST_HU, minlength=LAST_HU - FIRST_HU + 1)


def _density(*voxels: int, voxel_ml: float = 1.0) -> Densitometry:
    return measure_density(_counts(voxels), voxel_ml)


@given(voxels=values)
def test_mean_spread_and_percentile_are_those_of_numpy(voxels) -> None:
    found = _density(*voxels)
    assert found.mean_hu == pytest.approx(np.mean(voxels))
    assert found.sd_hu == pytest.approx(np.std(voxels), abs=1e-6)
    assert found.percentile_15_hu == pytest.approx(np.percentile(voxels, 15))


@given(voxels=values, percent=st.floats(0, 100))
def test_any_percentile_is_that_of_numpy(voxels, percent) -> None:
    assert percentile(_counts(voxels), percent) == pytest.approx(np.percentile(voxels, percent))


def test_figures_of_a_noisy_lung_are_those_of_simpleitk() -> None:
    voxels = np.random.default_rng(1).normal(-740, 60, (20, 30, 40)).round().astype(np.int16)
    oracle = SimpleITK.LabelIntensityStatisticsImageFilter()
    ones = SimpleITK.GetImageFromArray(np.ones(voxels.shape, np.uint8))
    oracle.Execute(ones, SimpleITK.GetImageFromArray(voxels))
    found = _density(*voxels.ravel())
    assert found.mean_hu == pytest.approx(oracle.GetMean(1))
    sample = np.sqrt(voxels.size / (voxels.size - 1))  # SimpleITK's is that of a sample
    assert found.sd_hu * sample == pytest.approx(oracle.GetStandardDeviation(1))


@pytest.mark.parametrize(
    ("figure", "inside", "outside"),
    [
        ("laa_950_percent", (-1024, -951), (-950, 0)),
        ("laa_910_percent", (-1024, -951, -911), (-910, 0)),
        ("haa_600_250_percent", (-600, -251), (-601, -250, 0)),
        ("dense_250_50_percent", (-250, 0, 49), (-251, 50, 3071)),
    ],
)
def test_the_limits_of_a_range_belong_where_they_are_said_to(figure, inside, outside) -> None:
    assert [getattr(_density(value), figure) for value in inside] == [100] * len(inside)
    assert [getattr(_density(value), figure) for value in outside] == [0] * len(outside)


def test_shares_are_of_all_voxels() -> None:
    assert _density(-960, -920, -920, -300, 30, 60, 60, 60).laa_910_percent == 37.5


@pytest.mark.parametrize(
    ("hu", "gas"), [(-1024, 1), (-1000, 1), (-850, 0.85), (-500, 0.5), (0, 0), (60, 0), (3071, 0)]
)
def test_gas_and_tissue_follow_the_law_of_two_compartments(hu, gas) -> None:
    found = _density(hu, hu, voxel_ml=0.25)
    assert found.gas_ml == pytest.approx(0.5 * gas)
    assert found.tissue_g == pytest.approx(0.5 * (1 - gas))


@given(voxels=values)
def test_gas_and_tissue_fill_the_volume(voxels) -> None:
    found = _density(*voxels, voxel_ml=0.002)
    assert found.gas_ml + found.tissue_g == pytest.approx(0.002 * len(voxels))


def test_an_empty_region_has_no_figures_and_no_mass() -> None:
    assert _density() == Densitometry(*[None] * 7, 0.0, 0.0)


def test_figures_are_plain_numbers() -> None:
    assert {type(value) for value in vars(_density(-900, -800)).values()} == {float}


def test_emphysema_figures_can_be_told_how_the_ct_was_made() -> None:
    hu = np.zeros((8, 9, 10), np.int16)
    z_first = (0, 1, 0, 0, 0, 1, 1, 0, 0)  # row by row; the columns are the stored axes
    sagittal = Geometry((8, 10, 9), (2.5, 0.8, 0.7), direction=z_first)
    made = Acquisition.of(Volume(hu, sagittal, kernel="B40f", slice_thickness_mm=3.0))
    assert made == Acquisition(2.5, 3.0, "B40f")
    assert Acquisition.of(Volume(hu, sagittal)) == Acquisition(2.5, None, None)
