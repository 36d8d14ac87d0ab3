"""The command line, run as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import typer

from gmmlabel import cli
from gmmlabel.case_files import case_files
from gmmlabel.cli import options
from gmmlabel.method import METHODS
from gmmlabel.model_files import DEFAULT_MODEL
from gmmlabel.segmenters import NAMES
from gmmlabel.writers import FORMATS

GMMLABEL = (str(Path(sysconfig.get_path("scripts")) / "gmmlabel"),)


def gmmlabel(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GMMLABEL, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    made = gmmlabel("phantom", "--out", path, "--size", 96, 96, 64, "--spacing", 4, 4, 5)
    assert made.returncode == 0, made.stderr
    return path


def one_line(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("gmmlabel: error: ")
    return lines[0]


def test_version_and_help_answer_without_importing_what_only_commands_need() -> None:
    code = (
        "import sys; from gmmlabel import cli; sys.argv[1:] = [sys.argv[1]]\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'numpy', 'numba', 'SimpleITK', 'nibabel'} & set(sys.modules)"
    )
    for flag in ("--version", "--help"):
        done = subprocess.run(
            [sys.executable, "-c", code, flag], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "gmmlabel" in done.stdout


def test_label_writes_a_whole_case_and_says_the_involvement(ct: Path, tmp_path: Path) -> None:
    done = gmmlabel("label", ct, "--out", tmp_path / "case")
    assert done.returncode == 0, done.stderr
    assert "Lung involvement" in done.stdout
    assert {path.name for path in (tmp_path / "case").iterdir()} == {
        "labels.nrrd",
        "smoothed.nrrd",
        "lungs.nrrd",
        "histogram.json",
        "opacity.nrrd",
        "preview.png",
        "report.html",
        "result.json",
    }


def test_json_prints_the_result_document_and_nothing_else(ct: Path, tmp_path: Path) -> None:
    done = gmmlabel("label", ct, "--out", tmp_path / "case", "--json")
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert document == json.loads((tmp_path / "case" / "result.json").read_text())
    assert document["involvement"]["percent"] > 0


@pytest.mark.parametrize("form", ["nrrd", "seg.nrrd", "nii.gz", "mha"])
def test_every_format_holds_the_same_labels(ct: Path, tmp_path: Path, form: str) -> None:
    gmmlabel("label", ct, "--out", tmp_path / "plain")
    done = gmmlabel("label", ct, "--out", tmp_path / "case", "--format", form)
    assert done.returncode == 0, done.stderr
    plain = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "plain" / "smoothed.nrrd")))
    here = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "case" / f"smoothed.{form}")))
    assert np.array_equal(plain, here)


def test_demo_labels_the_sample_without_network(tmp_path: Path) -> None:
    # A proxy that refuses stands for a machine without network.
    offline = {
        **os.environ,
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    done = gmmlabel("demo", cwd=tmp_path, env=offline)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "gmmlabel-demo" / "preview.png").is_file()
    assert "report.html" in done.stdout


def test_phantom_is_the_same_for_the_same_seed_and_comes_with_its_truth(tmp_path: Path) -> None:
    arguments = ("--size", 48, 48, 40, "--spacing", 8, 8, 8, "--seed", 3)
    for name in ("one", "two"):
        done = gmmlabel(
            "phantom", "--out", tmp_path / f"{name}.mha", "--truth", tmp_path / "t.mha",
            "--overwrite", *arguments,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    one, two = (sitk.ReadImage(str(tmp_path / f"{name}.mha")) for name in ("one", "two"))
    assert sitk.Hash(one) == sitk.Hash(two)
    assert one.GetSpacing() == (8.0, 8.0, 8.0)
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "t.mha")))
    assert set(np.unique(truth)) <= set(range(6))
    assert (truth > 0).any()


def test_the_choices_are_those_of_the_library() -> None:
    assert {str(choice) for choice in options.MethodName} == set(METHODS)
    assert tuple(str(choice) for choice in options.Format) == FORMATS
    assert tuple(str(choice) for choice in options.SegmenterName) == NAMES
    found = typer.main.get_command(cli.app).commands["label"].params
    assert {option.name: option.default for option in found}["model"] == DEFAULT_MODEL


def test_models_lists_and_shows_the_published_model() -> None:
    listed = json.loads(gmmlabel("models", "--json").stdout)
    assert [model["name"] for model in listed] == ["zaffino2021"]
    shown = json.loads(gmmlabel("models", "show", "zaffino2021", "--json").stdout)
    assert shown["boundaries_hu"] == [-893, -721, -472, -235]
    assert "-893, -721, -472, -235" in gmmlabel("models").stdout


def test_an_earlier_case_is_replaced_only_with_overwrite(ct: Path, tmp_path: Path) -> None:
    assert gmmlabel("label", ct, "--out", tmp_path).returncode == 0
    before = (tmp_path / "result.json").stat().st_mtime_ns
    refused = gmmlabel("label", ct, "--out", tmp_path)
    assert refused.returncode == 1
    assert "--overwrite" in one_line(refused.stderr)
    assert (tmp_path / "result.json").stat().st_mtime_ns == before
    assert gmmlabel("label", ct, "--out", tmp_path, "--overwrite").returncode == 0
    assert (tmp_path / "result.json").stat().st_mtime_ns > before


def test_nothing_is_written_over_the_input_even_with_overwrite(ct: Path, tmp_path: Path) -> None:
    source = tmp_path / "labels.nrrd"
    source.write_bytes(ct.read_bytes())
    done = gmmlabel("label", source, "--out", tmp_path, "--overwrite")
    assert done.returncode == 1
    assert "over the input" in one_line(done.stderr)
    assert source.read_bytes() == ct.read_bytes()
    assert list(tmp_path.iterdir()) == [source]


def test_nothing_is_written_into_an_input_folder(tmp_path: Path) -> None:
    done = gmmlabel("label", tmp_path, "--out", tmp_path / "case")
    assert done.returncode == 1
    assert "input folder" in one_line(done.stderr)
    assert not list(tmp_path.iterdir())


def test_a_bad_input_leaves_no_folder_behind(tmp_path: Path) -> None:
    (tmp_path / "ct.nrrd").write_text("no image")
    done = gmmlabel("label", tmp_path / "ct.nrrd", "--out", tmp_path / "a" / "b")
    assert done.returncode == 1
    assert str(tmp_path / "ct.nrrd") in one_line(done.stderr)
    assert not (tmp_path / "a").exists()


def test_an_out_that_cannot_be_made_is_named_before_any_work(ct: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "case", Path("/proc/gmmlabel")):
        done = gmmlabel("label", ct, "--out", out)
        assert done.returncode == 1
        assert str(out) in one_line(done.stderr)
        assert "--out" in done.stderr


def test_a_full_disk_is_one_line_and_leaves_nothing(ct: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    small = f"mount -t tmpfs -o size=64k small {disk}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", small], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    label = f"{GMMLABEL[0]} label {ct} --out {disk / 'case'}"
    script = f'{small} && ! {label} && test -z "$(ls -A {disk})"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no space left" in one_line(done.stderr)


def test_a_model_that_is_none_is_one_line(ct: Path, tmp_path: Path) -> None:
    bad = tmp_path / "model.json"
    bad.write_text('{"some": "json"}')
    for model in (bad, "nosuchmodel"):
        done = gmmlabel("label", ct, "--out", tmp_path / "case", "--model", model)
        assert done.returncode == 1
        assert str(model) in one_line(done.stderr)
    assert not (tmp_path / "case").exists()


def test_an_input_without_lungs_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(-1000, 20, (20, 40, 40)).astype(np.int16)
    path = tmp_path / "air.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(path))
    done = gmmlabel("label", path, "--out", tmp_path / "case")
    assert done.returncode == 1
    assert "no lungs found" in one_line(done.stderr)
    assert not (tmp_path / "case").exists()


def test_a_lost_offset_is_named_and_mended(ct: Path, tmp_path: Path) -> None:
    image = sitk.ReadImage(str(ct))
    stored = sitk.GetImageFromArray(sitk.GetArrayFromImage(image) + 1024)
    stored.CopyInformation(image)
    path = tmp_path / "stored.nrrd"
    sitk.WriteImage(stored, str(path))
    refused = gmmlabel("label", path, "--out", tmp_path / "case")
    assert "--hu-offset -1024" in one_line(refused.stderr)
    mended = gmmlabel("label", path, "--out", tmp_path / "case", "--hu-offset", "-1024", "--json")
    plain = gmmlabel("label", ct, "--out", tmp_path / "plain", "--json")
    quality = json.loads(mended.stdout)["quality"]
    notes = [flag["message"] for flag in quality if flag["flag"] == "input_note"]
    assert ["-1024" in note for note in notes] == [True]
    assert json.loads(mended.stdout)["tissues"] == json.loads(plain.stdout)["tissues"]


def test_a_lung_mask_is_used_as_it_is_and_never_written_over(ct: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert gmmlabel("label", ct, "--out", first).returncode == 0
    given = sitk.ReadImage(str(first / "lungs.nrrd"))
    cut = sitk.GetArrayFromImage(given)
    cut[: len(cut) // 2] = 0
    half = sitk.GetImageFromArray(cut)
    half.CopyInformation(given)
    sitk.WriteImage(half, str(tmp_path / "half.nrrd"))
    done = gmmlabel("label", ct, "--out", second, "--lungs", tmp_path / "half.nrrd")
    assert done.returncode == 0, done.stderr
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(second / "lungs.nrrd")))
    np.testing.assert_array_equal(written, cut)
    refused = gmmlabel("label", ct, "--out", first, "--lungs", first / "lungs.nrrd", "--overwrite")
    assert "would write over the input" in one_line(refused.stderr)
    both = gmmlabel("label", ct, "--out", second, "--lungs", ct, "--segmenter", "lungmask")
    assert both.returncode == 2


def test_a_mask_that_cannot_be_lungs_is_one_line(ct: Path, tmp_path: Path) -> None:
    image = sitk.ReadImage(str(ct)) > -2000
    sitk.WriteImage(image, str(tmp_path / "all.nrrd"))
    refused = gmmlabel("label", ct, "--out", tmp_path / "case", "--lungs", tmp_path / "all.nrrd")
    assert "all.nrrd" in one_line(refused.stderr)
    assert refused.returncode == 1
    assert not (tmp_path / "case").exists()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = gmmlabel("label", tmp_path / "no.nrrd", "--out", tmp_path / "case", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_wrong_usage_is_exit_status_2(ct: Path, tmp_path: Path) -> None:
    for arguments in (
        ["label", ct],
        ["nosuchcommand"],
        ["label", ct, "--out", tmp_path, "--format", "x"],
    ):
        assert gmmlabel(*arguments).returncode == 2


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.1])
def test_an_interrupt_leaves_a_whole_case_or_nothing(tmp_path: Path, seconds: float) -> None:
    source, case = tmp_path / "ct.nrrd", tmp_path / "case"
    assert gmmlabel("phantom", "--out", source, "--size", 192, 192, 80).returncode == 0
    process = subprocess.Popen(
        [*GMMLABEL, "label", str(source), "--out", str(case)], stderr=subprocess.PIPE
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert b"Traceback" not in stderr
    assert not case.exists() or sorted(path.name for path in case.iterdir()) == sorted(case_files())


def test_the_package_works_from_within_a_checkout(ct: Path, tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "gmmlabel", "label", str(ct), "--out", str(tmp_path / "case")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--out", "ct.foo"], "not a format"),
        (["--out", "ct.nrrd", "--size", "0", "64", "64"], "size"),
        (["--out", "ct.nrrd", "--spacing", "0", "1", "1"], "spacing"),
    ],
)
def test_a_phantom_that_cannot_be_is_one_line(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    small = [] if "--size" in arguments else ["--size", "16", "16", "16"]
    done = gmmlabel("phantom", *arguments, *small, cwd=tmp_path)
    assert done.returncode == 1
    assert reason in one_line(done.stderr)
    assert not list(tmp_path.iterdir())
