"""What a browser shows of a labelled CT, against what SimpleITK makes of the same files."""

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from ct_files import GRIDS
from numpy.typing import NDArray
from PIL import Image

from gmmlabel.errors import OutputError
from gmmlabel.method import PublishedMethod
from gmmlabel.pages.view import MOST_SOLID_VOXELS, MOST_VOXELS, write_view
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import Labelling, label_volume
from gmmlabel.tissues import TISSUE_SEGMENTS, Tissue
from gmmlabel.volume import Geometry, Volume
from gmmlabel.writers import write_label_map, write_volume

MAPS = ("labels", "smoothed", "lungs", "opacity")
FLOAT32 = {"rtol": 1e-6, "atol": 1e-4}

Shape = tuple[int, int, int]


@pytest.fixture(scope="module")
def phantom() -> Labelling:
    return label_volume(make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)


def scattered(phantom: Labelling, size: Shape, grid: str = "axial") -> Labelling:
    """A labelling of noise on a grid of some size, as its file has it; lungs fill most of it."""
    affine = GRIDS[grid]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = (affine[:3, :3] / spacing).ravel()
    geometry = Geometry(size, tuple(spacing), tuple(affine[:3, 3]), tuple(direction))
    rng = np.random.default_rng(5)
    hu = geometry.from_stored(rng.integers(-1000, 900, size[::-1], np.int16))
    box = tuple(length - 3 for length in hu.shape)
    smoothed = rng.integers(1, 6, box, np.uint8)
    return replace(
        phantom,
        volume=Volume(hu, geometry),
        lungs=replace(phantom.lungs, corner=(1, 2, 1), mask=rng.integers(1, 3, box, np.uint8)),
        cropped_labels=rng.integers(1, 6, box, np.uint8),
        cropped_smoothed=smoothed,
        cropped_opacity=rng.integers(0, 2, box, np.uint8),
    )


class Shown:
    """The view of a labelling, and what the command line writes of it, as SimpleITK reads them."""

    def __init__(self, labelling: Labelling, folder: Path) -> None:
        self.folder = folder / "view"
        write_view(labelling, self.folder)
        write_volume(folder / "ct.nrrd", labelling.volume)
        cropped = (
            labelling.cropped_labels, labelling.cropped_smoothed, labelling.lungs.mask,
            labelling.cropped_opacity,
        )  # fmt: skip
        for name, labels in zip(MAPS, cropped, strict=True):
            if labels is not None:
                path, grid = folder / f"{name}.nrrd", labelling.volume.geometry
                write_label_map(path, labels, grid, TISSUE_SEGMENTS, corner=labelling.lungs.corner)

    def image(self, name: str) -> sitk.Image:
        return sitk.ReadImage(self.folder / f"{name}.nii.gz")

    def whole(self, name: str) -> sitk.Image:
        """The same before it was made small, turned as views are."""
        return sitk.DICOMOrient(sitk.ReadImage(self.folder.parent / f"{name}.nrrd"), "RAS")


def voxels(image: sitk.Image) -> NDArray[Any]:
    return np.asarray(sitk.GetArrayFromImage(image))


def nearest(image: sitk.Image, grid: sitk.Image) -> NDArray[Any]:
    return voxels(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkNearestNeighbor))


def corners(image: sitk.Image) -> NDArray[np.float64]:
    """The eight corners of the box of an image, in mm."""
    ends = [(-0.5, length - 0.5) for length in image.GetSize()]
    return np.array(
        [
            image.TransformContinuousIndexToPhysicalPoint((x, y, z))
            for x in ends[0]
            for y in ends[1]
            for z in ends[2]
        ]
    )


def means_along(values: NDArray[Any], places: int, axis: int) -> NDArray[np.float64]:
    """Means of even parts of an axis, which may cut voxels: differences of its integral."""

    def of_line(line: NDArray[Any]) -> NDArray[np.float64]:
        integral = np.concatenate([[0], np.cumsum(line, dtype=np.float64)])
        edges = np.linspace(0, len(line), places + 1)
        parts = np.diff(np.interp(edges, np.arange(len(integral)), integral))
        return np.asarray(parts * places / len(line))

    return np.apply_along_axis(of_line, axis, values)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_ct_of_few_voxels_is_shown_as_it_is(
    phantom: Labelling, tmp_path: Path, grid: str
) -> None:
    shown = Shown(scattered(phantom, (13, 11, 17), grid), tmp_path)
    for name in ("ct", *MAPS):
        image, whole = shown.image(name), shown.whole(name)
        assert image.GetPixelIDTypeAsString() == whole.GetPixelIDTypeAsString()
        np.testing.assert_array_equal(voxels(image), voxels(whole))
        np.testing.assert_allclose(corners(image), corners(whole), **FLOAT32)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("size", [(301, 9, 10), (9, 700, 10), (10, 11, 259)], ids=str)
def test_a_long_axis_is_256_voxels_over_the_same_box(
    phantom: Labelling, tmp_path: Path, grid: str, size: Shape
) -> None:
    shown = Shown(scattered(phantom, size, grid), tmp_path)
    whole, image = shown.whole("ct"), shown.image("ct")
    assert image.GetSize() == tuple(min(length, 256) for length in whole.GetSize())
    np.testing.assert_allclose(corners(image), corners(whole), **FLOAT32)
    axis = int(np.argmax(voxels(whole).shape))
    means = means_along(voxels(whole), 256, axis)
    assert np.abs(voxels(image) - means).max() <= 0.51  # rounded from float32
    for name in MAPS:
        wanted = nearest(shown.whole(name), image)
        np.testing.assert_array_equal(voxels(shown.image(name)), wanted)
        assert shown.image(name).GetOrigin() == image.GetOrigin()


def test_a_ct_of_twice_as_many_voxels_is_shrunk_in_bins(phantom: Labelling, tmp_path: Path) -> None:
    shown = Shown(scattered(phantom, (512, 512, 8), "oblique_flipped"), tmp_path)
    bins = sitk.BinShrink(shown.whole("ct"), (2, 2, 1))
    np.testing.assert_allclose(corners(shown.image("ct")), corners(bins), **FLOAT32)
    assert np.abs(voxels(shown.image("ct")).astype(int) - voxels(bins)).max() <= 1  # it cuts off


def test_rare_labels_that_are_scattered_stay_as_frequent(
    phantom: Labelling, tmp_path: Path
) -> None:
    made = scattered(phantom, (512, 512, 16))
    rare = np.random.default_rng(6).random(made.cropped_labels.shape) < 0.008
    labels = np.where(rare, Tissue.GROUND_GLASS, Tissue.HEALTHY).astype(np.uint8)
    shown = Shown(replace(made, cropped_labels=labels), tmp_path)

    def share(image: sitk.Image) -> float:
        found = voxels(image)
        return float((found == Tissue.GROUND_GLASS).sum() / (found != 0).sum())

    assert share(shown.image("labels")) == pytest.approx(share(shown.whole("labels")), rel=0.05)


@pytest.mark.parametrize("grid", ["axial", "sagittal", "oblique_flipped"])
@pytest.mark.parametrize("method", ["default", "published"])
def test_the_solid_has_lesions_inside_of_lungs(
    phantom: Labelling, tmp_path: Path, grid: str, method: str
) -> None:
    made = scattered(phantom, (13, 11, 17), grid)
    if method == "published":
        made = replace(made, cropped_opacity=None)
    shown = Shown(made, tmp_path)
    solid = shown.image("solid")
    here = [solid.TransformPhysicalPointToIndex(corner) for corner in corners(shown.whole("ct"))]
    assert np.min(here) < 0  # the lungs reach the side, and the margin beyond it
    smoothed, wanted = (nearest(shown.whole(name), solid) for name in ("smoothed", "lungs"))
    counts_as = {Tissue.GROUND_GLASS: 3, Tissue.CONSOLIDATION: 4}
    inside = np.ones(wanted.shape, np.bool_)
    if method == "default":
        counts_as[Tissue.DENSE] = 4
        inside = nearest(shown.whole("opacity"), solid) != 0
    for tissue, value in counts_as.items():
        wanted[inside & (smoothed == tissue)] = value
    found = voxels(solid)
    np.testing.assert_array_equal(found, wanted)
    assert set(np.unique(found)) == {0, 1, 2, 3, 4}
    inner = np.zeros(found.shape, np.bool_)
    inner[1:-1, 1:-1, 1:-1] = True
    assert found[inner].all()
    assert not found[~inner].any()


def test_the_solid_of_a_large_ct_covers_the_lungs_in_128_voxels(
    phantom: Labelling, tmp_path: Path
) -> None:
    made = scattered(phantom, (400, 140, 20), "flipped")
    shown = Shown(made, tmp_path)
    solid = shown.image("solid")
    assert solid.GetSize() == (MOST_SOLID_VOXELS, MOST_SOLID_VOXELS, 17 + 2)
    lungs = sitk.LabelShapeStatisticsImageFilter()
    lungs.Execute(shown.whole("lungs") != 0)
    x, y, z, *size = lungs.GetBoundingBox(1)
    box = shown.whole("lungs")[x : x + size[0], y : y + size[1], z : z + size[2]]
    inner = solid[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(corners(inner), corners(box), **FLOAT32)


def test_a_view_is_files_that_a_browser_unpacks_and_shows(
    phantom: Labelling, tmp_path: Path
) -> None:
    write_view(phantom, tmp_path / "view")
    names = {path.name for path in (tmp_path / "view").iterdir()}
    assert names == {
        "ct.nii.gz", *(f"{name}.nii.gz" for name in MAPS), "solid.nii.gz", "thumbnail.jpg",
    }  # fmt: skip
    for path in (tmp_path / "view").glob("*.nii.gz"):
        packed = zlib.decompressobj(wbits=31)
        assert len(packed.decompress(path.read_bytes())) > 352
        assert packed.eof
        assert not packed.unused_data  # browsers refuse what follows the first stream
    write_view(phantom, tmp_path / "again")
    for name in names:
        assert (tmp_path / "view" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_thumbnail_shows_lungs_in_colour_and_the_rest_in_grey(
    phantom: Labelling, tmp_path: Path
) -> None:
    write_view(phantom, tmp_path)
    with Image.open(tmp_path / "thumbnail.jpg") as picture:
        assert max(picture.size) == 160
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    assert 0.2 < (spread > 40).mean() < 0.8
    assert (spread[:, :4] < 30).all()
    healthy = pixels[spread > 40]
    assert np.median(healthy[:, 2]) > np.median(healthy[:, 0]) + 30  # blue


def test_the_published_method_has_no_map_of_opacity(tmp_path: Path) -> None:
    volume = make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume
    method = replace(PublishedMethod(), island_voxels=2000, closing_voxels=(3, 2))
    write_view(label_volume(volume, method=method), tmp_path)
    assert not (tmp_path / "opacity.nii.gz").exists()
    assert (tmp_path / "smoothed.nii.gz").exists()


def test_a_view_that_cannot_be_written_is_told_and_leaves_nothing(
    phantom: Labelling, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_view(phantom, tmp_path / "file" / "view")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_limits_are_what_browsers_can_draw() -> None:
    assert (MOST_VOXELS, MOST_SOLID_VOXELS) == (256, 128)
