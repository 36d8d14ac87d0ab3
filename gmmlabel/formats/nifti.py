"""Reading NIfTI: https://nifti.nimh.nih.gov.

nibabel says what the header means: the grid is that of the sform, or else of the qform. ITK takes
the spacing from elsewhere (pixdim), so it has no say here.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError, UnreadableError
from gmmlabel.formats.stored import ImageHeader, inflated, one_volume, read_voxels
from gmmlabel.volume import Geometry

_LPS = np.diag([-1.0, -1.0, 1.0])
_MM = {1: 1000.0, 3: 0.001}  # of metres and micrometres; all else is taken for mm
_LONGEST_HEADER = 1 << 26


def read_nifti(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read the voxels and the grid of a ``.nii`` or ``.nii.gz`` file.

    Parameters
    ----------
    path
        One file, NIfTI-1 or NIfTI-2.

    Returns
    -------
    ndarray
        Last stored axis first, with slope and intercept applied.
    Geometry
        Its `header` has the header of a NIfTI-1.

    Raises
    ------
    InputError
        If the header is none, or states no grid of one 3-D volume. Damage that nibabel or zlib
        finds is raised as they do.
    """
    with _plain_errors(), path.open("rb") as packed:
        file, said, header = _open(packed)
        stored = read_voxels(path, file, header)
        if header.scaled is None:
            return stored, header.geometry
        slope, intercept = said.get_slope_inter()
    values = stored.astype(header.scaled)
    values *= slope
    values += intercept
    return values, header.geometry


def read_nifti_header(file: io.BufferedReader) -> ImageHeader:
    """Read the header of a ``.nii`` or ``.nii.gz`` file.

    Parameters
    ----------
    file
        The file, open. `read_nifti` says what is raised.
    """
    with _plain_errors():
        return _open(file)[2]


def _open(packed: io.BufferedReader) -> tuple[io.BufferedReader, Any, ImageHeader]:
    """Read the header; the file, inflated, at its first voxel, and the header as nibabel has it."""
    deflated = packed.name.lower().endswith(".gz")
    file = inflated(packed) if deflated else packed
    said = _read_header(file)
    code = int(said["datatype"])
    dtype = said.get_data_dtype() if code in nibabel.nifti1.data_type_codes.code else None
    if dtype is None or dtype.kind not in "iuf":
        raise UnreadableError(
            f"voxels of type {code}, not numbers (colours or complex); export the CT itself"
        )
    as_stored = said.get_slope_inter() in ((None, None), (1, 0))
    # exact for 16 bits
    scaled = None if as_stored else np.result_type(dtype.newbyteorder("="), np.float32)
    return file, said, ImageHeader(_geometry(said), dtype, deflated, scaled)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn nibabel's own error, which derives from Exception only, into a ValueError."""
    try:
        yield
    except HeaderDataError as error:
        raise ValueError(str(error)) from error


def _read_header(file: io.BufferedReader) -> Any:
    block = file.read(4)
    kinds = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
    kind = kinds.get(int.from_bytes(block, "little")) or kinds.get(int.from_bytes(block, "big"))
    if kind is None:
        raise UnreadableError("not a NIfTI file; get the file again")
    block += file.read(kind.sizeof_hdr - 4)
    if len(block) < kind.sizeof_hdr:
        raise EOFError("the header ends too early")
    header = kind(block, check=False)
    if header["magic"].item()[:3] not in (b"n+1", b"n+2"):
        raise UnreadableError(
            "not a NIfTI file, or one with its voxels in another; save the image as one plain file"
        )
    after = int(header["vox_offset"]) - len(block)
    if after > _LONGEST_HEADER:
        raise UnreadableError("the header is damaged; get the file again")
    file.read(max(after, 0))  # extensions
    return header


def _geometry(header: Any) -> Geometry:
    size = one_volume(tuple(int(length) for length in header.get_data_shape()))
    unit = _MM.get(int(header["xyzt_units"]) & 7, 1.0)
    stated = header["pixdim"][1:4].astype(float) * unit
    if not ((stated > 0).all() and np.isfinite(stated).all()):
        raise GeometryError(
            f"voxel spacing {stated} mm is not positive; write the file again with its true spacing"
        )
    affine = header.get_best_affine() * unit
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not ((lengths > 0).all() and np.isfinite(affine).all()):
        raise GeometryError(
            "the sform states no voxel spacing; write the file again with its true place"
        )
    axes, origin = _LPS @ affine[:3, :3], _LPS @ affine[:3, 3]
    # Lengths of vectors in float32 miss the spacing that was meant, and stated, by their rounding.
    spacing = np.where(np.isclose(lengths, stated, rtol=1e-5), stated, lengths)
    return Geometry(
        size,
        tuple(spacing.tolist()),
        tuple(origin.tolist()),
        tuple((axes / lengths).ravel().tolist()),
        header.binaryblock if header.sizeof_hdr == nibabel.Nifti1Header.sizeof_hdr else None,
    )
