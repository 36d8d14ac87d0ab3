"""A CT volume in Hounsfield units, and the grid its voxels lie on.

Inside the package an array has the axes (z, y, x) of the patient: x grows to the left, y to the
back, z to the head (LPS). A file may store its axes in any order and direction; `Geometry` knows
the file's own grid and turns arrays one way and the other.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError, IntensityError

MIN_SLICES = 8
"""Fewer axial slices than this are no volume: no window or closing has room in them."""

SPACING_MM = (0.05, 50.0)
"""Finest and coarsest voxels that are taken for a chest CT; metres or micrometres lie outside."""

_PADDING_BELOW_HU = -1200
_AIR_BELOW_HU = -300


@dataclass(frozen=True)
class Geometry:
    """The grid of a volume as its file states it, in stored axis order (first axis fastest).

    Parameters
    ----------
    size
        Voxels along each stored axis.
    spacing
        Distance of neighbouring voxels along each stored axis, in mm.
    origin
        Centre of the first voxel, in mm, LPS.
    direction
        3 x 3 matrix, row by row, whose columns are the unit vectors of the stored axes in LPS.
    header
        The lines or bytes by which the file states its grid, kept so that a label map of the
        same format can repeat them to the last digit: lines of an NRRD header, or the 348 bytes
        of a NIfTI-1 header. None where spacing, origin and direction say it all.

    Raises
    ------
    GeometryError
        If a number is not finite, a spacing is not positive, or the axes are not at right angles
        (gantry tilt).
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    header: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not min(self.spacing) > 0:
            raise GeometryError(
                f"voxel spacing {_times(self.spacing)} mm is not positive; "
                "write the file again with its true spacing"
            )
        if not np.isfinite((*self.spacing, *self.origin, *self.direction)).all():
            raise GeometryError(
                "spacing, origin or direction is not a finite number; "
                "write the file again with its true place"
            )
        axes = np.reshape(self.direction, (3, 3))
        if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
            raise GeometryError(
                "the axes are not at right angles (gantry tilt); "
                "resample the scan onto a straight grid first"
            )

    @cached_property
    def _axes(self) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
        """The stored axis nearest to x, y and z, and whether it runs against it."""
        along = np.reshape(self.direction, (3, 3))
        x, y, z = max(
            permutations(range(3)),
            key=lambda order: sum(abs(along[row, axis]) for row, axis in enumerate(order)),
        )
        return (x, y, z), (bool(along[0, x] < 0), bool(along[1, y] < 0), bool(along[2, z] < 0))

    @property
    def flipped(self) -> tuple[bool, bool, bool]:
        """Whether the array axes z, y and x run against the stored order."""
        x, y, z = self._axes[1]
        return z, y, x

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along the array axes (z, y, x), in mm."""
        x, y, z = self._axes[0]
        return self.spacing[z], self.spacing[y], self.spacing[x]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel, in mL."""
        return float(np.prod(self.spacing)) / 1000.0

    def turn(self, stored: NDArray[Any]) -> NDArray[Any]:
        """View a stored array, last stored axis first, as (z, y, x) of the patient."""
        x, y, z = self._axes[0]
        return stored.transpose(2 - z, 2 - y, 2 - x)[self._steps]

    def from_stored(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Turn a stored array, last stored axis first, into (z, y, x) of the patient."""
        return np.ascontiguousarray(self.turn(stored))

    def to_stored(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn an array (z, y, x) of the patient into the stored order; inverse of the above."""
        x, y, z = self._axes[0]
        back = np.argsort((2 - z, 2 - y, 2 - x))
        return np.ascontiguousarray(array[self._steps].transpose(back))

    @property
    def _steps(self) -> tuple[slice, slice, slice]:
        z, y, x = (slice(None, None, -1 if flip else None) for flip in self.flipped)
        return z, y, x


@dataclass(frozen=True, eq=False)
class Volume:
    """A chest CT in Hounsfield units.

    Parameters
    ----------
    hu
        Hounsfield units, int16, (z, y, x) of the patient.
    geometry
        The grid of the file it came from.
    name
        What to call the input in messages and results: a file or folder name.
    sha256
        Hash of the input's bytes, or None if it did not come from a file.
    notes
        What was done to the input on the way, one sentence each: series left out, offset added.
    read_seconds
        Time that reading took.
    kernel
        Reconstruction kernel, by the name that its maker gives it, or None if the input does not
        say.
    slice_thickness_mm
        Thickness of an axial slice, which need not be the distance to the next, or None if the
        input does not say.
    """

    hu: NDArray[np.int16]
    geometry: Geometry
    name: str = "volume"
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    read_seconds: float = 0.0
    kernel: str | None = None
    slice_thickness_mm: float | None = None

    @classmethod
    def from_stored(
        cls,
        stored: NDArray[Any],
        geometry: Geometry,
        *,
        hu_offset: int = 0,
        name: str = "volume",
        sha256: str | None = None,
        notes: tuple[str, ...] = (),
        kernel: str | None = None,
        slice_thickness_mm: float | None = None,
    ) -> "Volume":
        """Make a volume of the voxels as a file stores them.

        Parameters
        ----------
        stored
            Any integer or floating dtype, last stored axis first. Fractions of a Hounsfield unit
            are rounded; values beyond int16 are clipped.
        geometry
            The grid; its size must be that of the array.
        hu_offset
            Added to every value: -1024 mends an export that lost its rescale intercept.
        name, sha256, notes, kernel, slice_thickness_mm
            As of `Volume`.

        Raises
        ------
        IntensityError
            If the values cannot be Hounsfield units of a CT with air in it.
        GeometryError
            If there are fewer than `MIN_SLICES` axial slices, or the spacing is not in mm.
        """
        if stored.shape != geometry.size[::-1]:
            raise GeometryError(
                f"array of {_times(stored.shape[::-1])} voxels on a grid of {_times(geometry.size)}"
            )
        if min(geometry.spacing) < SPACING_MM[0] or max(geometry.spacing) > SPACING_MM[1]:
            raise GeometryError(
                f"voxel spacing {_times(geometry.spacing)} mm is not that of a chest CT; write the "
                "file again with its spacing in mm"
            )
        hu = geometry.from_stored(_to_int16(stored, hu_offset))
        if hu.shape[0] < MIN_SLICES:
            raise GeometryError(
                f"{hu.shape[0]} axial slices; at least {MIN_SLICES} are needed: "
                "give the whole series"
            )
        check_hounsfield(hu)
        if hu_offset:
            notes = (*notes, f"{hu_offset:+d} HU was added to every value, as asked for")
        return cls(
            hu,
            geometry,
            name,
            sha256,
            notes,
            kernel=kernel,
            slice_thickness_mm=slice_thickness_mm,
        )


def check_hounsfield(hu: NDArray[np.int16]) -> None:
    """Refuse values that cannot be the Hounsfield units of a CT with air in it.

    Parameters
    ----------
    hu
        Values, int16, (z, y, x). Values from -1200 down are taken for padding.

    Raises
    ------
    IntensityError
        If the volume is constant, or nothing in it is as light as lung or air; the message tells
        an 8-bit picture from a CT that lost its offset of -1024.
    """
    low, high = np.iinfo(np.int16).max, np.iinfo(np.int16).min
    for plane in hu:  # slice by slice: the first one of a CT is enough, and it takes no memory
        if ((plane > _PADDING_BELOW_HU) & (plane < _AIR_BELOW_HU)).any():
            return
        low, high = min(low, int(plane.min())), max(high, int(plane.max()))
    if low == high:
        raise IntensityError(f"every voxel is {low}; the volume is empty: export it again")
    if low <= _PADDING_BELOW_HU:
        low = min(int(plane[plane > _PADDING_BELOW_HU].min(initial=high)) for plane in hu)
    found = f"values run from {low} to {high}, none as light as lung (-1000 to -300 HU)"
    if low >= 0 and high <= 255:
        raise IntensityError(
            f"{found}; this is an 8-bit picture, not Hounsfield units: export the CT itself"
        )
    if low >= 0:
        raise IntensityError(
            f"{found}; if this is a CT that lost its offset of -1024, add --hu-offset -1024"
        )
    raise IntensityError(f"{found}; a chest CT in Hounsfield units is needed")


def _to_int16(stored: NDArray[Any], offset: int) -> NDArray[np.int16]:
    if stored.dtype == np.int16 and offset == 0:
        return stored
    if stored.dtype.kind not in "iuf":
        raise IntensityError(
            f"voxels are of type {stored.dtype}, not numbers; export the CT itself"
        )
    limits = np.iinfo(np.int16)
    hu = np.empty(stored.shape, np.int16)
    for here, there in zip(hu, stored, strict=True):  # slice by slice: no second volume in memory
        values = there.astype(np.float64) + offset
        if not np.isfinite(values).all():
            raise IntensityError(
                "some voxels are not a number (NaN or infinite); export the CT itself"
            )
        here[:] = np.rint(values).clip(limits.min, limits.max)
    return hu


def _times(numbers: tuple[float, ...]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)
