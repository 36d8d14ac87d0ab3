"""Regions add up, lie where they are said to, and do not depend on the sampling."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from gmmlabel.lungs import find_lungs
from gmmlabel.method import DefaultMethod
from gmmlabel.readers import read_volume
from gmmlabel.regions import (
    REGIONS,
    SIDES,
    ZONES,
    RegionMeasures,
    ZoneScores,
    divide,
    measure_regions,
    score_zones,
)
from gmmlabel.volume import Geometry

VOXEL_ML = 0.01


def _zones(lungs):
    """The number of its zone, from 1, for each voxel of the lungs."""
    painted = np.zeros(lungs.shape, np.uint8)
    for side, zones in enumerate(divide(lungs), start=1):
        painted = np.where(lungs == side, zones[:, :, np.newaxis] + 1, painted)
    return painted


def _case(shape=(12, 10, 14), seed=0):
    rng = np.random.default_rng(seed)
    lungs = (rng.random(shape) < 0.7).astype(np.uint8)
    lungs[:, :, shape[2] // 2 :] *= 2
    hu = rng.normal(-700, 250, shape).round().clip(-3000, 3000).astype(np.int16)
    labels = (rng.integers(1, 6, shape) * (lungs > 0)).astype(np.uint8)
    opacity = ((labels > 2) & (lungs > 0)).astype(np.uint8)
    return hu, lungs, labels, opacity


def _boxes(shape=(30, 40, 20)):
    """A right and a left lung that fill a half of the volume each."""
    lungs = np.ones(shape, np.uint8)
    lungs[:, :, shape[2] // 2 :] = 2
    return lungs


def _ellipsoids(step, offset=(0.3, 0.6, 0.1)):
    """Two lungs of unlike size and height on cubes of some mm."""
    z, y, x = (
        (np.arange(int(length / step) + 2) + shift) * step
        for length, shift in zip((260, 210, 300), offset, strict=True)
    )
    z, y = z[:, np.newaxis, np.newaxis], y[:, np.newaxis]
    lungs = np.zeros((z.size, y.size, x.size), np.uint8)
    for side, (cz, cy, cx), (rz, ry, rx) in (
        (1, (125, 104, 76), (118, 92, 64)),
        (2, (134, 100, 222), (121, 88, 58)),
    ):
        u, v, w = (z - cz) / rz, (y - cy) / ry, (x - cx) / rx
        # Broad and deep at the base, pointed at the apex.
        lungs[u**2 + (v**2 + w**2) * (1 + 0.5 * u) + 0.3 * u * v < 1] = side
    return lungs


def _volumes(lungs, voxel_ml):
    hu = np.full(lungs.shape, -850, np.int16)
    labels = 2 * (lungs > 0).astype(np.uint8)
    measured = measure_regions(hu, lungs, labels, np.zeros_like(lungs), voxel_ml)
    return {name: region.volume_ml for name, region in measured.items()}


def test_there_are_twelve_zones_both_lungs_and_each() -> None:
    assert REGIONS[:5] == ("both", "right", "left", "right_upper_ventral", "right_upper_dorsal")
    assert REGIONS[-1] == "left_lower_dorsal"
    assert len(REGIONS) == len(set(REGIONS)) == 15


@given(shape=st.tuples(*[st.integers(1, 9)] * 3), seed=st.integers(0, 2**32 - 1))
def test_zones_add_up_to_lungs_and_lungs_to_both(shape, seed) -> None:
    hu, lungs, labels, opacity = _case(shape, seed)
    regions = measure_regions(hu, lungs, labels, opacity, VOXEL_ML)

    def parts(names):
        return [
            (
                sum(regions[name].volume_ml for name in names),
                sum(regions[name].opacity.volume_ml for name in names),
                sum(regions[name].densitometry.tissue_g for name in names),
                *(
                    sum(regions[name].tissues[tissue].voxels for name in names)
                    for tissue in regions["both"].tissues
                ),
            )
        ]

    for value, side in enumerate(SIDES, start=1):
        zones = [zone for zone in ZONES if zone.startswith(side)]
        assert np.allclose(parts(zones), parts([side]))
        assert regions[side].volume_ml == pytest.approx((lungs == value).sum() * VOXEL_ML)
    assert np.allclose(parts(SIDES), parts(["both"]))


def test_figures_of_each_zone_are_those_of_its_voxels() -> None:
    hu, lungs, labels, opacity = _case()
    regions = measure_regions(hu, lungs, labels, opacity, VOXEL_ML)
    painted = _zones(lungs)
    clipped = np.clip(hu, -1024, 3071)
    oracle = SimpleITK.LabelIntensityStatisticsImageFilter()
    oracle.Execute(SimpleITK.GetImageFromArray(painted), SimpleITK.GetImageFromArray(clipped))
    for number, zone in enumerate(ZONES, start=1):
        region, here = regions[zone], painted == number
        assert region.volume_ml == pytest.approx(oracle.GetNumberOfPixels(number) * VOXEL_ML)
        assert region.densitometry.mean_hu == pytest.approx(oracle.GetMean(number))
        assert region.densitometry.percentile_15_hu == pytest.approx(
            np.percentile(clipped[here], 15)
        )
        assert region.opacity.percent == pytest.approx(100 * opacity[here].mean())
        high = (opacity[here] > 0) & (hu[here] > -200)
        assert region.opacity.high_opacity_percent == pytest.approx(100 * high.mean())
        for tissue, measure in region.tissues.items():
            assert measure.voxels == (labels[here] == tissue).sum()
            assert measure.percent == pytest.approx(100 * (labels[here] == tissue).mean())


def test_zones_lie_where_their_names_say() -> None:
    centres = {
        zone: np.argwhere(_zones(_boxes()) == number).mean(axis=0)
        for number, zone in enumerate(ZONES, start=1)
    }
    for zone, (z, y, x) in centres.items():  # (z, y, x) grow to the head, the back and the left
        side, height, depth = zone.split("_")
        assert (x < 9.5) == (side == "right")
        assert (y < 19.5) == (depth == "ventral")
        assert round(z / 10 - 0.45) == ("lower", "middle", "upper").index(height)


def test_thirds_and_halves_of_a_box_are_equal() -> None:
    volumes = _volumes(_boxes(), VOXEL_ML)
    for zone in ZONES:
        assert volumes[zone] == pytest.approx(volumes["both"] / 12, rel=0.02)


def test_each_lung_has_thirds_of_its_own_height() -> None:
    lungs = _boxes()
    lungs[15:, :, :10] = 0  # the right lung is half as high
    volumes = _volumes(lungs, VOXEL_ML)
    for zone in ZONES:
        assert volumes[zone] == pytest.approx(volumes[zone.split("_")[0]] / 6, rel=0.03)


def test_a_boundary_within_a_slice_or_row_shares_it_out() -> None:
    volumes = _volumes(_boxes((10, 45, 8)), VOXEL_ML)  # the thirds end within a slice, the
    for zone in ZONES:  # halves within a row
        assert volumes[zone] == pytest.approx(volumes["both"] / 12, rel=0.03)


@pytest.mark.parametrize("step", [2.0, 4.0])
@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (0.5, 0.25, 0.7), (0.8, 0.9, 0.2)])
def test_zones_hardly_depend_on_the_sampling(step, offset) -> None:
    fine = _volumes(_ellipsoids(1.0), 0.001)
    coarse = _volumes(_ellipsoids(step, offset), step**3 / 1000)
    for name in REGIONS:
        assert coarse[name] == pytest.approx(fine[name], rel=0.01), name


@pytest.mark.parametrize("name", ["small_id001.nrrd", "small_id002.nrrd"])
@pytest.mark.parametrize("step", [2.0, 4.0])
def test_zones_of_real_lungs_hardly_depend_on_the_sampling(shared, name, step) -> None:
    volume = read_volume(shared / "data" / name)
    lungs = find_lungs(volume, DefaultMethod()).mask
    spacing = np.array(volume.geometry.spacing_zyx)
    shape = tuple((lungs.shape * spacing / step).astype(int) + 1)
    resampled = np.zeros(shape, np.uint8)
    for side in (1, 2):
        share = ndimage.affine_transform(
            (lungs == side).astype(np.float32),
            step / spacing,
            0.5 * step / spacing - 0.5,  # voxels begin, and not their centres, at the same place
            shape,
            order=1,
        )
        resampled[share > 0.5] = side
    expected = _volumes(lungs, volume.geometry.voxel_ml)
    found = _volumes(resampled, step**3 / 1000)
    for region in REGIONS:
        assert found[region] == pytest.approx(expected[region], rel=0.03), region


def test_specks_beyond_the_lung_hardly_move_its_zones() -> None:
    lungs = np.zeros((60, 60, 20), np.uint8)
    lungs[15:45, 10:50, :10] = 1
    plain = _volumes(lungs, VOXEL_ML)
    lungs[2, 3, 3] = lungs[58, 57, 5] = 1
    specked = _volumes(lungs, VOXEL_ML)
    for zone in ZONES[:6]:
        assert specked[zone] == pytest.approx(plain[zone], rel=0.01)


DIRECTIONS = {
    "as_is": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "flipped": (-1, 0, 0, 0, -1, 0, 0, 0, 1),
    "feet_first": (1, 0, 0, 0, 1, 0, 0, 0, -1),
    "sagittal": (0, 0, 1, 1, 0, 0, 0, -1, 0),
}


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_how_the_axes_are_stored_changes_nothing(direction) -> None:
    case = _case()
    spacing = (1.0, 1.0, 1.0)
    sizes = {
        size
        for size in ((14, 10, 12), (10, 12, 14))
        if Geometry(size, spacing, direction=direction).from_stored(np.zeros(size[::-1])).shape
        == (12, 10, 14)
    }
    geometry = Geometry(sizes.pop(), spacing, direction=direction)
    turned = [geometry.from_stored(geometry.to_stored(array)) for array in case]
    hu, *rest = (geometry.turn(geometry.to_stored(array)) for array in case)  # views, not copies
    expected = measure_regions(*case, VOXEL_ML)
    assert measure_regions(*turned, VOXEL_ML) == expected
    assert measure_regions(hu, *rest, VOXEL_ML) == expected


def test_a_lung_that_is_not_there_measures_nothing() -> None:
    hu, lungs, labels, opacity = _case()
    lungs[lungs == 2] = 0
    regions = measure_regions(hu, lungs, labels * (lungs > 0), opacity, VOXEL_ML)
    assert regions["right"].volume_ml == regions["both"].volume_ml > 0
    for name in REGIONS:
        if name.startswith("left"):
            region = regions[name]
            assert (region.volume_ml, region.opacity.percent, region.opacity.volume_ml) == (0, 0, 0)
            assert region.densitometry.mean_hu is None
            assert region.densitometry.laa_950_percent is None
            assert not any(measure.voxels for measure in region.tissues.values())


@pytest.mark.parametrize(("hu", "high"), [(-201, 0), (-200, 0), (-199, 100), (3071, 100)])
def test_high_opacity_is_denser_than_minus_200(hu, high) -> None:
    ones = np.ones((8, 8, 8), np.uint8)
    regions = measure_regions(np.full(ones.shape, hu, np.int16), ones, 4 * ones, ones, VOXEL_ML)
    assert regions["both"].opacity.percent == 100
    assert regions["both"].opacity.high_opacity_percent == high


def _opaque(percent: float) -> dict[str, RegionMeasures]:
    """Lungs of 10,000 voxels in each zone, as much of each opaque."""
    lungs = np.repeat(np.ones((6, 100, 200), np.uint8), [50, 50, 50, 50, 50, 50], axis=0)
    lungs[:, :, 100:] = 2
    opacity = (np.arange(100) < round(percent)).astype(np.uint8)
    opacity = np.broadcast_to(np.tile(opacity, 2), lungs.shape)
    hu = np.full(lungs.shape, -600, np.int16)
    return measure_regions(hu, lungs, np.full_like(lungs, 3), opacity, VOXEL_ML)


@pytest.mark.parametrize(
    ("percent", "score"),
    [(0, 0), (1, 1), (25, 1), (26, 2), (50, 2), (51, 3), (75, 3), (76, 4), (100, 4)],
)
def test_the_score_of_a_zone_follows_from_its_opacity(percent, score) -> None:
    scores = score_zones(_opaque(percent))
    assert scores == ZoneScores(dict.fromkeys(ZONES, score), 12 * score, 48)


def test_opacity_below_one_percent_is_none() -> None:
    lungs = _boxes((40, 40, 40))
    opacity = np.zeros_like(lungs)
    opacity[::7, ::5, ::4] = 1
    hu = np.full(lungs.shape, -600, np.int16)
    regions = measure_regions(hu, lungs, np.full_like(lungs, 3), opacity, VOXEL_ML)
    assert 0 < regions["both"].opacity.percent < 1
    assert score_zones(regions).sum == 0
