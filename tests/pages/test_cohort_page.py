"""The page of a cohort shows what needs a look first, and runs its one script and nothing else."""

import base64
import hashlib
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from browser.driving import driving
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from gmmlabel.cohort.columns import COLUMNS
from gmmlabel.errors import OutputError
from gmmlabel.pages import cohort_page
from gmmlabel.pages.cohort_cases import (
    FEWEST,
    LUNG_VOLUME,
    MEASURES,
    OPACITY,
    CohortCase,
    list_cases,
)
from gmmlabel.pages.cohort_figures import draw_spreads
from gmmlabel.pages.cohort_page import MOST_CASES, MOST_FAILURES, draw_cohort, write_cohort_page
from gmmlabel.pages.pictures import planes_of_most_lung
from gmmlabel.pages.preview import draw_preview
from gmmlabel.pages.thumbnails import SIZE, make_thumbnail
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import label_volume

PLAIN = CohortCase(
    name="case",
    lungs_volume_ml=4500.0,
    involvement_percent=12.5,
    involvement_score=2,
    opacity_percent=2.0,
    lungs_mean_hu=-800.0,
    total_seconds=5.25,
    tissue_percents=(20.0, 60.0, 12.0, 5.0, 3.0),
    flags=(),
    made_by="version 1, model m (00000000), method default (11111111)",
)


def many(count: int, **changes) -> list[CohortCase]:
    """Cases called 000, 001, ..., spread a little."""
    numbers = np.random.default_rng(3).standard_normal((count, 3))
    return [
        replace(
            PLAIN,
            name=f"{i:03}",
            lungs_volume_ml=4500 + 400 * volume,
            lungs_mean_hu=-800 + 20 * density,
            opacity_percent=float(np.exp(0.5 + 0.4 * opacity)),
            **changes,
        )
        for i, (volume, density, opacity) in enumerate(numbers.clip(-2, 2))
    ]


class Page(HTMLParser):
    """What is in a page: its elements, the cells of its tables, and its script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.script, self._inside = "", ""
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag in ("th", "td", "script", "style"):
            self._inside = tag

    def handle_endtag(self, tag) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data) -> None:
        if self._inside in ("th", "td"):
            self.rows[-1][-1] = " ".join((self.rows[-1][-1] + data).split())
        if self._inside == "script":
            self.script += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def draw(cases, failures=(), thumbnails=None) -> str:
    return draw_cohort(list_cases(cases), failures, thumbnails or {})


def test_a_row_shows_the_figures_of_its_case_and_links_to_its_report() -> None:
    page = Page(draw([replace(PLAIN, flags=("thick_slices", "noise")), replace(PLAIN, name="b")]))
    assert page.rows[1] == [
        *("no previewcase", "thick slices, noise", "2.0", "12.5", "2", "4.50"),
        *("\N{MINUS SIGN}800", "5.2"),
    ]
    assert [it["href"] for it in page.all("a")][-2:] == ["case/report.html", "b/report.html"]


def test_what_is_not_known_is_a_dash_and_sorts_as_nothing() -> None:
    unknown = replace(PLAIN, opacity_percent=None, lungs_mean_hu=None, total_seconds=None)
    page = Page(draw([unknown]))
    assert page.rows[1][2] == page.rows[1][6] == page.rows[1][7] == "\N{EN DASH}"
    assert [it.get("data-value") for it in page.all("td")][1] == ""
    assert "Opacity of the cases" not in [it.get("aria-label") for it in page.all("svg")]


def test_the_page_takes_what_summary_csv_has() -> None:
    row = dict.fromkeys(COLUMNS, 1.5) | {
        "case": "a",
        "quality_flags": "noise;motion",
        "model": "m",
        "method": "default",
        "model_sha256": "0" * 64,
        "method_sha256": None,
        "software_version": "1",
    }
    case = CohortCase.of_row(row)
    assert case.flags == ("noise", "motion")
    assert case.made_by == "version 1, model m (00000000), method default ()"
    assert CohortCase.of_row(row | {"quality_flags": ""}).flags == ()


def test_outliers_come_first_then_flagged_cases_then_the_others_by_name() -> None:
    cases = many(40)
    cases[7] = replace(cases[7], opacity_percent=80.0)
    cases[9] = replace(cases[9], lungs_mean_hu=-300.0, lungs_volume_ml=800.0)
    cases[11] = replace(cases[11], flags=("noise",))
    cases[30] = replace(cases[30], flags=("noise", "motion"))
    listed = list_cases(cases[::-1])
    names = [it.case.name for it in listed]
    assert names[:4] == ["009", "007", "030", "011"]
    assert names[4:] == sorted(names[4:])
    assert listed[0].outlying == ("lung volume low", "mean density high")
    assert listed[1].outlying == ("opacity high",)
    assert not any(it.outlying for it in listed[2:])


@given(
    st.sampled_from(MEASURES),
    st.lists(st.floats(0, 100) | st.just(float("nan")), min_size=FEWEST - 1, max_size=40),
)
def test_limits_are_three_robust_standard_deviations_from_the_median(measure, values) -> None:
    limits = measure.limits(np.array(values))
    known = np.array([value for value in values if value == value])  # noqa: PLR0124
    scaled = np.log(1 + known) if measure is OPACITY else known
    sd = stats.median_abs_deviation(scaled, scale="normal") if len(known) else 0
    if len(known) < FEWEST or sd == 0:
        assert limits is None
        return
    expected = np.median(scaled) + np.array([-3, 3]) * sd
    expected = np.exp(expected) - 1 if measure is OPACITY else expected
    np.testing.assert_allclose(limits, expected, rtol=1e-4, atol=1e-9)


def test_a_few_cases_and_equal_cases_have_no_outliers() -> None:
    few = [*many(FEWEST - 2), replace(PLAIN, name="x", opacity_percent=90.0)]
    assert not any(it.outlying for it in list_cases(few))
    equal = [*[PLAIN] * 30, replace(PLAIN, name="x", opacity_percent=90.0)]
    assert not any(it.outlying for it in list_cases(equal))


def test_figures_say_in_words_what_they_show() -> None:
    cases = many(25)
    plots = draw_spreads(cases)
    opacity, involvement, volume, tissues = plots
    assert len({plot.title for plot in plots}) == len(plots)
    quarter, median, three = np.percentile([it.opacity_percent for it in cases], (25, 50, 75))
    assert f"median {median:.1f}, middle half {quarter:.1f} to {three:.1f}" in opacity.caption
    litres = [it.lungs_volume_ml / 1000 for it in cases]
    assert f"all {min(litres):.1f} to {max(litres):.1f}" in volume.caption
    assert "median 12.5" in involvement.caption
    assert "Ground-glass opacity 12.0 (12.0 to 12.0)" in tissues.caption


def test_limits_of_outliers_are_drawn_where_there_are_some() -> None:
    cases = [*many(25), replace(PLAIN, name="x", lungs_volume_ml=900.0)]
    volume = draw_spreads(cases)[2]
    low, _ = LUNG_VOLUME.limits(LUNG_VOLUME.values(cases))
    assert volume.caption.endswith(f"Dashed: limit of outliers, {low / 1000:.1f}.")
    assert volume.svg.count("stroke-dasharray") == 1
    assert "Dashed" not in draw_spreads(many(25))[2].caption


@pytest.mark.parametrize("count", [1, 2])
def test_a_small_cohort_is_drawn_too(count) -> None:
    page = Page(draw([PLAIN] * count))
    assert len(page.all("svg")) == 4


def test_the_policy_allows_the_one_script_and_no_other() -> None:
    page = Page(draw(many(3)))
    policy = next(it["content"] for it in page.all("meta") if "http-equiv" in it)
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert len(page.all("script")) == 1
    assert "src" not in page.all("script")[0]


def test_names_and_reasons_are_text_and_nothing_is_loaded() -> None:
    bad = '"><script>alert(1)</script><img src=//x onerror=alert(1)>'
    case = replace(PLAIN, name=bad, flags=(bad,), made_by=bad)
    page = Page(draw([case], [(bad, bad)]))
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not page.all("link")
    assert not [key for _, attributes in page.elements for key in attributes if key[:2] == "on"]
    links = [it["href"] for it in page.all("a")]
    assert not [link for link in links if link.startswith(("//", "http", "javascript"))]


@pytest.mark.parametrize(
    "name", ["plain", "a b", "javascript:alert(1)", "100%#1?x=2", "..a", "ü", "b\udcff"]
)
def test_addresses_lead_to_the_files_whatever_a_case_is_called(name, tmp_path) -> None:
    (tmp_path / name).mkdir()
    Image.new("RGB", (1000, 600), "teal").save(tmp_path / name / "preview.png")
    (tmp_path / name / "report.html").write_text("")
    write_cohort_page(tmp_path, [replace(PLAIN, name=name)])
    page = Page((tmp_path / "cohort.html").read_text("utf-8"))
    link, picture = page.all("a")[-1]["href"], page.all("img")[0]["src"]
    for address in (link, picture):
        assert re.fullmatch(r"[\w.~%-]+/[\w.~%-]+", address)
        assert (tmp_path / os.fsdecode(unquote_to_bytes(address))).is_file()


def test_failures_are_listed_first_and_many_of_them_are_cut_short() -> None:
    failures = [(f"bad_{i}", f"reason {i}") for i in range(MOST_FAILURES + 5)]
    html = draw(many(3), failures)
    assert html.index("bad_0") < html.index("<table")
    assert html.count("reason ") == MOST_FAILURES
    assert f"{MOST_FAILURES + 5} cases failed" in html
    assert f"the first {MOST_FAILURES}; all are" in " ".join(html.split())
    assert "1 case failed" in draw([], failures[:1])


def test_a_large_cohort_shows_what_comes_first_and_says_so() -> None:
    cases = [replace(PLAIN, name=f"{i:05}") for i in range(MOST_CASES + 50)]
    cases[-1] = replace(cases[-1], flags=("noise",))
    html = draw(cases)
    page = Page(html)
    assert len(page.rows) == MOST_CASES + 1
    assert page.rows[1][0].endswith("01049")
    assert "The table holds 1,000 of 1,050 cases" in html
    assert "The table holds" not in draw(cases[:10])


def test_cases_that_were_made_in_different_ways_are_told() -> None:
    other = replace(PLAIN, name="b", made_by="version 2, model n")
    html = draw([PLAIN, other])
    assert "Not all cases were labelled in the same way" in html
    assert "1 case: version 2, model n" in html
    assert "Not all cases" not in draw([PLAIN])


@pytest.fixture(scope="module")
def labelling():
    return label_volume(make_phantom((92, 72, 80), (4.0, 4.0, 4.0)).volume)


@pytest.fixture
def cohort(labelling, tmp_path) -> Path:
    (tmp_path / "ct").mkdir()
    draw_preview(labelling).save(tmp_path / "ct" / "preview.png")
    return tmp_path


def test_a_thumbnail_is_the_axial_row_of_the_preview(labelling, cohort) -> None:
    thumbnail = make_thumbnail(cohort, "ct")
    width, height = planes_of_most_lung(labelling)[0].size_within(420, 300)
    row = (draw_preview(labelling).width - 350 - (2 * width + 10), 10)
    left = 10 + (row[0] - 10) // 2
    expected = draw_preview(labelling).crop((left, 10, left + 2 * width + 10, 10 + height))
    expected.thumbnail(SIZE)
    assert (thumbnail.width, thumbnail.height) == expected.size
    with Image.open(cohort / "thumbnails" / "ct.jpg") as picture:
        difference = np.abs(np.asarray(picture, int) - np.asarray(expected, int))
    assert thumbnail.address == "thumbnails/ct.jpg"
    assert difference.mean() < 6  # JPEG


def test_a_thumbnail_is_made_again_only_if_its_preview_has_changed(cohort) -> None:
    path = cohort / "thumbnails" / "ct.jpg"
    first = make_thumbnail(cohort, "ct")
    made = path.stat().st_ino
    assert make_thumbnail(cohort, "ct") == first
    assert path.stat().st_ino == made
    Image.new("RGB", (1000, 600), "teal").save(cohort / "ct" / "preview.png")
    os.utime(cohort / "ct" / "preview.png", (1, 1))  # an older file may be put in its place
    assert make_thumbnail(cohort, "ct") != first


@pytest.mark.parametrize("content", [None, b"", b"no picture", "cut"])
def test_a_case_without_a_whole_preview_has_no_picture(cohort, content) -> None:
    preview = cohort / "ct" / "preview.png"
    if content is None:
        preview.unlink()
    else:
        preview.write_bytes(preview.read_bytes()[:3000] if content == "cut" else content)
    write_cohort_page(cohort, [replace(PLAIN, name="ct")])
    page = Page((cohort / "cohort.html").read_text())
    assert not page.all("img")
    assert page.rows[1][0] == "no previewct"


def test_a_damaged_thumbnail_is_made_again(cohort) -> None:
    first = make_thumbnail(cohort, "ct")
    time_ns = (cohort / "ct" / "preview.png").stat().st_mtime_ns
    (cohort / "thumbnails" / "ct.jpg").write_bytes(b"")
    os.utime(cohort / "thumbnails" / "ct.jpg", ns=(time_ns, time_ns))
    assert make_thumbnail(cohort, "ct") == first
    assert (cohort / "thumbnails" / "ct.jpg").stat().st_size > 0


def test_a_page_that_cannot_be_made_leaves_the_earlier_one(cohort, monkeypatch) -> None:
    write_cohort_page(cohort, many(2))
    before = (cohort / "cohort.html").read_bytes()

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(cohort_page, "render_page", fail)
    with pytest.raises(MemoryError):
        write_cohort_page(cohort, many(3))
    assert (cohort / "cohort.html").read_bytes() == before
    assert sorted(path.name for path in cohort.iterdir()) == ["cohort.html", "ct"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_cohort_page(tmp_path / "file", [PLAIN])


@pytest.fixture
def browser():
    """A real Chromium."""
    with driving() as launch:
        yield launch()


def test_a_browser_sorts_filters_and_shows_the_thumbnails(browser, cohort) -> None:
    cases = [*many(12), replace(PLAIN, name="ct", opacity_percent=None, flags=("thick_slices",))]
    write_cohort_page(cohort, cases)
    page, told = browser.new_page(), []
    page.on("console", lambda message: told.append(message.text))
    page.goto((cohort / "cohort.html").as_uri())

    def column(place: int) -> list[str]:
        cells = (
            f"[...document.querySelectorAll('tbody tr:not([hidden])')].map(r => r.cells[{place}]"
        )
        return page.evaluate(f"{cells}.dataset.value)")

    def sorts() -> list[str | None]:
        return page.evaluate("[...document.querySelectorAll('th[aria-sort]')].map(h => h.ariaSort)")

    assert page.evaluate("document.images[0].decode().then(() => true)")
    opacity = page.get_by_role("button", name="Opacity")
    opacity.press("Enter")
    shown = column(2)
    assert shown[-1] == ""  # what is not known
    assert [float(it) for it in shown[:-1]] == sorted(map(float, shown[:-1]), reverse=True)
    assert sorts() == ["descending"]
    opacity.press("Space")
    shown = column(2)
    assert shown[-1] == ""
    assert [float(it) for it in shown[:-1]] == sorted(map(float, shown[:-1]))
    assert sorts() == ["ascending"]
    page.get_by_role("button", name="Outlier, flags").click()
    assert column(0) == [it.case.name for it in list_cases(cases)]
    page.get_by_label("Filter").fill("Thick_Slices")
    assert column(0) == ["ct"]
    assert page.locator("#found").inner_text() == "1 of 13 shown"
    assert told == []
