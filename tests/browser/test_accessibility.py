"""Everybody can use the page: by keyboard, by ear, in the dark, on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.driving import Complaints
from browser.serving import Service
from browser.views import VIEWS, go

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = {1280: 800, 390: 844}


def faults(page: Page) -> list[str]:
    """What axe finds that keeps somebody from using the page as it is shown now."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def nothing_keeps_anybody_out(page: Page) -> None:
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert faults(page) == [], (width, scheme)


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_keeps_anybody_out(page: Page, labelled: str, view: str) -> None:
    nothing_keeps_anybody_out(go(page, view, labelled))


def test_neither_signing_in_nor_an_empty_worklist_keeps_anybody_out(
    start_service: Callable[..., Service],
    new_page: Callable[..., Page],
    complaints: Complaints,
) -> None:
    complaints.allow("status of 401")
    service = start_service(users=["ward"])
    page = new_page(url=service.url)
    page.goto("/")
    page.get_by_label("Access token").wait_for()
    nothing_keeps_anybody_out(page)
    page.get_by_label("Access token").fill("gml_wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("no valid token").wait_for()
    assert faults(page) == []
    page.get_by_label("Access token").fill(service.tokens["ward"])
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()
    go(page, "worklist")
    nothing_keeps_anybody_out(page)


# What is moved over by the arrow keys inside of a group is one stop of the tab key.
CONTROLS = """() => {
  const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const groups = "[role=toolbar], [role=radiogroup], [role=tablist], [role=grid], [role=listbox]";
  window.reached = new Set();
  window.controls = [...document.querySelectorAll(controls)]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }))
    .filter((element) => !element.disabled && element.type !== "radio")
    .filter((element) => !element.closest(groups));
  return window.controls.length;
}"""
FOCUSED = """() => {
  const element = document.activeElement;
  if (element === document.body) return "beyond";
  window.reached.add(element);
  const frame = element.parentElement; // which shows it for a picture
  const seen = [[element], [frame], [frame, "::after"]]
    .map((which) => getComputedStyle(...which))
    .some(({ outlineStyle, boxShadow }) => outlineStyle !== "none" || boxShadow !== "none");
  return seen ? "seen" : element.outerHTML;
}"""
LEFT_OUT = "controls.filter((element) => !reached.has(element)).map((element) => element.outerHTML)"


@pytest.mark.parametrize("view", VIEWS)
def test_the_tab_key_reaches_every_control_each_is_named_and_shows_that_it_is_reached(
    page: Page, labelled: str, view: str
) -> None:
    go(page, view, labelled)
    for _ in range(3 * page.evaluate(CONTROLS)):
        page.keyboard.press("Tab")
        look = page.evaluate(FOCUSED)
        if look == "beyond":
            break
        assert look == "seen"
    assert page.evaluate(LEFT_OUT) == []
    assert [role for role, name in focusable(page) if not name and role != "main"] == []


def focusable(page: Page) -> set[tuple[str, str]]:
    """Role and name of all that takes the focus, as a screen reader is told them."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    return {
        (node["role"]["value"], node["name"]["value"].strip())
        for node in tree["nodes"]
        if any(it["name"] == "focusable" for it in node.get("properties", ()))
    }
