"""A flag is raised for what it names, and for nothing else."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gmmlabel.histogram import LungHistogram
from gmmlabel.lungs import Lungs, find_lungs
from gmmlabel.method import DefaultMethod
from gmmlabel.morphology.lookup import look_up
from gmmlabel.phantom import make_phantom
from gmmlabel.quality import Flag, quality_flags
from gmmlabel.readers import read_volume
from gmmlabel.regions import measure_regions
from gmmlabel.volume import Geometry, Volume

SIZE, SPACING = (94, 70, 108), (4.0, 4.0, 3.0)
METHOD = DefaultMethod()
ONE_TISSUE = np.full(1 << 16, 2, np.uint8)


@cache
def _chest() -> tuple[np.ndarray, np.ndarray]:
    """HU of a chest without lesions, and its lungs: 1 right, 2 left."""
    phantom = make_phantom(SIZE, SPACING, lesions=False)
    mask = phantom.lungs.astype(np.uint8)
    mask[:, :, SIZE[0] // 2 :] *= 2
    return phantom.volume.hu, mask


def _flags(volume: Volume, lungs: Lungs) -> dict[str, Flag]:
    hu = volume.hu[lungs.region]
    labels, counts = look_up(hu, (lungs.mask > 0).astype(np.uint8), ONE_TISSUE)
    spacing = volume.geometry.spacing
    histogram = LungHistogram.of_int16_counts(counts, spacing, METHOD, None)
    regions = measure_regions(
        hu, lungs.mask, labels, np.zeros_like(labels), volume.geometry.voxel_ml
    )
    flags = quality_flags(volume, lungs, regions, histogram)
    assert len({flag.message for flag in flags}) == len(flags)
    return {flag.flag: flag for flag in flags}


def _raised(hu=None, mask=None, *, spacing=SPACING, lungs=None, **volume) -> dict[str, Flag]:
    """Raise the flags of the chest, with what is given in place of its own."""
    hu = _chest()[0] if hu is None else hu
    mask = _chest()[1] if mask is None else mask
    box = tuple(slice(int(hits.min()), int(hits.max()) + 1) for hits in np.nonzero(mask))
    found = Lungs(np.ascontiguousarray(mask[box]), tuple(part.start for part in box))
    geometry = Geometry(hu.shape[::-1], spacing)
    return _flags(Volume(hu, geometry, **volume), replace(found, **(lungs or {})))


def test_a_sound_ct_raises_no_flag() -> None:
    assert _raised() == {}


def test_what_the_reader_noted_is_told_first() -> None:
    flags = _raised(notes=("left out series 3", "something else"), slice_thickness_mm=5.0)
    assert list(flags) == ["input_note", "thick_slices"]
    assert flags["input_note"] == Flag("input_note", "something else", None)


@pytest.mark.parametrize(
    ("spacing", "litres"),
    [((1.8, 1.8, 3.0), 0.96), ((5.2, 5.2, 3.0), 8.0), ((6.0, 6.0, 3.0), 10.6)],
)
def test_lungs_outside_1_to_10_litres(spacing, litres) -> None:
    flags = _raised(spacing=spacing)
    if 1 < litres < 10:
        assert flags == {}
    else:
        assert list(flags) == ["lung_volume"]
        assert flags["lung_volume"].value == pytest.approx(litres, rel=0.05)


def test_left_and_right_out_of_proportion() -> None:
    mask = _chest()[1].copy()
    mask[:, 35:][mask[:, 35:] == 2] = 0
    flags = _raised(mask=mask)
    assert list(flags) == ["lung_proportion"]
    assert 65 < flags["lung_proportion"].value < 90
    assert f"{flags['lung_proportion'].value:.0f} %" in flags["lung_proportion"].message


def test_sides_that_were_not_told_apart_are_said_to_be_so_and_not_out_of_proportion() -> None:
    mask = np.minimum(_chest()[1], 1)
    flags = _raised(mask=mask, lungs={"sides_told": False})
    assert list(flags) == ["sides_not_told"]
    assert flags["sides_not_told"].value == 100


@pytest.mark.parametrize(
    ("field", "flag", "few", "many"),
    [("repaired_ml", "dense_repair", 4.0, 80.0), ("airways_ml", "airway_leak", 90.0, 180.0)],
)
def test_what_the_segmenter_did_is_told_with_its_volume(field, flag, few, many) -> None:
    assert _raised(lungs={field: few}) == {}
    flags = _raised(lungs={field: many})
    assert list(flags) == [flag]
    assert flags[flag].value == many
    assert f"{many:.0f} mL" in flags[flag].message


@pytest.mark.parametrize("window", [np.s_[:, :, 19:], np.s_[:, 18:, :], np.s_[:, :52, :]])
def test_lungs_at_the_edge_of_the_image(window) -> None:
    hu, mask = _chest()
    flags = _raised(hu[window], mask[window])
    assert "lungs_at_edge" in flags
    assert "hu_calibration" not in flags


def test_lungs_at_padding_are_at_the_edge_of_the_image() -> None:
    hu, mask = (array.copy() for array in _chest())
    hu[:, :, :19], mask[:, :, :19] = -3024, 0
    assert list(_raised(hu, mask)) == ["lungs_at_edge"]


@pytest.mark.parametrize("slices", [np.s_[30:], np.s_[:50]])
def test_lungs_cut_off_in_the_first_or_last_slice(slices) -> None:
    hu, mask = _chest()
    flags = _raised(hu[slices], mask[slices])
    assert list(flags) == ["lungs_cut_off"]
    assert flags["lungs_cut_off"].value > 50


@pytest.mark.parametrize(
    ("spacing", "thickness", "value"),
    [(3.0, None, None), (3.1, None, 3.1), (2.5, 5.0, 5.0), (3.1, 2.0, 3.1), (2.5, 3.0, None)],
)
def test_slices_thicker_than_3_mm(spacing, thickness, value) -> None:
    flags = _raised(spacing=(3.0, 3.0, spacing), slice_thickness_mm=thickness)
    assert list(flags) == (["thick_slices"] if value else [])
    if value:
        assert flags["thick_slices"].value == pytest.approx(value)


def test_contrast_medium_in_heart_and_vessels() -> None:
    hu, mask = (array.copy() for array in _chest())
    between = np.logical_or.accumulate(mask == 1, axis=2)
    between &= np.logical_or.accumulate(mask[:, :, ::-1] == 2, axis=2)[:, :, ::-1]
    blood = between & (mask == 0) & (hu > 0) & (hu < 120)
    hu[blood] += 150
    flags = _raised(hu, mask)
    assert list(flags) == ["contrast"]
    assert flags["contrast"].value > 150


def test_noise() -> None:
    rng = np.random.default_rng(0)
    noisy = _chest()[0] + rng.normal(0, 60, _chest()[0].shape).round().astype(np.int16)
    flags = _raised(noisy)
    assert list(flags) == ["noise"]
    assert flags["noise"].value == pytest.approx(62, rel=0.15)


def test_a_patient_who_moved() -> None:
    hu, mask = (array.copy() for array in _chest())
    hu[40:], mask[40:] = np.roll(hu[40:], 3, axis=1), np.roll(mask[40:], 3, axis=1)
    flags = _raised(hu, mask)
    assert list(flags) == ["motion"]
    assert flags["motion"].value > 3


@pytest.mark.parametrize("offset", [-60, 60])
def test_an_offset_is_seen_in_air_and_soft_tissue(offset) -> None:
    flags = _raised(_chest()[0] + np.int16(offset))
    assert list(flags) == ["hu_calibration"]


def test_a_wrong_slope_is_seen_in_air() -> None:
    flags = _raised((_chest()[0] * 0.95).round().astype(np.int16))
    assert list(flags) == ["hu_calibration"]
    assert flags["hu_calibration"].value == pytest.approx(-950, abs=5)


@pytest.mark.parametrize(
    ("spacing", "denser", "raised"),
    [
        ((3.0, 3.0, 3.0), 150, True),  # 2.7 L
        ((4.0, 4.0, 3.0), 150, False),  # 4.7 L: pneumonia everywhere, not expiration
        ((3.0, 3.0, 3.0), 0, False),  # a small patient
    ],
)
def test_lungs_that_are_small_and_dense_are_taken_in_expiration(spacing, denser, raised) -> None:
    hu, mask = (array.copy() for array in _chest())
    hu[(mask > 0) & (hu < -500)] += denser
    assert list(_raised(hu, mask, spacing=spacing)) == (["expiration"] if raised else [])


def test_a_slab_cannot_be_told_from_expiration() -> None:
    hu, mask = (array[30:50].copy() for array in _chest())
    hu[(mask > 0) & (hu < -500)] += 150
    assert "expiration" not in _raised(hu, mask)


# What is to be seen in each real CT, by eye.
REAL = {
    "healthy_4mm.nrrd": {"thick_slices"},
    "slicer_ctchest4.nrrd": {"thick_slices"},
    "small_id001.nrrd": {"thick_slices"},
    "small_id002.nrrd": {"thick_slices", "lung_proportion"},  # a raised left diaphragm
    "lung1_base_cut.nrrd": {"thick_slices", "lungs_cut_off"},
    "thick8mm_B40f.nrrd": {"thick_slices", "lung_proportion"},  # a right lung that has shrunk
    "thick8mm_B70f.nrrd": {"thick_slices", "lung_proportion", "noise"},
    "slab_normal_000061.nrrd": {"lung_volume", "lungs_cut_off", "contrast"},
    "slab_covid_000006.nrrd": {"lung_volume", "lungs_cut_off", "contrast", "lung_proportion"},
    "covid_ricord1a.nrrd": set(),
    "one_lung.mha": {"lung_proportion", "lungs_at_edge", "hu_calibration"},  # air at -1034 HU
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_ct_raises_the_flags_that_are_to_be_seen_in_it(shared, name) -> None:
    volume = read_volume(shared / "data" / name)
    raised = set(_flags(volume, find_lungs(volume, METHOD)))
    assert raised - {"dense_repair"} == REAL[name]  # a repair is what the segmenter did
