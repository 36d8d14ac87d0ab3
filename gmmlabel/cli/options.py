"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class MethodName(StrEnum):
    """Choices of ``--method``."""

    DEFAULT = "default"
    PUBLISHED = "published"


class Format(StrEnum):
    """Choices of ``--format``."""

    NRRD = "nrrd"
    SEG_NRRD = "seg.nrrd"
    NII_GZ = "nii.gz"
    MHA = "mha"


class SegmenterName(StrEnum):
    """Choices of ``--segmenter``."""

    THRESHOLD = "threshold"
    LUNGMASK = "lungmask"


class Weights(StrEnum):
    """Choices of ``--weights``."""

    VOXELS = "voxels"
    PATIENTS = "patients"


DEFAULT_MODEL = "zaffino2021"

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT",
        help="CTs, case folders, histogram files, or folders in which these are.",
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Case folder to write.")]
ModelOption = Annotated[
    str, typer.Option("--model", metavar="NAME|FILE", help="Model by name, or a model file.")
]
MethodOption = Annotated[MethodName, typer.Option("--method", help="Numbers of the pipeline.")]
FormatOption = Annotated[Format, typer.Option("--format", help="Format of the label maps.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier case.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
HuOffset = Annotated[
    int,
    typer.Option("--hu-offset", help="Add to every value; -1024 mends a CT that lost its offset."),
]
SegmenterOption = Annotated[
    SegmenterName, typer.Option("--segmenter", help="What finds the lungs.")
]
LungmaskWeights = Annotated[
    Path | None,
    typer.Option("--lungmask-weights", metavar="FILE", help="Weights for --segmenter lungmask."),
]
LungsFile = Annotated[
    Path | None,
    typer.Option("--lungs", metavar="FILE", help="Lung mask to use instead of a segmenter."),
]
WeightsOption = Annotated[
    Weights, typer.Option("--weights", help="Whether patients count by their voxels, or equally.")
]
PriorOption = Annotated[
    str,
    typer.Option(
        "--prior",
        metavar="NAME|FILE|none",
        help="Model that the fit is anchored to; none is the published free fit.",
    ),
]
StrengthPatients = Annotated[
    float, typer.Option(min=0.001, help="What the prior is worth, in patients of the mean size.")
]
StrengthVoxels = Annotated[
    float | None, typer.Option(min=1, help="The same in voxels, instead of patients.")
]
DEFAULT_STRENGTH = 10.0
StartsOption = Annotated[int, typer.Option("--starts", min=1, help="Starts of a fit from k-means.")]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="Whatever is drawn at random follows from it.")
]
ToleranceOption = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        min=0,
        help="Stop when a step gains less per voxel: 1e-9 nats, with --prior none 1e-3.",
    ),
]
IterationsOption = Annotated[
    int | None,
    typer.Option("--iterations", min=1, help="Most steps: 10000, with --prior none 100."),
]
