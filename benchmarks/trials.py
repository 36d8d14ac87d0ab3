"""The CTs that figures are measured on, and what is done to them: turned, resampled, implanted.

Each trial is a function of one argument, so that a pool of processes can share the work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from gmmlabel import Geometry, Labelling, Lungs, Volume, find_lungs, label_volume, read_volume
from gmmlabel.errors import InputError, NoLungsError
from gmmlabel.implants.implant import Implanted, implant
from gmmlabel.implants.lesion import LesionKind
from gmmlabel.implants.placement import Place
from gmmlabel.method import DefaultMethod
from gmmlabel.opacity import find_opacity
from gmmlabel.tissues import Tissue

NEAR_HEALTHY = (
    "small_id001",
    "small_id002",
    "healthy_4mm",
    "slab_normal_000061",
    "slicer_ctchest4",
)
COVID_PERCENT = {"covid_ricord1a": 12, "slab_covid_000006": 50}
"""CTs with much opacity, and the least that it may be."""

KERNELS = ("thick8mm_B40f", "thick8mm_B70f")
"""One scan in a soft and in a sharp kernel."""

MOST_VOXELS = 150_000_000
"""A CT is not resampled to more than this."""

_METHOD = DefaultMethod()
_SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha")
_OUTSIDE_HU = -1024

Map = NDArray[np.uint8]


@dataclass(frozen=True)
class Change:
    """What became of a CT when it was stored or sampled otherwise, or None if it was too large.

    Parameters
    ----------
    ct, how
        Which CT, and what was done to it.
    points
        More opacity than before, in points of lung volume.
    percent
        More lung volume than before, in percent.
    """

    ct: str
    how: str
    points: float | None
    percent: float | None

    @classmethod
    def between(cls, how: str, before: Labelling, after: Labelling) -> "Change":
        """Compare two labellings that should agree."""
        percents = [made.regions["both"].opacity.percent for made in (before, after)]
        more = 100 * (after.lungs_ml / before.lungs_ml - 1)
        return cls(name_of(before.volume), how, percents[1] - percents[0], more)

    def __str__(self) -> str:
        if self.points is None:
            return f"over {MOST_VOXELS / 1e6:g} million voxels"
        return f"{self.points:+.2f}, {self.percent:+.2f}"


@dataclass(frozen=True)
class Lesion:
    """What is implanted into a CT."""

    kind: LesionKind
    place: Place
    ml: float
    seed: int

    def put(self, volume: Volume, lungs: Map) -> Implanted | None:
        """Implant it; None where there is no room."""
        try:
            return implant(
                volume, lungs, kind=self.kind, volume_ml=self.ml, place=self.place, seed=self.seed
            )
        except InputError:
            return None


@dataclass(frozen=True)
class Score:
    """How well a lesion was found: Dice coefficient, and volume error in percent."""

    dice: float
    error: float

    @classmethod
    def of(cls, found: Map, truth: Map, before: Map) -> "Score":
        """Compare with the truth what is opaque with the lesion, and was not before.

        What was opaque before and is not in the truth is left out of account, neither right nor
        wrong. What has become opaque outside the truth is wrong, wherever it is.
        """
        real = truth > 0
        new = (found > 0) & (real | (before == 0))
        ours, theirs = np.count_nonzero(new), np.count_nonzero(real)
        both = np.count_nonzero(new & real)
        return cls(2 * both / (ours + theirs), 100 * (ours / theirs - 1))


@dataclass(frozen=True)
class Trial:
    """An implant, and what was found of it.

    Parameters
    ----------
    ct, lesion
        Which CT, and what was put into it.
    kept, kept_core
        Share of the lesion, and of the consolidation without its halo, that is in the lungs.
    found
        What the whole chain gives.
    given
        The same with the lungs that were found without the lesion.
    """

    ct: str
    lesion: Lesion
    kept: float
    kept_core: float
    found: Score | None = None
    given: Score | None = None


def cts(folder: Path) -> dict[str, Path]:
    """Find the CTs of a folder by their names; expert masks are left out."""
    found = {}
    for path in sorted(folder.iterdir()):
        suffix = "".join(path.suffixes)
        name = path.name.removesuffix(suffix)
        if suffix in _SUFFIXES and not name.endswith("_lungs"):
            found[name] = path
    return found


def name_of(volume: Volume) -> str:
    """Name of a CT, without its suffix."""
    return volume.name.split(".")[0]


@lru_cache(maxsize=1)
def labelled(path: Path) -> Labelling:
    """Label a CT by the default method."""
    return label_volume(read_volume(path))


def opacity_in(volume: Volume, lungs: Lungs) -> Map:
    """Find the opacity of given lungs, over the whole volume."""
    opacity = np.zeros(volume.hu.shape, np.uint8)
    opacity[lungs.region] = find_opacity(volume, lungs, _METHOD.opacity, _METHOD.clip_hu)
    return opacity


def resampled(volume: Volume, mm: float) -> Volume | None:
    """Resample a CT linearly to cubes; None if they would be more than `MOST_VOXELS`.

    The new voxels fill the block of the old ones exactly, so they are cubes as nearly as a whole
    number of them allows (3.75 mm for 4 mm in a slab of 30 mm), and there is no rim of false air.
    """
    image = _image(volume)
    old = np.array(image.GetSpacing())
    extent = image.GetSize() * old
    size = np.rint(extent / mm).astype(int)
    if np.prod(size) > MOST_VOXELS:
        return None
    new = extent / size
    grid = (new - old) / 2, new
    made = sitk.Resample(
        image,
        size.tolist(),
        sitk.Transform(),
        sitk.sitkLinear,
        *(vector.tolist() for vector in grid),
        image.GetDirection(),
        _OUTSIDE_HU,
    )
    return _volume(made, volume.name)


def turned(volume: Volume) -> Iterator[tuple[str, Volume]]:
    """Store a CT in other orders of its axes, whose directions SimpleITK states."""
    image = _image(volume)
    for axis in range(3):
        flips = [axis == other for other in range(3)]
        yield f"{'xyz'[axis]} flipped", _volume(sitk.Flip(image, flips), volume.name)
    for order in ((2, 1, 0), (1, 2, 0), (0, 2, 1)):
        stored = "".join("xyz"[axis] for axis in order)
        yield f"as {stored}", _volume(sitk.PermuteAxes(image, order), volume.name)


def turn(path: Path) -> list[Change]:
    """Label a CT stored in other orders; nothing where there are no lungs."""
    try:
        before = labelled(path)
    except NoLungsError:
        return []
    return [Change.between(how, before, label_volume(made)) for how, made in turned(before.volume)]


def resample(path: Path, spacings: Sequence[float]) -> list[Change]:
    """Label a CT on other grids; nothing where there are no lungs."""
    try:
        before = labelled(path)
    except NoLungsError:
        return []
    changes = []
    for mm in spacings:
        made, how = resampled(before.volume, mm), f"{mm:g} mm"
        if made is None:
            changes.append(Change(name_of(before.volume), how, None, None))
        else:
            changes.append(Change.between(how, before, label_volume(made)))
    return changes


def look_for(task: tuple[Path, Lesion]) -> Trial | None:
    """Implant a lesion and look for its opacity; None where there is no room for it."""
    path, lesion = task
    before = labelled(path)
    made = lesion.put(before.volume, before.lung_mask)
    if made is None:
        return None
    after = label_volume(made.volume)
    found, given = (
        Score.of(opacity, made.truth, before.opacity_map)
        for opacity in (after.opacity_map, opacity_in(made.volume, before.lungs))
    )
    return Trial(name_of(before.volume), lesion, *_kept(made.truth, after.lungs), found, given)


def look_in_lungs(task: tuple[Path, Lesion]) -> Trial | None:
    """Implant a lesion and find only the lungs; None where there is no room for it."""
    path, lesion = task
    before = labelled(path)
    made = lesion.put(before.volume, before.lung_mask)
    if made is None:
        return None
    lungs = find_lungs(made.volume, _METHOD)
    return Trial(name_of(before.volume), lesion, *_kept(made.truth, lungs))


def _kept(truth: Map, lungs: Lungs) -> tuple[float, float]:
    """Share of a lesion, and of the consolidation in it, that is in the lungs."""
    inside = truth[lungs.region][lungs.mask > 0]
    shares = []
    for least in (Tissue.GROUND_GLASS, Tissue.CONSOLIDATION):
        whole = np.count_nonzero(truth >= least)
        shares.append(np.count_nonzero(inside >= least) / whole if whole else nan)
    return shares[0], shares[1]


def _image(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.hu)
    image.SetSpacing(volume.geometry.spacing_zyx[::-1])
    return image


def _volume(image: sitk.Image, name: str) -> Volume:
    grid = image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()
    return Volume.from_stored(sitk.GetArrayFromImage(image), Geometry(*grid), name=name)
