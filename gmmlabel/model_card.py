"""The model card: what a model is, where it comes from, and what to know before trusting it.

It is made of the model's own document, and says nothing that does not stand there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gmmlabel.mixture import Mixture
from gmmlabel.tissues import TISSUE_SEGMENTS

_LABELS = {
    "by": "Fitted by",
    "created": "Created",
    "imported": "Imported",
    "source": "Source",
    "cases": "Cases",
    "voxels": "Voxels",
    "method": "Lungs found by",
    "prior": "Prior",
    "weights": "Cases weigh by",
    "seed": "Seed",
    "starts": "Starts",
    "tolerance": "Tolerance",
    "iterations": "Iterations",
    "converged": "Converged",
    "log_likelihood": "Log-likelihood of a voxel",
    "software": "Software",
}
"""Facts of the training document that are known, in the order in which they are told."""

_ELSEWHERE = ("implausible", "drift", "histogram")
"""What the card tells in sections of its own, and what only a picture can."""

_PURPOSE = """\
## What it is for

Research on how much of a lung is denser than healthy lung, on CTs in Hounsfield units. It is no
medical device and gives no diagnosis."""

_LONGEST = 300
_MARKUP = str.maketrans({sign: f"\\{sign}" for sign in "\\|<[*`"})


def model_card(mixture: Mixture) -> str:
    """Make the model card of a model, as Markdown.

    Parameters
    ----------
    mixture
        The model. Its training document may hold anything.
    """
    sections = (
        f"# Model card: {mixture.name}",
        _doubts(mixture),
        _facts(mixture),
        _parameters(mixture),
        _drift(mixture),
        _PURPOSE,
        "## What to know before you trust it",
        "\n".join(f"- {caution}" for caution in _cautions(mixture)),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def training_facts(mixture: Mixture) -> list[tuple[str, str]]:
    """Tell what is known of how a model was fitted.

    Parameters
    ----------
    mixture
        The model.

    Returns
    -------
    list of (str, str)
        What it is, and the fact in words, on one line each; known facts first.
    """
    training = mixture.training
    known = [key for key in _LABELS if key in training]
    unknown = [key for key in training if key not in _LABELS and key not in _ELSEWHERE]
    return [
        (_LABELS.get(key) or _line(key.replace("_", " ").capitalize()), _told(key, training[key]))
        for key in (*known, *unknown)
    ]


def drift_sentence(mixture: Mixture) -> str | None:
    """Tell how far a refit moved from the model before it; None if its document does not say."""
    drift = mixture.training.get("drift")
    if not isinstance(drift, Mapping):
        return None
    parts = []
    moved, changed = drift.get("boundaries_moved_hu"), drift.get("changed_percent")
    if isinstance(moved, (list, tuple)) and moved and all(map(_is_number, moved)):
        parts.append(f"the boundaries moved by {', '.join(f'{hu:+g}' for hu in moved)} HU")
    if _is_number(changed):
        parts.append(f"{changed:.1f} % of the training voxels changed their tissue")
    before = _line(drift.get("against") or "the prior")
    return f"Against {before}, {' and '.join(parts)}." if parts else None


def boundaries_sentence(mixture: Mixture) -> str:
    """Tell at which HU the labels change to which tissue."""
    parts = (
        f"{_tissue_name(mixture.table[boundary + (1 << 15)])} {boundary}"
        for boundary in mixture.boundaries()
    )
    return f"{', '.join(parts) or 'none'} HU"


def _doubts(mixture: Mixture) -> str:
    if not mixture.doubts:
        return ""
    reasons = "\n".join(f"- **{_cell(doubt)}**" for doubt in mixture.doubts)
    return (
        "**Doubtful: its tissues may not be what they are called. It was kept in spite of this:**"
        f"\n\n{reasons}"
    )


def _facts(mixture: Mixture) -> str:
    facts = [
        ("What", "Five Gaussians over Hounsfield units, one for each tissue of the lungs"),
        ("First HU of", boundaries_sentence(mixture)),
        *([("SHA-256 of the file", mixture.sha256)] if mixture.sha256 else []),
        *training_facts(mixture),
        *([("Cite", mixture.citation)] if mixture.citation else []),
    ]
    rows = (f"| {_cell(label)} | {_cell(fact)} |" for label, fact in facts)
    return "\n".join(("| | |", "| --- | --- |", *rows))


def _parameters(mixture: Mixture) -> str:
    rows = (
        f"| {segment.name.lower()} | {mean:.1f} | {deviation:.1f} | {weight:.3f} |"
        for segment, mean, deviation, weight in zip(
            TISSUE_SEGMENTS,
            mixture.means,
            np.sqrt(mixture.variances),
            mixture.weights,
            strict=True,
        )
    )
    header = ("| tissue | mean HU | SD HU | weight |", "| --- | --- | --- | --- |")
    return "\n".join((*header, *rows))


def _drift(mixture: Mixture) -> str:
    sentence = drift_sentence(mixture)
    return f"## How far it moved\n\n{sentence}" if sentence else ""


def _cautions(mixture: Mixture) -> Iterator[str]:
    training = mixture.training
    if training.get("converged") is False:
        yield "**The fit had not converged when it stopped.**"
    if training.get("prior") == "none":
        yield "It is a free fit: nothing held the components in the places of their tissues."
    if "source" in training:
        yield "It was imported: what it was fitted to is known only to those who made it."
    cases = training.get("cases")
    if not isinstance(cases, int):
        yield "How many patients it was fitted to is not known."
    yield (
        "It sees density, not disease. Vessel walls, the rim of partial volume at the pleura and "
        "noise have the density of ground glass and consolidation."
    )
    yield (
        'The "air" component is the lighter half of normal, well-aerated lung as much as emphysema.'
    )
    those = f"the {cases}" if isinstance(cases, int) and cases > 1 else "what"
    yield (
        f"It fits scans like {those} it was fitted to. Breath hold, contrast medium, slice "
        "thickness and kernel all move densities."
    )


def _told(key: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        return _line(_scalar(key, value))
    if key == "method" and "name" in value:  # its numbers are many, and stand in the file
        return _line(value["name"])
    if key == "prior" and "name" in value and _is_number(value.get("strength_voxels")):
        of, voxels = str(value.get("sha256"))[:12], value["strength_voxels"]
        return _line(f"{value['name']} ({of}), worth {voxels:,.0f} voxels")
    return _line(
        ", ".join(f"{part.replace('_', ' ')} {_scalar(part, v)}" for part, v in value.items())
    )


def _scalar(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if "voxels" in key and _is_number(value):
        return f"{value:,.0f}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _line(text: object) -> str:
    """Bring a text from outside onto one line of bearable length."""
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def _cell(text: object) -> str:
    return _line(text).translate(_MARKUP)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _tissue_name(label: int) -> str:
    return TISSUE_SEGMENTS[label - 1].name.lower()
