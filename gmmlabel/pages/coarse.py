"""Volumes and label maps on a coarser grid over the same box, for pictures.

An axis of as many voxels as before keeps them as they are. Coarse voxels run to the right, to the
front and to the head (RAS), as in most NIfTI files; what they are made of runs as in a `Volume`.
"""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.morphology.sampling import Band, average
from gmmlabel.volume import Geometry, Volume

Three = tuple[int, int, int]

_TURNED = (False, True, True)  # z, y, x of the patient, of which y runs to the back, x to the left
_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_INT16 = np.iinfo(np.int16)


def coarse_means(hu: NDArray[np.int16], shape: Three) -> NDArray[np.int16]:
    """Average a volume over coarse voxels.

    Parameters
    ----------
    hu
        int16, (z, y, x) of the patient.
    shape
        Coarse voxels along these axes; no more than there are voxels.

    Returns
    -------
    ndarray
        int16, of that shape: the mean of each coarse voxel, rounded.
    """
    if shape == hu.shape:
        return np.ascontiguousarray(hu[:, ::-1, ::-1])
    z, y, x = map(_shares, hu.shape, shape, _TURNED)
    means = average(hu, (z, y, x), _INT16.min, _INT16.max)
    return np.rint(means, out=means).astype(np.int16)


def coarse_labels(
    labels: NDArray[np.uint8], corner: Three, whole: Three, shape: Three
) -> NDArray[np.uint8]:
    """Take the label in the middle of each coarse voxel.

    The most frequent one instead would make rare labels that are scattered rarer still.

    Parameters
    ----------
    labels
        uint8, (z, y, x) of the patient.
    corner
        Index of the first label in the whole, which is 0 elsewhere.
    whole
        Voxels of the whole.
    shape
        Coarse voxels along the same axes; no more than there are voxels.

    Returns
    -------
    ndarray
        uint8, of that shape.
    """
    found = [
        _middles(voxels, places, turned) - first
        for voxels, places, turned, first in zip(whole, shape, _TURNED, corner, strict=True)
    ]
    inside = [
        np.flatnonzero((middles >= 0) & (middles < length))
        for middles, length in zip(found, labels.shape, strict=True)
    ]
    coarse = np.zeros(shape, np.uint8)
    taken = [middles[here] for middles, here in zip(found, inside, strict=True)]
    coarse[np.ix_(*inside)] = labels[np.ix_(*taken)]
    return coarse


def coarse_affine(
    volume: Volume, corner: Three, whole: Three, shape: Three, margin: int = 0
) -> NDArray[np.float64]:
    """Tell where coarse voxels are.

    Parameters
    ----------
    volume
        The volume.
    corner
        Index in it of the first voxel that the coarse ones cover, (z, y, x) of the patient.
    whole
        How many voxels they cover.
    shape
        Coarse voxels along the same axes.
    margin
        How many more were added on all sides.

    Returns
    -------
    ndarray
        4 x 4, from the index (x, y, z) of a coarse voxel to its middle in mm, RAS.
    """
    first, steps = _first_and_steps(volume.geometry, volume.hu.shape)
    ratio = np.divide(whole, shape)
    half = ratio * (0.5 - margin)
    begins, ends = np.subtract(corner, 0.5), np.add(corner, whole) - 0.5
    place = first + steps @ np.where(_TURNED, ends - half, begins + half)
    affine = np.eye(4)
    affine[:3, :3] = _TO_RAS @ (steps * np.where(_TURNED, -ratio, ratio))[:, ::-1]
    affine[:3, 3] = _TO_RAS @ place
    return affine


def _first_and_steps(
    geometry: Geometry, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tell where the first voxel of a volume is, and the steps along its z, y and x as columns."""
    ends = np.stack(np.meshgrid(*[(0, 1)] * 3, indexing="ij"), axis=-1)
    places = ends * geometry.spacing @ np.reshape(geometry.direction, (3, 3)).T
    corners = np.stack([geometry.turn(places[..., axis].T) for axis in range(3)], axis=-1)
    along = np.stack([corners[1, 0, 0], corners[0, 1, 0], corners[0, 0, 1]], axis=1)
    steps = along - corners[0, 0, 0][:, np.newaxis]
    # What runs against the stored order begins at its last voxel.
    stored_first = np.where(geometry.flipped, np.subtract(shape, 1), 0)
    return geometry.origin - steps @ stored_first, steps


def _middles(voxels: int, places: int, turned: bool) -> NDArray[np.int64]:
    """Find the voxel in the middle of each coarse voxel along an axis."""
    middles = (2 * np.arange(places) + 1) * voxels // (2 * places)
    return middles[::-1] if turned else middles


def _shares(voxels: int, places: int, turned: bool) -> Band:
    """Weigh the voxels of each coarse voxel along an axis by how much of it they fill."""
    begins = np.arange(places)[:, np.newaxis] * voxels  # in parts of a voxel, `places` to each
    last = (begins + voxels - 1) // places
    taps = int((last - begins // places).max()) + 1
    first = np.minimum(begins // places, voxels - taps)
    filled = (first + np.arange(taps)) * places
    shares = np.minimum(filled + places, begins + voxels) - np.maximum(filled, begins)
    weights = (shares.clip(0) / voxels).astype(np.float32)
    order = slice(None, None, -1 if turned else 1)
    return Band(np.ascontiguousarray(first[order, 0]), np.ascontiguousarray(weights[order]))
