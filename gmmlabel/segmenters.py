"""Lung segmenters other than the method's own: a mask file, the package lungmask, any callable.

A segmenter takes a `Volume` and gives an array over the whole of it. `segment` calls one and
refuses what cannot be lungs, so that a wrong mask ends in one line and not in wrong numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from gmmlabel.errors import NoLungsError, SegmenterError
from gmmlabel.lungs import Lungs, give_sides
from gmmlabel.lungs.unet import Lungmask
from gmmlabel.masks import read_mask_on
from gmmlabel.method import DefaultMethod, Method
from gmmlabel.volume import Volume

Segmenter = Callable[[Volume], NDArray[Any]]
"""Gives the lungs of a volume, (z, y, x) over the whole of it: 1 right and 2 left, or anything but
0 and False where the sides are not known."""

NAMES = ("threshold", "lungmask")
"""What `named_segmenter` knows."""

LEAST_CONTRAST = 0.1
"""Share of lungs that is lighter than `soft_above_hu`, less the share of what is just around them.

Measured are 0.80 to 0.95 for lungs and less than 0 for an inverted mask or one of the body
(docs/segmenters.md), so lungs that hold hardly any air are let through."""

FLIPPED = (0.15, 0.5)
"""A mask has its axes wrong if its contrast is this much higher, and as high, when flipped."""

SIDES_SHARE = 0.9
"""Of all pairs of a voxel of 1 and one of 2, so many have the 1 nearer to the patient's right."""

_CELL_MM = 3.0
_FLIPS = ("head to foot", "front to back", "left to right")
_DEFAULT = DefaultMethod()


@dataclass(frozen=True)
class MaskFile:
    """The segmenter that reads the lungs from a file.

    Parameters
    ----------
    path
        A mask on the grid of the CT, in a format of `gmmlabel.masks.read_mask`; its axes may be
        stored in another order or direction.
    """

    path: Path

    def __call__(self, volume: Volume) -> NDArray[Any]:
        """Read the mask.

        Raises
        ------
        InputError
            If it cannot be read or lies on another grid.
        """
        return read_mask_on(self.path, volume.geometry)

    def __str__(self) -> str:
        return str(self.path)


def named_segmenter(name: str, weights: Path | None = None) -> Segmenter | None:
    """Find a segmenter by its name.

    Parameters
    ----------
    name
        One of `NAMES`.
    weights
        File of the weights, for ``lungmask``.

    Returns
    -------
    callable or None
        None for ``threshold``: the method's own, `gmmlabel.lungs.segmenter.find_lungs`.

    Raises
    ------
    SegmenterError
        If there is none of that name, it cannot run here, or it has no weights to give.
    """
    if name == "lungmask":
        network = Lungmask(weights=weights)
        network.find_weights()
        return network
    if name not in NAMES:
        raise SegmenterError(f"no segmenter {name}; there are {', '.join(NAMES)}")
    if weights:
        raise SegmenterError(f"{weights}: {name} has no weights; add --segmenter lungmask")
    return None


def segment(volume: Volume, segmenter: Segmenter, method: Method) -> Lungs:
    """Call a segmenter, and refuse what cannot be lungs.

    The sides are as given where 1 and 2 are the only values and 1 lies to the patient's right of
    2; else they are told by `gmmlabel.lungs.segmenter.give_sides`.

    Parameters
    ----------
    volume
        Chest CT.
    segmenter
        Any `Segmenter`.
    method
        Whose numbers to use for what lungs are; those of the default one beside the published.

    Returns
    -------
    Lungs
        With the voxels that the segmenter marks, and no others.

    Raises
    ------
    SegmenterError
        If what came back is no label map of the whole volume.
    NoLungsError
        If it does not look like lungs.
    """
    # What a callable is called: functions have a name, and segmenters of this module say it.
    name = getattr(segmenter, "__name__", None) or str(segmenter)
    labels = _checked(segmenter(volume), volume, name)
    marked = np.asarray(labels != 0)
    reason = _no_lungs(volume, marked, method if isinstance(method, DefaultMethod) else _DEFAULT)
    if reason:
        raise NoLungsError(f"{name}: {reason}")
    if labels.dtype != bool and labels.max() == 2 and _one_is_right_of_two(labels):
        return Lungs.of_mask(labels)
    return give_sides(volume, Lungs.of_mask(marked))


def _checked(labels: Any, volume: Volume, name: str) -> NDArray[Any]:
    wanted = "give bool, or 1 right and 2 left, for every voxel of the volume"
    if not isinstance(labels, np.ndarray):
        raise SegmenterError(f"{name}: gave {type(labels).__name__}, not an array; {wanted}")
    if labels.shape != volume.hu.shape:
        shape, of = (" x ".join(map(str, it)) for it in (labels.shape, volume.hu.shape))
        raise SegmenterError(f"{name}: gave {shape} voxels for {of} (z, y, x); {wanted}")
    if labels.dtype.kind not in "biuf":
        raise SegmenterError(f"{name}: gave values of type {labels.dtype}; {wanted}")
    if labels.dtype.kind == "f" and not (labels == np.rint(labels)).all():
        raise SegmenterError(f"{name}: gave fractions; cut probabilities at a threshold, {wanted}")
    if labels.min() < 0:
        raise SegmenterError(f"{name}: gave {labels.min():g}, a negative value; {wanted}")
    return labels


def _no_lungs(volume: Volume, marked: NDArray[np.bool_], method: DefaultMethod) -> str | None:
    """Say why a mask cannot be of lungs, if it cannot."""
    inside = volume.hu[marked]
    found_ml = inside.size * volume.geometry.voxel_ml
    if inside.size in {0, marked.size}:
        return f"marks {'every' if inside.size else 'no'} voxel; give a mask of the lungs"
    if found_ml < method.lungs_ml:
        return f"marks {found_ml:.0f} mL, under the {method.lungs_ml:g} mL of a slab of lungs"
    if np.count_nonzero(inside < method.lung_above_hu) > inside.size / 2:
        return f"most of it is air under {method.lung_above_hu} HU; give a mask of the lungs"
    found = contrasts(volume, marked, method)
    best = np.unravel_index(found.argmax(), found.shape)
    if found[best] > max(found[0, 0, 0] + FLIPPED[0], FLIPPED[1]):
        flips = " and ".join(name for name, flip in zip(_FLIPS, best, strict=True) if flip)
        return f"fits the CT only when flipped {flips}; write it again with the axes of the CT"
    if found[0, 0, 0] < LEAST_CONTRAST:
        return "not lighter than what is just around it, as lungs are; give a mask of the lungs"
    return None


def contrasts(
    volume: Volume, marked: NDArray[np.bool_], method: DefaultMethod
) -> NDArray[np.float64]:
    """Share of light voxels in a mask less that within 3 to 6 mm around it in axial slices.

    Parameters
    ----------
    volume
        Chest CT.
    marked
        Mask of the whole volume, (z, y, x), not empty.
    method
        Whose `soft_above_hu` parts light from dense.

    Returns
    -------
    ndarray
        (2, 2, 2): with the mask as it is, at [0, 0, 0], and flipped along z, y or x.
    """
    thin = tuple(
        slice(None, None, max(1, round(_CELL_MM / step))) for step in volume.geometry.spacing_zyx
    )
    hu, inside = volume.hu[thin], marked[thin]
    light = (hu > method.padding_below_hu) & (hu < method.soft_above_hu)
    square = np.ones((1, 3, 3), bool)
    near = binary_dilation(inside, square)
    around = binary_dilation(near, square) & ~near
    found = np.empty((2, 2, 2))
    for flips in np.ndindex(2, 2, 2):
        flipped = np.flip(light, tuple(axis for axis in range(3) if flips[axis]))
        found[flips] = _share(flipped[inside]) - _share(flipped[around])
    return found


def _share(chosen: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(chosen) / max(1, chosen.size))


def _one_is_right_of_two(labels: NDArray[Any]) -> bool:
    """Whether 1 and 2 are the sides: not the other way round, nor lung and lesion."""
    one, two = (np.count_nonzero(labels == side, axis=(0, 1)).astype(float) for side in (1, 2))
    pairs = one.sum() * two.sum()
    return bool((two * (one.cumsum() - one / 2)).sum() >= SIDES_SHARE * pairs > 0)
