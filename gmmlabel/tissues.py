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
class Segment:
    """How one value of a label map is called, drawn and coded.

    Category and type follow DICOM PS3.16 CID 7150 and CID 6104; SNOMED CT gives consolidation,
    for which DICOM has no code of its own.

    Parameters
    ----------
    value
        The value in the label map.
    key
        Identifier in files.
    name
        What people read.
    rgb
        Colour, 0 to 255. The tissues' are of the palette of Okabe and Ito (2008), which people
        with any of the common forms of colour blindness can tell apart.
    category, type
        What it is.
    """

    value: int
    key: str
    name: str
    rgb: tuple[int, int, int]
    category: Code
    type: Code


_ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
_MORPHOLOGY = Code("SCT", "49755003", "Morphologically Abnormal Structure")
_SUBSTANCE = Code("SCT", "91720002", "Body Substance")
_TISSUE = Code("SCT", "85756007", "Tissue")

LUNG = Code("SCT", "39607008", "Lung")
"""The anatomic region of every segment."""

RIGHT_LUNG = Code("SCT", "3341006", "Right lung")
LEFT_LUNG = Code("SCT", "44029006", "Left lung")


def _segment(
    tissue: Tissue, name: str, rgb: tuple[int, int, int], category: Code, kind: Code
) -> Segment:
    return Segment(tissue.value, tissue.key, name, rgb, category, kind)


TISSUE_SEGMENTS: tuple[Segment, ...] = (
    _segment(Tissue.AIR, "Air", (0, 114, 178), _SUBSTANCE, Code("SCT", "74947009", "Gas")),
    _segment(Tissue.HEALTHY, "Healthy lung", (86, 180, 233), _ANATOMY, LUNG),
    _segment(
        Tissue.GROUND_GLASS,
        "Ground-glass opacity",
        (240, 228, 66),
        _MORPHOLOGY,
        Code("DCM", "112120", "Ground glass opacity"),
    ),
    _segment(
        Tissue.CONSOLIDATION,
        "Consolidation",
        (213, 94, 0),
        _MORPHOLOGY,
        Code("SCT", "95436008", "Lung consolidation"),
    ),
    _segment(Tissue.DENSE, "Dense tissue", (204, 121, 167), _TISSUE, _TISSUE),
)
"""The tissues in the order of their values, the same in every picture, page and file."""

LUNG_SEGMENTS: tuple[Segment, ...] = (
    Segment(1, "right_lung", "Right lung", (0, 158, 115), _ANATOMY, RIGHT_LUNG),
    Segment(2, "left_lung", "Left lung", (117, 112, 179), _ANATOMY, LEFT_LUNG),
)
"""The values of a lung mask."""

OPACITY_SEGMENTS: tuple[Segment, ...] = (
    Segment(
        1, "opacity", "Opacity", (255, 176, 0), _MORPHOLOGY, Code("DCM", "112121", "Infiltrate")
    ),
)
"""The values of an opacity map."""
