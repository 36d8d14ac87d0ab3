"""Real CTs: the published method as published, and the default one on every chest at hand."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.errors import NoLungsError
from gmmlabel.lungs import find_lungs
from gmmlabel.method import DefaultMethod, PublishedMethod
from gmmlabel.pipeline import Labelling, label_volume
from gmmlabel.readers import read_volume

GOLDEN = ["covid_ricord1a", "lung1_base_cut"]

# Litres of lung by the README of the data, "within about 10 %"; what it leaves out is measured.
CHESTS = {
    "covid_ricord1a.nrrd": (3.2, 3.6),
    "lung1_base_cut.nrrd": (2.9, 2.9),
    "thick8mm_B40f.nrrd": (2.7, 2.7),
    "thick8mm_B70f.nrrd": (2.7, 2.7),
    "small_id001.nrrd": (7.6, 7.6),
    "small_id002.nrrd": (4.5, 4.5),
    "slicer_ctchest4.nrrd": (6.6, 6.6),
    "healthy_4mm.nrrd": (5.0, 5.0),
    "slab_covid_000006.nrrd": (0.44, 0.44),
    "slab_normal_000061.nrrd": (0.73, 0.73),
}


@cache
def _published(shared: Path, case: str) -> Labelling:
    return label_volume(read_volume(shared / "data" / f"{case}.nrrd"), method=PublishedMethod())


@cache
def _default(shared: Path, name: str) -> Labelling:
    return label_volume(read_volume(shared / "data" / name))


def _golden(shared: Path, labelling: Labelling, name: str) -> NDArray[np.uint8]:
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(shared / "golden" / f"{name}.nii.gz")))
    return labelling.volume.geometry.from_stored(stored)


@pytest.mark.parametrize("case", GOLDEN)
def test_the_published_method_labels_what_the_published_scripts_label(shared, case) -> None:
    labelling = _published(shared, case)
    labels, golden = labelling.labels, _golden(shared, labelling, f"{case}_labels")
    labelled = golden > 0
    assert labelled.sum() > 1_000_000
    np.testing.assert_array_equal(labels[labelled], golden[labelled])
    # The scripts crop the last slice of the lungs before they close them.
    more = (labels > 0) & ~labelled
    last = np.flatnonzero(labels.any(axis=(1, 2)))[-1]
    assert np.flatnonzero(more.any(axis=(1, 2))).min() > last - 4
    assert more.sum() < 0.0005 * (labels > 0).sum()


@pytest.mark.parametrize("case", GOLDEN)
def test_the_published_map_is_smoothed_as_by_scipy(shared, case) -> None:
    labelling = _published(shared, case)
    expected = ndimage.median_filter(labelling.labels, 4)
    np.testing.assert_array_equal(labelling.smoothed, expected)


@pytest.mark.parametrize("case", GOLDEN)
def test_the_smoothed_map_is_that_of_the_published_scripts_but_at_the_lungs_end(
    shared, case
) -> None:
    labelling = _published(shared, case)
    golden = _golden(shared, labelling, f"{case}_smoothed")
    last = np.flatnonzero(labelling.labels.any(axis=(1, 2)))[-1]
    above = last - 4  # two slices that differ, and the window's reach of two
    np.testing.assert_array_equal(labelling.smoothed[:above], golden[:above])
    assert (labelling.smoothed != golden).sum() < 0.0005 * labelling.labels.astype(bool).sum()


@pytest.mark.parametrize("name", CHESTS)
def test_the_default_method_finds_lungs_of_the_right_volume(shared, name) -> None:
    least, most = CHESTS[name]
    assert 0.9 * least < _default(shared, name).lungs_ml / 1000 < 1.1 * most


@pytest.mark.parametrize("name", CHESTS)
def test_both_halves_of_the_patient_hold_lung(shared, name) -> None:
    lungs = _default(shared, name).lung_mask
    x = np.flatnonzero(lungs.any(axis=(0, 1)))
    middle = (x[0] + x[-1]) // 2
    halves = lungs[:, :, :middle].sum(), lungs[:, :, middle:].sum()
    # A raised diaphragm or a sick lung takes much of one side: 23 % is the least that is seen.
    assert min(halves) > 0.2 * sum(halves)


def test_the_air_around_a_patient_is_not_lung(shared) -> None:
    for name in CHESTS:
        lungs = _default(shared, name).lung_mask
        assert not lungs[:, [0, -1], :].any()
        assert not lungs[:, :, [0, -1]].any()


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("lung1_base_cut.nrrd", [0]),
        ("slab_normal_000061.nrrd", [0, -1]),
        ("slab_covid_000006.nrrd", [0, -1]),
    ],
)
def test_lungs_that_go_on_beyond_the_end_slices_fill_them(shared, name, ends) -> None:
    lungs = _default(shared, name).lung_mask
    for end in ends:
        inner = lungs[1] if end == 0 else lungs[-2]
        assert int(lungs[end].sum()) == pytest.approx(int(inner.sum()), rel=0.1)


def test_gas_of_stomach_and_trachea_at_the_end_slices_is_no_lung(shared) -> None:
    name = "covid_ricord1a"
    for ends in (np.s_[:20], np.s_[-20:]):
        assert _published(shared, name).labels[ends].any()
        assert not _default(shared, f"{name}.nrrd").lung_mask[ends].any()


@pytest.mark.parametrize(("case", "least"), [("small_id001", 0.98), ("small_id002", 0.975)])
def test_the_lungs_are_those_that_experts_drew(shared, case, least) -> None:
    labelling = _default(shared, f"{case}.nrrd")
    drawn = sitk.GetArrayFromImage(sitk.ReadImage(str(shared / "data" / f"{case}_lungs.nrrd")))
    expert = labelling.volume.geometry.from_stored(drawn) > 0
    lungs = labelling.lung_mask > 0
    dice = 2 * (lungs & expert).sum() / (lungs.sum() + expert.sum())
    assert dice > least
    assert (expert & ~lungs).sum() < 0.02 * expert.sum()


def test_two_kernels_of_one_scan_have_the_same_lungs(shared) -> None:
    soft, sharp = (_default(shared, f"thick8mm_{kernel}.nrrd") for kernel in ("B40f", "B70f"))
    assert soft.lungs_ml == pytest.approx(sharp.lungs_ml, rel=0.02)
    both = (soft.lung_mask & sharp.lung_mask).sum()
    assert 2 * both / (soft.lung_mask.sum() + sharp.lung_mask.sum()) > 0.98


def test_a_single_lung_that_touches_the_border_is_found(shared) -> None:
    labelling = _default(shared, "one_lung.mha")
    assert 3.2 < labelling.lungs_ml / 1000 < 3.9


def test_an_abdomen_has_no_lungs(shared) -> None:
    with pytest.raises(NoLungsError, match="no lungs found"):
        find_lungs(read_volume(shared / "data" / "abdomen_3mm.nii.gz"), DefaultMethod())


def test_healthy_lungs_are_mostly_air_and_healthy(shared) -> None:
    for name in ("small_id001.nrrd", "small_id002.nrrd", "healthy_4mm.nrrd"):
        tissues = list(_default(shared, name).tissues.values())
        assert tissues[0].percent + tissues[1].percent > 75
        assert _default(shared, name).involvement.percent < 20


def test_ground_glass_over_nearly_all_lung_is_seen(shared) -> None:
    assert _default(shared, "slab_covid_000006.nrrd").involvement.score == 5
