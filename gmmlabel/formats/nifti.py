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
from gmmlabel.formats.stored import inflated, one_volume, read_voxels
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
    deflated = path.name.lower().endswith(".gz")
    with _plain_errors(), path.open("rb") as packed:
        file = inflated(packed) if deflated else packed
        header = _read_header(file)
        code = int(header["datatype"])
        dtype = header.get_data_dtype() if code in nibabel.nifti1.data_type_codes.code else None
        if dtype is None or dtype.kind not in "iuf":
            raise UnreadableError(
                f"voxels of type {code}, not numbers (colours or complex); export the CT itself"
            )
        geometry = _geometry(header)
        voxels = read_voxels(path, file, geometry.size, dtype, deflated=deflated)
    return _scaled(voxels, *header.get_slope_inter()), geometry


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


def _scaled(stored: NDArray[Any], slope: float | None, intercept: float | None) -> NDArray[Any]:
    if slope is None or (slope, intercept) == (1, 0):
        return stored
    values = stored.astype(np.result_type(stored, np.float32))  # exact for 16 bits
    values *= slope
    values += intercept
    return values
