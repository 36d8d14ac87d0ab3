"""The worklist: what each CT says, in which order, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from browser.driving import Complaints, until
from browser.serving import Service

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

_AT = "2026-11-21T10:{:02}:00Z"
_DOT = b"<svg xmlns='http://www.w3.org/2000/svg'/>"


def job(number: int, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """What the service says of a job in a list; a higher number is newer."""
    measures = {"lungs_ml": 4200, "involvement_percent": 20.0, "involvement_score": 2}
    ended = state in {"succeeded", "failed", "cancelled"}
    return {
        "id": f"{number:08x}" * 4, "kind": "label", "state": state, "stage": None,
        "progress": float(ended), "created_at": _AT.format(number),
        "started_at": None if state == "queued" else _AT.format(number),
        "ended_at": _AT.format(number + 1) if ended else None, "input_sha256": "",
        "model": {"name": "zaffino2021", "sha256": ""}, "method": "default", "format": "nrrd",
        "refit": None, "result": None, "problem": None,
        "summary": {**measures, "opacity_percent": 5.0, "flags": [], **more.pop("summary", {})}
        if state == "succeeded" else None,
        **more,
    }  # fmt: skip


@dataclass
class Listed:
    """What a list of jobs answers, and what was asked."""

    jobs: list[dict[str, Any]]
    limits: list[int] = field(default_factory=list)

    def answer(self, route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        assert query["kind"] == ["label"]
        self.limits.append(int(query["limit"][0]))
        route.fulfill(json={"jobs": self.jobs[: self.limits[-1]]})


@pytest.fixture
def listed(page: Page) -> Callable[..., Listed]:
    """Open a worklist of jobs that are made up."""

    def show(*jobs: dict[str, Any], path: str = "#/") -> Listed:
        found = Listed(sorted(jobs, key=lambda one: str(one["created_at"]), reverse=True))
        page.route("**/v1/jobs?limit=*", found.answer)
        page.route(
            "**/thumbnail.jpg", lambda route: route.fulfill(body=_DOT, content_type="image/svg+xml")
        )
        page.goto(f"/{path}")
        row(page, jobs[0]).wait_for()
        return found

    return show


def row(page: Page, one: dict[str, Any]) -> Locator:
    return page.locator(f"main tbody tr:has(a[href='#/jobs/{one['id']}'])")


def shown(page: Page) -> list[int]:
    """The numbers of the jobs, from above downwards."""
    links = page.locator("main tbody th a").all()
    return [int(str(link.get_attribute("href"))[-8:], 16) for link in links]


def test_a_row_says_what_was_found(page: Page, listed: Callable[..., Listed]) -> None:
    flags = ["thick_slices", "hu_calibration", "hu_calibration"]
    measures = {"involvement_percent": 21.74, "opacity_percent": 9.63, "flags": flags}
    one = job(1, method="published", summary=measures)
    listed(one)
    said = row(page, one).inner_text().replace("\N{NARROW NO-BREAK SPACE}", " ").split()
    assert " ".join(said) == (
        "CT 00000001 published Done 21.7 % score 2 9.6 % 4.20 L thick slices HU "
        + row(page, one).locator("time").inner_text()
        + " took 60 s Delete CT 00000001"
    )
    flag = row(page, one).get_by_text("thick slices")
    assert "blur vessels" in str(flag.get_attribute("title"))
    assert row(page, one).locator("img").get_attribute("loading") == "lazy"


def test_a_failure_says_why_in_its_row(page: Page, listed: Callable[..., Listed]) -> None:
    why = {"type": "x:no-lungs", "title": "No lungs", "status": 422, "detail": "none; send a chest"}
    one = job(1, "failed", problem=why)
    listed(one)
    assert row(page, one).get_by_text("none; send a chest").is_visible()


# After one click and after two; equal ones stay the newest first, and those without come last.
ORDERS = {
    "Sent": [[1, 2, 3, 4], [4, 3, 2, 1]],  # first: it is so at the beginning
    "Opacity": [[1, 3, 4, 2], [3, 1, 4, 2]],
    "Flags": [[2, 3, 1, 4], [3, 1, 2, 4]],
    "State": [[4, 3, 2, 1], [3, 2, 1, 4]],
    "Name": [[1, 2, 3, 4], [4, 3, 2, 1]],
    "Involvement": [[3, 1, 2, 4], [2, 1, 3, 4]],
}


def test_every_column_sorts_both_ways_and_the_address_keeps_it(
    page: Page, listed: Callable[..., Listed]
) -> None:
    listed(
        job(1, summary={"involvement_percent": 9.5, "opacity_percent": 30.0}),
        job(2, summary={"involvement_percent": 8, "opacity_percent": None, "flags": ["noise"]}),
        job(3, summary={"involvement_percent": 10, "opacity_percent": 4}),
        job(4, "running", stage="lungs", progress=0.2),
    )
    assert shown(page) == [4, 3, 2, 1]
    for column, orders in ORDERS.items():
        head = page.get_by_role("columnheader", name=column)
        for order in orders:
            head.get_by_role("button").click()
            assert shown(page) == order, column
        assert head.get_attribute("aria-sort") in {"ascending", "descending"}
        assert page.locator("[aria-sort]").count() == 1
    page.reload()
    page.locator("main tbody tr").first.wait_for()
    assert shown(page) == orders[-1]


def test_a_search_looks_in_names_ids_states_and_flags(
    page: Page, listed: Callable[..., Listed]
) -> None:
    one, two = job(1, summary={"flags": ["lungs_cut_off"]}), job(2, "failed")
    listed(one, two)
    page.evaluate(f"localStorage.setItem('gmmlabel-name:{two['id']}', 'Müller.nrrd')")
    page.reload()
    row(page, one).wait_for()
    field = page.get_by_role("searchbox")
    for words, found in (("müller", [2]), ("cut", [1]), ("FAILED", [2]), ("0000001", [1]),
                         ("cut failed", []), ("", [2, 1])):  # fmt: skip
        field.fill(words)
        assert shown(page) == found, words
    field.fill("cut off")
    assert page.get_by_text("1 of 2 CTs").is_visible()
    page.reload()
    row(page, one).wait_for()
    assert field.input_value() == "cut off"
    field.fill("nothing like it")
    page.get_by_text("No CT matches").wait_for()


def test_rows_change_in_place_and_what_ends_is_announced(
    page: Page, listed: Callable[..., Listed]
) -> None:
    new, old = job(2, "running", stage="lungs", progress=0.2), job(1)
    found = listed(new, old)
    row(page, new).get_by_text("Finding the lungs").wait_for()
    row(page, old).get_by_role("link").focus()
    page.evaluate("window.rows = [...document.querySelectorAll('tbody tr')]")
    found.jobs[0] = job(2, "running", stage="label", progress=0.5)
    row(page, new).get_by_text("Labelling tissues").wait_for()
    assert row(page, new).get_by_role("progressbar").get_attribute("value") == "0.5"
    found.jobs[0] = job(2)
    found.jobs.insert(0, job(3, "queued"))
    row(page, job(3)).get_by_text("Waiting").wait_for()
    page.get_by_role("status").get_by_text("CT 00000002: done, involvement 20.0").wait_for()
    assert page.evaluate(
        "rows.every((row, at) => row === document.querySelectorAll('tbody tr')[at + 1])"
    )
    assert page.evaluate("document.activeElement.hash") == f"#/jobs/{old['id']}"
    assert found.limits[0] == 1000
    assert max(found.limits[1:]) < 1000  # not all of them each second


def test_a_case_is_opened_from_its_row_by_hand_and_by_key(
    page: Page, listed: Callable[..., Listed]
) -> None:
    one = job(1)
    listed(one)
    page.route(f"**/v1/jobs/{one['id']}**", lambda route: route.abort("aborted"))
    for act in (
        lambda: row(page, one).get_by_text("Done").click(),
        lambda: row(page, one).get_by_role("link").press("Enter"),
    ):
        act()
        page.wait_for_url(f"**/#/jobs/{one['id']}")
        page.go_back()
        row(page, one).wait_for()
    with page.context.expect_page() as opened:
        row(page, one).get_by_text("Done").click(button="middle")
    assert opened.value.url.endswith(f"#/jobs/{one['id']}")
    opened.value.close()
    assert page.url.endswith("#/")


def test_a_new_name_stays_in_this_browser(page: Page, listed: Callable[..., Listed]) -> None:
    one = job(1)
    listed(one)
    for key, name in (("Escape", "CT 00000001"), ("Enter", "follow-up"), ("Escape", "follow-up")):
        row(page, one).get_by_role("button", name="Rename").click()
        page.keyboard.type("follow-up")
        page.keyboard.press(key)
        row(page, one).get_by_role("link", name=name, exact=True).wait_for()
    page.reload()
    row(page, one).get_by_role("link", name="follow-up", exact=True).wait_for()


def test_some_are_selected_for_a_refit(page: Page, listed: Callable[..., Listed]) -> None:
    all_of_them = [job(number) for number in range(1, 6)]
    listed(*all_of_them, job(6, "failed"))
    row(page, all_of_them[3]).get_by_role("checkbox").click()
    row(page, all_of_them[1]).get_by_role("checkbox").click(modifiers=["Shift"])
    page.get_by_text("3 selected").wait_for()
    address = page.get_by_role("link", name="Refit from these").get_attribute("href")
    assert address == "#/models?refit=" + ",".join(all_of_them[at]["id"] for at in (3, 2, 1))
    page.get_by_label("Select all that are shown").click()
    page.get_by_text("6 selected").wait_for()
    address = str(page.get_by_role("link", name="Refit from these").get_attribute("href"))
    assert address.count(",") == 4  # one has failed
    page.get_by_label("Select all that are shown").click()
    page.get_by_role("link", name="Refit from these").wait_for(state="hidden")


@pytest.fixture
def three(service: Service) -> list[str]:
    """Ids of real jobs that are soon over."""
    bodies = [b"NRRD0004\ncomment: %d\n\n" % number for number in range(3)]
    answers = [httpx.post(f"{service.url}/v1/jobs", content=body, timeout=60) for body in bodies]
    return [str(answer.raise_for_status().json()["id"]) for answer in answers]


def test_a_case_is_deleted_after_a_question(
    visit: Callable[..., Page], three: list[str], service: Service
) -> None:
    page = visit("#/")
    first, *rest = ({"id": one} for one in three)
    button = row(page, first).get_by_role("button", name="Delete", exact=False)
    button.click(timeout=60_000)  # until then it has another name: Cancel
    for no in ("Enter", "Escape"):  # Keep has the focus
        page.keyboard.press(no)
        row(page, first).get_by_text("Delete with all files?").wait_for(state="hidden")
        button.click()
    row(page, first).get_by_role("button", name="Delete", exact=True).press("Enter")
    row(page, first).wait_for(state="detached")
    until(page, "document.activeElement.matches('tbody a')")
    for one in rest:
        row(page, one).get_by_text("Failed").wait_for(timeout=60_000)
        row(page, one).get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete 2").click()
    page.get_by_text("Delete 2 CTs with all files?").wait_for()
    page.get_by_role("button", name="Delete 2").click()
    row(page, rest[1]).wait_for(state="detached")
    until(page, "document.querySelector('.worklist-selection').hidden")
    assert all(httpx.get(f"{service.url}/v1/jobs/{one}").status_code == 404 for one in three)


def test_a_job_is_cancelled_after_a_question(page: Page, listed: Callable[..., Listed]) -> None:
    one = job(1, "running", stage="lungs")
    found = listed(one)

    def cancel(route: Route) -> None:
        assert route.request.method == "DELETE"
        found.jobs[0] = job(1, "cancelled")
        route.fulfill(json=found.jobs[0])

    page.route(f"**/v1/jobs/{one['id']}?cancel=true", cancel)
    row(page, one).get_by_role("button", name="Cancel").click()
    row(page, one).get_by_role("button", name="Cancel job").click()
    row(page, one).get_by_text("Cancelled").wait_for()


def test_a_service_that_is_away_is_told_and_asked_again(
    page: Page, listed: Callable[..., Listed], complaints: Complaints
) -> None:
    complaints.allow("ERR_CONNECTION_REFUSED")
    one = job(1, "running", stage="lungs")
    found = listed(one)
    page.route("**/v1/jobs?limit=*", lambda route: route.abort("connectionrefused"))
    page.get_by_role("status").get_by_text("The service does not answer").wait_for()
    assert row(page, one).is_visible()
    found.jobs[0] = job(1)
    page.unroute("**/v1/jobs?limit=*")
    page.route("**/v1/jobs?limit=*", found.answer)
    row(page, one).get_by_text("Done").wait_for()
    assert not page.get_by_text("The service does not answer").is_visible()


def test_an_empty_worklist_says_what_to_do(page: Page) -> None:
    page.route("**/v1/jobs?limit=*", Listed([]).answer)
    page.goto("/")
    page.get_by_text("Drop one anywhere on this page, or try the sample CT.").wait_for()
    assert not page.get_by_role("searchbox").is_visible()


def test_five_hundred_jobs_are_asked_for_and_changed_as_few(
    page: Page, listed: Callable[..., Listed]
) -> None:
    jobs = [
        job(at, created_at=f"2026-11-{at // 60 + 1:02}T10:{at % 60:02}:00Z") for at in range(500)
    ]
    working = jobs[497] | {"state": "running", "stage": "lungs", "summary": None, "ended_at": None}
    found = listed(working, *(one for one in jobs if one["id"] != working["id"]))
    until(page, "document.querySelectorAll('tbody tr').length === 500")
    page.evaluate(
        """() => {
             window.changes = 0;
             const look = new MutationObserver((list) => { window.changes += list.length; });
             const deep = { childList: true, subtree: true, attributes: true, characterData: true };
             look.observe(document.querySelector("tbody"), deep);
           }"""
    )
    looks = len(found.limits)
    found.jobs[2] = working | {"stage": "label", "progress": 0.5}
    row(page, working).get_by_text("Labelling tissues").wait_for()
    assert set(found.limits[looks:]) - {1000} == {23}  # all are asked for now and then
    assert page.evaluate("window.changes") < 10
