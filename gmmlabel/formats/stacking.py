"""The grid that the slices of a series lie on, or what is wrong with their places.

Slices are ordered by their positions (DICOM PS3.3 C.7.6.2.1.1) along the normal they share; the
tags of slice thickness and spacing say something else and are not looked at.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import atan2, degrees

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import GeometryError
from gmmlabel.formats.dicom_header import DicomSlice
from gmmlabel.volume import Geometry

_SAME_PLACE_MM = 0.01
# Positions are at times written to 0.1 mm: that moves a slice by up to 0.05 mm, and each end of
# the line through the first and the last slice as much again.
_MISPLACED_MM = 0.1
_MISPLACED_SPACINGS = 0.01
# Gantries are tilted in steps of half a degree or more. Under 0.2 mm from end to end the angle of
# a short stack is nothing but rounding.
_TILT_DEGREES = 0.3
_TILT_MM = 0.2
_SIDEWAYS_MM = 0.5  # less than a pixel of a chest CT, more than rounding to 0.1 mm


def arrange(slices: Sequence[DicomSlice]) -> tuple[list[DicomSlice], Geometry]:
    """Order slices by their place along the normal, and state the grid that they lie on.

    Parameters
    ----------
    slices
        At least two without fault that stack with each other.

    Returns
    -------
    list of DicomSlice
        The slices from the lowest position along their normal to the highest.
    Geometry
        The grid of the stack: columns, rows and slices.

    Raises
    ------
    GeometryError
        If slices coincide, are missing, tilted, shifted sideways or unevenly spaced.
    """
    first = slices[0]
    row, column = np.reshape(first.axes, (2, 3))
    normal = np.cross(row, column)
    normal /= np.linalg.norm(normal)
    slices = sorted(slices, key=lambda one: float(np.dot(one.position, normal)))
    positions = np.array([one.position for one in slices])
    spacing = (first.spacing[0], first.spacing[1], _even_spacing(positions, normal))
    x, y, z = slices[0].position
    direction = np.stack([row, column, normal], axis=1).ravel()
    return slices, Geometry(
        (first.size[0], first.size[1], len(slices)),
        spacing,
        (x, y, z),
        tuple(float(cosine) for cosine in direction),
    )


def _even_spacing(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """Measure the distance of slices, and refuse those that lie on no straight and even grid.

    Parameters
    ----------
    positions
        Image Position (Patient) of each slice in order, mm, (n, 3).
    normal
        Unit vector of the slices, (3,).

    Returns
    -------
    float
        Distance from first to last over the number of steps, in mm: free of the rounding of
        single positions.
    """
    steps = np.diff(positions @ normal)
    _refuse_coincident(steps)
    _refuse_gaps(steps, positions[:, 2])
    travel = positions[-1] - positions[0]
    length = float(travel @ normal)
    aside = float(np.linalg.norm(travel - length * normal))
    tilt = degrees(atan2(aside, length))
    if tilt > _TILT_DEGREES and aside > _TILT_MM:
        raise GeometryError(
            f"gantry tilt of {tilt:.1f} degrees: the slices are stacked askew; "
            "resample the scan onto a straight grid first"
        )
    spacing = length / len(steps)
    off = positions - positions[0] - np.linspace(0, 1, len(positions))[:, None] * travel
    along = off @ normal
    if np.abs(along).max() > max(_MISPLACED_MM, _MISPLACED_SPACINGS * spacing) + 1e-6:
        raise GeometryError(
            f"slices are unevenly spaced, {steps.min():.4g} to {steps.max():.4g} mm apart; "
            "export a series of even spacing"
        )
    shift = float(np.linalg.norm(off - along[:, None] * normal, axis=1).max())
    if shift > _SIDEWAYS_MM:
        raise GeometryError(
            f"slices are shifted sideways by up to {shift:.1f} mm; "
            "export a series with one field of view"
        )
    return round(spacing, 9)  # 0.7, where the decimals of the file add up to 0.7000000000000003


def _refuse_coincident(steps: NDArray[np.float64]) -> None:
    """Refuse several images at one position: phases, or reconstructions, in one series."""
    places = np.split(np.arange(len(steps) + 1), np.flatnonzero(steps > _SAME_PLACE_MM) + 1)
    shared = [len(images) for images in places if len(images) > 1]
    if shared:
        most = f"{max(shared)}" if min(shared) == max(shared) else f"up to {max(shared)}"
        at = f"at each of {len(shared)} positions" if len(shared) > 1 else "at one position"
        raise GeometryError(
            f"{most} images {at}: several phases or reconstructions in one series; export one"
        )


def _refuse_gaps(steps: NDArray[np.float64], heights: NDArray[np.float64]) -> None:
    """Refuse missing slices: steps, in mm, that are a multiple of the usual one."""
    usual = float(np.median(steps))
    times = np.rint(steps / usual)
    near = np.abs(steps - times * usual) <= 0.1 * usual + _MISPLACED_MM
    if not near.all() or times.max() < 2:
        return
    gaps = [
        f"z = {low:g} and {high:g} mm"
        for (low, high), count in zip(pairwise(heights), times, strict=True)
        if count > 1
    ]
    shown = ", ".join(gaps[:3]) + (f" and {len(gaps) - 3} gaps more" if len(gaps) > 3 else "")
    missing = int((times - 1).clip(0).sum())
    are = "slice is" if missing == 1 else "slices are"
    raise GeometryError(f"{missing} {are} missing, between {shown}; export the whole series")
