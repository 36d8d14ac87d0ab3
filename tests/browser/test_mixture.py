"""What the browser makes of a mixture is what gmmlabel makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gmmlabel.histogram import LAST_HU
from gmmlabel.measures import Involvement, measure_involvement, measure_tissues
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import models_at_hand
from gmmlabel.model_schema import tissue_entries

if TYPE_CHECKING:
    from playwright.sync_api import Page

FIRST_HU = -1000
SOME = 60


def any_mixture(seed: int) -> Mixture:
    """A valid mixture; most are none of lungs, and the label of many goes up and down with HU."""
    random = np.random.default_rng(seed)
    weights = random.dirichlet(np.full(5, 0.7)) + 1e-6
    return Mixture(
        f"any{seed}",
        np.sort(random.uniform(-1100, 300, 5)),
        random.uniform(3, 400, 5) ** 2,
        weights / weights.sum(),
    )


MIXTURES = [*(model.mixture for model in models_at_hand()[0]), *map(any_mixture, range(SOME))]


def in_the_page(page: Page, expression: str, given: object) -> Any:
    """What mixture.js, as `m`, makes of each of what is `given`, as `it`."""
    page.goto("/")
    return page.evaluate(
        f"""async (given) => {{
            const m = await import("/static/page/mixture/mixture.js");
            return given.map((it) => ({expression}));
        }}""",
        given,
    )


def models(mixtures: list[Mixture]) -> list[dict[str, object]]:
    return [{"tissues": tissue_entries(mixture)} for mixture in mixtures]


def table(mixture: Mixture) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return mixture.table[FIRST_HU + (1 << 15) : LAST_HU + (1 << 15) + 1]


def test_every_hu_has_the_label_and_the_boundaries_that_gmmlabel_gives_it(page: Page) -> None:
    rising = sum(bool((np.diff(table(one).astype(int)) < 0).any()) for one in MIXTURES)
    assert rising > SOME / 4  # those that are not monotone
    expression = f"""[m.labelsByHu(it, {FIRST_HU}, {LAST_HU}).join(""),
        m.boundaries(m.labelsByHu(it, {FIRST_HU}, {LAST_HU}), {FIRST_HU})]"""
    found = in_the_page(page, expression, models(MIXTURES))
    for mixture, (labels, limits) in zip(MIXTURES, found, strict=True):
        assert labels == "".join(map(str, table(mixture))), mixture.name
        assert limits == list(mixture.boundaries(FIRST_HU, LAST_HU)), mixture.name


def test_percentages_and_involvement_of_a_histogram_are_those_of_gmmlabel(page: Page) -> None:
    counts = np.random.default_rng(0).integers(0, 3000, LAST_HU - FIRST_HU + 1)
    counts[0], counts[-900:] = 500_000, 0
    document = json.dumps({"first_hu": FIRST_HU, "counts": np.trim_zeros(counts, "b").tolist()})
    expression = f"""((h) => [m.percentages(h, it), m.involvement(m.voxels(h, it)),
        m.involvement(m.percentages(h, it)).percent])({document})"""
    found = in_the_page(page, expression, models(MIXTURES))
    for mixture, (percentages, involvement, of_percentages) in zip(MIXTURES, found, strict=True):
        labelled = np.bincount(table(mixture), counts, minlength=6).astype(np.int64)
        expected = measure_tissues(labelled, 0.001)
        np.testing.assert_allclose(
            percentages, [measure.percent for measure in expected.values()], rtol=0, atol=1e-9
        )
        scored = measure_involvement(expected)
        assert involvement["percent"] == pytest.approx(scored.percent, abs=1e-9)
        assert of_percentages == pytest.approx(scored.percent, abs=1e-9)
        assert involvement["score"] == scored.score


def test_scores_have_the_limits_that_gmmlabel_has_and_no_lung_has_none(page: Page) -> None:
    limits = [0, 0.049, 0.05, 0.0501, 4.999, 5, 25, 25.001, 50, 50.001, 75, 75.001, 100]
    expression = "m.involvement([0, 100 - it, it, 0, 0])"
    for percent, found in zip(limits, in_the_page(page, expression, limits), strict=True):
        assert found["score"] == Involvement.of_percent(found["percent"]).score, percent
    empty = in_the_page(page, "m.involvement(it)", [[0, 0, 0, 0, 0], [0, 0, 0, 0, 7]])
    assert empty == [{"percent": 0, "score": 0}] * 2


def test_density_is_the_share_of_voxels_per_hu_and_probabilities_add_up(page: Page) -> None:
    expression = """[...Array(6001).keys()].reduce(
        (sum, i) => sum + it.tissues.reduce((all, t) => all + m.density(t, i - 3000), 0), 0)"""
    assert in_the_page(page, expression, models(MIXTURES[:1]))[0] == pytest.approx(1, abs=1e-6)
    hu = np.array([-30_000.0, -1000, -700, -200, 30_000])
    shares = in_the_page(
        page, f"{hu.tolist()}.map((hu) => m.probabilities(it, hu))", models(MIXTURES)
    )
    for mixture, found in zip(MIXTURES, shares, strict=True):
        logs = mixture.log_posterior(hu)
        expected = np.exp(logs - logs.max(axis=1, keepdims=True))
        np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-9)
