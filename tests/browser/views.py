"""The views of the page, and when each is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from browser.driving import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

VIEWS = ("worklist", "case", "models")


def go(page: Page, view: str, job_id: str = "") -> Page:
    """Open a view, and wait until all of it is there."""
    path = {"worklist": "/", "case": f"/jobs/{job_id}", "models": "/models"}[view]
    page.goto(f"/#{path}")
    page.locator("main").get_by_role("heading", level=1).wait_for()
    whole = {
        "worklist": "document.querySelector('tbody tr, .worklist-none:not([hidden])') !== null",
        "case": "document.querySelector('.viewer-stage')?.dataset.state === 'ready' && "
        "document.querySelector('[data-pane=lungs][data-state=loading]:not([hidden])') === null",
        "models": "document.querySelector('main svg') !== null",
    }[view]
    until(page, whole)
    return page
