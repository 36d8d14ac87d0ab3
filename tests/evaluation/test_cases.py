"""``gmmlabel evaluate``: what belongs together, the table, the page, and the command."""

import csv
import json
import re
import subprocess
import sysconfig
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from sklearn import metrics

from gmmlabel.case import write_case
from gmmlabel.errors import InputError, OutputError
from gmmlabel.evaluation.cases import (
    COLUMNS,
    MEASURES,
    Compared,
    Comparison,
    Evaluation,
    Failure,
    evaluate_case,
    evaluate_pairs,
)
from gmmlabel.evaluation.overlap import Overlap
from gmmlabel.evaluation.pairing import Case, find_cases, only_one, pair_by_name
from gmmlabel.pages.evaluation_page import CONTEXT, draw_evaluation, write_evaluation
from gmmlabel.pipeline import label_volume
from gmmlabel.readers import read_volume

SPACING = (0.8, 0.9, 2.5)
MAPS = ("labels", "smoothed", "lungs", "opacity")


def blob(seed, values=1):
    """A label map of blocks, (z, y, x)."""
    blocks = np.random.default_rng(seed).integers(0, values + 1, (5, 4, 6))
    return blocks.astype(np.uint8).repeat(2, 0).repeat(3, 1).repeat(2, 2)


def write(path, mask, *, orientation="LPS", origin=(3.0, -4.0, 5.0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(mask)
    image.SetSpacing(SPACING)
    image.SetOrigin(origin)
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(image, orientation), str(path))
    return path


def case_folder(folder, seed, suffix=".nrrd"):
    for number, name in enumerate(MAPS):
        write(folder / f"{name}{suffix}", blob(10 * seed + number, 5 if number < 2 else 1))
    (folder / "result.json").write_text("{}")
    return folder


def gmmlabel(*arguments):
    command = [str(Path(sysconfig.get_path("scripts")) / "gmmlabel"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rows(out):
    with (out / "evaluation.csv").open(newline="") as file:
        return list(csv.DictReader(file))


# What belongs together


def paired(cases, files, folder, pattern=None):
    """Pair cases of these names with empty files of these names."""
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = pair_by_name([Case(name, Path(name)) for name in cases], folder, pattern=pattern)
    references = {
        case.name: [path.relative_to(folder).as_posix() for path in paths]
        for case, paths in found.references.items()
    }
    return references, found.without_reference, found.without_case


@pytest.mark.parametrize(
    "name",
    [
        *("ct.nrrd", "ct.seg.nrrd", "ct.nii", "ct.nii.gz", "ct.mha", "ct_lungs.NII.GZ"),
        *("ct_lungs.nrrd", "ct-mask.nii.gz", "ct.lesion.mha", "ct/anything.nrrd"),
    ],
)
def test_a_reference_is_called_as_its_case(tmp_path, name):
    assert paired(["ct", "other"], [name], tmp_path) == ({"ct": [name]}, ("other",), ())


@pytest.mark.parametrize("name", ["ct2.nrrd", "act.nrrd", "ct2/mask.nrrd", "ct_a/mask.nrrd"])
def test_a_name_that_only_begins_alike_is_another_case(tmp_path, name):
    assert paired(["ct"], [name], tmp_path) == ({}, ("ct",), (name,))


def test_of_cases_whose_names_begin_alike_the_longest_has_the_reference(tmp_path):
    files = ["p_1_lungs.nrrd", "p_10_lungs.nrrd", "p_1_b.nrrd", "p.nrrd"]
    references, missing, strays = paired(["p", "p_1", "p_10", "p_1_b"], files, tmp_path)
    assert references == {
        "p": ["p.nrrd"],
        "p_1": ["p_1_lungs.nrrd"],
        "p_10": ["p_10_lungs.nrrd"],
        "p_1_b": ["p_1_b.nrrd"],
    }
    assert not missing
    assert not strays


def test_what_is_no_mask_or_hidden_is_not_looked_at(tmp_path):
    files = ["ct.nrrd", "ct.txt", ".ct_x.nrrd", ".ct/mask.nrrd", "ct_x.png"]
    assert paired(["ct"], files, tmp_path) == ({"ct": ["ct.nrrd"]}, (), ())


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("{case}_lesion", "ct_lesion.nrrd"),
        ("lungs_of_{case}", "lungs_of_ct.nrrd"),
        ("{case}/b*", "ct/blood.nii.gz"),
        ("{case}", "ct.nrrd"),
    ],
)
def test_a_pattern_says_what_references_are_called(tmp_path, pattern, meant):
    files = ["ct.nrrd", "ct_lesion.nrrd", "lungs_of_ct.nrrd", "ct/blood.nii.gz", "ct/a.nrrd"]
    references, _, _ = paired(["ct"], files, tmp_path, pattern)
    assert references == {"ct": [meant]}


def test_letters_of_the_shell_in_a_name_mean_themselves(tmp_path):
    references, _, _ = paired(["c[t]*"], ["c[t]*_x.nrrd", "ct_x.nrrd"], tmp_path, "{case}_x")
    assert references == {"c[t]*": ["c[t]*_x.nrrd"]}


def test_of_several_references_the_one_called_as_the_map_is_meant(tmp_path):
    case = Case("ct", tmp_path)
    for names in (["ct.nrrd", "ct_lungs.nrrd"], ["ct/lungs.nrrd", "ct/opacity.nrrd"]):
        paths = [tmp_path / name for name in names]
        assert "lungs" in only_one(case, paths, tmp_path, "lungs").name
        with pytest.raises(InputError, match=r"2 references fit: .*--reference-name '\{case\}"):
            only_one(case, paths, tmp_path, "labels")


def test_a_pattern_without_the_case_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no \{case\} in it"):
        paired(["ct"], ["ct.nrrd"], tmp_path, "lungs")


def test_a_folder_without_masks_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no masks"):
        paired(["ct"], ["ct.txt"], tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        pair_by_name([], tmp_path / "none")


def test_cases_are_one_folder_many_folders_or_masks(tmp_path):
    for name in ("b", "a"):
        case_folder(tmp_path / "cases" / name, 1)
    (tmp_path / "cases" / "summary.csv").touch()
    (tmp_path / "cases" / "no case").mkdir()
    assert [case.name for case in find_cases(tmp_path / "cases")] == ["a", "b"]
    assert [case.name for case in find_cases(tmp_path / "cases" / "b")] == ["b"]
    for name in ("y.nii.gz", "x.seg.nrrd"):
        write(tmp_path / "masks" / name, blob(1))
    assert [case.name for case in find_cases(tmp_path / "masks")] == ["x", "y"]


def test_cases_that_are_not_clear_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither case folders nor masks"):
        find_cases(tmp_path / "empty")
    with pytest.raises(InputError, match="no such folder"):
        find_cases(tmp_path / "none")
    for name in ("twice/ct.nrrd", "twice/ct.mha", "mixed/ct.nrrd"):
        write(tmp_path / name, blob(1))
    with pytest.raises(InputError, match=r"ct\.mha and ct\.nrrd have one name"):
        find_cases(tmp_path / "twice")
    case_folder(tmp_path / "mixed" / "case", 1)
    with pytest.raises(InputError, match="holds case folders and masks"):
        find_cases(tmp_path / "mixed")


def test_a_map_in_two_formats_is_not_clear(tmp_path):
    case_folder(tmp_path, 1)
    write(tmp_path / "lungs.nii.gz", blob(1))
    with pytest.raises(InputError, match=r"holds lungs\.nrrd and lungs\.nii\.gz"):
        Case("ct", tmp_path).map_path("lungs")


# What is compared


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR", "SAL"])
@pytest.mark.parametrize("suffix", [".nrrd", ".seg.nrrd", ".nii.gz", ".mha"])
def test_a_case_is_compared_voxel_by_voxel_however_the_reference_is_stored(
    tmp_path, suffix, orientation
):
    case = Case("ct", case_folder(tmp_path / "ct", 1, suffix))
    reference = write(tmp_path / "ct.nii.gz", blob(99), orientation=orientation)
    found = evaluate_case(case, reference, Comparison("lungs"))
    truth, ours = blob(99).ravel() > 0, blob(12).ravel() > 0
    assert found.dice == pytest.approx(metrics.f1_score(truth, ours))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, ours))
    assert found.reference_ml == pytest.approx(truth.sum() * np.prod(SPACING) / 1000)


def test_values_say_what_counts_on_either_side(tmp_path):
    case = Case("ct", case_folder(tmp_path / "ct", 1))
    reference = write(tmp_path / "ct.nrrd", blob(99, 3))
    found = evaluate_case(case, reference, Comparison("labels", (3, 4), (2,)))
    truth, ours = blob(99, 3).ravel() == 2, np.isin(blob(10, 5).ravel(), (3, 4))
    assert found.precision == pytest.approx(metrics.precision_score(truth, ours))
    assert found.recall == pytest.approx(metrics.recall_score(truth, ours))


def test_within_the_lungs_true_negatives_are_counted_there_only(tmp_path):
    case = Case("ct", case_folder(tmp_path / "ct", 1))
    reference = write(tmp_path / "ct.nrrd", blob(99))
    found = evaluate_case(case, reference, Comparison("opacity", within_lungs=True))
    truth, ours, lungs = blob(99) > 0, blob(13) > 0, blob(12) > 0
    counted = truth | ours | lungs
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth[counted], ours[counted]))
    assert not counted.all()


def test_a_cropped_segmentation_of_ours_is_laid_on_the_grid_of_the_reference(tmp_path):
    whole = np.zeros((10, 12, 12), np.uint8)
    whole[2:6, 3:9, 4:10] = blob(5)[2:6, 3:9, 4:10]
    origin = tuple(np.array([3.0, -4.0, 5.0]) + np.array(SPACING) * (4, 3, 2))
    ours = write(tmp_path / "ct.seg.nrrd", whole[2:6, 3:9, 4:10].copy(), origin=origin)
    reference = write(tmp_path / "ref" / "ct.nrrd", whole)
    found = evaluate_case(Case("ct", ours), reference, Comparison(None))
    assert (found.dice, found.surface_95_mm) == (1, 0)


def test_a_mask_by_itself_has_no_lungs_to_count_in(tmp_path):
    path = write(tmp_path / "ct.nrrd", blob(1))
    with pytest.raises(InputError, match="--within image"):
        evaluate_case(Case("ct", path), path, Comparison(None, within_lungs=True))


# Table and page


def evaluation(count=6):
    """Cases of falling Dice, one without anything in it, and all that can be wrong."""
    compared = [
        Compared(f"case_{n}", f"{n}.nrrd", Overlap(100.0 - 9 * n, 5.0 * n, 3.0, 900.0, 1.5 * n))
        for n in range(count)
    ]
    nothing = Compared("nothing", "nothing.nrrd", Overlap(0, 0, 0, 1000.0, np.nan))
    hostile = Failure("<script>alert(1)</script>", 'not a "mask" & <b>broken</b>')
    return Evaluation(Comparison(), (*compared, nothing), (hostile,), ("$x^{$",), ("a&b.nrrd",))


@pytest.fixture(scope="module")
def html():
    return draw_evaluation(evaluation())


class Page(HTMLParser):
    """Tags and text of a page; an element that is not closed is told."""

    VOID = frozenset({"meta", "path", "use", "rect", "br"})

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(" ".join(data.split()))


def test_the_table_has_a_row_for_every_case_and_for_their_summary(tmp_path):
    write_evaluation(evaluation(), tmp_path)
    table = rows(tmp_path)
    assert tuple(table[0]) == COLUMNS
    kinds = [row["kind"] for row in table]
    assert kinds == ["case"] * 7 + ["failed", "pooled", "mean", "sd", "median", "count"]
    dice = [float(row["dice"]) for row in table[:6]]
    by_kind = {row["kind"]: row for row in table}
    assert float(by_kind["mean"]["dice"]) == pytest.approx(np.mean(dice), abs=1e-6)
    assert float(by_kind["sd"]["dice"]) == pytest.approx(np.std(dice, ddof=1), abs=1e-6)
    assert float(by_kind["median"]["surface_95_mm"]) == 3.75
    assert (by_kind["count"]["dice"], by_kind["count"]["accuracy"]) == ("6", "7")
    assert table[6]["case"] == "nothing"
    assert [table[6][name] for name in ("dice", "precision", "recall", "surface_95_mm")] == [""] * 4
    assert "broken" in by_kind["failed"]["message"]
    # Pooled: sums of volumes.
    summed = {n: sum(float(row[n]) for row in table[:7]) for n in MEASURES if "_ml" in n}
    assert float(by_kind["pooled"]["true_positive_ml"]) == summed["true_positive_ml"]
    wrong = summed["false_positive_ml"] + summed["false_negative_ml"]
    both = 2 * summed["true_positive_ml"]
    assert float(by_kind["pooled"]["dice"]) == pytest.approx(both / (both + wrong), abs=1e-6)


def test_the_document_is_json_without_numbers_that_are_none():
    text = json.dumps(evaluation().document(), allow_nan=False)
    document = json.loads(text)
    assert document["cases"][6]["dice"] is None
    assert document["failures"][0]["case"] == "<script>alert(1)</script>"


def test_the_page_shows_the_worst_case_first_and_those_without_dice_last(html):
    page = Page(html)
    cases = [word for word in page.words if re.fullmatch(r"case_\d|nothing", word)]
    assert cases == [f"case_{n}" for n in (5, 4, 3, 2, 1, 0)] + ["nothing"]


def test_the_page_is_one_file_without_script_and_escapes_every_name(html):
    page = Page(html)
    assert page.tags.count("svg") == 3
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    outside = [value for name, value in page.attributes if name in {"src", "href", "xlink:href"}]
    assert all(value.startswith("#") for value in outside)
    assert "url(http" not in html
    for text in ("<script>alert(1)</script>", "$x^{$", "a&b.nrrd"):
        assert text in page.words


def test_names_of_parts_of_the_figures_are_unique_on_the_page(html):
    names = [value for name, value in Page(html).attributes if name == "id"]
    for prefix in ("m", "p"):
        salted = [name for name in names if re.fullmatch(prefix + "[0-9a-f]{10}", name)]
        assert salted
        assert len(salted) == len(set(salted))


def test_the_figures_take_the_colours_of_the_page(html):
    assert "var(--text)" in html[html.index("<svg") :]
    assert not re.search("#010203|#040506|#000000|#ffffff", html[html.index("<svg") :])


def test_published_figures_stand_beside_as_context_and_not_as_a_ranking(html):
    words = Page(html).words
    for published in CONTEXT:
        assert {published.method, published.figure} <= set(words)
    assert any("context, not a ranking" in word for word in words)


@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_any_number_of_cases_makes_a_page(count):
    assert Page(draw_evaluation(evaluation(count))).tags.count("svg") == 3


def test_a_page_of_failures_only_has_no_figures():
    html = draw_evaluation(Evaluation(Comparison(), (), (Failure("ct", "broken"),)))
    assert Page(html).tags.count("svg") == 0
    assert "broken" in html


def test_the_same_evaluation_makes_the_same_page(html):
    assert draw_evaluation(evaluation()) == html


def test_an_earlier_evaluation_is_replaced_only_when_asked(tmp_path):
    write_evaluation(evaluation(1), tmp_path)
    before = (tmp_path / "evaluation.csv").read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        write_evaluation(evaluation(2), tmp_path)
    assert (tmp_path / "evaluation.csv").read_bytes() == before
    write_evaluation(evaluation(2), tmp_path, overwrite=True)
    assert (tmp_path / "evaluation.csv").read_bytes() != before


# The command


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three cases; references of two of them, of which one lies on another grid."""
    folder = tmp_path_factory.mktemp("cohort")
    for number, name in enumerate(("a", "b", "c")):
        case_folder(folder / "cases" / name, number)
    write(folder / "reference" / "a_expert.nii.gz", blob(2), orientation="RAS")
    write(folder / "reference" / "b_expert.nrrd", blob(12)[:-1])
    write(folder / "reference" / "zzz.nrrd", blob(1))
    return folder


def test_one_bad_case_does_not_stop_the_others(cohort, tmp_path):
    done = gmmlabel(
        "evaluate", cohort / "cases", "--reference", cohort / "reference", "--map", "lungs",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert lines[0] == "gmmlabel: 1 cases have no reference: c"
    assert lines[1] == "gmmlabel: 1 references have no case: zzz.nrrd"
    assert lines[2].startswith("gmmlabel: b: ")
    assert "12 x 12 x 9 voxels where the CT has 12 x 12 x 10" in lines[2]
    assert lines[3].startswith("gmmlabel: error: 1 of 2 cases")
    assert len(lines) == 4
    table = {(row["kind"], row["case"]): row for row in rows(tmp_path / "out")}
    assert table["case", "a"]["dice"] == "1.0"
    assert table["case", "a"]["reference"] == "a_expert.nii.gz"
    assert "12 x 12 x 9" in table["failed", "b"]["message"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "evaluation.csv",
        "evaluation.html",
    ]


def test_json_is_one_document_on_stdout_and_nothing_else(cohort, tmp_path):
    done = gmmlabel(
        "evaluate", cohort / "cases" / "a", "--reference", cohort / "reference", "--json",
        "--values", 1, "--values", 4, "--map", "labels", "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["comparison"] == {
        "map_name": "labels",
        "values": [1, 4],
        "reference_values": [],
        "within_lungs": True,
    }
    assert [case["case"] for case in document["cases"]] == ["a"]
    assert document["without_case"] == ["b_expert.nrrd", "zzz.nrrd"]


def test_masks_without_case_folders_are_compared(cohort, tmp_path):
    write(tmp_path / "ours" / "a.seg.nrrd", blob(2))
    done = gmmlabel(
        "evaluate", tmp_path / "ours", "--reference", cohort / "reference", "--out", tmp_path / "o"
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^a +1\.000 +1\.000 +1\.000 ", done.stdout, re.MULTILINE)
    assert json.dumps(rows(tmp_path / "o")).count("1.0") > 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none", "--reference", "reference"], "no such folder"),
        (["cases", "--reference", "none"], "no such folder"),
        (["cases/c", "--reference", "reference"], "nothing in it is called as a case, such as c"),
        (["cases", "--reference", "reference", "--reference-name", "x"], "has no {case}"),
    ],
)
def test_what_cannot_be_begun_is_one_line_and_writes_nothing(cohort, tmp_path, arguments, reason):
    paths = [cohort / it if (cohort / it).exists() or it == "none" else it for it in arguments]
    done = gmmlabel("evaluate", *paths, "--out", tmp_path / "out")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("gmmlabel: error: ")
    assert reason in line
    assert not (tmp_path / "out").exists()


def test_an_earlier_evaluation_is_refused_before_any_work(cohort, tmp_path):
    (tmp_path / "evaluation.html").write_text("mine")
    arguments = ["evaluate", cohort / "cases" / "a", "--reference", cohort / "reference"]
    done = gmmlabel(*arguments, "--out", tmp_path)
    assert done.returncode == 1
    assert "--overwrite" in done.stderr
    assert (tmp_path / "evaluation.html").read_text() == "mine"
    assert gmmlabel(*arguments, "--out", tmp_path, "--overwrite").returncode == 0


@pytest.mark.parametrize("name", ["small_id001", "small_id002"])
def test_lungs_of_real_cts_are_measured_as_simple_itk_measures_them(shared, tmp_path, name):
    write_case(label_volume(read_volume(shared / "data" / f"{name}.nrrd")), tmp_path / name)
    pairing = pair_by_name(find_cases(tmp_path), shared / "data")
    (compared,) = evaluate_pairs(pairing, shared / "data", Comparison("lungs"))
    assert compared.reference == f"{name}_lungs.nrrd"
    ours, truth = (
        SimpleITK.ReadImage(str(path)) != 0
        for path in (tmp_path / name / "lungs.nrrd", shared / "data" / compared.reference)
    )
    ours.CopyInformation(truth)
    measured = SimpleITK.LabelOverlapMeasuresImageFilter()
    measured.Execute(ours, truth)
    assert compared.overlap.dice == pytest.approx(measured.GetDiceCoefficient())
    assert compared.overlap.dice > 0.95
