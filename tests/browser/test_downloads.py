"""Everything of a case can be taken away, and a link to it given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from zipfile import ZipFile

import httpx
import pytest
from service.test_serve import Process

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NARROW = "\N{NARROW NO-BREAK SPACE}"


@pytest.fixture
def downloads(visit: Callable[..., Page], labelled: str) -> Locator:
    panel = visit(f"#/jobs/{labelled}").get_by_role("region", name="Downloads")
    panel.get_by_role("table").wait_for()
    return panel


@pytest.fixture
def files(service: Process, labelled: str) -> dict[str, bytes]:
    """The case folder, as the service has it."""
    with httpx.Client(base_url=service.url) as client:
        listed = client.get(f"/v1/jobs/{labelled}/files").raise_for_status().json()["files"]
        return {one["name"]: client.get(one["path"]).content for one in listed}


def test_every_file_is_there_with_what_it_is_and_its_size(
    downloads: Locator, files: dict[str, bytes]
) -> None:
    rows = downloads.get_by_role("row").all()[1:]
    assert {row.get_by_role("link").inner_text() for row in rows} == set(files)
    for row in rows:
        name, meaning, size = (cell.inner_text() for cell in row.locator("th, td").all())
        count = len(files[name])
        shown, unit = size.split(NARROW)
        factor = {"B": 1, "kB": 1000, "MB": 1e6}[unit]
        assert float(shown.replace(",", "")) * factor == pytest.approx(count, rel=0.06)
        assert len(meaning) > 10
    with downloads.page.expect_download() as started:
        downloads.get_by_role("link", name="labels.nrrd").click()
    assert started.value.path().read_bytes() == files["labels.nrrd"]
    assert started.value.suggested_filename == "labels.nrrd"


def test_the_zip_holds_the_files_of_the_case_folder_and_no_other(
    downloads: Locator, files: dict[str, bytes]
) -> None:
    with downloads.page.expect_download() as started:
        downloads.get_by_role("link", name="Everything as one zip").click()
    with ZipFile(started.value.path()) as archive:
        held = {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()}
        assert len(archive.namelist()) == len(files)
    assert held == files


def test_the_report_opens_in_a_tab_of_its_own(downloads: Locator) -> None:
    with downloads.page.context.expect_page() as opened:
        downloads.get_by_role("link", name="Open the report").click()
    report = opened.value
    report.get_by_role("heading", name="Regions and densitometry").wait_for()
    assert report.url.endswith("/files/report.html")
    assert downloads.is_visible()


def test_the_link_is_that_of_the_view_as_it_is_shown_now(downloads: Locator, labelled: str) -> None:
    page = downloads.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("import('/static/page/base/address.js').then((m) => m.keep({ at: '1,2,3' }))")
    downloads.get_by_role("button", name="Copy link to this view").click()
    downloads.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    assert f"#/jobs/{labelled}?" in copied
    assert "at=1,2,3" in copied
