"""The report of a case is one page that shows every number, runs nothing and loads nothing."""

import base64
import copy
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from gmmlabel.pages.pictures import (
    Plane,
    axial_planes,
    draw_plane,
    draw_scale_bar,
    planes_of_most_lung,
)
from gmmlabel.pages.report import MONTAGE_SLICES, draw_report
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import Labelling, label_volume
from gmmlabel.readers import read_volume
from gmmlabel.regions import SIDES, ZONES
from gmmlabel.result import result_document
from gmmlabel.tissues import LUNG_SEGMENTS, OPACITY_SEGMENTS, TISSUE_SEGMENTS
from gmmlabel.volume import Geometry, Volume

MINUS, TIMES, DASH = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"

Document = dict[str, Any]
Case = tuple[Labelling, Document]


def make_case(volume: Volume) -> Case:
    labelling = label_volume(volume)
    return labelling, json.loads(json.dumps(result_document(labelling)))


class Page(HTMLParser):
    """What is seen of a page: its elements, its words, and what each cell of its tables says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self._place = ""
        self.feed(html.translate({ord(MINUS): "-", ord(TIMES): "x"}))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("style", "th", "td"):
            self._place = tag
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._place:
            self._place = ""

    def handle_data(self, data: str) -> None:
        if self._place != "style":
            self.words.append(data)
        if self._place in ("th", "td"):
            self.rows[-1][-1] = " ".join((self.rows[-1][-1] + data).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, head: str, cells: int) -> list[str]:
        return next(row[1:] for row in self.rows if row and row[0] == head and len(row) == cells)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(make_phantom((92, 72, 80), (4.0, 4.0, 4.0)).volume)


@pytest.fixture(scope="module")
def html(case: Case) -> str:
    return draw_report(*case)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture
def document(case: Case) -> Document:
    return copy.deepcopy(case[1])


def test_the_headlines_are_those_of_the_result(document, page) -> None:
    opacity, regions = document["opacity"], document["regions"]
    for words in (
        f"Opacity {opacity['percent']:.1f} % of lung, {opacity['volume_ml']:,.0f} mL; "
        f"denser than -200 HU: {opacity['high_opacity_percent']:.1f} % of lung",
        f"Lungs {document['lungs']['volume_ml']:,.0f} mL "
        f"right {regions['right']['volume_ml']:,.0f} mL, "
        f"left {regions['left']['volume_ml']:,.0f} mL",
        f"Zone scores {document['zone_scores']['sum']} of 48",
        f"Involvement as published {document['involvement']['percent']:.1f} % "
        f"score {document['involvement']['score']} of 0 to 5",
    ):
        assert words in page.text


def test_each_tissue_has_a_row_of_its_volumes_and_shares(document, page) -> None:
    for segment in TISSUE_SEGMENTS:
        labels, smoothed = (document[which][segment.key] for which in ("tissues", "smoothed"))
        right, left = (document["regions"][side]["tissues"][segment.key] for side in SIDES)
        assert page.row(segment.name, 7) == [
            f"{labels['volume_ml']:,.0f}",
            *(f"{part['percent']:.1f}" for part in (labels, right, left)),
            f"{smoothed['volume_ml']:,.0f}",
            f"{smoothed['percent']:.1f}",
        ]


def test_each_region_has_a_row_of_its_figures(document, page) -> None:
    for name, region in document["regions"].items():
        head = {"both": "Both lungs", "right": "Right lung", "left": "Left lung"}.get(
            name, name.replace("_", " ").capitalize()
        )
        density = region["densitometry"]
        assert page.row(head, 14) == [
            f"{region['volume_ml']:,.0f}",
            f"{region['opacity']['percent']:.1f}",
            f"{region['opacity']['high_opacity_percent']:.1f}",
            str(document["zone_scores"]["zones"].get(name, DASH)),
            f"{density['mean_hu']:.0f}",
            f"{density['sd_hu']:.0f}",
            f"{density['percentile_15_hu']:.0f}",
            f"{density['laa_950_percent']:.1f}",
            f"{density['laa_910_percent']:.1f}",
            f"{density['haa_600_250_percent']:.1f}",
            f"{density['dense_250_50_percent']:.1f}",
            f"{density['gas_ml']:,.0f}",
            f"{density['tissue_g']:,.0f}",
        ]


def test_the_zones_are_laid_out_as_they_lie_in_a_picture(document, page) -> None:
    for third in ("upper", "middle", "lower"):
        expected = [
            f"{document['regions'][zone]['opacity']['percent']:.1f} %"
            f"score {document['zone_scores']['zones'][zone]}"
            for zone in ZONES  # the right lung first, ventral before dorsal
            if third in zone
        ]
        assert page.row(third.capitalize(), 5) == expected


def test_an_empty_region_has_dashes(case, document) -> None:
    density = document["regions"]["left_upper_dorsal"]["densitometry"]
    density.update({name: None for name in density if not name.startswith(("gas", "tissue"))})
    row = Page(draw_report(case[0], document)).row("Left upper dorsal", 14)
    assert row[4:11] == [DASH] * 7


def test_slices_and_kernel_stand_by_the_emphysema_figures(case, document, page) -> None:
    assert "thickness not stated in the input. Kernel: not stated in the input." in page.text
    document["acquisition"].update(slice_thickness_mm=1.25, kernel="B<70>f")
    text = Page(draw_report(case[0], document)).text
    assert "Slices: 4.00 mm apart, thickness 1.25 mm. Kernel: B<70>f ." in text


def test_flags_come_before_the_numbers_and_only_when_there_are_any(case, document) -> None:
    document["quality"] = []
    assert "quality flag" not in Page(draw_report(case[0], document)).text
    document["quality"] = [
        {"flag": "input_note", "message": "two series were left out", "value": None},
        {"flag": "thick_slices", "message": "Slices are 8 mm apart.", "value": 8.0},
    ]
    text = Page(draw_report(case[0], document)).text
    assert text.index("1 quality flag") < text.index("Slices are 8 mm apart.")
    assert text.index("Slices are 8 mm apart.") < text.index("Opacity")
    assert text.index("Note on the input two series were left out") > text.index("Where this")


def test_it_says_where_its_numbers_come_from(case, document) -> None:
    document["input"].update(sha256="ab" * 32)
    text = Page(draw_report(case[0], document)).text
    for words in (
        f"gmmlabel {document['software']['version']}",
        "ab" * 32,
        "92 x 72 x 80 voxels of 4.000 x 4.000 x 4.000 mm",
        f"Model {document['model']['name']}; boundaries -893, -721, -472, -235 HU",
        document["model"]["sha256"],
        "For research, not for diagnosis.",
    ):
        assert words in text
    for name, value in document["method"].items():
        assert name in text
        assert not isinstance(value, str) or f"{name} {value}" in text


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>.nrrd", "\"><img src=x onerror='alert(1)'>", "a&lt;b", "{{ 7*7 }}"],
)
def test_the_name_of_the_input_is_never_markup(case, document, page, name) -> None:
    document["input"]["name"] = document["acquisition"]["kernel"] = name
    named = Page(draw_report(case[0], document))
    assert [tag for tag, _ in named.elements if tag != "bdi"] == [
        tag for tag, _ in page.elements if tag != "bdi"
    ]
    assert named.text.count(name) == 4  # title, heading, kernel and provenance


def test_a_name_that_is_no_unicode_can_be_written(case, document, tmp_path) -> None:
    document["input"]["name"] = b"ct-\xff.nrrd".decode("utf-8", "surrogateescape")
    (tmp_path / "report.html").write_text(draw_report(case[0], document), encoding="utf-8")
    assert "ct-?.nrrd" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_and_nothing_runs(html, page) -> None:
    assert not {"script", "link", "iframe", "object", "base", "form"} & {
        t for t, _ in page.elements
    }
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href", "srcset", "xlink:href", "action", "background"):
            assert (attributes.get(name) or "data:").startswith("data:"), tag
    assert "@import" not in html
    assert "url(" not in html.replace("url(#", "")
    policy = [meta for meta in page.all("meta") if meta.get("http-equiv")]
    assert policy[0]["content"].startswith("default-src 'none'")


def test_every_picture_is_embedded_whole_and_told_in_words(page) -> None:
    images = page.all("img")
    assert len(images) == 3 * 3 + 2 * MONTAGE_SLICES
    for image in images:
        head, content = image["src"].split(",")
        assert head == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
        picture.load()
        assert picture.size == (int(image["width"]), int(image["height"]))
        assert picture.convert("L").getextrema()[1] > 200
    words = [image["alt"] for image in images]
    assert all(words)
    assert len(set(words)) == len(words)


def test_headers_of_tables_say_what_they_head(page) -> None:
    assert page.all("th")
    assert {cell.get("scope") for cell in page.all("th")} == {"col", "colgroup", "row"}


def test_ids_are_given_once(page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)


def test_a_labelled_case_always_has_the_same_report(case, html) -> None:
    assert draw_report(*case) == html


def test_the_montage_goes_from_head_to_foot_through_the_lungs(case) -> None:
    planes = axial_planes(case[0], MONTAGE_SLICES)
    places = [plane.index for plane in planes]
    inside = np.flatnonzero(case[0].lung_mask.any(axis=(1, 2)))
    assert places == sorted(places, reverse=True)
    assert all(plane.lungs.any() for plane in planes)
    step = len(inside) / MONTAGE_SLICES
    assert np.ptp(np.diff(places)) <= 1
    assert inside[-1] - places[0] <= step / 2 + 1
    assert places[-1] - inside[0] <= step / 2 + 1


def test_a_slab_shows_each_of_its_slices_once(case) -> None:
    hu = case[0].volume.hu[36:46]
    labelling, document = make_case(Volume(hu, Geometry(hu.shape[::-1], (4.0, 4.0, 4.0))))
    assert [plane.index for plane in axial_planes(labelling, MONTAGE_SLICES)] == [*range(10)][::-1]
    assert Page(draw_report(labelling, document)).text.count("Axial: ") == 3


@pytest.mark.parametrize("flipped", [False, True])
def test_slices_have_the_numbers_of_the_file(case, document, flipped) -> None:
    hu = case[0].volume.hu
    direction = (1.0, 0, 0, 0, 1, 0, 0, 0, -1 if flipped else 1)
    geometry = Geometry(hu.shape[::-1], (4.0, 4.0, 4.0), direction=direction)
    labelling = replace(case[0], volume=replace(case[0].volume, geometry=geometry))
    html = draw_report(labelling, document)
    stored = [plane.tobytes() for plane in geometry.to_stored(hu)]
    expected = [
        stored.index(hu[plane.index].tobytes()) + 1
        for plane in axial_planes(labelling, MONTAGE_SLICES)
    ]
    assert [int(n) for n in re.findall(r"Axial slice (\d+), lungs", html)] == expected


def test_the_planes_are_those_of_most_lung(case) -> None:
    mask = case[0].lung_mask > 0
    for axis, plane in enumerate(planes_of_most_lung(case[0])):
        counts = mask.sum(axis=tuple({0, 1, 2} - {axis}))
        assert counts[plane.index] == counts.max() == np.count_nonzero(plane.lungs)


@pytest.mark.parametrize("window", [np.s_[:], np.s_[16:, 10:, 12:]], ids=["whole", "cut"])
def test_planes_have_head_and_front_upwards_and_their_maps_in_place(case, window) -> None:
    hu = np.ascontiguousarray(case[0].volume.hu[window])
    labelling, _ = make_case(Volume(hu, Geometry(hu.shape[::-1], (4.0, 4.0, 4.0))))
    wholes = (labelling.volume.hu, labelling.lung_mask, labelling.smoothed)
    axial, coronal, sagittal = planes_of_most_lung(labelling)
    for plane, place in (
        (axial, np.s_[axial.index]),
        (coronal, np.s_[::-1, coronal.index]),
        (sagittal, np.s_[::-1, :, sagittal.index]),
    ):
        hu, *maps = (whole[place] for whole in wholes)
        windows = np.lib.stride_tricks.sliding_window_view(hu, plane.hu.shape)
        row, column = np.argwhere((windows == plane.hu).all(axis=(2, 3)))[0]
        window = np.s_[row : row + plane.hu.shape[0], column : column + plane.hu.shape[1]]
        for drawn, whole in zip((plane.lungs, plane.tissues), maps, strict=True):
            np.testing.assert_array_equal(drawn, whole[window])
            assert np.count_nonzero(drawn) == np.count_nonzero(whole)


def _plane(lungs, opacity, pixel_mm=(1.0, 1.0)) -> Plane:
    nothing = np.zeros(lungs.shape, np.uint8)
    hu = np.full(lungs.shape, -800, np.int16)
    return Plane("axial", 0, hu, lungs, nothing, opacity, pixel_mm, ("A", "P", "R", "L"))


@pytest.mark.parametrize("width", [2, 3, 4])
def test_outlines_lie_on_the_inner_border_of_lungs_and_opacity(width) -> None:
    rng = np.random.default_rng(width)
    smooth = ndimage.gaussian_filter(rng.normal(size=(2, 80, 90)), (0, 6, 6))
    lungs = np.where(smooth[0] > 0, 1 + (np.arange(90) > 45), 0).astype(np.uint8)
    opacity = ((smooth[1] > 0.01) & (lungs > 0)).astype(np.uint8)
    plane = _plane(lungs, opacity)
    pixels = np.asarray(draw_plane(plane, (90, 80), outlines=width))

    def border(mask, within):
        box = np.ones((2 * within + 1, 2 * within + 1))
        return mask & ~ndimage.binary_erosion(mask, box, border_value=1)

    opaque = border(opacity > 0, width)
    np.testing.assert_array_equal((pixels == OPACITY_SEGMENTS[0].rgb).all(axis=2), opaque)
    for side in LUNG_SEGMENTS:
        lung = border(lungs == side.value, width // 2) & ~opaque
        np.testing.assert_array_equal((pixels == side.rgb).all(axis=2), lung)


def test_a_plane_without_outlines_is_grey() -> None:
    lungs = np.ones((20, 30), np.uint8)
    pixels = np.asarray(draw_plane(_plane(lungs, lungs), (60, 40)))
    assert pixels.shape == (40, 60, 3)
    assert (np.ptp(pixels, axis=2) == 0).all()


def test_pictures_have_the_proportions_of_the_patient() -> None:
    plane = _plane(np.ones((30, 200), np.uint8), np.zeros((30, 200), np.uint8), (8.0, 1.0))
    assert plane.size_within(500, 500) == (417, 500)


def test_the_scale_bar_is_five_centimetres_long() -> None:
    plane = _plane(np.ones((100, 200), np.uint8), np.zeros((100, 200), np.uint8), (0.8, 0.8))
    before = draw_plane(plane, (400, 200))
    after = before.copy()
    draw_scale_bar(after, plane)
    bar = np.asarray(after)[-13] != np.asarray(before)[-13]
    assert np.ptp(np.flatnonzero(bar.any(axis=1))) == pytest.approx(50 / 0.8 * 400 / 200, abs=4)


def test_the_report_of_a_real_ct_is_small(shared) -> None:
    labelling, document = make_case(read_volume(shared / "data" / "small_id001.nrrd"))
    assert len(draw_report(labelling, document)) < 1_500_000
