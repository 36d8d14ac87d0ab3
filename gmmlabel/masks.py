"""Masks and label maps that others made: read whole or refused, and brought onto a CT's grid."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError, IntensityError, UnreadableError
from gmmlabel.formats.image_file import FORMATS, naming, read_image_file
from gmmlabel.volume import Geometry

MOST_LABELS = 256
"""More different values than this are no labels; the largest maps of organs have about 120."""

SAME_PLACE = 0.1
"""Grids are the same if no corner is further off than this share of the finest spacing.

Formats and tools round: NIfTI to single precision, others to three or four digits. A grid that is
off by half a voxel, as a wrong convention makes it, is still told.
"""

_HIGHEST = int(np.iinfo(np.uint16).max)


def read_mask(path: str | Path) -> tuple[NDArray[Any], Geometry]:
    """Read a mask or a label map.

    Parameters
    ----------
    path
        A ``.nrrd``, ``.seg.nrrd``, ``.nii``, ``.nii.gz`` or ``.mha`` file.

    Returns
    -------
    ndarray
        Label values, uint8 or, where one is above 255, uint16; (z, y, x) of the patient.
    Geometry
        The grid.

    Raises
    ------
    UnreadableError, GeometryError
        If the file is missing, damaged, of another format, or not one volume on a straight grid.
    IntensityError
        If its values cannot be labels: fractions, negative or beyond 65535, or more than
        `MOST_LABELS` different ones.
    """
    path = Path(path)
    if not path.is_file():
        raise UnreadableError(f"{path}: no such file; check the path")
    if not path.name.lower().endswith(FORMATS):
        raise UnreadableError(f"{path}: not a format of masks; give {', '.join(FORMATS)}")
    stored, geometry = read_image_file(path)
    with naming(path):
        return geometry.from_stored(_to_labels(stored)), geometry


def read_mask_on(path: str | Path, grid: Geometry) -> NDArray[Any]:
    """Read a mask that lies on the grid of a CT.

    The axes may be stored in another order and direction than those of the CT. A ``.seg.nrrd`` may
    cover a part of the grid, as 3D Slicer writes it, and is empty elsewhere; of other formats a
    part is refused, because nobody knows whether the rest is empty or was not looked at.

    Parameters
    ----------
    path
        As of `read_mask`.
    grid
        The grid of the CT.

    Returns
    -------
    ndarray
        Label values, uint8 or uint16, (z, y, x) of the patient over the whole grid.

    Raises
    ------
    InputError
        As of `read_mask`, or if the mask lies on another grid.
    """
    labels, part = read_mask(path)
    with naming(Path(path)):
        corner, shape = corner_on(grid, part), _shape(grid)
        if labels.shape == shape and corner == (0, 0, 0):
            return labels
        if not str(path).lower().endswith(".seg.nrrd"):
            raise GeometryError(_off(grid, part))
        ends = [first + length for first, length in zip(corner, labels.shape, strict=True)]
        if min(corner) < 0 or (np.array(ends) > shape).any():
            raise GeometryError("the segmentation reaches beyond the CT; crop it to the CT")
        whole = np.zeros(shape, labels.dtype)
        whole[tuple(map(slice, corner, ends))] = labels
        return whole


def corner_on(grid: Geometry, part: Geometry) -> tuple[int, int, int]:
    """Find where the first voxel of one grid lies on another.

    Parameters
    ----------
    grid
        The grid of the CT.
    part
        A grid whose voxels lie on those of `grid`, or would if it went on.

    Returns
    -------
    tuple of int
        Index on `grid` of the first voxel of `part`, (z, y, x) of the patient.

    Raises
    ------
    GeometryError
        If voxels of `part` lie elsewhere by more than `SAME_PLACE`.
    """
    first, found = _corners(grid)[0, 0, 0], _corners(part)
    neighbours = _corners(replace(grid, size=(2, 2, 2)))
    steps = np.stack([neighbours[axis] for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1))])
    steps -= neighbours[0, 0, 0]
    corner = np.rint(np.linalg.solve(steps.T, found[0, 0, 0] - first))
    ends = np.stack(np.meshgrid(*((0, n - 1) for n in _shape(part)), indexing="ij"), axis=-1)
    off = np.linalg.norm(first + (corner + ends) @ steps - found, axis=-1).max()
    if not off < SAME_PLACE * min(grid.spacing):
        raise GeometryError(_off(grid, part))
    z, y, x = (int(index) for index in corner)
    return z, y, x


def _shape(grid: Geometry) -> tuple[int, ...]:
    """Voxels along (z, y, x) of the patient."""
    return grid.turn(np.broadcast_to(np.False_, grid.size[::-1])).shape


def _corners(grid: Geometry) -> NDArray[np.float64]:
    """Centres of the first and last voxels along (z, y, x) of the patient, (2, 2, 2, 3), in mm."""
    ends = np.stack(np.meshgrid(*((0, n - 1) for n in grid.size), indexing="ij"), axis=-1)
    places = ends * grid.spacing @ np.reshape(grid.direction, (3, 3)).T + grid.origin
    return np.stack([grid.turn(places[..., axis].T) for axis in range(3)], axis=-1)


def _off(grid: Geometry, part: Geometry) -> str:
    """Say in what two grids differ."""
    if not np.allclose(part.spacing_zyx, grid.spacing_zyx, rtol=SAME_PLACE / max(grid.size)):
        found, wanted = (
            " x ".join(f"{step:.6g}" for step in it.spacing_zyx[::-1]) for it in (part, grid)
        )
        reason = f"spacing {found} mm where the CT has {wanted}"
    elif _shape(part) != _shape(grid):
        found, wanted = (" x ".join(map(str, _shape(it)[::-1])) for it in (part, grid))
        reason = f"{found} voxels where the CT has {wanted}"
    else:
        distance = np.linalg.norm(_corners(part) - _corners(grid), axis=-1).max()
        reason = f"it lies up to {distance:.3g} mm off the CT"
    return f"not on the grid of the CT: {reason}; resample it onto the CT"


def _to_labels(stored: NDArray[Any]) -> NDArray[Any]:
    if stored.dtype.kind not in "biuf":
        raise UnreadableError(f"voxels are of type {stored.dtype}, not numbers; save it as uint8")
    labels = np.empty(stored.shape, np.uint16)
    counts = np.zeros(_HIGHEST + 1, np.int64)
    for here, there in zip(labels, stored, strict=True):  # slice by slice: little memory
        if not np.isfinite(there).all():
            raise IntensityError("some voxels are not a number (NaN or infinite); save it as uint8")
        if (there < 0).any() or (there > _HIGHEST).any():
            low, high = stored.min(), stored.max()
            raise IntensityError(
                f"values run from {low:g} to {high:g}; that is an image, not a mask of label values"
            )
        here[:] = there
        if (here != there).any():
            raise IntensityError(
                f"holds fractions such as {there[here != there][0]:.4g}; cut the probabilities at "
                "a threshold and save it as uint8"
            )
        counts += np.bincount(here.ravel(), minlength=_HIGHEST + 1)
    different = np.count_nonzero(counts)
    if different > MOST_LABELS:
        raise IntensityError(
            f"holds {different:,} different values; that is an image, not a mask of label values"
        )
    return labels if counts[256:].any() else labels.astype(np.uint8)
