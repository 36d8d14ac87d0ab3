"""Which islands of what is lighter than soft tissue are lung."""

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import NoLungsError
from gmmlabel.method import DefaultMethod
from gmmlabel.morphology.components import Components, components
from gmmlabel.morphology.packed import open_cross, pack_range
from gmmlabel.morphology.sheltered import sheltered_share
from gmmlabel.volume import Volume

_HIGHEST = 1 << 15


def lung_islands(volume: Volume, outside: NDArray[np.uint64], method: DefaultMethod) -> Components:
    """Find the islands of light voxels that are lung.

    Parameters
    ----------
    volume
        Chest CT.
    outside
        Packed mask of what is light and known to be no lung.
    method
        Whose numbers to use.

    Raises
    ------
    NoLungsError
        If there is too little that can be lung.
    """
    islands = _islands(volume, outside, method)
    chosen = _choose(volume, method, islands)
    found_ml = islands.sizes[chosen].sum() * volume.geometry.voxel_ml
    if found_ml < method.lungs_ml:
        raise NoLungsError(
            f"no lungs found: {found_ml:.0f} mL in the body is as light as lung, under the "
            f"{method.lungs_ml:g} mL of a slab of lungs; give a chest CT"
        )
    return islands.keep(chosen)


def _islands(volume: Volume, outside: NDArray[np.uint64], method: DefaultMethod) -> Components:
    """Find the islands of what is light, neither padding nor known to be outside the lungs."""
    light = pack_range(volume.hu, method.padding_below_hu, method.threshold_hu)
    light &= ~outside
    padding = _constant_corner(volume.hu)
    if padding is not None:
        light &= ~pack_range(volume.hu, padding, padding + 1)
    width, opening = volume.hu.shape[2], _steps(method.opening_mm, volume.geometry.spacing_zyx)
    islands = components(open_cross(light, width, opening, edge=True), width)
    return islands.keep(islands.sizes * volume.geometry.voxel_ml >= method.island_ml)


def _choose(volume: Volume, method: DefaultMethod, islands: Components) -> NDArray[np.bool_]:
    """Tell which islands are lung."""
    in_body = _share_in_body(volume, method, islands) >= method.in_body_share
    chosen = in_body & (_quantiles(volume, islands, 0.5) >= method.lung_above_hu)
    if islands.sizes[chosen].sum() * volume.geometry.voxel_ml < method.lungs_ml:
        # A field of view within one lung shows too little of the body to tell: go by density. The
        # air around a patient is mixed with couch and blankets, so its median is no sure sign.
        chosen = _quantiles(volume, islands, 0.25) >= method.lung_above_hu
    return np.asarray(chosen & (islands.sizes >= method.island_share * islands.sizes[chosen].sum()))


def _constant_corner(hu: NDArray[np.int16]) -> int | None:
    """Find the value that fills the four corners of every slice, if one does: that is no scan."""
    corners = hu[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    return int(corners[0, 0]) if (corners == corners[0, 0]).all() else None


def _steps(radius: float, spacing: tuple[float, float, float]) -> tuple[int, int, int]:
    """Round a radius in mm to whole voxels along (z, y, x)."""
    z, y, x = (int(radius / step + 0.5) for step in spacing)
    return z, y, x


def _share_in_body(
    volume: Volume, method: DefaultMethod, islands: Components
) -> NDArray[np.float64]:
    """Share of each island's voxels that have the body on at least three of four sides.

    The body is the largest piece of what is not light, after an opening that takes away the
    shells of couch and blankets.
    """
    width = volume.hu.shape[2]
    dense = pack_range(volume.hu, method.threshold_hu, _HIGHEST)
    opening = _steps(method.body_opening_mm, volume.geometry.spacing_zyx)
    pieces = components(open_cross(dense, width, opening, edge=True), width)
    if not len(pieces.sizes):
        return np.zeros(len(islands.sizes))
    body = np.arange(len(pieces.sizes)) == pieces.sizes.argmax()
    return sheltered_share(islands, pieces, body)


def _quantiles(volume: Volume, islands: Components, share: float) -> NDArray[np.int64]:
    """HU below which a share of each island lies, from -1200 up."""
    counts = islands.histograms(volume.hu, -1200, 0).cumsum(axis=1)
    return np.asarray((counts < share * counts[:, -1:]).sum(axis=1) - 1200)
