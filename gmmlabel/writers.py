"""Writing a label map in the geometry of the input.

A map of the same format as the input repeats the very lines or bytes by which the input states
its grid, so that not even the last digit differs; a map of another format states the same
numbers as that format can.
"""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from gmmlabel.errors import OutputError
from gmmlabel.formats.itk import is_itk_path, new_image
from gmmlabel.tissues import LUNG, Code, Segment
from gmmlabel.volume import Geometry, Volume

FORMATS = ("nrrd", "seg.nrrd", "nii.gz", "mha")
"""Formats that label maps are written in, by their suffix."""

NIFTI1_BYTES = 348
"""Length of a NIfTI-1 header, which it states in its first four bytes."""

_NIFTI1_TO_VOXELS = 352

_SLICER_SPACES = (b"left-posterior-superior", b"right-anterior-superior")


def write_label_map(
    path: Path,
    labels: NDArray[np.uint8],
    geometry: Geometry,
    segments: tuple[Segment, ...],
    *,
    corner: tuple[int, int, int] = (0, 0, 0),
) -> None:
    """Write a label map over the whole grid.

    Parameters
    ----------
    path
        File to write; its suffix, one of `FORMATS`, is the format.
    labels
        uint8, (z, y, x) of the patient; what they do not cover is 0.
    geometry
        The grid of the input.
    segments
        What the values mean; a ``.seg.nrrd`` carries their names, colours and codes.
    corner
        Index of the first label on the grid, (z, y, x).

    Raises
    ------
    OutputError
        If the path is not UTF-8, or its suffix none of `FORMATS`.
    RuntimeError, OSError
        If ITK or the file system cannot write it.
    """
    if path.name.endswith(".nii.gz") and _states_nifti(geometry):
        _write_nifti(path, labels, geometry, corner)
        return
    image, stored = new_image(geometry.size, np.uint8)
    _lay(labels, geometry.turn(stored), corner)
    if path.name.endswith(".seg.nrrd"):
        _describe_segments(image, geometry, segments)
    _write_image(path, image, geometry)
    if path.name.endswith(".nrrd") and _states_nrrd(geometry, path):
        _repeat_grid(path, geometry.header or b"")


def write_volume(path: Path, volume: Volume) -> None:
    """Write a CT as int16 HU in its own geometry.

    Parameters
    ----------
    path
        File to write; its suffix is the format.
    volume
        The CT.

    Raises
    ------
    OutputError, RuntimeError
        As of `write_label_map`.
    """
    image, stored = new_image(volume.geometry.size, np.int16)
    _lay(volume.hu, volume.geometry.turn(stored), (0, 0, 0))
    _write_image(path, image, volume.geometry)


def _lay(part: NDArray[Any], whole: NDArray[Any], corner: tuple[int, int, int]) -> None:
    z, y, x = (
        slice(first, first + length) for first, length in zip(corner, part.shape, strict=True)
    )
    whole[z, y, x] = part


def _write_image(path: Path, image: sitk.Image, geometry: Geometry) -> None:
    if not is_itk_path(path):
        raise OutputError(f"{path}: the path is not UTF-8; give another --out")
    if not path.name.endswith(FORMATS):
        raise OutputError(f"{path.name}: not a format; give a name in {', '.join(FORMATS)}")
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    sitk.WriteImage(image, str(path), useCompression=True)
    _check_whole(path, image)


def _check_whole(path: Path, image: sitk.Image) -> None:
    """Refuse a file whose end is missing: on a full disk ITK can lose it and not say so."""
    content = path.read_bytes()
    voxels = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
    if path.name.endswith(".mha"):
        head, _, stream = content.partition(b"ElementDataFile = LOCAL\n")
        whole = b"CompressedDataSize = %d\n" % len(stream) in head
    else:  # the last four bytes of a gzip stream are the length of what is in it
        header = _NIFTI1_TO_VOXELS if path.name.endswith(".nii.gz") else 0
        whole = content[-4:] == ((header + voxels) % (1 << 32)).to_bytes(4, "little")
    if not whole:
        raise RuntimeError("the file was cut short")


def _states_nifti(geometry: Geometry) -> bool:
    starts = tuple(NIFTI1_BYTES.to_bytes(4, order) for order in ("little", "big"))
    return geometry.header is not None and geometry.header.startswith(starts)


def _states_nrrd(geometry: Geometry, path: Path) -> bool:
    """Whether an NRRD of that name can repeat the lines on the grid."""
    header = (geometry.header or b"").lower()
    known = any(space in header for space in _SLICER_SPACES)  # slicerio knows no other names
    return header.startswith(b"space") and (known or not path.name.endswith(".seg.nrrd"))


def _write_nifti(
    path: Path, labels: NDArray[np.uint8], geometry: Geometry, corner: tuple[int, int, int]
) -> None:
    import nibabel  # a fifth of a second that no other format needs

    header = nibabel.Nifti1Header(geometry.header, check=False)
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0  # the window that a CT is shown in
    stored = np.zeros(geometry.size[::-1], np.uint8)
    _lay(labels, geometry.turn(stored), corner)
    nibabel.save(nibabel.Nifti1Image(stored.T, None, header), path)


def _repeat_grid(path: Path, lines: bytes) -> None:
    """Put the input's own lines on its grid in the place of those that ITK wrote."""
    head, _, voxels = path.read_bytes().partition(b"\n\n")
    others = [line for line in head.split(b"\n") if not line.startswith(b"space")]
    # Fields come before key/value pairs (":="), and "space" before what it gives a meaning to.
    at = next(i for i, line in enumerate(others) if line.startswith(b"sizes:"))
    path.write_bytes(
        b"\n".join([*others[:at], *lines.split(b"\n"), *others[at:]]) + b"\n\n" + voxels
    )


def _describe_segments(
    image: sitk.Image, geometry: Geometry, segments: tuple[Segment, ...]
) -> None:
    """Add the keys of a 3D Slicer segmentation of one layer.

    They are those of slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html,
    but for Segmentation_SourceRepresentation: what Slicer and slicerio write and read is called
    Segmentation_MasterRepresentation. Slicer crops the layer to the extent of its first segment.
    """
    extent = " ".join(f"0 {length - 1}" for length in geometry.size)
    image.SetMetaData("Segmentation_MasterRepresentation", "Binary labelmap")
    image.SetMetaData("Segmentation_ContainedRepresentationNames", "Binary labelmap|")
    image.SetMetaData("Segmentation_ReferenceImageExtentOffset", "0 0 0")
    for number, segment in enumerate(segments):
        fields = {
            "ID": segment.key,
            "Name": segment.name,
            "NameAutoGenerated": "0",
            "Color": " ".join(f"{channel / 255:.6f}" for channel in segment.rgb),
            "ColorAutoGenerated": "0",
            "LabelValue": str(segment.value),
            "Layer": "0",
            "Extent": extent,
            "Tags": f"TerminologyEntry:{_terminology(segment)}|",
        }
        for field, value in fields.items():
            image.SetMetaData(f"Segment{number}_{field}", value)


def _terminology(segment: Segment) -> str:
    return "~".join(
        (
            "Segmentation category and type - DICOM master list",
            _code(segment.category),
            _code(segment.type),
            "^^",
            "Anatomic codes - DICOM master list",
            _code(LUNG),
            "^^",
        )
    )


def _code(code: Code) -> str:
    return f"{code.scheme}^{code.value}^{code.meaning}"
