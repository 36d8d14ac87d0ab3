"""Lungs that others marked are taken as they are, or refused in one line."""

import pickle

import numpy as np
import pytest
from ct_files import GRIDS, affine_of, write_itk, write_nifti, write_nrrd
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmlabel.errors import GeometryError, GmmlabelError, NoLungsError, SegmenterError
from gmmlabel.method import DefaultMethod, PublishedMethod
from gmmlabel.phantom import Phantom, make_phantom
from gmmlabel.readers import read_volume
from gmmlabel.segmenters import MaskFile, named_segmenter, segment
from gmmlabel.volume import Geometry, Volume

DEFAULT = DefaultMethod()
WRITERS = {".nrrd": write_nrrd, ".nii.gz": write_nifti, ".mha": write_itk}


@pytest.fixture(scope="module")
def chest() -> Phantom:
    return make_phantom((92, 66, 50), (4.0, 4.0, 6.0))


@pytest.fixture(scope="module")
def sided(chest):
    """The true lungs: 1 right, at low x, and 2 left."""
    sides = np.where(np.arange(chest.lungs.shape[2]) < chest.lungs.shape[2] // 2, 1, 2)
    return (chest.lungs * sides).astype(np.uint8)


def whole(lungs, volume):
    mask = np.zeros(volume.hu.shape, np.uint8)
    mask[lungs.region] = lungs.mask
    return mask


def taken(labels, volume, method=DEFAULT):
    """What becomes of the labels that a segmenter gave."""
    return whole(segment(volume, lambda _: labels, method), volume)


def refused(error, labels, volume, *words, method=DEFAULT):
    """Check that the labels end in one line with these words, and return it."""

    def my_segmenter(_):
        return labels

    with pytest.raises(error) as caught:
        segment(volume, my_segmenter, method)
    message = str(caught.value)
    assert message.startswith("my_segmenter: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_right_and_left_are_kept_as_they_were_given(chest, sided) -> None:
    # Parted 3 cm to the right of where the package would.
    labels = np.where(chest.lungs, np.where(np.arange(92) < 38, 1, 2), 0).astype(np.uint8)
    assert (labels != sided).sum() > 500
    np.testing.assert_array_equal(taken(labels, chest.volume), labels)
    np.testing.assert_array_equal(taken(sided, chest.volume), sided)


@settings(max_examples=20)
@given(
    dtype=st.sampled_from([bool, np.uint8, np.int8, np.int16, np.int64, np.float32, np.float64]),
    value=st.integers(1, 127),
)
def test_one_value_of_any_type_is_lungs_of_which_the_sides_are_told(
    chest, sided, dtype, value
) -> None:
    labels = (chest.lungs * dtype(value)).astype(dtype)
    found = taken(labels, chest.volume)
    np.testing.assert_array_equal(found > 0, chest.lungs)
    assert (found == sided)[chest.lungs].mean() > 0.99


def lobes(chest, sided):
    upper = np.arange(chest.lungs.shape[0])[:, None, None] >= 25
    return np.where(sided == 2, np.where(upper, 1, 2), np.where(upper, 3, 5)) * chest.lungs


def sides_of_covid_ct_seg(_, sided):  # 1 left, 2 right, 3 infection
    labels = np.array([0, 2, 1], np.uint8)[sided]
    labels[20:30, 30:40][labels[20:30, 30:40] > 0] = 3
    return labels


def the_other_way_round(_, sided):
    return np.array([0, 2, 1], np.uint8)[sided]


def lung_and_lesion(chest, _):
    return chest.lungs.astype(np.uint8) + (chest.truth >= 3)


def luna_sides(_, sided):  # 4 right, 3 left, 5 trachea
    return np.array([0, 4, 3], np.uint8)[sided]


@pytest.mark.parametrize(
    "labels_of", [lobes, sides_of_covid_ct_seg, the_other_way_round, lung_and_lesion, luna_sides]
)
def test_other_labels_are_lung_of_which_the_sides_are_told(chest, sided, labels_of) -> None:
    found = taken(labels_of(chest, sided), chest.volume)
    assert (found == sided).mean() > 0.995


def test_one_lung_alone_is_taken(chest, sided) -> None:
    left = np.where(sided == 2, np.uint8(2), np.uint8(0))
    found = taken(left, chest.volume)
    np.testing.assert_array_equal(found > 0, left > 0)


def test_the_published_method_takes_a_mask_too(chest, sided) -> None:
    np.testing.assert_array_equal(taken(sided, chest.volume, PublishedMethod()), sided)


@pytest.mark.parametrize(
    ("give", "words"),
    [
        (lambda _: None, ["NoneType, not an array"]),
        (lambda lungs: lungs.tolist(), ["list, not an array"]),
        (lambda lungs: lungs[1:], ["49 x 66 x 92 voxels for 50 x 66 x 92 (z, y, x)"]),
        (lambda lungs: lungs.T, ["92 x 66 x 50 voxels for 50 x 66 x 92 (z, y, x)"]),
        (lambda lungs: lungs.astype(str), ["type <U"]),
        (lambda lungs: lungs.astype(complex), ["type complex128"]),
        (lambda lungs: lungs * 0.7, ["fractions", "threshold"]),
        (lambda lungs: np.where(lungs, np.nan, 0.0), ["fractions"]),
        (lambda lungs: np.where(lungs, 1, -1), ["-1, a negative value"]),
    ],
)
def test_what_is_no_label_map_of_the_volume_is_one_clear_line(chest, give, words) -> None:
    refused(SegmenterError, give(chest.lungs), chest.volume, *words)


def body(chest):
    """The largest dense region and what it encloses, row by row."""
    dense = chest.volume.hu > -300
    return np.maximum.accumulate(dense, 2) & np.maximum.accumulate(dense[..., ::-1], 2)[..., ::-1]


def box(chest, z, y, x):
    marked = np.zeros_like(chest.lungs)
    marked[z, y, x] = True
    return marked


@pytest.mark.parametrize(
    ("give", "words"),
    [
        (lambda chest: np.zeros_like(chest.lungs), ["no voxel"]),
        (lambda chest: np.ones_like(chest.lungs), ["every voxel"]),
        (lambda chest: box(chest, *np.s_[20:24, 30:36, 20:30]), ["23 mL", "200 mL"]),
        (lambda chest: ~body(chest), ["air under -970 HU"]),
        (body, ["not lighter than what is just around it"]),
        (lambda chest: body(chest) & ~chest.lungs, ["not lighter"]),
        (lambda chest: ~chest.lungs, ["not lighter"]),
        (lambda chest: box(chest, *np.s_[2:10, 20:40, 20:70]), ["not lighter"]),
    ],
    ids=["nothing", "all", "little", "air", "body", "soft tissue", "inverted", "belly"],
)
def test_what_does_not_look_like_lungs_is_refused(chest, give, words) -> None:
    refused(NoLungsError, give(chest), chest.volume, *words)


@pytest.mark.parametrize(
    ("axes", "named"),
    [
        ((0,), "flipped head to foot;"),
        ((1,), "flipped front to back;"),
        ((1, 2), "flipped front to back and left to right;"),
        ((0, 1, 2), "flipped head to foot and front to back and left to right;"),
    ],
)
def test_a_mask_with_its_axes_the_wrong_way_is_refused(chest, axes, named) -> None:
    # Off the middle, so that left and right differ as in a patient.
    volume = Volume(chest.volume.hu[:40, :, 4:], Geometry((88, 66, 40), (4.0, 4.0, 6.0)))
    refused(NoLungsError, np.flip(chest.lungs[:40, :, 4:], axes), volume, named)


def test_lungs_that_hold_hardly_any_air_are_taken(chest) -> None:
    hu = chest.volume.hu.copy()
    hu[:, 26:][chest.lungs[:, 26:]] = 30
    volume = Volume(hu, chest.volume.geometry)
    aerated = (hu[chest.lungs] < -300).mean()
    assert 0.1 < aerated < 0.3
    np.testing.assert_array_equal(taken(chest.lungs, volume) > 0, chest.lungs)


def test_padding_around_the_lungs_is_not_taken_for_light_tissue() -> None:
    within = make_phantom((40, 40, 24), (2.0, 2.0, 4.0), centre_mm=(-75, 10, 10), pad_hu=-2000)
    marked = within.lungs & (within.volume.hu > -1200)
    assert marked.mean() < 0.85
    np.testing.assert_array_equal(taken(marked, within.volume) > 0, marked)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("name", ["axial", "flipped", "sagittal", "coronal"])
def test_a_mask_file_may_store_its_axes_in_any_order(chest, sided, tmp_path, name, suffix) -> None:
    """The same voxels at the same places, stored along the axes of another grid."""
    to_patient = affine_of(chest.volume.geometry)
    spacing = np.linalg.norm(GRIDS[name][:3, :3], axis=0)
    axes = np.rint(GRIDS[name][:3, :3] / spacing).astype(int)  # column i: stored axis i
    along = np.abs(axes).argmax(axis=0)
    signs = axes[along, range(3)]
    stored = sided.T.transpose(along)[tuple(slice(None, None, sign) for sign in signs)]
    index = np.eye(4)  # from the stored index to that of the CT
    index[:3, :3] = axes
    index[along, 3] = np.where(signs < 0, np.array(stored.shape) - 1, 0)
    path = WRITERS[suffix](
        tmp_path / f"lungs{suffix}", np.asfortranarray(stored), to_patient @ index
    )
    found = whole(segment(chest.volume, MaskFile(path), DEFAULT), chest.volume)
    np.testing.assert_array_equal(found, sided)


@pytest.mark.parametrize(
    ("labels_of", "move", "words"),
    [
        (lambda sided: sided[:, :, 1:], 0.0, ["91 x 66 x 50 voxels where the CT has 92 x 66 x 50"]),
        (lambda sided: sided, 4.0, ["4 mm off the CT"]),
    ],
    ids=["crop", "shifted"],
)
def test_a_mask_file_on_another_grid_is_refused(
    chest, sided, tmp_path, labels_of, move, words
) -> None:
    affine = affine_of(chest.volume.geometry)
    affine[0, 3] += move
    path = write_nrrd(tmp_path / "lungs.nrrd", np.asfortranarray(labels_of(sided).T), affine)
    with pytest.raises(GeometryError) as caught:
        segment(chest.volume, MaskFile(path), DEFAULT)
    assert str(caught.value).startswith(f"{path}: ")
    assert all(word in str(caught.value) for word in words)


def test_a_wrong_mask_file_is_named(chest, tmp_path) -> None:
    path = tmp_path / "empty.nrrd"
    write_nrrd(path, np.zeros((92, 66, 50), np.uint8), affine_of(chest.volume.geometry))
    with pytest.raises(NoLungsError, match="marks no voxel") as caught:
        segment(chest.volume, MaskFile(path), DEFAULT)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(GmmlabelError, match="no such file"):
        segment(chest.volume, MaskFile(tmp_path / "nowhere.nrrd"), DEFAULT)


def test_a_segmenter_goes_to_another_process(tmp_path) -> None:
    segmenter = MaskFile(tmp_path / "lungs.nrrd")
    assert pickle.loads(pickle.dumps(segmenter)) == segmenter  # noqa: S301


@pytest.mark.parametrize("case", ["small_id001", "small_id002"])
def test_expert_masks_are_taken_and_flipped_ones_refused(shared, case) -> None:
    volume = read_volume(shared / "data" / f"{case}.nrrd")
    segmenter = MaskFile(shared / "data" / f"{case}_lungs.nrrd")
    marked = segmenter(volume) > 0
    lungs = segment(volume, segmenter, DEFAULT)
    np.testing.assert_array_equal(whole(lungs, volume) > 0, marked)
    for axes in ((0,), (1,), (2,), (1, 2)):
        refused(NoLungsError, np.flip(marked, axes), volume, "fits the CT only when flipped")


def test_the_threshold_is_the_method_s_own() -> None:
    assert named_segmenter("threshold") is None


@pytest.mark.parametrize("name", ["u-net", ""])
def test_other_names_are_refused(name) -> None:
    with pytest.raises(SegmenterError, match="there are threshold, lungmask"):
        named_segmenter(name)


def test_weights_without_a_network_are_refused(tmp_path) -> None:
    with pytest.raises(SegmenterError, match="add --segmenter lungmask"):
        named_segmenter("threshold", tmp_path / "weights.pth")
