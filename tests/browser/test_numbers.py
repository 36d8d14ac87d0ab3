"""The numbers beside the picture are those of result.json, and show their voxels."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from service.test_serve import Process

from gmmlabel.cohort.columns import TEXTS
from gmmlabel.regions import REGIONS, ZONES
from gmmlabel.tissues import LUNG_SEGMENTS, TISSUE_SEGMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NARROW = "\N{NARROW NO-BREAK SPACE}"


@pytest.fixture
def result(service: Process, labelled: str) -> dict[str, Any]:
    found: Any = service.job(labelled)["result"]
    return dict(found)


@pytest.fixture
def numbers(visit: Callable[..., Page], labelled: str) -> Locator:
    """The panel in the page of the case."""
    panel = visit(f"#/jobs/{labelled}").get_by_role("region", name="Numbers", exact=True)
    panel.wait_for()
    return panel


@pytest.fixture
def alone(visit: Callable[..., Page], result: dict[str, Any]) -> Callable[..., Locator]:
    """Make the panel of a result by itself; what it highlights is in ``shown`` of the page."""

    def make(**changes: object) -> Locator:
        page = visit("")
        page.evaluate(
            """async (result) => {
                 const { numbersPanel } = await import("/static/page/case/numbers.js");
                 window.shown = [];
                 const highlight = (what) => window.shown.push(what);
                 const place = document.createElement("div");
                 place.id = "alone";
                 document.body.prepend(place);
                 place.append(numbersPanel({ job: {}, result, highlight }));
               }""",
            {**result, **changes},
        )
        return page.locator("#alone")

    return make


def texts(cells: Locator) -> list[str]:
    return [text.replace(NARROW, " ") for text in cells.all_text_contents()]


def test_the_page_says_what_result_json_says(numbers: Locator, result: dict[str, Any]) -> None:
    assert texts(numbers.locator("dt + dd")) == [
        f"{result['involvement']['percent']:.1f} %",
        f"{result['opacity']['percent']:.1f} %",
        f"{result['lungs']['volume_ml']:,.0f} mL",
        f"{result['zone_scores']['sum']} of 48",
    ]
    assert f"score {result['involvement']['score']} of 0 to 5" in (numbers.text_content() or "")
    rows = numbers.get_by_role("region", name="Tissues").get_by_role("row").all()[1:]
    regions = result["regions"]
    for segment, row in zip(TISSUE_SEGMENTS, rows, strict=True):
        tissue = result["tissues"][segment.key]
        sides = [regions[side]["tissues"][segment.key]["percent"] for side in ("right", "left")]
        assert row.get_by_role("rowheader").text_content() == segment.name
        assert texts(row.get_by_role("cell")) == [
            f"{tissue['volume_ml']:,.0f}",
            *(f"{share:.1f}" for share in (tissue["percent"], *sides)),
        ]


def test_zones_are_drawn_and_told_with_their_opacity_and_score(
    numbers: Locator, result: dict[str, Any]
) -> None:
    zones = [(result["regions"][zone]["opacity"]["percent"], zone) for zone in ZONES]
    assert max(zones)[0] > 1  # else this says nothing
    scores = result["zone_scores"]["zones"]
    assert texts(numbers.locator("svg text")) == [
        f"{percent:.1f} %score {scores[zone]}" for percent, zone in zones
    ]
    rows = numbers.get_by_role("table", name="Opacity and score by zone").get_by_role("row")
    assert [texts(row.locator("th, td")) for row in rows.all()[1:]] == [
        [zone.replace("_", " "), f"{percent:.1f}", str(scores[zone])] for percent, zone in zones
    ]
    depths = [
        float(one.get_attribute("fill-opacity") or 0) for one in numbers.locator("rect").all()
    ]
    assert depths.index(max(depths)) == zones.index(max(zones))


def test_quality_flags_come_before_every_number(alone: Callable[..., Locator]) -> None:
    flags = [
        {"flag": "input_note", "message": "It was padded.", "value": None},
        {"flag": "noise", "message": "Noise is <b>60</b> HU.", "value": 60},
    ]
    panel = alone(quality=flags)
    said = panel.inner_text()
    assert said.index("1 quality flag: read the numbers with care") < said.index("Noise is <b>60")
    assert said.index("Noise is <b>60</b> HU.") < said.index("It was padded.")
    assert said.index("It was padded.") < said.index("Involvement")
    assert "No quality flags." in alone(quality=[]).inner_text()


def test_what_is_not_known_is_left_out_or_said(
    alone: Callable[..., Locator], result: dict[str, Any]
) -> None:
    empty = {**result["regions"]["left"], "volume_ml": 0}
    regions = {**result["regions"], "left": empty, "left_upper_ventral": empty}
    one = alone(regions=regions)
    assert "Left lung\nnot found" in one.inner_text()
    assert texts(one.locator("svg text"))[ZONES.index("left_upper_ventral")] == "\N{EN DASH}"
    without = {name: {**region, "opacity": None} for name, region in result["regions"].items()}
    published = alone(opacity=None, zone_scores=None, regions=without)
    assert "The published method has no opacity" in published.inner_text()
    assert published.locator("svg").count() == 0
    for word in ("null", "undefined", "NaN"):
        assert word not in (published.text_content() or "")


def test_a_number_shows_its_voxels_while_the_pointer_or_the_focus_is_on_it(
    alone: Callable[..., Locator],
) -> None:
    panel = alone()
    page = panel.page
    for segments, which, of in (
        (TISSUE_SEGMENTS, "labels", "tr"),
        (LUNG_SEGMENTS, "lungs", ".zones-lung"),
    ):
        for segment in segments:
            button = page.get_by_role("button", name=segment.name)
            what = {"map": which, "values": [segment.value]}
            panel.locator(of, has=button).hover()
            assert page.evaluate("shown.at(-1)") == what
            page.mouse.move(0, 0)
            assert page.evaluate("shown.at(-1)") is None
            button.focus()
            assert page.evaluate("shown.at(-1)") == what
            button.blur()
            assert page.evaluate("shown.at(-1)") is None


def test_a_pressed_number_goes_on_showing_its_voxels(alone: Callable[..., Locator]) -> None:
    panel = alone()
    page = panel.page
    button = panel.get_by_role("button", name="Consolidation")
    button.click()
    panel.get_by_role("button", name="Air").hover()
    assert page.evaluate("shown.at(-1).values") == [1]
    page.mouse.move(0, 0)
    assert page.evaluate("shown.at(-1).values") == [4]
    assert button.get_attribute("aria-pressed") == "true"
    button.press("Escape")
    assert page.evaluate("shown.at(-1)") is None
    assert button.get_attribute("aria-pressed") == "false"


def test_copied_numbers_are_a_table_with_all_digits(
    numbers: Locator, result: dict[str, Any]
) -> None:
    page = numbers.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    numbers.get_by_role("button", name="Copy numbers").click()
    numbers.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    rows = {row["region"]: row for row in csv.DictReader(copied.splitlines(), delimiter="\t")}
    assert list(rows) == list(REGIONS)
    for name, row in rows.items():
        region = result["regions"][name]
        assert float(row["volume_ml"]) == region["volume_ml"]
        assert float(row["opacity_percent"]) == region["opacity"]["percent"]
        assert float(row["dense_ml"]) == region["tissues"]["dense"]["volume_ml"]
        assert float(row["laa_950_percent"]) == region["densitometry"]["laa_950_percent"]
    assert float(rows["both"]["involvement_percent"]) == result["involvement"]["percent"]
    assert not set(TEXTS) & set(rows["both"])  # neither a name nor a hash
