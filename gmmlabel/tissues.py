"""The five tissues of the lungs: number, name, colour and terminology codes."""

from dataclasses import dataclass
from enum import IntEnum


class Tissue(IntEnum):
    """The value of a tissue in a label map; 0 is outside the lungs."""

    AIR = 1
    HEALTHY = 2
    GROUND_GLASS = 3
    CONSOLIDATION = 4
    DENSE = 5

    @property
    def key(self) -> str:
        """The tissue's name in JSON documents and segment identifiers."""
        return self.name.lower()


@dataclass(frozen=True)
class Code:
    """One coded concept: scheme designator, value and meaning.

    ``SCT`` is SNOMED CT and ``DCM`` is DICOM PS3.16 annex D.
    """

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class TissueAppearance:
    """How a tissue is called, drawn and coded.

    The colours are of the palette of Okabe and Ito (2008), which people with any of the common
    forms of colour blindness can tell apart. Category and type follow DICOM PS3.16 CID 7150 and
    CID 6104; SNOMED CT gives consolidation, for which DICOM has no code of its own.
    """

    name: str
    rgb: tuple[int, int, int]
    category: Code
    type: Code


_MORPHOLOGY = Code("SCT", "49755003", "Morphologically Abnormal Structure")

LUNG_REGION = Code("SCT", "39607008", "Lung")
"""The anatomic region of every tissue."""

APPEARANCE: dict[Tissue, TissueAppearance] = {
    Tissue.AIR: TissueAppearance(
        "Air",
        (0, 114, 178),
        Code("SCT", "91720002", "Body Substance"),
        Code("SCT", "74947009", "Gas"),
    ),
    Tissue.HEALTHY: TissueAppearance(
        "Healthy lung",
        (86, 180, 233),
        Code("SCT", "123037004", "Anatomical Structure"),
        Code("SCT", "39607008", "Lung"),
    ),
    Tissue.GROUND_GLASS: TissueAppearance(
        "Ground-glass opacity",
        (240, 228, 66),
        _MORPHOLOGY,
        Code("DCM", "112120", "Ground glass opacity"),
    ),
    Tissue.CONSOLIDATION: TissueAppearance(
        "Consolidation",
        (213, 94, 0),
        _MORPHOLOGY,
        Code("SCT", "95436008", "Lung consolidation"),
    ),
    Tissue.DENSE: TissueAppearance(
        "Dense tissue",
        (204, 121, 167),
        Code("SCT", "85756007", "Tissue"),
        Code("SCT", "85756007", "Tissue"),
    ),
}
"""Name, colour and codes of each tissue, the same in every picture, page and file."""
