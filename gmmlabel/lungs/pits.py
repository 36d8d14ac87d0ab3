"""Pits in a chart of a surface: how deep they are, and how their rims span them.

A chart has a row for each slice and a column for each direction around an axis; its columns go
round, so the last is a neighbour of the first.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Chart = NDArray[np.float32]
Region = NDArray[np.bool_]
Scale = tuple[float, float]

_ROUND: tuple[Literal["constant"], Literal["wrap"]] = ("constant", "wrap")
_UNDER = 0.02  # weight, in the trend, of what lies under it
_ROUNDS = 8  # after which the trend no longer moves
_UNIT_MM = 50.0
_NOTHING = np.float32(-1e4)


def trend(chart: Chart, surface: Region, sigma_mm: float, under_mm: float, scale: Scale) -> Chart:
    """Smooth a surface, with little regard to what lies under it.

    Parameters
    ----------
    chart
        Heights, (rows, columns).
    surface
        Where they are of the surface.
    sigma_mm
        Width of the Gaussian.
    under_mm
        What lies so much under the trend hardly counts.
    scale
        Distance of rows and of columns, in mm.
    """
    sigma = tuple(sigma_mm / step for step in scale)
    weight = surface.astype(np.float32)
    for _ in range(_ROUNDS):
        total = ndimage.gaussian_filter(chart * weight, sigma, mode=_ROUND)
        smooth = total / np.maximum(ndimage.gaussian_filter(weight, sigma, mode=_ROUND), 1e-6)
        weight = np.where(chart < smooth - under_mm, np.float32(_UNDER), np.float32(1)) * surface
    return np.asarray(smooth)


def closed(
    chart: Chart, surface: Region, radius_mm: float, scale: Scale, goes_on: tuple[bool, bool]
) -> Chart:
    """Fill the pits of a surface that a disc does not fit into.

    A pit that is open to where there is no surface is not filled as far as the disc gets in.

    Parameters
    ----------
    chart, surface, scale
        As of `trend`.
    radius_mm
        Of the disc.
    goes_on
        Whether the surface goes on, as in a mirror, before the first and after the last row.

    Returns
    -------
    ndarray
        The closing; far below any height where a disc fits in without touching the surface.
    """
    rows, columns = (int(radius_mm / step) for step in scale)
    wide = np.pad(
        np.where(surface, chart, _NOTHING), ((0, 0), (2 * columns, 2 * columns)), mode="wrap"
    )
    for end, room in enumerate(((2 * rows, 0), (0, 2 * rows))):
        how: dict[str, Any] = (
            {"mode": "symmetric"} if goes_on[end] else {"constant_values": _NOTHING}
        )
        wide = np.pad(wide, (room, (0, 0)), **how)
    window = 2 * rows + 1, 2 * columns + 1
    filled = ndimage.minimum_filter(ndimage.maximum_filter(wide, window), window)
    column = 2 * rows + 1, 1
    along = ndimage.minimum_filter(ndimage.maximum_filter(wide, column), column)
    filled = np.maximum(filled, along)
    return np.asarray(
        filled[2 * rows : 2 * rows + len(chart), 2 * columns : 2 * columns + chart.shape[1]]
    )


def span(chart: Chart, pit: Region, rim: Region, scale: Scale) -> Chart:
    """Span a pit by the cubic surface that fits its rim best, but not higher than the rim.

    Parameters
    ----------
    chart
        Heights, (rows, columns).
    pit
        Where to replace them.
    rim
        Where to fit.
    scale
        Distance of rows and of columns, in mm.
    """
    columns = chart.shape[1]
    if not pit.any() or not rim.any():
        return chart
    angle = np.angle(np.exp(2j * np.pi / columns * np.nonzero(pit)[1]).sum())
    middle = np.array([np.nonzero(pit)[0].mean(), angle / (2 * np.pi) * columns])

    def terms(region: Region) -> NDArray[np.float64]:
        away = np.argwhere(region) - middle
        away[:, 1] = (away[:, 1] + columns / 2) % columns - columns / 2
        z, t = (away * scale / _UNIT_MM).T
        return np.stack([z**i * t**j for i in range(4) for j in range(4 - i)], axis=1)

    cubic = np.linalg.lstsq(terms(rim), chart[rim], rcond=None)[0]
    spanned = chart.copy()
    spanned[pit] = np.minimum(terms(pit) @ cubic, chart[rim].max())
    return spanned


def pieces_round(region: Region) -> NDArray[np.int32]:
    """Give each connected piece of a region whose columns go round a number of its own."""
    numbers, _ = ndimage.label(region)
    for one, other in zip(numbers[:, 0], numbers[:, -1], strict=True):
        if one and other and one != other:
            numbers[numbers == other] = one
    return np.asarray(numbers)


def distance_round(region: Region, scale: Scale) -> NDArray[np.float64]:
    """Distance of each place to a region whose columns go round, in mm."""
    columns = region.shape[1]
    half = columns // 2
    wide = np.concatenate([region[:, columns - half :], region, region[:, :half]], axis=1)
    return np.asarray(ndimage.distance_transform_edt(~wide, scale)[:, half : half + columns])
