"""The histogram shows what a model makes of a case, also another model, without asking again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from service.test_serve import Process

from gmmlabel.measures import measure_involvement, measure_tissues
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.model_schema import tissue_entries

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

OWN = load_model()
OTHER = Mixture("other", OWN.means + 60, OWN.variances * 1.3, np.full(5, 0.2), "0" * 64)


def view(mixture: Mixture) -> dict[str, object]:
    return {
        "name": mixture.name,
        "sha256": mixture.sha256,
        "place": "user",
        "boundaries_hu": mixture.boundaries(),
        "tissues": tissue_entries(mixture),
        "doubts": [],
    }


@pytest.fixture
def case(page: Page, visit: Callable[..., Page], labelled: str) -> Callable[..., Locator]:
    """Open the case where there are these models, and give the panel when it is drawn."""

    def go(*models: Mixture, parameters: str = "") -> Locator:
        page.unroute_all()
        page.route("**/v1/models", lambda route: answer(route, models))
        page.route("**/view", lambda route: route.fulfill(json={"files": []}))  # no picture
        page.goto("about:blank")
        visit(f"#/jobs/{labelled}{parameters}")
        panel = page.get_by_role("region", name="Histogram of lung HU")
        panel.get_by_role("img").wait_for()
        return panel

    return go


def answer(route: Route, models: tuple[Mixture, ...]) -> None:
    route.fulfill(json={"models": [view(mixture) for mixture in models]})


@pytest.fixture
def counts(service: Process, labelled: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How often each int16 value is in the lungs."""
    url = f"{service.url}/v1/jobs/{labelled}/files/histogram.json"
    document = httpx.get(url).raise_for_status().json()
    found = np.zeros(1 << 16, np.int64)
    first = document["first_hu"] + (1 << 15)
    found[first : first + len(document["counts"])] = document["counts"]
    return found


def columns(panel: Locator) -> list[list[str]]:
    """The table of the models, one list a column, without its names."""
    rows = panel.get_by_role("region", name="Tissues by model").locator("tbody tr").all()
    cells = [row.locator("td").all_text_contents() for row in rows]
    return [list(column) for column in zip(*cells, strict=True)]


def expected(model: Mixture, counts: np.ndarray[Any, np.dtype[np.int64]]) -> list[float]:
    """What gmmlabel finds with a model: five percentages, involvement and its score."""
    tissues = measure_tissues(np.bincount(model.table, counts, minlength=6).astype(np.int64), 1)
    involvement = measure_involvement(tissues)
    shares = [measure.percent for measure in tissues.values()]
    return [*shares, involvement.percent, involvement.score]


def said_of(result: Any) -> list[float]:
    involvement = result["involvement"]
    shares = [tissue["percent"] for tissue in result["tissues"].values()]
    return [*shares, involvement["percent"], involvement["score"]]


def written(values: list[float], sign: str = "") -> list[str]:
    """Write them as the page does."""
    texts = [f"{value:{sign}.1f}" for value in values[:-1]] + [f"{values[-1]:{sign}.0f}"]
    zeros = {"+0.0": "0.0", "-0.0": "0.0", "+0": "0"}
    return [zeros.get(text, text).replace("-", "\N{MINUS SIGN}") for text in texts]


def limits(panel: Locator) -> list[int]:
    texts = panel.locator("svg .mixture-limit").all_text_contents()
    return [int(text.replace("\N{MINUS SIGN}", "-")) for text in texts]


def test_by_its_own_model_the_case_is_as_result_json_says(
    case: Callable[..., Locator], service: Process, labelled: str
) -> None:
    panel = case(OWN, OTHER)
    result: Any = service.job(labelled)["result"]
    assert columns(panel) == [written(said_of(result))]
    assert limits(panel) == result["model"]["boundaries_hu"]
    assert panel.get_by_label("Model", exact=True).input_value() == ""


def test_another_model_redraws_at_once_and_asks_for_nothing(
    case: Callable[..., Locator], counts: np.ndarray[Any, np.dtype[np.int64]]
) -> None:
    panel = case(OWN, OTHER)
    page = panel.page
    page.get_by_role("region", name="Downloads").get_by_role("table").wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    bars = panel.locator("svg .mixture-bars").first.get_attribute("d")
    panel.get_by_label("Model", exact=True).select_option("other")
    before, after = expected(OWN, counts), expected(OTHER, counts)
    changes = [new - old for old, new in zip(before, after, strict=True)]
    # It is drawn in the same task as the choice: there is nothing to wait for.
    assert columns(panel) == [written(before), written(after), written(changes, "+")]
    assert written(before) != written(after)
    assert limits(panel) == [limit for limit in OTHER.boundaries() if limit < 200]
    assert panel.locator("svg .mixture-bars").first.get_attribute("d") != bars
    assert "opacity needs labelling again" in panel.inner_text()
    assert asked == []


def test_the_choice_is_kept_in_the_address_until_the_own_model_is_chosen(
    case: Callable[..., Locator],
) -> None:
    panel = case(OWN, OTHER, parameters="?model=other")
    assert panel.get_by_label("Model", exact=True).input_value() == "other"
    assert len(columns(panel)) == 3
    panel.get_by_label("Model", exact=True).select_option("")
    assert "model=" not in panel.page.url
    panel.get_by_label("Model", exact=True).select_option("other")
    assert "model=other" in panel.page.url
    assert "no model gone" in case(OWN, parameters="?model=gone").inner_text()


def test_a_model_that_is_gone_or_has_changed_is_told_and_the_numbers_stay(
    case: Callable[..., Locator], service: Process, labelled: str
) -> None:
    now = Mixture(OWN.name, OTHER.means, OTHER.variances, OTHER.weights, OTHER.sha256)
    said = written(said_of(service.job(labelled)["result"]))
    for models, words in (((now,), "has changed since"), ((OTHER,), "is no longer here")):
        panel = case(*models)
        assert words in panel.inner_text()
        assert columns(panel) == [said]
        assert limits(panel) == []
        panel.get_by_label("Model", exact=True).select_option(models[0].name)
        assert columns(panel)[0] == said
        assert len(columns(panel)) == 3


def test_the_chart_is_read_by_keyboard_and_has_its_numbers_as_tables(
    case: Callable[..., Locator], counts: np.ndarray[Any, np.dtype[np.int64]]
) -> None:
    panel = case(OWN)
    words = panel.get_by_role("img").get_attribute("aria-label") or ""
    assert "boundaries at \N{MINUS SIGN}893, \N{MINUS SIGN}721" in words
    cursor = panel.get_by_role("slider")
    cursor.focus()
    cursor.press("Home")
    for _ in range(11):
        cursor.press("ArrowRight")
    assert cursor.get_attribute("aria-valuenow") == "-890"
    start = -890 + (1 << 15)
    share = 100 * counts[start : start + 10].sum() / counts.sum()
    said = (cursor.get_attribute("aria-valuetext") or "").replace("\N{MINUS SIGN}", "-")
    assert said.startswith(f"-890 to -881 HU: {share:.2f}")
    assert "Healthy lung" in said
    assert said == (panel.locator(".mixture-readout").inner_text().replace("\N{MINUS SIGN}", "-"))
    panel.get_by_text("Numbers of this chart").click()
    rows = panel.get_by_role("region", name="Bars").locator("tbody tr")
    cells = rows.nth(11).locator("th, td").all_text_contents()
    assert cells[0].split() == ["\N{MINUS SIGN}890", "to", "\N{MINUS SIGN}881"]
    assert cells[1:] == [f"{share:.2f}", "Healthy lung"]
    assert rows.count() == 120
