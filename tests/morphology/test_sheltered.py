"""The share of an island in the shelter of a body equals a plain look in four directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from gmmlabel.morphology.components import components
from gmmlabel.morphology.packed import pack
from gmmlabel.morphology.sheltered import sheltered_share

shapes = st.tuples(st.integers(1, 4), st.integers(1, 8), st.sampled_from([1, 3, 9, 64, 66]))


def _share(islands, solid, body):
    found = components(pack(islands), islands.shape[2])
    pieces = components(pack(solid), islands.shape[2])
    return sheltered_share(found, pieces, np.asarray(body, bool))


def _sides(body: np.ndarray, z: int, y: int, x: int) -> int:
    plane = body[z]
    looks = plane[y, :x], plane[y, x + 1 :], plane[:y, x], plane[y + 1 :, x]
    return sum(bool(look.any()) for look in looks)


@given(shape=shapes, seed=st.integers(0, 2**32 - 1), filled=st.sampled_from([0.05, 0.3, 0.6]))
def test_shares_equal_a_look_in_four_directions(shape, seed, filled) -> None:
    rng = np.random.default_rng(seed)
    solid = rng.random(shape) < filled
    islands = rng.random(shape) < 0.5  # some of them over the body itself
    labels, count = ndimage.label(islands)
    pieces, number = ndimage.label(solid)
    body = rng.random(number) < 0.5
    body_mask = np.concatenate(([False], body))[pieces]
    sheltered = np.zeros(shape, bool)
    for place in np.argwhere(islands):
        sheltered[tuple(place)] = _sides(body_mask, *place) >= 3
    expected = [sheltered[labels == island].mean() for island in range(1, count + 1)]
    np.testing.assert_allclose(_share(islands, solid, body), expected, rtol=1e-12)


def _yard(sides: str) -> tuple[np.ndarray, np.ndarray]:
    """An island of one voxel in the middle of 5 x 5, with body on some sides of it."""
    island, solid = np.zeros((2, 1, 5, 5), bool)
    island[0, 2, 2] = True
    for side in sides:
        y, x = {"left": (2, 0), "right": (2, 4), "front": (0, 2), "back": (4, 2)}[
            {"l": "left", "r": "right", "f": "front", "b": "back"}[side]
        ]
        solid[0, y, x] = True
    return island, solid


@pytest.mark.parametrize("sides", ["lrfb", "lrf", "lrb", "lfb", "rfb"])
def test_three_sides_are_shelter(sides: str) -> None:
    island, solid = _yard(sides)
    assert _share(island, solid, np.ones(len(sides))).tolist() == [1.0]


@pytest.mark.parametrize("sides", ["", "l", "lr", "fb", "lf", "rb"])
def test_two_sides_are_none(sides: str) -> None:
    island, solid = _yard(sides)
    assert _share(island, solid, np.ones(len(sides))).tolist() == [0.0]


def test_pieces_that_are_not_the_body_give_no_shelter() -> None:
    island, solid = _yard("lrf")  # the pieces in scan order: front, left, right
    assert _share(island, solid, [True, True, False]).tolist() == [0.0]


def test_another_slice_gives_no_shelter() -> None:
    island, solid = _yard("lrfb")
    empty = np.zeros_like(island)
    islands, solids = np.concatenate([island, empty]), np.concatenate([empty, solid])
    assert _share(islands, solids, np.ones(4)).tolist() == [0.0]


def test_an_island_partly_in_shelter_has_the_share_of_its_voxels() -> None:
    islands, solid = np.zeros((2, 1, 4, 8), bool)
    islands[0, 2, 1:5] = True
    solid[0, 2, 0] = solid[0, 2, 7] = solid[0, 0, 1:4] = True
    assert _share(islands, solid, np.ones(3)).tolist() == [0.75]


def test_no_islands_have_no_shares() -> None:
    _, solid = _yard("lr")
    assert _share(np.zeros_like(solid), solid, np.ones(2)).shape == (0,)
