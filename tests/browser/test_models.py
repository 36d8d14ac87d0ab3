"""The models page: models drawn, compared, and made from cases, also over a reload."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from browser.driving import Complaints
from browser.serving import Service
from fitting.cohorts import patient
from service.test_runner import settled

from gmmlabel.tissues import TISSUE_SEGMENTS

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Page

MINUS = "\N{MINUS SIGN}"
NARROW = (5.0,) * 5


def as_file(name: str, document: dict[str, Any]) -> FilePayload:
    """A file to choose."""
    content = json.dumps(document).encode()
    return {"name": name, "mimeType": "application/json", "buffer": content}


def asked(service: Service, path: str) -> Any:
    return httpx.get(f"{service.url}{path}").raise_for_status().json()


def plus(value: float, digits: int = 0) -> str:
    """A difference as the page writes it."""
    text = f"{value:+,.{digits}f}".replace("-", MINUS)
    return text if any(digit in text for digit in "123456789") else text[1:]


@pytest.fixture(scope="module")
def refitted(service: Service, labelled: str) -> dict[str, Any]:
    """The job of a refit that made the model `twice`."""
    wanted = {"name": "twice", "jobs": [labelled], "strength_patients": 2}
    sent = httpx.post(f"{service.url}/v1/models", json=wanted).raise_for_status().json()
    assert settled(lambda: service.job(sent["id"])["state"] == "succeeded")
    return service.job(sent["id"])


@pytest.mark.usefixtures("refitted")
def test_each_model_is_drawn_with_its_numbers(visit: Callable[..., Page], service: Service) -> None:
    page = visit("#/models")
    for name, origin in {
        "zaffino2021": "Came with gmmlabel",
        "twice": "Refit of 1 histogram, .*Prior zaffino2021, worth 2 patients",
    }.items():
        model = asked(service, f"/v1/models/{name}")
        panel = page.get_by_role("article", name=name)
        assert panel.get_by_role("img").get_attribute("aria-label").startswith(name)
        limits = ", ".join(str(hu).replace("-", MINUS) for hu in model["boundaries_hu"])
        panel.get_by_text(f"Boundaries {limits} HU").wait_for()
        rows = panel.locator("tbody tr").all_inner_texts()
        assert rows == [
            f"{segment.value} {segment.name}\t"
            + "\t".join(
                f"{number:.1f}".replace("-", MINUS)
                for number in (
                    tissue["mean_hu"], math.sqrt(tissue["variance_hu2"]), 100 * tissue["weight"]
                )
            )
            for segment, tissue in zip(TISSUE_SEGMENTS, model["tissues"], strict=True)
        ]  # fmt: skip
        assert panel.get_by_text("default").is_visible() == (name == "zaffino2021")
        assert panel.locator(".models-origin").evaluate(
            "(it, wanted) => new RegExp(wanted).test(it.textContent)", origin
        )


def test_two_models_are_compared_on_equal_axes_and_the_address_keeps_which(
    visit: Callable[..., Page], service: Service, refitted: dict[str, Any]
) -> None:
    page = visit("#/models")
    page.get_by_label("after").select_option("twice")
    shown = page.get_by_role("region", name="Compare", exact=True)
    drift = refitted["result"]["drift"]
    moved = ", ".join(map(plus, drift["moved_hu"]))
    changed = f"{drift['changed_percent']:.1f}"
    shown.get_by_text(f"the boundaries moved by {moved} HU, and {changed}").wait_for()
    assert page.url.endswith("#/models?compare=zaffino2021,twice")

    names = ("zaffino2021", "twice")
    before, after = (asked(service, f"/v1/models/{name}") for name in names)
    charts = shown.locator(".comparison-charts svg")
    axes = [
        set(charts.nth(n).locator("text").all_inner_texts())
        - {str(hu).replace("-", MINUS) for hu in model["boundaries_hu"]}
        for n, model in enumerate((before, after))
    ]
    assert axes[0] == axes[1]

    changes = shown.locator(".comparison-change").all_inner_texts()
    means = [
        plus(other["mean_hu"] - one["mean_hu"], 1)
        for one, other in zip(before["tissues"], after["tissues"], strict=True)
    ]
    assert changes[::4] == means
    assert changes[7::4] == list(map(plus, drift["moved_hu"]))

    page.get_by_role("button", name="Swap").click()
    assert page.url.endswith("#/models?compare=twice,zaffino2021")
    assert shown.locator(".comparison-change").first.inner_text() == plus(
        before["tissues"][0]["mean_hu"] - after["tissues"][0]["mean_hu"], 1
    )
    page.reload()
    shown.locator("figcaption", has_text="After: zaffino2021").wait_for()
    assert shown.locator("figcaption").first.inner_text() == "Before: twice"


def test_a_refit_of_jobs_and_files_ends_with_before_and_after(
    visit: Callable[..., Page], service: Service, labelled: str, complaints: Complaints
) -> None:
    complaints.allow("status of 409")
    page = visit(f"#/models?refit={labelled}")
    assert page.get_by_role("checkbox", name="CT ").is_checked()
    assert page.get_by_role("checkbox", name="All cases").is_checked()
    elsewhere = asked(service, f"/v1/jobs/{labelled}/files/histogram.json")
    elsewhere |= {"input_sha256": None, "counts": [2 * count for count in elsewhere["counts"]]}
    elsewhere["voxels"] = sum(elsewhere["counts"])
    chooser = page.get_by_label("Choose histograms")
    chooser.set_input_files([as_file("notes.json", {})])
    page.get_by_role("alert").filter(has_text="notes.json is no histogram.json").wait_for()
    files = page.evaluate_handle(
        """(text) => {
             const files = new DataTransfer();
             files.items.add(new File([text], "site-b.json"));
             return files;
           }""",
        json.dumps(elsewhere),
    )
    for place, event in {"body": "dragenter", ".refit-drop": "drop"}.items():
        page.locator(place).dispatch_event(event, {"dataTransfer": files})
    page.get_by_text("1 of 1 cases chosen, 1 histogram file").wait_for()
    assert page.locator(".upload-list li").count() == 0  # it is no CT
    assert not page.get_by_text("Drop to label").is_visible()

    page.get_by_label("Name of the new model").fill("zaffino2021")
    page.get_by_role("button", name="Fit the model").click()
    page.get_by_role("alert").filter(has_text="zaffino2021: a model is called so").wait_for()
    page.get_by_label("Name of the new model").fill("joint")
    page.get_by_role("spinbutton", name="Strength of the prior").fill("1")
    page.get_by_text("More settings").click()
    page.get_by_label("What a case weighs").select_option("patients")
    page.get_by_role("button", name="Fit the model").click()

    page.get_by_text("joint was fitted to").wait_for()
    assert page.url.endswith("#/models?compare=zaffino2021,joint")
    (job,) = (
        job
        for job in asked(service, "/v1/jobs?kind=refit")["jobs"]
        if job["refit"]["name"] == "joint"
    )
    assert (job["refit"]["histograms"], job["refit"]["weights"]) == (2, "patients")
    assert job["refit"]["strength_patients"] == 1
    assert page.get_by_text("lung voxels of 2 cases").is_visible()
    assert page.get_by_role("article", name="joint").is_visible()
    assert not page.get_by_role("heading", name="Refits").is_visible()
    used = page.get_by_role("link", name="Use joint for the next upload").get_attribute("href")
    assert used == "#/?model=joint"


def test_a_refit_that_is_refused_outlives_a_reload_and_can_be_kept_anyway(
    visit: Callable[..., Page],
) -> None:
    page = visit("#/models")
    page.get_by_role("button", name="New model").click()
    odd = patient(1, (-500.0, -490.0, -480.0, -470.0, -460.0), NARROW).document()
    page.get_by_label("Choose histograms").set_input_files([as_file("odd.json", odd)])
    page.get_by_label("Name of the new model").fill("odd")
    page.get_by_label("Prior", exact=True).select_option("none")
    assert page.get_by_label("Strength of the prior").is_disabled()
    page.get_by_role("button", name="Fit the model").click()
    page.get_by_role("heading", name="Refits").wait_for()
    page.reload()  # wherever the job is by now
    refit = page.get_by_role("listitem").filter(has_text="odd")
    refit.get_by_role("alert").filter(
        has_text="not one of the five tissues: the mean of air"
    ).wait_for()
    refit.get_by_role("button", name="Keep it anyway").click()
    panel = page.get_by_role("article", name="odd")
    panel.get_by_text("doubtful", exact=True).wait_for()
    assert panel.get_by_role("listitem").filter(has_text="the mean of air is").is_visible()
    assert not refit.first.get_by_role("button").is_visible()
