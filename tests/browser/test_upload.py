"""CTs come in: chosen, dropped, as DICOM, over bad connections, and over a reload."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dicom_series
import numpy as np
import pytest
from browser.driving import Complaints, until
from browser.serving import Service

from gmmlabel.phantom import make_phantom

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Request, Route

WORK = 60_000
"""Milliseconds in which a worker is surely done."""

_SEEDS = count()
FILES = "input[type=file][multiple]"
FOLDER = "input[type=file][webkitdirectory]"


@pytest.fixture
def upload(visit: Callable[..., Page]) -> Page:
    """The worklist, at which uploads begin."""
    page = visit("#/")
    page.get_by_role("heading", level=1, name="Worklist").wait_for()
    return page


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """Make NRRD files that are soon read, hold no lungs, and are like no other."""

    def make(name: str = "ct.nrrd", side: int = 16) -> Path:
        shape = (side, side, side)
        hu = np.random.default_rng(next(_SEEDS)).integers(-200, 200, shape, np.int16)
        header = (
            f"NRRD0004\ntype: int16\ndimension: 3\nspace: LPS\nsizes: {side} {side} {side}\n"
            "space directions: (5,0,0) (0,5,0) (0,0,5)\nspace origin: (0,0,0)\nkinds: domain "
            "domain domain\nendian: little\nencoding: raw\n\n"
        )
        path = tmp_path / name
        path.write_bytes(header.encode() + hu.tobytes())
        return path

    return make


def case(page: Page, name: str) -> Locator:
    """The row of a CT in the worklist."""
    return page.locator("main tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))


def waiting(page: Page, name: str) -> Locator:
    """The row of an upload on its way."""
    return page.get_by_role("list", name="Uploads").get_by_role("listitem").filter(has_text=name)


def slowly(page: Page) -> Callable[[], None]:
    """Let uploads that begin from now on crawl, until that is ended by what is returned."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")

    def limit(per_second: int) -> None:
        limits = {"offline": False, "latency": 0, "downloadThroughput": -1}
        session.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": per_second})

    limit(10_000)
    return lambda: limit(-1)


def until_kept(page: Page, uploads: int) -> None:
    """Wait until the browser keeps so many uploads over a reload."""
    numbers = "import('/static/page/upload/pending.js').then((m) => m.pendingNumbers())"
    until(page, f"{numbers}.then((found) => found.length === {uploads})")


def drop(page: Page, files: dict[str, bytes]) -> None:
    """Drop files somewhere on the page."""
    page.evaluate(
        """(files) => {
             const data = new DataTransfer();
             for (const [name, text] of files) {
               const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
               data.items.add(new File([bytes], name));
             }
             const place = document.querySelector("footer");
             for (const type of ["dragenter", "dragover", "drop"]) {
               const how = { dataTransfer: data, bubbles: true, cancelable: true };
               place.dispatchEvent(new DragEvent(type, how));
             }
           }""",
        [[name, b64encode(content).decode()] for name, content in files.items()],
    )


def test_chosen_files_become_a_job_each_under_their_names(
    upload: Page, small: Callable[..., Path], service: Service
) -> None:
    paths = [small("Müller, 3 months.nrrd"), small("b.nrrd")]
    upload.set_input_files(FILES, paths)
    for path in paths:
        row = case(upload, path.name)
        row.filter(has_text=re.compile("Failed.*none as light as lung")).wait_for(timeout=WORK)
        job_id = str(row.get_by_role("link").get_attribute("href")).rpartition("/")[2]
        sent = hashlib.sha256(path.read_bytes()).hexdigest()
        assert service.job(job_id)["input_sha256"] == sent
    until_kept(upload, 0)
    upload.reload()
    case(upload, "Müller, 3 months.nrrd").wait_for()


def test_files_can_be_dropped_anywhere(upload: Page, small: Callable[..., Path]) -> None:
    drop(upload, {"dropped.nrrd": small().read_bytes(), "too.nrrd": small().read_bytes()})
    case(upload, "dropped.nrrd").wait_for()
    case(upload, "too.nrrd").wait_for()
    upload.get_by_text("Drop to label").wait_for(state="hidden")


def test_what_is_no_ct_is_told_in_the_words_of_the_service(
    upload: Page, complaints: Complaints
) -> None:
    complaints.allow("status of 415")
    drop(upload, {"letter.pdf": b"%PDF-1.4"})
    row = waiting(upload, "letter.pdf")
    row.filter(has_text="neither NRRD, NIfTI, MetaImage nor a .zip of a DICOM series").wait_for()
    row.get_by_role("button", name="Try again").wait_for(state="hidden")
    row.get_by_role("button", name="Dismiss letter.pdf").click()
    row.wait_for(state="hidden")
    until_kept(upload, 0)


def test_what_is_too_large_is_not_sent(upload: Page, small: Callable[..., Path]) -> None:
    upload.evaluate(
        "import('/static/page/base/facts.js').then((m) => (m.facts.upload_limit = 1e3))"
    )
    posts: list[Request] = []
    upload.on(
        "request", lambda request: posts.append(request) if request.method == "POST" else None
    )
    upload.set_input_files(FILES, small("large.nrrd"))
    waiting(upload, "large.nrrd").filter(has_text="The service takes 1.0").wait_for()
    assert posts == []


def test_an_upload_can_be_cancelled(upload: Page, small: Callable[..., Path]) -> None:
    fast = slowly(upload)
    upload.set_input_files(FILES, [small(f"{name}.nrrd", 40) for name in "abc"])
    waiting(upload, "a.nrrd").filter(has_text="of 128").wait_for()
    waiting(upload, "c.nrrd").filter(has_text="Waiting for its turn").wait_for()
    waiting(upload, "a.nrrd").get_by_role("button", name="Cancel").click()
    waiting(upload, "c.nrrd").filter(has_text="of 128").wait_for()
    fast()
    case(upload, "b.nrrd").wait_for()
    case(upload, "c.nrrd").wait_for()
    until_kept(upload, 0)
    assert upload.get_by_role("link", name="a.nrrd", exact=True).count() == 0


def test_a_reload_in_the_middle_of_an_upload_loses_nothing(
    upload: Page, small: Callable[..., Path]
) -> None:
    fast = slowly(upload)
    upload.set_input_files(FILES, [small(f"{name}.nrrd", 40) for name in "def"])
    waiting(upload, "e.nrrd").filter(has_text="of 128").wait_for()
    until_kept(upload, 3)
    fast()
    upload.reload()
    for name in "def":
        case(upload, f"{name}.nrrd").wait_for()
    until_kept(upload, 0)


def test_a_second_page_leaves_an_upload_to_the_first_and_takes_it_up_when_that_is_closed(
    upload: Page, small: Callable[..., Path], complaints: Complaints, service: Service
) -> None:
    slowly(upload)
    upload.set_input_files(FILES, small("slow.nrrd", 40))
    waiting(upload, "slow.nrrd").filter(has_text="of 128").wait_for()
    until_kept(upload, 1)
    second = upload.context.new_page()
    complaints.listen(second, service.url)
    second.goto("/")
    second.get_by_role("button", name="choose files").wait_for()
    assert waiting(second, "slow.nrrd").count() == 0
    upload.close()
    case(second, "slow.nrrd").wait_for()


def test_where_the_browser_keeps_nothing_leaving_the_page_asks_first(
    page: Page, small: Callable[..., Path]
) -> None:
    page.add_init_script("IDBFactory.prototype.open = () => { throw new Error('no') }")
    page.goto("/")
    page.get_by_role("button", name="choose files").wait_for()
    slowly(page)
    page.set_input_files(FILES, small("slow.nrrd", 40))
    waiting(page, "slow.nrrd").filter(has_text="of 128").wait_for()
    page.get_by_role("banner").click()  # only of a page that was used is it asked
    with page.expect_event("dialog") as asked:
        page.evaluate("setTimeout(() => location.reload())")
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    waiting(page, "slow.nrrd").get_by_role("button", name="Cancel").click()


def test_a_lost_connection_goes_on_by_itself(
    upload: Page, small: Callable[..., Path], complaints: Complaints
) -> None:
    complaints.allow("ERR_INTERNET_DISCONNECTED")
    upload.context.set_offline(True)
    upload.set_input_files(FILES, small("lost.nrrd"))
    waiting(upload, "lost.nrrd").filter(has_text="The connection was lost.").wait_for()
    upload.get_by_text("The service does not answer.").wait_for()
    upload.context.set_offline(False)
    case(upload, "lost.nrrd").wait_for()
    upload.get_by_text("The service does not answer.").wait_for(state="hidden")


def test_a_file_that_is_gone_before_it_is_sent_has_to_be_chosen_again(
    upload: Page, small: Callable[..., Path], complaints: Complaints
) -> None:
    complaints.allow("ERR_INTERNET_DISCONNECTED|ERR_FILE_NOT_FOUND")
    upload.context.set_offline(True)
    path = small("gone.nrrd")
    upload.set_input_files(FILES, path)
    waiting(upload, "gone.nrrd").filter(has_text="The connection was lost.").wait_for()
    until_kept(upload, 1)
    path.unlink()
    upload.context.set_offline(False)
    waiting(upload, "gone.nrrd").filter(has_text="It was moved or changed.").wait_for()
    until_kept(upload, 0)


def test_a_full_queue_is_asked_again_when_it_says_and_the_job_is_the_same(
    upload: Page, small: Callable[..., Path], complaints: Complaints
) -> None:
    complaints.allow("status of 429")
    keys = []
    full = {"type": "urn:gmmlabel:problem:queue-full", "title": "Too many jobs are waiting",
            "status": 429, "detail": "send it again later"}  # fmt: skip

    def answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
        else:
            route.fulfill(status=429, headers={"Retry-After": "600"}, json=full)

    upload.route("**/v1/jobs?model=*", answer)
    upload.set_input_files(FILES, small("later.nrrd"))
    row = waiting(upload, "later.nrrd")
    row.filter(has_text="Too many jobs are waiting. It is sent again by itself.").wait_for()
    row.get_by_role("button", name="Try again").click()
    case(upload, "later.nrrd").wait_for()
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_folder_of_dicom_is_a_job_for_each_series(
    upload: Page, tmp_path: Path, service: Service
) -> None:
    hu = make_phantom((72, 72, 48), (5.0, 5.0, 7.0), seed=next(_SEEDS)).volume.hu
    places = [(-180, -180, 7 * step) for step in range(len(hu))]
    disc = tmp_path / "disc"
    dicom_series.write_series(disc / "CT" / "SE1", hu, positions=places, PixelSpacing=["5", "5"])
    for file in dicom_series.write_series(disc / "CT" / "SE2"):
        file.rename(file.with_suffix(""))  # as on a disc
    (disc / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (disc / "readme.txt").write_text("for viewing")
    upload.set_input_files(FOLDER, disc)
    first, second = (case(upload, f"disc/CT/SE{number}") for number in (1, 2))
    first.filter(has_text="Done").wait_for(timeout=WORK)
    second.filter(has_text="Failed").wait_for(timeout=WORK)
    assert upload.locator("main tbody tr").filter(has_text="disc").count() == 2
    job_id = str(first.get_by_role("link").get_attribute("href")).rpartition("/")[2]
    result: Any = service.job(job_id)["result"]
    assert result["input"]["size"] == [72, 72, 48]


def test_loose_dicom_files_are_one_job_and_other_files_one_each(
    upload: Page, small: Callable[..., Path], tmp_path: Path
) -> None:
    slices = dicom_series.write_series(tmp_path / "series")
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in slices[:-1]:
            archive.write(file, file.name)
    upload.set_input_files(FILES, [*slices, packed, small("volume.nrrd")])
    for name in ("IM2_0000.dcm and 11 more", "packed.zip", "volume.nrrd"):
        case(upload, name).wait_for()


def test_a_folder_without_a_ct_is_told_in_one_line(upload: Page, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.pdf").write_bytes(b"%PDF-1.4")
    upload.set_input_files(FOLDER, tmp_path / "letters")
    upload.get_by_role("alert").first.filter(has_text="There is no CT in it.").wait_for()


def test_a_series_is_packed_the_same_each_time_and_without_names(upload: Page) -> None:
    packed = upload.evaluate(
        """async () => {
             const { pack } = await import("/static/page/upload/folder-zip.js");
             const files = (date) => ["Doe^Jane.dcm", "b.dcm"].map((name, at) =>
               new File([`slice ${at}`], name, { lastModified: date }));
             const blobs = [await pack(files(1e12)), await pack(files(1.7e12))];
             return Promise.all(blobs.map(async (blob) =>
               btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())))));
           }"""
    )
    assert packed[0] == packed[1]
    with zipfile.ZipFile(io.BytesIO(b64decode(packed[0]))) as archive:
        assert archive.testzip() is None
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert [archive.read(name) for name in archive.namelist()] == [b"slice 0", b"slice 1"]
        assert not any("Doe" in name for name in archive.namelist())


def test_the_sample_is_one_click_away(upload: Page, small: Callable[..., Path]) -> None:
    content = small().read_bytes()
    upload.route("**/sample.nrrd", lambda route: route.fulfill(body=content))
    upload.get_by_role("button", name="Try the sample CT").click()
    case(upload, "Sample CT").wait_for()


def test_model_and_method_are_chosen_and_remembered(
    upload: Page, small: Callable[..., Path]
) -> None:
    upload.get_by_text("Model zaffino2021, method default").click()
    upload.get_by_label("Method").select_option("published")
    upload.reload()
    upload.get_by_text("Model zaffino2021, method published").wait_for()
    upload.set_input_files(FILES, small("published.nrrd"))
    case(upload, "published.nrrd").filter(has_text="published").wait_for()


@pytest.mark.usefixtures("labelled")
def test_the_same_ct_again_is_told_with_a_link(upload: Page, ct: Path) -> None:
    upload.set_input_files(FILES, ct)
    row = waiting(upload, "ct.nrrd")
    row.filter(has_text="Labelled before").wait_for()
    row.get_by_role("link", name="Open").click()
    upload.get_by_role("heading", level=1, name="ct.nrrd").wait_for()
