"""Lesions of known shape in a real CT: overlap measured where there are no expert masks.

A part of the gas in each voxel is replaced by fluid, so that vessels stay as they are and the lung
between them gets the density, the grain and the edge of a real lesion; noise that goes with the
gas is drawn anew. The truth is known to the voxel.

What implants cannot prove: that real lesions are found. They are one compact body each, where real
ones are patchy, with reticulation, bands, and air in open bronchi, which implants fill. They do
not pull on vessels, fissures and pleura, come without effusion and without motion, stand in lungs
that are healthy otherwise, and their true border is a number, where readers disagree about that of
real ones (Dice 0.70 among themselves). A method that fails on implants fails; one that succeeds
has still to be shown on real lesions. docs/implants.md says more.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gmmlabel.errors import InputError
from gmmlabel.implants.growth import Growth, ball_radius, grow
from gmmlabel.implants.lesion import CONSOLIDATION, GRAINS, GROUND_GLASS, LesionKind, Look, Outline
from gmmlabel.implants.placement import CLEAR_MM, LungName, Place, each_lung, find_spot
from gmmlabel.implants.texture import Noise, draw_texture
from gmmlabel.volume import Volume

_PARENCHYMA_BELOW_HU = -500
_HEALTHY_HU = -850.0  # where a lesion has no parenchyma to measure


@dataclass(frozen=True, eq=False)
class Implanted:
    """A CT with one more lesion, and the truth about the lesion.

    Parameters
    ----------
    volume
        The CT.
    truth
        uint8, (z, y, x) of the patient over the whole volume: `Tissue.GROUND_GLASS` or
        `Tissue.CONSOLIDATION` where the lesion fills at least half of a voxel of lung, else 0.
    kind, place
        As asked for.
    volume_ml
        Volume of the truth.
    centre_mm
        Middle of the truth, (x, y, z) LPS.
    """

    volume: Volume
    truth: NDArray[np.uint8]
    kind: LesionKind
    place: Place
    volume_ml: float
    centre_mm: tuple[float, float, float]


def implant(
    volume: Volume,
    lungs: NDArray[Any],
    *,
    kind: LesionKind | str,
    volume_ml: float,
    place: Place | str = Place.PLEURA,
    seed: int = 0,
    side: LungName | None = None,
    occupied: NDArray[np.bool_] | None = None,
) -> Implanted:
    """Put one lesion into a CT.

    Parameters
    ----------
    volume
        A CT whose lungs are healthy where the lesion goes.
    lungs
        Mask over the whole volume, (z, y, x) of the patient: 1 right and 2 left, or any mask.
    kind
        Ground glass, or consolidation with its halo of ground glass.
    volume_ml
        Volume of the truth, halo included. It is met within 2 % or, on coarse grids, one voxel.
    place
        On the costal pleura, or clear of pleura, mediastinum and hilum.
    seed
        Place, shape, texture and noise follow from it.
    side
        Lung to put it into; None for any.
    occupied
        bool, (z, y, x): what it must keep clear of, such as earlier lesions.

    Returns
    -------
    Implanted
        A new volume, equal to the old one wherever there is no lesion.

    Raises
    ------
    InputError
        If there is no room for it.
    """
    kind, place = LesionKind(kind), Place(place)
    if not 0 < volume_ml < np.inf:
        raise InputError(f"a lesion of {volume_ml:g} mL cannot be made; give a volume above 0")
    rng = np.random.default_rng(seed)
    grown = _grown(volume, lungs, kind, volume_ml, place, side, occupied, rng)
    hu, truth = volume.hu.copy(), np.zeros(volume.hu.shape, np.uint8)
    hu[grown.box] = _blended(volume, grown, rng)
    truth[grown.box] = grown.truth
    ml = np.count_nonzero(grown.truth) * volume.geometry.voxel_ml
    note = f"{ml:.1f} mL of {kind} was implanted"
    return Implanted(
        replace(volume, hu=hu, sha256=None, notes=(*volume.notes, note)),
        truth,
        kind,
        place,
        ml,
        _middle(volume, grown),
    )


def _grown(
    volume: Volume,
    lungs: NDArray[Any],
    kind: LesionKind,
    volume_ml: float,
    place: Place,
    side: LungName | None,
    occupied: NDArray[np.bool_] | None,
    rng: np.random.Generator,
) -> Growth:
    """Grow the lesion in the first lung that has room for it."""
    near: NDArray[np.bool_] | np.bool_ = np.False_
    if occupied is not None and occupied.any():
        away = ndimage.distance_transform_edt(~occupied, sampling=volume.geometry.spacing_zyx)
        near = away <= CLEAR_MM
    for lung in each_lung(lungs, side, rng):
        room = lung & ~near
        spot = find_spot(volume, lungs, room, place, ball_radius(volume_ml), rng)
        if spot is None:
            continue
        outline = Outline.draw(rng, spot.inward)
        grown = grow(volume, lungs, room, spot, outline, kind, volume_ml)
        if grown is not None:
            return grown
    raise InputError(
        f"no room for {volume_ml:g} mL of {kind} at the {place}; "
        "give a smaller volume, or another place or seed"
    )


def _blended(volume: Volume, grown: Growth, rng: np.random.Generator) -> NDArray[np.int16]:
    """Replace a part of the gas by fluid, in the box of the lesion."""
    hu = volume.hu[grown.box]
    spacing = volume.geometry.spacing_zyx

    def density(look: Look) -> NDArray[np.float32]:
        field = np.full(hu.shape, look.mean_hu, np.float32)
        for grain, share in GRAINS:
            weight = np.float32(look.texture_hu * np.sqrt(share))
            field += weight * draw_texture(rng, hu.shape, spacing, grain)
        return field

    target = density(GROUND_GLASS)
    if grown.core.any():
        target += (density(CONSOLIDATION) - target) * grown.core
    lung = hu[(grown.truth > 0) & (hu < _PARENCHYMA_BELOW_HU)]
    healthy = float(np.median(lung)) if len(lung) else _HEALTHY_HU
    # Where the lesion fills the voxel, this makes the target of healthy lung, and nothing of 0 HU.
    left = 1 - grown.lesion * (1 - target / np.float32(healthy))
    gas = np.minimum(hu, 0).astype(np.float32)
    # Noise shrinks with the gas that it lies on; drawing the rest anew keeps its variance.
    lost = np.sqrt(np.clip(1 - left * left, 0, 1)) * (gas < 0)
    made = hu + (left - 1) * gas + lost * Noise.of(volume.hu, spacing).draw(rng, hu.shape)
    made = np.rint(made).clip(np.iinfo(np.int16).min, np.iinfo(np.int16).max)
    return np.where(grown.lesion > 0, made, hu).astype(np.int16)


def _middle(volume: Volume, grown: Growth) -> tuple[float, float, float]:
    """Find the middle of the truth, (x, y, z) LPS."""
    index = np.argwhere(grown.truth).mean(axis=0) + [part.start for part in grown.box]
    geometry = volume.geometry
    shape = geometry.size[::-1]
    k, j, i = np.ogrid[tuple(slice(n) for n in shape)]
    nearest = tuple(np.rint(index).astype(int))
    stored = [float(geometry.turn(np.broadcast_to(axis, shape))[nearest]) for axis in (i, j, k)]
    axes = np.reshape(geometry.direction, (3, 3))
    x, y, z = axes @ (np.array(stored) * geometry.spacing) + geometry.origin
    return float(x), float(y), float(z)
