"""Implants have the volume, place, density and edge asked for, and nothing else changes."""

import json
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.errors import InputError, NoLungsError
from gmmlabel.implants.implant import Implanted, implant
from gmmlabel.implants.lesion import (
    CONSOLIDATION,
    GROUND_GLASS,
    HALO_MM,
    LesionKind,
    Outline,
    Reach,
)
from gmmlabel.implants.placement import CLEAR_MM, Place
from gmmlabel.implants.texture import Noise, draw_texture
from gmmlabel.phantom import Phantom, make_phantom
from gmmlabel.readers import read_volume
from gmmlabel.tissues import Tissue
from gmmlabel.volume import Geometry, Volume

GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")
GRIDS = {
    "4 mm": ((92, 72, 80), (4.0, 4.0, 4.0)),
    "thick slices": ((116, 90, 40), (3.2, 3.2, 8.0)),
}


@pytest.fixture(scope="module")
def chests() -> dict[str, Phantom]:
    return {
        name: make_phantom(size, spacing, lesions=False) for name, (size, spacing) in GRIDS.items()
    }


@pytest.fixture(scope="module")
def chest(chests: dict[str, Phantom]) -> Phantom:
    return chests["4 mm"]


SPACING = (2.0, 1.5, 1.5)


@dataclass(frozen=True, eq=False)
class Block:
    """An ellipsoid of lung in soft tissue, all of it the left one, with vessels of 6 mm in it."""

    volume: Volume
    lungs: NDArray[np.uint8]
    vessels: NDArray[np.bool_]

    @classmethod
    def of(cls, noise_hu: float = 0.0) -> "Block":
        z, y, x = np.mgrid[-50:50:2.0, -60:60:1.5, -60:60:1.5]
        lungs = np.where((z / 48) ** 2 + (y / 55) ** 2 + (x / 55) ** 2 < 1, 2, 0).astype(np.uint8)
        vessels = (lungs > 0) & (np.abs((x + 60) % 18 - 9) < 3) & (np.abs((y + 60) % 18 - 9) < 3)
        hu = np.where((lungs > 0) & ~vessels, -850.0, 40.0)
        noise = np.random.default_rng(9).standard_normal(hu.shape)
        noise = ndimage.gaussian_filter(noise, (0, 0.7, 0.7))
        hu += noise_hu * noise / noise.std()
        geometry = Geometry(hu.shape[::-1], SPACING[::-1])
        return cls(Volume(np.rint(hu).astype(np.int16), geometry), lungs, vessels)

    def implant(self, kind: str) -> Implanted:
        return implant(self.volume, self.lungs, kind=kind, volume_ml=60, place="centre", seed=2)


@pytest.fixture(scope="module")
def block() -> Block:
    return Block.of()


@pytest.fixture(scope="module")
def glass(block: Block) -> Implanted:
    return block.implant("ground-glass")


@pytest.fixture(scope="module")
def dense(block: Block) -> Implanted:
    return block.implant("consolidation")


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kind", LesionKind)
@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("volume_ml", [20.0, 150.0])
def test_the_truth_has_the_wanted_volume_and_lies_in_one_lung(
    chests: dict[str, Phantom], grid: str, kind: LesionKind, place: Place, volume_ml: float
) -> None:
    chest = chests[grid]
    made = implant(chest.volume, chest.lungs, kind=kind, volume_ml=volume_ml, place=place, seed=1)
    lesion = made.truth > 0
    assert lesion.sum() * np.prod(GRIDS[grid][1]) / 1000 == pytest.approx(volume_ml, rel=0.02)
    assert made.volume_ml == pytest.approx(volume_ml, rel=0.02)
    assert chest.lungs[lesion].all()
    middle = chest.lungs.shape[2] / 2
    columns = np.nonzero(lesion)[2]
    assert (columns < middle).all() or (columns >= middle).all()
    wanted = {Tissue.GROUND_GLASS} if kind is LesionKind.GROUND_GLASS else {3, 4}
    assert set(np.unique(made.truth)) == {0, *wanted}


@pytest.mark.parametrize("kind", LesionKind)
@pytest.mark.parametrize("place", Place)
def test_nothing_changes_away_from_the_lesion(
    chest: Phantom, kind: LesionKind, place: Place
) -> None:
    before = chest.volume.hu.copy()
    made = implant(chest.volume, chest.lungs, kind=kind, volume_ml=80, place=place, seed=4)
    assert np.array_equal(chest.volume.hu, before), "the input itself"
    assert made.volume.geometry == chest.volume.geometry
    changed = made.volume.hu != before
    away = ndimage.distance_transform_edt(made.truth == 0, sampling=GRIDS["4 mm"][1])
    # half the edge, and the voxel's own diagonal
    assert away[changed].max() < 0.5 / 0.8 * GROUND_GLASS.edge_mm + 4 * np.sqrt(3)
    outside = changed & ~chest.lungs
    assert (before[outside] > -700).all(), "neither airways nor the other lung"
    assert (before[outside] < -150).all(), "neither fat nor muscle"


def test_the_same_seed_gives_the_same_lesion_and_another_seed_another(chest: Phantom) -> None:
    first, again, other = (
        implant(chest.volume, chest.lungs, kind="consolidation", volume_ml=30, seed=seed)
        for seed in (5, 5, 6)
    )
    assert np.array_equal(first.volume.hu, again.volume.hu)
    assert np.array_equal(first.truth, again.truth)
    assert not np.array_equal(first.truth, other.truth)


def test_both_kinds_of_one_seed_have_one_shape(glass: Implanted, dense: Implanted) -> None:
    assert np.array_equal(glass.truth > 0, dense.truth > 0)


def test_densities_reach_those_of_real_lesions(
    block: Block, glass: Implanted, dense: Implanted
) -> None:
    deep = ndimage.distance_transform_edt(glass.truth > 0, sampling=SPACING) > 4
    inside = glass.volume.hu[deep & ~block.vessels]
    assert np.median(inside) == pytest.approx(GROUND_GLASS.mean_hu, abs=15)
    assert inside.std() > 50
    core = dense.truth == Tissue.CONSOLIDATION
    deep = ndimage.distance_transform_edt(core, sampling=SPACING) > 3
    inside = dense.volume.hu[deep & ~block.vessels]
    assert np.median(inside) == pytest.approx(CONSOLIDATION.mean_hu, abs=10)


def test_vessels_stay_as_they_are(block: Block, glass: Implanted, dense: Implanted) -> None:
    for made in (glass, dense):
        lesion = made.truth > 0
        assert (lesion & block.vessels).sum() > 500
        assert np.array_equal(made.volume.hu[block.vessels], block.volume.hu[block.vessels])
        assert (made.volume.hu[lesion & ~block.vessels] > -850).mean() > 0.95


def test_noise_that_goes_with_the_gas_is_drawn_anew(dense: Implanted) -> None:
    noisy = Block.of(noise_hu=60)
    made = noisy.implant("consolidation")
    core = ndimage.binary_erosion((made.truth == Tissue.CONSOLIDATION) & ~noisy.vessels)
    quiet = dense.volume.hu[core].std()
    assert np.sqrt(made.volume.hu[core].std() ** 2 - quiet**2) == pytest.approx(60, rel=0.15)


def test_consolidation_lies_in_ground_glass(dense: Implanted) -> None:
    core, lesion = dense.truth == Tissue.CONSOLIDATION, dense.truth > 0
    assert not (ndimage.binary_dilation(core) & ~lesion).any()
    away = ndimage.distance_transform_edt(~core, sampling=SPACING)
    surface = lesion & ndimage.binary_dilation(~lesion)
    assert np.median(away[surface]) == pytest.approx(HALO_MM, abs=1.0)


def test_central_lesions_keep_clear_of_the_pleura_and_pleural_ones_lie_on_it(
    chest: Phantom,
) -> None:
    rim = chest.lungs & ~ndimage.binary_erosion(chest.lungs)
    away = ndimage.distance_transform_edt(chest.lungs, sampling=(4.0, 4.0, 4.0))
    for seed in range(3):
        lung = {"kind": "consolidation", "volume_ml": 60, "seed": seed}
        central = implant(chest.volume, chest.lungs, place="centre", **lung).truth > 0
        assert away[central].min() > CLEAR_MM - 1
        pleural = implant(chest.volume, chest.lungs, place="pleura", **lung).truth > 0
        base_mm2 = (pleural & rim).sum() * 16
        assert base_mm2 > 600, "a disk of 28 mm; a ball of 60 mL has 49 mm"


def test_a_sided_mask_a_side_and_what_is_occupied_are_kept_to(chest: Phantom) -> None:
    sides = chest.lungs.astype(np.uint8)
    sides[:, :, 46:] *= 2
    truth = np.zeros(chest.truth.shape, np.uint8)
    volume = chest.volume
    for seed in range(4):
        made = implant(
            volume,
            sides,
            kind="ground-glass",
            volume_ml=100,
            side="left",
            seed=seed,
            occupied=truth > 0,
        )
        assert (sides[made.truth > 0] == 2).all()
        away = ndimage.distance_transform_edt(truth == 0, sampling=(4.0, 4.0, 4.0))
        if truth.any():
            assert away[made.truth > 0].min() > CLEAR_MM
        truth |= made.truth
        volume = made.volume


def test_the_centre_is_that_of_the_truth_in_the_space_of_the_file(chest: Phantom) -> None:
    turned = sitk.DICOMOrient(_image(chest.volume), "RSP")  # x to the right, z before y
    stored = sitk.GetArrayFromImage(turned)
    geometry = Geometry(
        turned.GetSize(), turned.GetSpacing(), turned.GetOrigin(), turned.GetDirection()
    )
    volume = Volume.from_stored(stored, geometry)
    made = implant(volume, chest.lungs, kind="ground-glass", volume_ml=40, seed=3)
    z, y, x = np.argwhere(made.truth).mean(axis=0)
    wanted = np.array(chest.volume.geometry.origin) + 4.0 * np.array([x, y, z])
    np.testing.assert_allclose(made.centre_mm, wanted, atol=2.01)


def test_what_cannot_be_made_is_refused_in_one_line(chest: Phantom) -> None:
    ml = chest.lungs.sum() * 0.064
    for wanted in (ml, 50 * ml):
        with pytest.raises(InputError, match=r"no room for .* mL of ground-glass at the pleura"):
            implant(chest.volume, chest.lungs, kind="ground-glass", volume_ml=wanted)
    for wanted in (0.0, -5.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="give a volume above 0"):
            implant(chest.volume, chest.lungs, kind="ground-glass", volume_ml=wanted)
    with pytest.raises(NoLungsError, match="mask is empty"):
        implant(chest.volume, np.zeros_like(chest.lungs), kind="ground-glass", volume_ml=5)
    one = chest.lungs.astype(np.uint8)
    one[:, :, 46:] *= 2
    one[one == 1] = 0
    with pytest.raises(InputError, match="no room"):
        implant(chest.volume, one, kind="ground-glass", volume_ml=5, side="right")


def test_a_lesion_may_fill_most_of_a_lung(chest: Phantom) -> None:
    half_ml = chest.lungs.sum() * 0.064 / 2
    made = implant(chest.volume, chest.lungs, kind="consolidation", volume_ml=0.8 * half_ml)
    assert made.volume_ml == pytest.approx(0.8 * half_ml, rel=0.02)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(8, 20), st.floats(2, 8))
def test_a_thick_voxel_is_the_mean_of_thin_ones(seed: int, size: float, edge: float) -> None:
    outline = Outline.draw(np.random.default_rng(seed))
    first = np.array([-23.0, -20.0, -21.0])
    thin = Reach.of(outline, first, (48, 42, 42), (1.0, 1.0, 1.0)).share(size, edge)
    middle = np.array([-19.5, -20.0, -20.5])
    thick = Reach.of(outline, middle, (6, 42, 21), (8.0, 1.0, 2.0))
    mean = thin.reshape(6, 8, 42, 21, 2).mean(axis=(1, 4))
    np.testing.assert_allclose(thick.share(size, edge), mean, atol=1e-3)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_an_outline_keeps_to_its_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outline = Outline.draw(rng)
    ways = rng.standard_normal((3, 5000)).astype(np.float32)
    radius = outline.radius(*(ways / np.linalg.norm(ways, axis=0)))
    assert outline.shortest < radius.min() <= radius.max() < outline.longest
    # the volume of a body is the mean of its cubed radius; a ball of radius 1 has 1
    assert 0.6 < np.mean(radius**3) < 1.6


def test_the_edge_has_its_width() -> None:
    step = 0.25
    line = Reach.of(
        Outline.draw(np.random.default_rng(0)), np.array([0.0, 0, 0]), (1, 1, 200), (1, 1, step)
    )
    share = line.share(20.0, 4.0)[0, 0]
    between = np.count_nonzero((share > 0.1) & (share < 0.9)) * step
    assert between == pytest.approx(4.0, abs=0.5)


def test_texture_in_thick_voxels_is_what_is_left_of_it_in_their_mean() -> None:
    rng = np.random.default_rng(1)
    fine = draw_texture(rng, (96, 96, 96), (1.0, 1.0, 1.0), 1.5)
    mean = fine.reshape(24, 4, 24, 4, 96).mean(axis=(1, 3))
    coarse = draw_texture(rng, (24, 24, 96), (4.0, 4.0, 1.0), 1.5)
    assert coarse.std() == pytest.approx(mean.std(), rel=0.1)
    assert fine.std() == pytest.approx(1.0, rel=0.1)


def test_texture_is_alike_over_its_grain() -> None:
    field = draw_texture(np.random.default_rng(2), (80, 80, 80), (1.0, 1.0, 1.0), 2.0)
    for lag in (1, 2, 4):
        found = np.corrcoef(field[:, :, lag:].ravel(), field[:, :, :-lag].ravel())[0, 1]
        assert found == pytest.approx(np.exp(-(lag**2) / 16), abs=0.05)


@pytest.mark.parametrize("sd", [10.0, 40.0])
@pytest.mark.parametrize("grain", [0.0, 0.6, 0.9])
def test_noise_is_measured_beside_anatomy_and_drawn_alike(sd: float, grain: float) -> None:
    shape, spacing = (12, 120, 120), (3.0, 1.0, 1.0)
    noise = ndimage.gaussian_filter(
        np.random.default_rng(3).standard_normal(shape), (0, grain, grain)
    )
    body = np.where(np.indices(shape)[2] < 40, -850.0, np.linspace(30, 60, 120))
    hu = np.rint(body + sd * noise / noise.std()).astype(np.int16)
    found = Noise.of(hu, spacing)
    assert found.sd_hu == pytest.approx(sd, rel=0.1)
    assert found.grain_voxels == pytest.approx(grain, abs=0.3 if grain == 0 else 0.06)
    drawn = found.draw(np.random.default_rng(4), (20, 80, 80))
    assert drawn.std() == pytest.approx(sd, rel=0.1)


def test_a_ct_without_soft_tissue_has_no_noise_to_measure() -> None:
    assert Noise.of(np.full((9, 20, 20), -850, np.int16), (1.0, 1.0, 1.0)) == Noise(0.0, 0.0)


def test_real_chests_take_lesions_of_all_sizes(shared: Path) -> None:
    volume = read_volume(shared / "data" / "small_id001.nrrd")
    expert = sitk.GetArrayFromImage(sitk.ReadImage(str(shared / "data" / "small_id001_lungs.nrrd")))
    lungs = volume.geometry.from_stored(expert)
    for ml in (5, 20, 100, 500):
        for place in Place:
            made = implant(volume, lungs, kind="ground-glass", volume_ml=ml, place=place, seed=ml)
            assert made.volume_ml == pytest.approx(ml, rel=0.02)
            lesion = (made.truth > 0) & (volume.hu < -700)
            change = made.volume.hu[lesion].astype(float) - volume.hu[lesion]
            assert 150 < np.median(change) < 350


def _image(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.geometry.to_stored(volume.hu))
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    image.SetDirection(volume.geometry.direction)
    return image


def gmmlabel(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GMMLABEL, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def files(chest: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("implant")
    sitk.WriteImage(_image(chest.volume), str(folder / "ct.nrrd"))
    lungs = sitk.GetImageFromArray(chest.lungs.astype(np.uint8))
    lungs.CopyInformation(sitk.ReadImage(str(folder / "ct.nrrd")))
    sitk.WriteImage(lungs, str(folder / "lungs.nrrd"))
    return folder


def test_the_command_writes_ct_and_truth_and_says_where_the_lesions_are(
    files: Path, tmp_path: Path
) -> None:
    done = gmmlabel(
        "implant", files / "ct.nrrd", "--out", tmp_path / "new" / "made.nrrd",
        "--truth", tmp_path / "truth.nii.gz", "--kind", "consolidation", "--volume-ml", 25,
        "--place", "centre", "--count", 2, "--seed", 7, "--lungs", files / "lungs.nrrd", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lesions = json.loads(done.stdout)["lesions"]
    assert [lesion["kind"] for lesion in lesions] == ["consolidation"] * 2
    image = sitk.ReadImage(str(files / "ct.nrrd"))
    made = sitk.ReadImage(str(tmp_path / "new" / "made.nrrd"))
    truth = sitk.ReadImage(str(tmp_path / "truth.nii.gz"))
    for other in (made, truth):
        assert other.GetSize() == image.GetSize()
        np.testing.assert_allclose(other.GetOrigin(), image.GetOrigin())
        np.testing.assert_allclose(other.GetSpacing(), image.GetSpacing())
    assert made.GetPixelID() == sitk.sitkInt16
    labels = sitk.GetArrayFromImage(truth)
    pieces = sitk.ConnectedComponent(truth > 0, True)
    assert sitk.GetArrayFromImage(pieces).max() == 2
    total = sum(lesion["volume_ml"] for lesion in lesions)
    assert (labels > 0).sum() * 0.064 == pytest.approx(total, abs=0.01)
    for lesion in lesions:
        index = truth.TransformPhysicalPointToIndex(lesion["centre_mm"])
        assert truth[index] == Tissue.CONSOLIDATION


def test_the_command_finds_the_lungs_by_itself(files: Path, tmp_path: Path) -> None:
    done = gmmlabel("implant", files / "ct.nrrd", "--out", tmp_path / "made.mha")
    assert done.returncode == 0, done.stderr
    assert "mL of ground-glass at the pleura, centre" in done.stdout
    assert (tmp_path / "made.mha").is_file()


def test_the_command_never_writes_over_anything_unasked(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "made.nrrd"
    out.write_text("mine")
    refused = gmmlabel("implant", files / "ct.nrrd", "--out", out)
    assert refused.returncode == 1
    assert "is there already" in refused.stderr
    before = (files / "ct.nrrd").read_bytes()
    for option, other in (("--out", "--truth"), ("--truth", "--out")):
        refused = gmmlabel(
            "implant", files / "ct.nrrd", option, files / "ct.nrrd", other, tmp_path / "other.nrrd",
            "--overwrite",
        )  # fmt: skip
        assert refused.returncode == 1
        assert "would write over the input" in refused.stderr
    assert (files / "ct.nrrd").read_bytes() == before
    assert out.read_text() == "mine"
    same = gmmlabel("implant", files / "ct.nrrd", "--out", out, "--truth", out, "--overwrite")
    assert same.returncode == 2


def test_the_command_says_in_one_line_that_there_is_no_room(files: Path, tmp_path: Path) -> None:
    done = gmmlabel(
        "implant", files / "ct.nrrd", "--out", tmp_path / "made.nrrd", "--volume-ml", 9000,
        "--lungs", files / "lungs.nrrd",
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "ct.nrrd: no room for 9000 mL of ground-glass" in done.stderr
    assert not any(tmp_path.iterdir())
