"""The page as a whole: light, its own, the same at every width, and its small modules."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from browser.driving import Complaints
from browser.views import VIEWS, go

if TYPE_CHECKING:
    from playwright.sync_api import Page

DASH, NARROW = "\N{EN DASH}", "\N{NARROW NO-BREAK SPACE}"
TITLES = {"worklist": "Worklist", "case": "CT [0-9a-f]{8}", "models": "Models"}


def test_the_first_view_needs_little_and_nothing_of_the_viewer(page: Page, labelled: str) -> None:
    go(page, "worklist")
    files = loaded(page)
    assert "/static/page/worklist/worklist.js" in files
    for later in ("niivue", "viewer.js", "case.js", "models.js", "client-zip"):
        assert not [path for path in files if later in path], later
    assert sum(files.values()) < 180_000
    assert len(files) < 50
    go(page, "case", labelled)
    assert [path for path in loaded(page) if "niivue" in path]


def loaded(page: Page) -> dict[str, int]:
    """The files of the page that it has, and how many bytes each is."""
    return page.evaluate(
        """() => Object.fromEntries(
             [...performance.getEntriesByType("resource"),
              ...performance.getEntriesByType("navigation")]
               .map((entry) => [new URL(entry.name).pathname, entry.decodedBodySize])
               .filter(([path]) => !path.startsWith("/v1/")))"""
    )


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_says_what_it_is_and_that_it_is_for_research(
    page: Page, labelled: str, view: str
) -> None:
    go(page, view, labelled)
    assert re.fullmatch(f"{TITLES[view]} {DASH} gmmlabel", page.title())
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    sentence = page.get_by_text("For research, not for diagnosis")
    assert sentence.is_visible()
    here = page.get_by_role("navigation").locator("[aria-current=page]").all_inner_texts()
    assert here == ([] if view == "case" else [TITLES[view]])


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_every_view_without_scrolling_sideways(
    new_page: Callable[..., Page], labelled: str, view: str
) -> None:
    page = go(new_page(width=390, height=844), view, labelled)
    beyond = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
             .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
             .map((element) => `${element.tagName}.${element.getAttribute("class")}`)"""
    )
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, beyond


def test_views_are_left_and_come_back_by_the_browsers_own_buttons(
    page: Page, labelled: str
) -> None:
    go(page, "worklist")
    page.get_by_role("link", name="Models").click()
    page.get_by_role("heading", level=1, name="Models").wait_for()
    page.go_back()
    page.get_by_role("heading", level=1, name="Worklist").wait_for()
    page.locator(f"main a[href^='#/jobs/{labelled}']").first.click()
    page.get_by_role("heading", level=1, name="CT ").wait_for()


def test_an_address_that_is_none_shows_the_worklist(visit: Callable[..., Page]) -> None:
    page = visit("#/nothing/of/that/name")
    page.get_by_role("heading", level=1, name="Worklist").wait_for()


def test_a_job_that_is_not_there_is_told_with_a_way_back(
    visit: Callable[..., Page], complaints: Complaints
) -> None:
    complaints.allow("status of 404")
    page = visit(f"#/jobs/{'0' * 32}")
    page.get_by_role("alert").wait_for()
    page.get_by_role("link", name="Back to the worklist").click()
    page.get_by_role("heading", level=1, name="Worklist").wait_for()


def imported(page: Page, module: str, expression: str) -> object:
    """What a module of the page makes of something."""
    return page.evaluate(f"import('/static/page/base/{module}').then((m) => ({expression}))")


WORDING = {
    "number(1234.5, 1)": "1,234.5",
    "number(-721)": "\N{MINUS SIGN}721",
    "number(-0.04, 1)": "0.0",
    "number(null)": DASH,
    "number(NaN)": DASH,
    "percent(12.345)": "12.3 %",
    "percent(undefined)": DASH,
    "millilitres(4321.4)": "4,321 mL",
    "duration(0.04)": "0.0 s",
    "duration(59.6)": "60 s",
    "duration(119.7)": "2 min 0 s",
    "duration(3600)": "60 min 0 s",
    "bytes(999)": "999 B",
    "bytes(1500)": "1.5 kB",
    "bytes(999_999)": "1.0 MB",
    "bytes(4 * 2 ** 30)": "4.3 GB",
    "moment(null)": DASH,
}


def test_numbers_are_written_as_people_read_them(visit: Callable[..., Page]) -> None:
    said = ", ".join(f"m.{one}" for one in WORDING)
    read = imported(visit(), "wording.js", f"[{said}]")
    assert isinstance(read, list)
    assert dict(zip(WORDING, (one.replace(NARROW, " ") for one in read), strict=True)) == WORDING


def test_an_address_keeps_how_a_view_is_shown(visit: Callable[..., Page]) -> None:
    page = visit("#/models")
    to_a_case = imported(page, "address.js", "m.link('case', 'ab', {at: '1,2,3', map: 'lungs'})")
    assert to_a_case == "#/jobs/ab?at=1,2,3&map=lungs"
    before = page.evaluate("history.length")
    imported(page, "address.js", "m.keep({compare: 'a b', other: 'x'})")
    imported(page, "address.js", "m.keep({other: null})")
    assert page.evaluate("location.hash") == "#/models?compare=a+b"
    assert page.evaluate("history.length") == before
    assert imported(page, "address.js", "m.address().parameters.get('compare')") == "a b"
    assert imported(page, "address.js", "m.address().page") == "models"
