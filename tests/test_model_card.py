"""A model card says what the model's document says, whatever that holds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmlabel.mixture import Mixture
from gmmlabel.model_card import (
    boundaries_sentence,
    drift_sentence,
    model_card,
    training_facts,
)
from gmmlabel.model_files import load_model
from gmmlabel.model_schema import serialise_model

TRAINING: dict[str, Any] = {
    "by": "A hospital",
    "created": "2026-11-21",
    "cases": 6,
    "voxels": 34_000_000,
    "method": {"name": "default", "clip_hu": -1000, "lung_above_hu": -970},
    "prior": {"name": "zaffino2021", "sha256": "ab" * 32, "strength_voxels": 2e6},
    "weights": "patients",
    "seed": 0,
    "converged": True,
    "log_likelihood": -6.1234567,
    "histogram": {"first_hu": -1000, "counts": [1, 2, 3]},
    "drift": {
        "against": "zaffino2021",
        "boundaries_moved_hu": [3, -2, 0, 14],
        "changed_percent": 1.24,
    },
}


def model(training: Any = None, **changes: Any) -> Mixture:
    published = load_model()
    return replace(
        published, **{"name": "mine", "sha256": None, "training": training or {}, **changes}
    )


def test_the_card_of_a_refit_tells_how_it_was_fitted() -> None:
    card = model_card(model(TRAINING, sha256="cd" * 32))
    for line in (
        "# Model card: mine",
        f"| SHA-256 of the file | {'cd' * 32} |",
        "| Fitted by | A hospital |",
        "| Created | 2026-11-21 |",
        "| Cases | 6 |",
        "| Voxels | 34,000,000 |",
        "| Lungs found by | default |",
        "| Prior | zaffino2021 (abababababab), worth 2,000,000 voxels |",
        "| Cases weigh by | patients |",
        "| Converged | yes |",
        "| ground-glass opacity | -652.3 | 94.5 | 0.139 |",
        "Against zaffino2021, the boundaries moved by +3, -2, +0, +14 HU and 1.2 % of the training "
        "voxels changed their tissue.",
        "## What it is for",
        "## What to know before you trust it",
    ):
        assert line in card.splitlines()
    assert "counts" not in card
    assert "Doubtful" not in card


def test_a_forced_model_is_doubted_in_bold_before_anything_else() -> None:
    reasons = ["the mean of air is -806 HU", "air and healthy coincide"]
    card = model_card(model({**TRAINING, "implausible": reasons}))
    lines = [line for line in card.splitlines() if line]
    assert lines[1].startswith("**Doubtful")
    assert lines[2:4] == [f"- **{reason}**" for reason in reasons]


@pytest.mark.parametrize(
    ("training", "caution"),
    [
        ({"converged": False}, "had not converged"),
        ({"prior": "none"}, "free fit"),
        ({"source": {"file": "a.joblib"}}, "imported"),
        ({}, "How many patients"),
    ],
)
def test_the_card_warns_of_what_is_weak_in_the_fit(training, caution) -> None:
    assert caution in model_card(model(training))
    assert caution not in model_card(model(TRAINING))


def test_known_facts_come_in_their_order_and_unknown_ones_after() -> None:
    facts = training_facts(model({"site_of_scan": "Rome", "cases": 6, "by": "A", "drift": {}}))
    assert facts == [("Fitted by", "A"), ("Cases", "6"), ("Site of scan", "Rome")]


@pytest.mark.parametrize(
    ("drift", "sentence"),
    [
        (None, None),
        ({}, None),
        ("far", None),
        ({"boundaries_moved_hu": None, "changed_percent": None}, None),
        ({"boundaries_moved_hu": ["far"], "changed_percent": "much"}, None),
        ({"boundaries_moved_hu": [-1, 2]}, "Against the prior, the boundaries moved by -1, +2 HU."),
        (
            {"boundaries_moved_hu": None, "changed_percent": 40, "against": "other"},
            "Against other, 40.0 % of the training voxels changed their tissue.",
        ),
    ],
)
def test_the_drift_is_told_as_far_as_it_is_known(drift: Any, sentence: str | None) -> None:
    assert drift_sentence(model({"drift": drift})) == sentence
    assert ("How far it moved" in model_card(model({"drift": drift}))) == bool(sentence)


def test_boundaries_are_told_with_the_tissue_that_begins_there() -> None:
    assert boundaries_sentence(load_model()) == (
        "healthy lung -893, ground-glass opacity -721, consolidation -472, dense tissue -235 HU"
    )
    one = model(means=np.full(5, -900.0), variances=np.full(5, 100.0), weights=np.full(5, 0.2))
    assert boundaries_sentence(one) == "none HU"


def test_what_comes_from_outside_does_not_break_the_table_of_the_card() -> None:
    hostile = "a | b\n\n# Heading <script>alert(1)</script> [x](http://y) **z** `c`"
    card = model_card(model({"by": hostile, "cases": 6, hostile: 1}, citation=hostile))
    rows = [line for line in card.splitlines() if "alert" in line]
    assert len(rows) == 3
    for row in rows:
        assert row.replace("\\|", "").count("|") == 3
        assert "\\<script>" in row
        assert "\\[x](http" in row
        assert "\\*\\*z" in row
    assert "\n# Heading" not in card


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
    max_leaves=6,
)
known = st.sampled_from([*TRAINING, "implausible", "source", "imported", "name", "strength_voxels"])


@given(
    training=st.dictionaries(
        known | st.text(), values | st.dictionaries(known, values, max_size=3), max_size=6
    )
)
def test_any_training_document_makes_a_card(training: dict[str, Any]) -> None:
    card = model_card(model(training))
    assert card.startswith("# Model card: mine\n")
    assert card.count("\n## What it is for\n") == 1


def test_the_page_on_models_explains_every_field() -> None:
    page = (Path(__file__).parents[1] / "docs" / "models.md").read_text()
    document = json.loads(serialise_model(load_model(), "any"))
    tissue = (f"tissues[].{field}" for field in document["tissues"][0])
    fit = (*TRAINING, "implausible", "imported", "source", "covariance_type", "iterations")
    for field in (*document, *tissue, *fit):
        assert f"`{field}`" in page, field
