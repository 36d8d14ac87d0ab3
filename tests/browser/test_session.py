"""Signing in with a token, and out: what each user sees, and what is left for the next one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from browser.driving import Complaints
from browser.serving import Service
from service.test_access import bearer

from gmmlabel.api.settings import Settings
from gmmlabel.api.storage.tokens import tokens_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = "Object.keys(localStorage).filter((key) => key.startsWith('gmmlabel-name'))"


@pytest.fixture(scope="module")
def guarded(start_service: Callable[..., Service]) -> Service:
    """A service that asks for tokens."""
    return start_service(users=("alice", "bob", "carol"))


@pytest.fixture
def browse(
    new_page: Callable[..., Page], guarded: Service, complaints: Complaints
) -> Callable[[str], Page]:
    """Open an address in a browser of its own."""
    complaints.allow("status of 401")  # how the page learns that it must ask

    def go(path: str) -> Page:
        page = new_page(url=guarded.url)
        page.goto(f"/{path}")
        return page

    return go


def sign_in(page: Page, secret: str) -> None:
    page.get_by_label("Access token").fill(secret)
    page.get_by_role("button", name="Sign in").click()


def heading(page: Page, name: str) -> None:
    """Wait for the view of that name."""
    page.get_by_role("heading", level=1, name=name).wait_for()


def test_a_token_is_asked_for_once_and_no_script_can_read_it(
    browse: Callable[[str], Page], guarded: Service
) -> None:
    page = browse("#/models")
    heading(page, "Sign in")
    assert page.get_by_label("Access token").evaluate("it => it === document.activeElement")
    assert not page.get_by_role("link", name="Worklist").is_visible()
    for wrong in (guarded.tokens["alice"][:-1], "n\N{LATIN SMALL LETTER O WITH DIAERESIS}"):
        sign_in(page, wrong)
        page.get_by_role("alert").filter(has_text="no valid token").wait_for()
    sign_in(page, f" {guarded.tokens['alice']} ")
    heading(page, "Models")
    page.reload()
    heading(page, "Models")
    assert page.locator("#session").inner_text().split("\n")[0] == "alice"
    kept = page.evaluate("document.cookie + JSON.stringify([localStorage, sessionStorage])")
    assert guarded.tokens["alice"] not in kept
    assert page.evaluate("document.cookie") == ""


def test_signing_out_leaves_nothing_to_the_next_user_in_no_tab(
    browse: Callable[[str], Page], guarded: Service
) -> None:
    page = browse("#/models")
    sign_in(page, guarded.tokens["alice"])
    heading(page, "Models")
    page.evaluate("localStorage.setItem('gmmlabel-name:1', 'Doe^Jane')")
    page.evaluate("sessionStorage.setItem('gmmlabel-refit:1', '{}')")
    other = page.context.new_page()
    other.goto(f"{page.url.partition('#')[0]}#/models")
    heading(other, "Models")
    page.get_by_role("button", name="Sign out").click()
    for tab in (page, other):
        heading(tab, "Sign in")
        assert not tab.get_by_text("alice").is_visible()
    assert page.url.endswith("#/")
    assert page.evaluate(NAMES) == []
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    heading(page, "Sign in")


def test_a_session_that_ends_is_begun_again_at_the_same_view(
    browse: Callable[[str], Page], guarded: Service
) -> None:
    page = browse("#/models")
    sign_in(page, guarded.tokens["alice"])
    heading(page, "Models")
    page.evaluate("localStorage.setItem('gmmlabel-name:1', 'Doe^Jane')")
    page.context.clear_cookies()
    page.get_by_role("button", name="New model").click()  # which asks for the jobs
    heading(page, "Sign in")
    assert not page.get_by_role("button", name="Sign out").is_visible()
    sign_in(page, guarded.tokens["alice"])
    heading(page, "Models")
    assert page.evaluate(NAMES) == ["gmmlabel-name:1"]


def test_a_token_that_is_revoked_closes_the_page_and_another_user_finds_no_names(
    browse: Callable[[str], Page], guarded: Service
) -> None:
    page = browse("#/models")
    sign_in(page, guarded.tokens["carol"])
    heading(page, "Models")
    page.evaluate("localStorage.setItem('gmmlabel-name:1', 'Doe^Jane')")
    with tokens_of(Settings(data=guarded.folder / "data")) as tokens:
        tokens.revoke("carol")
    page.get_by_role("button", name="New model").click()
    heading(page, "Sign in")
    sign_in(page, guarded.tokens["carol"])
    page.get_by_role("alert").filter(has_text="revoked").wait_for()
    sign_in(page, guarded.tokens["bob"])
    heading(page, "Models")
    page.locator("#session").get_by_text("bob").wait_for()
    assert page.evaluate(NAMES) == []


def test_users_do_not_see_each_others_jobs(
    browse: Callable[[str], Page],
    guarded: Service,
    ct: Path,
    complaints: Complaints,
) -> None:
    complaints.allow("status of 404")
    sent = httpx.post(
        f"{guarded.url}/v1/jobs", content=ct.read_bytes(), headers=bearer(guarded.tokens["alice"])
    )
    job_id = sent.raise_for_status().json()["id"]
    theirs, found = browse(f"#/jobs/{job_id}"), browse(f"#/jobs/{job_id}")
    sign_in(found, guarded.tokens["alice"])
    heading(found, f"CT {job_id[:8]}")
    found.locator(".case-about").filter(has_text="sent").wait_for()
    sign_in(theirs, guarded.tokens["bob"])
    theirs.get_by_role("alert").filter(has_text=f"{job_id}: there is none").wait_for()
    listed = "fetch('/v1/jobs').then((answer) => answer.json()).then(({jobs}) => jobs.length)"
    assert (found.evaluate(listed), theirs.evaluate(listed)) == (1, 0)
