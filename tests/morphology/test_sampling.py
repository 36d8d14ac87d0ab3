"""Averages on a grid and the way back equal those of dense weights, NumPy and SciPy."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.morphology.sampling import Band, Bands, average, exceeds

EVERYWHERE = (-32768, 32767)

seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 9)
spacings = st.floats(0.4, 10)


@dataclass(frozen=True)
class Line:
    """Samples of an axis, and places on it where a hat is laid."""

    samples: int
    spacing: float
    places: NDArray[np.float64]
    reach: float
    goes_on: tuple[bool, bool]

    def band(self) -> Band:
        return Band.of_hat(self.places, self.samples, self.spacing, self.reach, self.goes_on)

    def mean(self, values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        """Average along an axis by dense weights, over samples that are there beyond the ends."""
        room = int(np.abs(self.places).max() / self.spacing + self.reach / self.spacing) + 2
        ahead, after = np.zeros((2, 3, 2), int)
        ahead[axis, 0] = after[axis, 1] = room
        values = np.pad(values, ahead, "edge" if self.goes_on[0] else "constant")
        values = np.pad(values, after, "edge" if self.goes_on[1] else "constant")
        away = (np.arange(values.shape[axis]) - room) * self.spacing - self.places[:, np.newaxis]
        weights = np.maximum(0, 1 - np.abs(away) / self.reach)
        weights /= weights.sum(axis=1, keepdims=True)
        return np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """Any samples and places; grids coarser and finer than the samples, and beyond their ends."""
    samples, spacing = draw(lengths), draw(spacings)
    reach = spacing * draw(st.floats(1, 4))
    first = draw(st.floats(-3, samples + 2)) * spacing
    places = first + np.arange(draw(lengths)) * draw(spacings)
    return Line(samples, spacing, places, reach, draw(st.tuples(st.booleans(), st.booleans())))


def _whole(samples: int) -> Band:
    """A band that gives the samples themselves."""
    return Band.of_hat(np.arange(samples) * 1.0, samples, 1.0, 1.0, (True, True))


def _along(axis: int, band: Band, shape: tuple[int, ...]) -> Bands:
    bands = [_whole(length) for length in shape]
    bands[axis] = band
    return bands[0], bands[1], bands[2]


def _random(shape: tuple[int, ...], seed: int, dtype: type = np.int16) -> NDArray[np.int16]:
    low, high = (-1100, 400) if dtype is np.int16 else (0, 256)
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8])
@given(z=lines(), y=lines(), x=lines(), seed=seeds)
def test_a_mean_is_that_of_dense_weights(dtype, z, y, x, seed) -> None:
    values = _random((z.samples, y.samples, x.samples), seed, dtype)
    found = average(values, (z.band(), y.band(), x.band()), *EVERYWHERE)
    expected = values.astype(np.float64)
    for axis, line in enumerate((z, y, x)):
        expected = line.mean(expected, axis)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.002)


@given(line=lines())
def test_weights_add_up_to_1_where_the_samples_go_on(line: Line) -> None:
    band = Band.of_hat(line.places, line.samples, line.spacing, line.reach, (True, True))
    np.testing.assert_allclose(band.weights.sum(axis=1), 1, atol=1e-6)


@given(line=lines())
def test_every_weight_is_one_of_a_sample_that_there_is(line: Line) -> None:
    band = line.band()
    assert band.weights.min() >= 0
    assert band.first.min() >= 0
    assert band.first.max() + band.weights.shape[1] <= line.samples


@pytest.mark.parametrize(("goes_on", "mode"), [(True, "nearest"), (False, "grid-constant")])
@pytest.mark.parametrize("axis", range(3))
@given(seed=seeds, samples=lengths, spacing=spacings, first=st.floats(-2, 9), step=spacings)
def test_a_hat_as_narrow_as_the_spacing_is_linear_interpolation(
    axis, goes_on, mode, seed, samples, spacing, first, step
) -> None:
    shape = [2, 3, 2]
    shape[axis] = samples
    values = _random(tuple(shape), seed)
    places = first * spacing + np.arange(5) * step
    band = Band.of_hat(places, samples, spacing, spacing, (goes_on, goes_on))
    found = average(values, _along(axis, band, values.shape), *EVERYWHERE)
    where: list[NDArray[np.float64]] = [np.arange(n) * 1.0 for n in shape]
    where[axis] = places / spacing
    grid = np.meshgrid(*where, indexing="ij")
    expected = ndimage.map_coordinates(values.astype(float), grid, order=1, mode=mode)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.002)


@pytest.mark.parametrize(("goes_on", "mode"), [(True, "nearest"), (False, "constant")])
@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("axis", range(3))
def test_a_hat_on_the_samples_is_a_box_mean_of_box_means(axis, width, goes_on, mode) -> None:
    values = _random((9, 10, 11), width)
    samples = values.shape[axis]
    places = np.arange(samples) * 0.7
    band = Band.of_hat(places, samples, 0.7, width * 0.7, (goes_on, goes_on))
    found = average(values, _along(axis, band, values.shape), *EVERYWHERE)
    box = np.ones(width) / width
    expected = ndimage.convolve1d(values.astype(float), np.convolve(box, box), axis, mode=mode)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.002)


@given(z=lines(), y=lines(), x=lines(), value=st.integers(-1024, 3071))
def test_a_constant_volume_that_goes_on_stays_constant(z, y, x, value) -> None:
    values = np.full((z.samples, y.samples, x.samples), value, np.int16)
    bands = [
        Band.of_hat(line.places, line.samples, line.spacing, line.reach, (True, True))
        for line in (z, y, x)
    ]
    found = average(values, (bands[0], bands[1], bands[2]), *EVERYWHERE)
    np.testing.assert_allclose(found, value, rtol=1e-6)


def test_what_ends_counts_as_0_beyond_its_end() -> None:
    places = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    mask = np.ones((1, 1, 2), np.uint8)
    for goes_on, expected in (
        ((True, True), [1, 1, 1, 1, 1]),
        ((False, False), [0.25, 0.75, 0.75, 0.75, 0.25]),
        ((True, False), [1, 1, 0.875, 0.75, 0.25]),
        ((False, True), [0.25, 0.75, 0.875, 1, 1]),
    ):
        band = Band.of_hat(places, 2, 1.0, 2.0, goes_on)
        found = average(mask, (_whole(1), _whole(1), band), 0, 1)
        np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


@given(places=st.lists(st.floats(-40, 40), min_size=1, max_size=6), reach=st.floats(3, 20))
def test_along_an_axis_of_one_sample_that_goes_on_all_places_have_its_value(places, reach) -> None:
    band = Band.of_hat(np.array(places), 1, 3.0, reach, (True, True))
    found = average(np.full((1, 1, 1), -731, np.int16), (band, _whole(1), _whole(1)), *EVERYWHERE)
    np.testing.assert_allclose(found, -731, rtol=1e-6)


@given(seed=seeds, low=st.integers(-1200, -500), high=st.integers(-400, 500))
def test_lower_and_higher_values_count_as_the_limits(seed, low, high) -> None:
    values = _random((4, 5, 6), seed)
    values.flat[:4] = -32768, 32767, low, high
    band = Band.of_hat(np.array([0.3, 2.0]), 4, 1.0, 2.0, (True, True))
    bands = band, _whole(5), _whole(6)
    before = values.copy()
    found = average(values, bands, low, high)
    np.testing.assert_array_equal(values, before)
    clipped = np.clip(values, low, high)
    np.testing.assert_array_equal(found, average(clipped, bands, *EVERYWHERE))
    assert low <= found.min() + 0.001
    assert found.max() - 0.001 <= high


def test_any_label_of_a_mask_counts_as_1_where_that_is_the_limit() -> None:
    mask = np.array([[[0, 1, 2, 2, 0, 255]]], np.uint8)
    found = average(mask, (_whole(1), _whole(1), _whole(6)), 0, 1)
    assert found.tolist() == [[[0, 1, 1, 1, 0, 1]]]


@st.composite
def ways_back(draw: st.DrawFn) -> tuple[int, float, NDArray[np.float64]]:
    """Cells of a grid, their step, and the places of voxels on it and beyond its ends."""
    cells, step = draw(lengths), draw(spacings)
    first = draw(st.floats(-2, cells + 1)) * step
    return cells, step, first + np.arange(draw(lengths)) * draw(spacings)


@given(
    z=ways_back(),
    y=ways_back(),
    x=ways_back(),
    level=st.floats(0.1, 0.9),
    seed=seeds,
)
def test_a_field_exceeds_a_level_where_its_linear_interpolation_does(z, y, x, level, seed) -> None:
    rng = np.random.default_rng(seed)
    field = rng.random([cells for cells, _, _ in (z, y, x)]).astype(np.float32)
    mask = rng.integers(0, 3, [len(places) for _, _, places in (z, y, x)]).astype(np.uint8)
    bands = [Band.between(places, cells, step) for cells, step, places in (z, y, x)]
    found = exceeds(field, (bands[0], bands[1], bands[2]), level, mask)
    grid = np.meshgrid(*[places / step for _, step, places in (z, y, x)], indexing="ij")
    values = ndimage.map_coordinates(field.astype(float), grid, order=1, mode="nearest")
    assert found.dtype == np.uint8
    clear = np.abs(values - level) > 1e-5  # float32 rounds
    np.testing.assert_array_equal(found[clear], ((values > level) & (mask > 0))[clear])


def test_what_equals_the_level_does_not_exceed_it() -> None:
    field, mask = np.array([[[0.25, 0.5, 1.0]]], np.float32), np.ones((1, 1, 5), np.uint8)
    one, across = Band.between(np.zeros(1), 1, 1.0), Band.between(np.arange(5) * 0.5, 3, 1.0)
    assert exceeds(field, (one, one, across), 0.5, mask).tolist() == [[[0, 0, 0, 1, 1]]]
    assert not exceeds(field, (one, one, across), 1.0, mask).any()


@pytest.mark.parametrize(("slices", "threads"), list(product([1, 2, 5, 16], ["1", "2", "3", "7"])))
def test_the_number_of_threads_changes_nothing(monkeypatch, slices, threads) -> None:
    values = _random((11, 12, 13), 3)
    mask = (values > -600).astype(np.uint8)
    there = Band.of_hat(np.linspace(-2, 12, slices), 11, 1.0, 3.0, (True, False))
    back = Band.between(np.linspace(-1, 5, slices), 4, 1.5)
    field = np.random.default_rng(0).random((4, 12, 13), np.float32)
    rows, columns = (Band.between(np.arange(n) * 1.0, n, 1.0) for n in (12, 13))
    means, places = [], []
    for count in ("1", threads):
        monkeypatch.setenv("GMMLABEL_THREADS", count)
        means.append(average(values, _along(0, there, values.shape), -1000, 200))
        some = np.resize(mask, (slices, 12, 13))
        places.append(exceeds(field, (back, rows, columns), 0.5, some))
    np.testing.assert_array_equal(*means)
    np.testing.assert_array_equal(*places)
    assert 0 < places[0].mean() < 1
