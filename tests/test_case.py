"""The case folder and its documents."""

import json
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

import gmmlabel
from gmmlabel.case_files import case_files
from gmmlabel.regions import REGIONS
from gmmlabel.staging import staged
from gmmlabel.tissues import TISSUE_SEGMENTS, Tissue


def read_map(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[gmmlabel.Labelling, Path, Path]:
    folder = tmp_path_factory.mktemp("case")
    volume = gmmlabel.make_phantom((96, 96, 64), (4, 4, 5)).volume
    source = folder / "ct.nrrd"
    image = sitk.GetImageFromArray(volume.geometry.to_stored(volume.hu))
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    sitk.WriteImage(image, str(source), useCompression=True)
    labelling = gmmlabel.label_volume(gmmlabel.read_volume(source))
    gmmlabel.write_case(labelling, folder / "out")
    return labelling, source, folder / "out"


def test_result_has_the_fields_of_the_contract(
    case: tuple[gmmlabel.Labelling, Path, Path],
) -> None:
    _, source, folder = case
    result = json.loads((folder / "result.json").read_text())
    assert list(result) == [
        "schema_version",
        "software",
        "input",
        "acquisition",
        "method",
        "model",
        "lungs",
        "tissues",
        "smoothed",
        "involvement",
        "opacity",
        "regions",
        "zone_scores",
        "quality",
        "seconds",
    ]
    assert result["schema_version"] == 1
    assert result["software"] == {"name": "gmmlabel", "version": version("gmmlabel")}
    assert result["input"] == {
        "name": "ct.nrrd",
        "sha256": sha256(source.read_bytes()).hexdigest(),
        "size": [96, 96, 64],
        "spacing_mm": [4.0, 4.0, 5.0],
    }
    assert result["method"]["name"] == "default"
    assert result["method"]["threshold_hu"] == -155
    assert result["model"]["boundaries_hu"] == [-893, -721, -472, -235]
    assert len(result["model"]["sha256"]) == 64
    assert list(result["tissues"]) == ["air", "healthy", "ground_glass", "consolidation", "dense"]
    assert list(result["opacity"]) == ["percent", "volume_ml", "high_opacity_percent"]
    assert list(result["regions"]) == list(REGIONS)
    for region in result["regions"].values():
        assert list(region) == ["volume_ml", "tissues", "opacity", "densitometry"]
    assert list(result["zone_scores"]) == ["zones", "sum", "maximum"]
    assert list(result["acquisition"]) == ["slice_spacing_mm", "slice_thickness_mm", "kernel"]
    assert list(result["seconds"]) == [
        *("read", "lungs", "label", "smooth", "opacity", "measure"),
        *("write", "total"),
    ]


def test_the_numbers_are_those_of_the_maps(case: tuple[gmmlabel.Labelling, Path, Path]) -> None:
    _, _, folder = case
    result = json.loads((folder / "result.json").read_text())
    maps = {name: read_map(folder / f"{name}.nrrd") for name in ("labels", "smoothed", "lungs")}
    lung_voxels = int(np.count_nonzero(maps["lungs"]))
    assert result["lungs"] == {
        "voxels": lung_voxels,
        "volume_ml": pytest.approx(lung_voxels * 0.08),
    }
    for name, field in (("labels", "tissues"), ("smoothed", "smoothed")):
        for tissue in Tissue:
            voxels = int((maps[name] == tissue).sum())
            assert result[field][tissue.key] == {
                "voxels": voxels,
                "volume_ml": pytest.approx(voxels * 0.08),
                "percent": pytest.approx(100 * voxels / lung_voxels),
            }
    percent = {key: measure["percent"] for key, measure in result["tissues"].items()}
    assert result["involvement"]["percent"] == pytest.approx(
        100 * (percent["ground_glass"] + percent["consolidation"]) / (100 - percent["dense"])
    )


def test_the_histogram_is_that_of_the_lungs_and_names_nobody(
    case: tuple[gmmlabel.Labelling, Path, Path],
) -> None:
    labelling, source, folder = case
    histogram = json.loads((folder / "histogram.json").read_text())
    lungs = labelling.volume.hu[labelling.lung_mask > 0].clip(-1000, 3071)
    expected = np.bincount(lungs.astype(np.int64) + 1000)
    assert histogram["first_hu"] == -1000
    assert histogram["counts"] == expected.tolist()
    assert histogram["voxels"] == len(lungs)
    assert set(histogram) == {
        "schema_version",
        "input_sha256",
        "cases",
        "spacing_mm",
        "method",
        "suppressed_below",
        "voxels",
        "first_hu",
        "counts",
    }
    assert source.name not in (folder / "histogram.json").read_text()


def test_the_preview_shows_the_tissues_in_their_colours(
    case: tuple[gmmlabel.Labelling, Path, Path],
) -> None:
    _, _, folder = case
    pixels = np.asarray(Image.open(folder / "preview.png").convert("RGB"))
    for segment in TISSUE_SEGMENTS:  # the boxes of the legend are 16 pixels square
        assert (pixels == segment.rgb).all(axis=2).sum() >= 16 * 16
    coloured = np.ptp(pixels.astype(int), axis=2) > 40
    assert coloured.mean() > 0.05


def test_what_fails_while_files_are_made_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    refused = pytest.raises(gmmlabel.OutputError, match="cannot be written")
    with refused, staged(out, ["x", "y"]) as stage:
        (stage / "x").write_text("whole, but there is no y")
    assert not (tmp_path / "a").exists()


def test_files_that_stand_beside_a_case_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with staged(tmp_path, ["x"]) as stage:
        (stage / "x").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "x"]


def test_the_opacity_is_that_of_its_map(case: tuple[gmmlabel.Labelling, Path, Path]) -> None:
    labelling, _, folder = case
    opacity = read_map(folder / "opacity.nrrd") > 0
    lungs = read_map(folder / "lungs.nrrd")
    assert not opacity[lungs == 0].any()
    found = json.loads((folder / "result.json").read_text())["opacity"]
    voxels = np.count_nonzero(lungs)
    assert found["volume_ml"] == pytest.approx(opacity.sum() * 0.08)
    assert found["percent"] == pytest.approx(100 * opacity.sum() / voxels)
    high = opacity & (labelling.volume.geometry.to_stored(labelling.volume.hu) > -200)
    assert found["high_opacity_percent"] == pytest.approx(100 * high.sum() / voxels)
    assert found["percent"] > 1


def test_nothing_of_an_earlier_case_stays_when_it_is_replaced(tmp_path: Path) -> None:
    volume = gmmlabel.make_phantom((64, 64, 48), (5.5, 5.5, 7.0)).volume
    default = gmmlabel.label_volume(volume)
    gmmlabel.write_case(default, tmp_path, form="nii.gz")
    (tmp_path / "notes.txt").write_text("mine")
    small = gmmlabel.PublishedMethod(opening_voxels=1, island_voxels=2000, closing_voxels=(3, 2))
    published = gmmlabel.label_volume(volume, method=small)
    document = gmmlabel.write_case(published, tmp_path, overwrite=True)
    assert document["opacity"] is None
    assert document["zone_scores"] is None
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*case_files(), "notes.txt"} - {"opacity.nrrd"}


def test_a_format_that_is_none_is_refused(
    case: tuple[gmmlabel.Labelling, Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(gmmlabel.OutputError, match="format jpg"):
        gmmlabel.write_case(case[0], tmp_path, form="jpg")


def test_the_result_appears_last() -> None:
    assert case_files()[-1] == "result.json"


def test_what_another_process_wrote_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    refused = pytest.raises(gmmlabel.OutputError, match="--overwrite")
    with refused, staged(tmp_path, ["x"]) as stage:
        (stage / "x").write_text("ours")
        (tmp_path / "x").write_text("theirs")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]
