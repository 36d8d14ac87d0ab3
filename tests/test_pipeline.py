"""The chain labels the lungs and nothing but the lungs, the same way every time."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.errors import NoLungsError
from gmmlabel.lungs import Lungs
from gmmlabel.method import DefaultMethod, PublishedMethod
from gmmlabel.mixture import Mixture
from gmmlabel.phantom import Phantom, make_head, make_phantom
from gmmlabel.pipeline import Labelling, label_volume
from gmmlabel.tissues import Tissue
from gmmlabel.volume import Geometry, Volume

# The published method with sizes for phantoms of few voxels.
SMALL = PublishedMethod(opening_voxels=1, island_voxels=2000, closing_voxels=(3, 2))


@pytest.fixture(scope="module")
def chest() -> Phantom:
    return make_phantom((92, 72, 64), (4.0, 4.0, 5.0))


@pytest.fixture(scope="module")
def labelled(chest: Phantom) -> Labelling:
    return label_volume(chest.volume)


@pytest.fixture(scope="module")
def published(chest: Phantom) -> Labelling:
    return label_volume(chest.volume, method=SMALL)


def _tissue_of(hu: NDArray[np.int16]) -> NDArray[np.int64]:
    return np.searchsorted([-893, -721, -472, -235], hu, side="right") + 1


def _box(hu: NDArray[np.int16]) -> tuple[Volume, Lungs]:
    """A volume and a lung mask with a margin in it."""
    volume = Volume(hu, Geometry(hu.shape[::-1], (1.5, 2.0, 3.0)))
    mask = np.zeros(hu.shape, bool)
    mask[1:-1, 2:-1, 1:-2] = True
    return volume, Lungs.of_mask(mask)


def test_maps_have_the_shape_of_the_volume_and_small_numbers(chest, labelled) -> None:
    for some in (labelled.labels, labelled.smoothed, labelled.lung_mask):
        assert some.shape == chest.volume.hu.shape
        assert some.dtype == np.uint8
    assert set(np.unique(labelled.lung_mask)) == {0, 1, 2}
    assert set(np.unique(labelled.labels)) == {0, *Tissue}


def test_labels_are_0_exactly_outside_the_lungs(labelled) -> None:
    np.testing.assert_array_equal(labelled.labels > 0, labelled.lung_mask > 0)


def test_smoothing_stays_within_the_lungs(labelled) -> None:
    np.testing.assert_array_equal(labelled.smoothed > 0, labelled.lung_mask > 0)


@pytest.mark.parametrize("case", ["labelled", "published"])
def test_in_the_lungs_the_label_is_that_of_the_hu(request, chest, case) -> None:
    found = request.getfixturevalue(case)
    lungs = found.lung_mask > 0
    np.testing.assert_array_equal(found.labels[lungs], _tissue_of(chest.volume.hu[lungs]))


def test_the_default_median_takes_a_window_in_mm_within_the_lungs() -> None:
    hu = np.random.default_rng(0).integers(-1000, 100, (12, 14, 16)).astype(np.int16)
    geometry = Geometry((16, 14, 12), (0.7, 1.5, 1.6))  # 2, 1 and 0 voxels to either side
    mask = np.zeros(hu.shape, bool)
    mask[1:-1, 2:-2, 3:] = True
    found = label_volume(Volume(hu, geometry), lungs=Lungs.of_mask(mask))
    labels = _tissue_of(hu) * mask
    for z, y, x in np.argwhere(mask):
        around = labels[z, max(y - 1, 0) : y + 2, max(x - 2, 0) : x + 3]
        values = np.sort(around[around > 0])
        assert found.smoothed[z, y, x] == values[len(values) // 2]


def test_the_published_median_is_the_filter_of_scipy_over_the_whole_volume(published) -> None:
    expected = ndimage.median_filter(published.labels, 4)
    np.testing.assert_array_equal(published.smoothed, expected)
    assert (published.smoothed[published.lung_mask == 0] > 0).any()


def test_the_published_median_runs_over_the_edge_of_a_given_mask_too() -> None:
    hu = np.random.default_rng(2).choice([-950, -800, -600, -300], (12, 13, 14)).astype(np.int16)
    volume, lungs = _box(hu)
    found = label_volume(volume, method=SMALL, lungs=lungs)
    np.testing.assert_array_equal(found.smoothed, ndimage.median_filter(found.labels, 4))


@pytest.mark.parametrize("flips", list(product((1, -1), repeat=3)))
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_published_median_reaches_back_in_the_order_of_storage(order, flips) -> None:
    hu = np.random.default_rng(1).choice([40, -950, -800, -600, -300], (9, 10, 11))
    hu = hu.astype(np.int16)
    direction = np.zeros((3, 3))
    direction[order, range(3)] = flips
    volume = Volume.from_stored(
        hu, Geometry((11, 10, 9), (1.0, 1.0, 1.0), direction=tuple(direction.ravel()))
    )
    lungs = Lungs.of_mask(np.ones(volume.hu.shape, bool))
    found = label_volume(volume, method=SMALL, lungs=lungs)
    stored = volume.geometry.to_stored(found.labels)
    np.testing.assert_array_equal(stored, _tissue_of(hu))
    expected = ndimage.median_filter(stored, 4)
    np.testing.assert_array_equal(volume.geometry.to_stored(found.smoothed), expected)


@pytest.mark.parametrize("method", [DefaultMethod(), SMALL])
@pytest.mark.parametrize("value", [-32768, -3024, -2000, -1300, -1001, -1000])
def test_what_is_lighter_than_air_is_air(method, value) -> None:
    volume, lungs = _box(np.full((9, 10, 11), value, np.int16))
    found = label_volume(volume, method=method, lungs=lungs)
    assert found.tissues[Tissue.AIR].percent == 100
    assert found.histogram.counts[0] == lungs.mask.sum()


@pytest.mark.parametrize("value", [-3024, -1001, -1000])
def test_what_is_lighter_than_air_has_the_label_of_minus_1000(value) -> None:
    # The label changes between -1001 and -1000, half-way between the first two means.
    means = np.array([-1100.0, -901, 0, 500, 1000])
    model = Mixture("any", means, np.full(5, 100.0), np.full(5, 0.2))
    volume, lungs = _box(np.full((9, 10, 11), value, np.int16))
    found = label_volume(volume, model, lungs=lungs)
    assert model.boundaries(-1200, -900) == (-1000,)
    assert found.tissues[Tissue.HEALTHY].percent == 100


def test_a_speck_of_padding_in_the_lungs_is_air(chest) -> None:
    z, y, x = np.argwhere(ndimage.binary_erosion(chest.lungs, iterations=4))[0]
    hu = chest.volume.hu.copy()
    hu[z, y, x] = -3024
    found = label_volume(Volume(hu, chest.volume.geometry))
    assert found.labels[z, y, x] == Tissue.AIR


def test_tissues_are_counted_on_the_label_maps(chest, labelled) -> None:
    for some, tissues in (
        (labelled.labels, labelled.tissues),
        (labelled.smoothed, labelled.smoothed_tissues),
    ):
        for tissue in Tissue:
            assert tissues[tissue].voxels == (some == tissue).sum()
            assert tissues[tissue].volume_ml == pytest.approx((some == tissue).sum() * 0.08)
    assert labelled.lungs_ml == pytest.approx(np.count_nonzero(labelled.lung_mask) * 0.08)
    assert chest.volume.geometry.voxel_ml == pytest.approx(0.08)


def test_involvement_is_that_of_the_labels_before_smoothing(labelled) -> None:
    labels = labelled.labels
    involved = np.isin(labels, (Tissue.GROUND_GLASS, Tissue.CONSOLIDATION)).sum()
    counted = ((labels > 0) & (labels != Tissue.DENSE)).sum()
    assert labelled.involvement.percent == pytest.approx(100 * involved / counted)


def test_the_histogram_is_that_of_the_lung_voxels(chest, labelled) -> None:
    hu = chest.volume.hu[labelled.lung_mask > 0].clip(-1000, 3071)
    assert labelled.histogram.counts.sum() == np.count_nonzero(labelled.lung_mask)
    assert labelled.histogram.first_hu == -1000
    np.testing.assert_array_equal(labelled.histogram.counts, np.bincount(hu + 1000, minlength=4072))


def test_the_histogram_counts_what_lies_beyond_at_its_ends() -> None:
    hu = np.full((8, 8, 8), -800, np.int16)
    hu[2, 3, 3:6] = -3024, -1001, -1000
    hu[3, 3, 2:6] = 3070, 3071, 3072, 32767
    volume, lungs = _box(hu)
    counts = label_volume(volume, lungs=lungs).histogram.counts
    assert counts[0] == 3
    assert counts[-2:].tolist() == [1, 3]
    assert counts[200] == lungs.mask.sum() - 7


def test_a_given_lung_mask_is_used_as_it_is() -> None:
    head = make_head((60, 60, 60), (4.0, 4.0, 4.0))
    mask = np.zeros(head.hu.shape, bool)
    mask[20:30, 15:40, 18:44] = True
    mask[25, 20, 20] = False
    found = label_volume(head, lungs=Lungs.of_mask(mask))
    np.testing.assert_array_equal(found.lung_mask, mask)
    np.testing.assert_array_equal(found.labels > 0, mask)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_mask_is_cropped_to_its_box_and_back(seed) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((5, 7, 9)) < rng.choice([0.01, 0.3])
    mask[tuple(rng.integers(0, mask.shape))] = True
    lungs = Lungs.of_mask(mask)
    whole = np.zeros(mask.shape, np.uint8)
    whole[lungs.region] = lungs.mask
    np.testing.assert_array_equal(whole, mask)
    for axis, hit in enumerate(np.nonzero(mask)):
        assert lungs.region[axis].start == max(0, hit.min() - 2)
        assert lungs.region[axis].start + lungs.mask.shape[axis] == min(
            mask.shape[axis], hit.max() + 3
        )


def test_an_empty_mask_is_no_lungs() -> None:
    with pytest.raises(NoLungsError, match="empty"):
        Lungs.of_mask(np.zeros((8, 8, 8), bool))


def test_another_model_is_used_where_it_is_given() -> None:
    model = Mixture("one", np.array([-3000.0, -2000, -1000, 0, 1000]), np.ones(5), np.ones(5) / 5)
    volume, lungs = _box(np.full((8, 8, 8), -980, np.int16))
    found = label_volume(volume, model, lungs=lungs)
    assert found.model is model
    assert found.tissues[Tissue.GROUND_GLASS].percent == 100


@pytest.mark.parametrize("method", [DefaultMethod(), SMALL])
def test_every_run_gives_the_same_however_many_threads(chest, monkeypatch, method) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", "1")
    first = label_volume(chest.volume, method=method)
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("GMMLABEL_THREADS", threads)
        again = label_volume(chest.volume, method=method)
        np.testing.assert_array_equal(again.labels, first.labels)
        np.testing.assert_array_equal(again.smoothed, first.smoothed)
        np.testing.assert_array_equal(again.histogram.counts, first.histogram.counts)
        assert again.tissues == first.tissues
        assert again.smoothed_tissues == first.smoothed_tissues
        assert again.involvement == first.involvement


def test_labelling_does_not_write_over_the_volume(chest) -> None:
    before = chest.volume.hu.copy()
    label_volume(chest.volume)
    np.testing.assert_array_equal(chest.volume.hu, before)


@given(seed=st.integers(0, 2**32 - 1))
def test_where_a_hu_lies_in_the_lungs_does_not_matter_to_the_measures(seed) -> None:
    rng = np.random.default_rng(seed)
    hu = rng.normal(-700, 300, (9, 10, 11)).astype(np.int16)
    volume, lungs = _box(hu)
    inside = np.zeros(hu.shape, bool)
    inside[lungs.region] = lungs.mask > 0
    shuffled = rng.normal(0, 500, hu.shape).astype(np.int16)  # what is outside is no matter
    shuffled[inside] = rng.permutation(hu[inside])
    first = label_volume(volume, lungs=lungs)
    other = label_volume(Volume(shuffled, volume.geometry), lungs=lungs)
    assert other.tissues == first.tissues
    assert other.involvement == first.involvement
    np.testing.assert_array_equal(other.histogram.counts, first.histogram.counts)


def test_each_stage_says_how_long_it_took(labelled) -> None:
    assert list(labelled.seconds) == ["lungs", "label", "smooth", "opacity", "measure"]
    assert all(seconds > 0 for seconds in labelled.seconds.values())
