"""The anatomy of the synthetic chest: where each organ lies, in mm of the patient.

Everything here is a function of millimetres (x to the left, y to the back, z to the head, the
origin between the lungs) and knows nothing of voxels, so that one chest sampled on two grids is
the same chest. Shapes give signed distances in mm, negative inside.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gmmlabel.tissues import Tissue

Millimetres = NDArray[np.float32]
Point = tuple[float, float, float]
Knots = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid, turned by some degrees about the patient's long axis."""

    centre: Point
    semi: Point
    turn: float = 0.0

    @property
    def box(self) -> tuple[Point, Point]:
        """Two corners of a box, along the axes, that holds the shape."""
        cx, cy, cz = self.centre
        wide = max(self.semi[:2])
        return (
            (cx - wide, cy - wide, cz - self.semi[2]),
            (cx + wide, cy + wide, cz + self.semi[2]),
        )

    def distance(self, x: Millimetres, y: Millimetres, z: float | Millimetres) -> Millimetres:
        """Signed distance to the surface, to first order near it."""
        cos, sin = float(np.cos(np.radians(self.turn))), float(np.sin(np.radians(self.turn)))
        dx, dy, dz = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        a, b, c = self.semi
        p, q, r = ((cos * dx + sin * dy) / a) ** 2, ((cos * dy - sin * dx) / b) ** 2, (dz / c) ** 2
        radius = np.sqrt(p + q + r + 1e-6)  # 1e-6: the gradient vanishes at the very centre
        slope = np.sqrt(p / a**2 + q / b**2 + r / c**2 + 1e-6 / max(self.semi) ** 2)
        distance: Millimetres = radius * (radius - 1) / slope
        return distance


@dataclass(frozen=True)
class Tube:
    """A straight tube with round ends, whose radius changes evenly along it."""

    start: Point
    end: Point
    radius: tuple[float, float]

    @property
    def box(self) -> tuple[Point, Point]:
        """Two corners of a box, along the axes, that holds the shape."""
        (ax, ay, az), (bx, by, bz), r = self.start, self.end, max(self.radius)
        return (
            (min(ax, bx) - r, min(ay, by) - r, min(az, bz) - r),
            (max(ax, bx) + r, max(ay, by) + r, max(az, bz) + r),
        )

    def distance(self, x: Millimetres, y: Millimetres, z: float | Millimetres) -> Millimetres:
        """Signed distance to the surface."""
        ux, uy, uz = (b - a for a, b in zip(self.start, self.end, strict=True))
        dx, dy, dz = x - self.start[0], y - self.start[1], z - self.start[2]
        along = (dx * ux + dy * uy + dz * uz) / (ux * ux + uy * uy + uz * uz)
        along = np.clip(along, 0, 1)
        away = np.sqrt((dx - along * ux) ** 2 + (dy - along * uy) ** 2 + (dz - along * uz) ** 2)
        first, last = self.radius
        distance: Millimetres = away - (first + (last - first) * along)
        return distance


Shape = Ellipsoid | Tube


@dataclass(frozen=True)
class Part:
    """An organ of even density, and its wall if it has one."""

    shape: Shape
    hu: float
    wall: tuple[float, float] = (0.0, 0.0)  # thickness in mm, outside the shape; HU


@dataclass(frozen=True)
class Lesion:
    """A patch of altered lung with a ragged, more or less soft rim."""

    tissue: Tissue
    shape: Ellipsoid
    rim: float  # mm over which it fades


def chain(points: tuple[Point, ...], radii: tuple[float, ...]) -> tuple[Tube, ...]:
    """Tubes from point to point, with a radius at each point."""
    ends = zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True)
    return tuple(Tube(a, b, (r, s)) for a, b, r, s in ends)


_BLOOD, _FAT, _LIVER = 42.0, -95.0, 58.0

_HEART: tuple[Shape, ...] = (
    Ellipsoid((24, -24, -42), (66, 45, 52), -28),
    Ellipsoid((-18, -18, -22), (36, 38, 46)),
)
_ARTERIES: tuple[Shape, ...] = (
    *chain(
        ((2, -28, 0), (-12, -30, 35), (-6, -22, 58), (8, -2, 68), (20, 24, 64), (24, 40, 46)),
        (15, 15, 14.5, 13.5, 13, 12.5),
    ),
    *chain(((24, 40, 46), (25, 46, 0), (20, 44, -90), (12, 42, -260)), (12.5, 12, 11.5, 11)),
    *chain(((12, -34, 0), (20, -22, 24), (40, 8, 26), (50, 16, 14)), (15, 14, 11, 9)),  # left
    *chain(((16, -18, 18), (-20, -6, 14), (-46, 10, 8)), (12, 11, 9)),  # right pulmonary artery
    *chain(((-25, -18, 0), (-24, -14, 60), (-18, -20, 100)), (10, 9, 8)),  # superior vena cava
    *chain(((-6, -2, 72), (-16, -2, 120), (-26, -4, 170)), (6, 5, 4)),
    *chain(((12, 8, 74), (18, 6, 120), (26, -2, 170)), (6, 5, 4)),
)
_HILA: tuple[Shape, ...] = (
    Ellipsoid((-38, 14, 8), (19, 17, 30)),
    Ellipsoid((40, 17, 12), (18, 16, 28)),
)
AIRWAYS: tuple[Tube, ...] = (
    *chain(((0, -8, 240), (0, 2, 140), (1, 14, 80), (2, 19, 48)), (8.5, 8.5, 8.5, 9.5)),
    *chain(((2, 19, 48), (-28, 21, 26), (-44, 20, 4), (-58, 26, -22)), (7.5, 7, 5, 3)),
    *chain(((-30, 21, 24), (-48, 22, 34), (-60, 20, 44)), (4.5, 4, 2.5)),
    *chain(((-46, 20, 2), (-60, 4, -12)), (3.5, 2.5)),
    *chain(((2, 19, 48), (30, 23, 22), (46, 25, 8), (58, 30, -18)), (7, 6.5, 5, 3)),
    *chain(((38, 24, 14), (56, 16, 26), (64, 8, 36)), (4.5, 4, 2.5)),
)
AIRWAY_WALL = 1.4
"""Trachea, main and lobar bronchi, and the thickness of their walls, in mm: none of it lung."""

_RIGHT_DOME = Ellipsoid((-68, -12, -146), (84, 100, 82))
_LEFT_DOME = Ellipsoid((64, -10, -152), (84, 104, 70))
_STOMACH = Ellipsoid((60, -24, -136), (46, 50, 42), 15)

ORGANS: tuple[Part, ...] = (
    Part(_LEFT_DOME, _FAT, (2.5, 45)),
    Part(_RIGHT_DOME, _LIVER),
    Part(Ellipsoid((10, -45, -165), (70, 42, 60), -12), _LIVER),
    Part(Ellipsoid((92, 40, -140), (36, 46, 52), 40), 48),  # spleen
    *(Part(shape, _BLOOD - 4, (1.5, 20)) for shape in _HEART),
    *(Part(shape, 25) for shape in _HILA),
    *(Part(shape, _BLOOD) for shape in _ARTERIES),
    Part(Tube((4, 30, 160), (8, 34, -140), (6, 6)), 35),  # oesophagus
    Part(_STOMACH, 20, (4, 40)),
)
"""What the mediastinum and the abdomen hold, in the order in which later hides earlier."""

STOMACH, STOMACH_LEVEL = _STOMACH, -30.0
"""Gas fills the stomach ventrally (y below the level, mm): the patient lies on the back."""

BOWEL: tuple[Tube, ...] = (
    *chain(((92, -58, -128), (98, -36, -120), (96, -12, -138)), (11, 13, 10)),
    *chain(((-20, -84, -196), (20, -86, -190), (60, -78, -172)), (12, 14, 12)),
)
"""Loops of the colon that hold gas."""

BONES: tuple[Part, ...] = tuple(
    Part(shape, hu, (1.8, 700))
    for side in (-1, 1)
    for shape, hu in (
        (Ellipsoid((side * 108, 79, 66), (40, 2.2, 66), side * -30), 250.0),  # scapula
        (Ellipsoid((side * 148, 20, 130), (22, 22, 24)), 180.0),  # head of the humerus
        (Tube((side * 22, -66, 112), (side * 72, -60, 126), (7, 5)), 200.0),  # clavicle
        (Tube((side * 72, -60, 126), (side * 130, -10, 146), (5, 6)), 200.0),
    )
)
"""Bones that do not repeat from vertebra to vertebra."""

# (z, mm) from below upwards
_BODY_WIDTH = ((-200, 160), (-90, 166), (0, 170), (80, 178), (125, 182), (155, 160), (185, 85))
_BODY_DEPTH = ((-200, 114), (-60, 119), (30, 119), (90, 110), (130, 94), (165, 74), (200, 62))
_BODY_Y = ((-200, 0), (0, 3), (100, 6), (200, 8))
_CAVITY_WIDTH = ((-200, 126), (-110, 129), (-40, 129), (10, 125), (60, 113), (100, 97), (145, 62))
_CAVITY_DEPTH = ((-200, 90), (-60, 95), (0, 94), (50, 86), (90, 74), (120, 61), (145, 48))
_CAVITY_Y = ((-200, 0), (0, 2), (80, 6), (140, 10))
_SPINE_Y = ((-200, 52), (-40, 60), (30, 61), (110, 48), (200, 30))
_STERNUM = ((-90, 2), (-60, 12), (-20, 16), (45, 15), (70, 24), (100, 26), (112, 5), (125, -30))
_MIDLINE = ((-160, 20), (0, 20), (60, 23), (100, 28), (140, 34))


def profile(z: float | Millimetres, knots: Knots) -> Millimetres:
    """Smooth curve near the knots: straight lines, averaged over 40 mm.

    Parameters
    ----------
    z
        Height, mm, of any shape.
    knots
        Pairs of height and value, upwards.
    """
    heights, values = zip(*knots, strict=True)
    window = np.linspace(-20, 20, 9)
    around = np.asarray(z, np.float64)[..., None] + window
    curve: Millimetres = np.interp(around, heights, values).mean(axis=-1).astype(np.float32)
    return curve


def _barrel(
    x: Millimetres,
    y: Millimetres,
    z: float | Millimetres,
    width: Knots,
    depth: Knots,
    middle: Knots,
) -> Millimetres:
    """Signed in-plane distance to a cylinder: |x/a|^2.5 + |y/b|^2.5 = 1, varying with z."""
    a, b = profile(z, width), profile(z, depth)
    u, v = np.abs(x) / a, np.abs(y - profile(z, middle)) / b
    radius = (u * u * np.sqrt(u) + v * v * np.sqrt(v) + 1e-6) ** 0.4
    slope = np.sqrt(u**3 / (a * a) + v**3 / (b * b) + 1e-9)
    distance: Millimetres = (radius - 1) * radius * np.sqrt(radius) / slope
    return distance


def body(x: Millimetres, y: Millimetres, z: float | Millimetres) -> Millimetres:
    """Signed distance to the skin."""
    return _barrel(x, y, z, _BODY_WIDTH, _BODY_DEPTH, _BODY_Y)


def cavity(x: Millimetres, y: Millimetres, z: float | Millimetres) -> Millimetres:
    """Signed distance to the inside of the rib cage, abdomen included."""
    return _barrel(x, y, z, _CAVITY_WIDTH, _CAVITY_DEPTH, _CAVITY_Y)


def spine_y(z: float) -> float:
    """Where the vertebral body's middle lies at a height, mm: the spine is curved."""
    return float(profile(z, _SPINE_Y))


def sternum(x: Millimetres, y: Millimetres, z: float) -> Millimetres:
    """Signed distance to the breastbone, which lies on the front of the cavity."""
    front = float(profile(z, _CAVITY_Y) - profile(z, _CAVITY_DEPTH)) - 9
    distance: Millimetres = np.hypot(np.maximum(np.abs(x) - profile(z, _STERNUM), 0), y - front) - 6
    return distance


def lungs(
    x: Millimetres, y: Millimetres, z: float | Millimetres, wall: Millimetres | None = None
) -> Millimetres:
    """Signed distance to both lungs, airways not yet taken out.

    Parameters
    ----------
    x, y, z
        Coordinates, mm, that broadcast.
    wall
        `cavity` at the same places, if it is at hand.
    """
    inner = cavity(x, y, z) if wall is None else wall
    # each lung ends above in a dome of its own: the apex reaches z = 133 mm
    apex = Ellipsoid((58, 8, -10), (78, 104, 144)).distance(np.abs(x), y, np.maximum(z, -10))
    base = np.asarray(-112 - 0.3 * y - z, np.float32)  # recesses end lower at the back
    # 5 mm of tissue keep the lungs apart in front, 20 mm and more behind
    midline = profile(z, _MIDLINE) * np.clip((y + 95) / 60, 0.25, 1) - np.abs(x)
    spine = np.hypot(x, (y - profile(z, _SPINE_Y) - 6) * 0.9) - 27
    between = _blend(np.asarray(midline, np.float32) * -1, spine)
    for shape in (*_HEART, *_HILA, *_ARTERIES, _RIGHT_DOME, _LEFT_DOME):
        low, high = shape.box
        if np.max(z) > low[2] - 15 and np.min(z) < high[2] + 15:
            between = _blend(between, shape.distance(x, y, z) - 3)
    # the union of the two outsides: rounds the rim of the recesses
    return -_blend(np.minimum(-np.maximum(inner, apex), between), -base, 16)


def _blend(first: Millimetres, second: Millimetres, reach: float = 9.0) -> Millimetres:
    """Union of two shapes with a fillet of about `reach` mm in the crease between them."""
    overlap = np.maximum(reach - np.abs(first - second), 0)
    union: Millimetres = np.minimum(first, second) - overlap * overlap / (4 * reach)
    return union


@dataclass(frozen=True)
class Texture:
    """Smooth random numbers in space: mean 0, SD 1, blobs about twice as wide as the pitch.

    White noise on a lattice in mm, interpolated by cubic B-splines, so that its value at a place
    depends on the seed alone and not on the grid that samples it.
    """

    seed: int
    pitch: float

    def plane(self, x: Millimetres, y: Millimetres, z: float) -> Millimetres:
        """Values on an axial plane; x (1, nx), y (ny, 1) and z in mm; result (ny, nx)."""
        layer, weights = self._taps(np.array([z], np.float32))
        nodes = [_lattice(self.seed, self.pitch, int(layer[0]) + i) for i in range(4)]
        sheet = _mix(nodes, weights)
        row, weights = self._taps(y[:, 0])
        rows = [sheet[(row + i) % len(sheet)] for i in range(4)]
        sheet = _mix(rows, [weight[:, None] for weight in weights])
        column, weights = self._taps(x[0])
        columns = [np.take(sheet, column + i, axis=1, mode="wrap") for i in range(4)]
        return _mix(columns, weights) / np.float32(0.331)  # the SD left by splines: 0.479 ** 1.5

    def _taps(self, mm: Millimetres) -> tuple[NDArray[np.int64], list[Millimetres]]:
        """First of the four lattice points around each place, and the weights of the four."""
        place = mm / np.float32(self.pitch)
        first = np.floor(place)
        t = place - first
        s = 1 - t
        weights = (s**3, 3 * t**3 - 6 * t**2 + 4, 3 * s**3 - 6 * s**2 + 4, t**3)
        return first.astype(np.int64) - 1, [weight / 6 for weight in weights]


def _mix(layers: list[Millimetres], weights: list[Millimetres]) -> Millimetres:
    total = np.zeros_like(layers[0])
    for layer, weight in zip(layers, weights, strict=True):
        total += layer * weight
    return total


@lru_cache(maxsize=64)
def _lattice(seed: int, pitch: float, layer: int) -> Millimetres:
    rng = np.random.default_rng([seed, round(1000 * pitch), layer + 10**6])
    return rng.standard_normal((256, 256), np.float32)


def lesions(seed: int) -> tuple[Lesion, ...]:
    """Patches of emphysema, ground glass and consolidation in the lungs, in order of painting."""
    rng = np.random.default_rng([seed, 2])
    found = []
    for x, y, z in _places(rng, 10, low=(30, -80, 45), depth=(4, 30)):
        radius = float(rng.uniform(9, 17))
        found.append(Lesion(Tissue.AIR, Ellipsoid((x, y, z), (radius, radius, 1.2 * radius)), 2))
    for x, y, z in _places(rng, 6, low=(30, -80, -90), depth=(6, 28)):
        a, b, c = (float(radius) for radius in rng.uniform(16, 30, 3))
        found.append(Lesion(Tissue.GROUND_GLASS, Ellipsoid((x, y, z), (a, b, c), 30), 8))
    for x, y, z in _places(rng, 4, low=(30, 55, -90), depth=(1, 7)):
        a, b, c = (float(radius) for radius in rng.uniform(17, 27, 3))
        halo = Ellipsoid((x, y - 5, z), (1.35 * a, 1.2 * b, 1.3 * c))
        found.append(Lesion(Tissue.GROUND_GLASS, halo, 8))
        found.append(Lesion(Tissue.CONSOLIDATION, Ellipsoid((x, y, z), (a, 0.8 * b, c)), 3))
    return tuple(sorted(found, key=lambda lesion: lesion.tissue))


def _places(
    rng: np.random.Generator, count: int, *, low: Point, depth: tuple[float, float]
) -> list[Point]:
    """Points at some depth below the pleura, |x|, y and z above `low`, the sides in turn."""
    points: list[Point] = []
    while len(points) < count:
        side = 1 if len(points) % 2 else -1
        x, y, z = (float(value) for value in rng.uniform(low, (130, 95, 128)))
        x *= side
        below = -float(lungs(*(np.full(1, value, np.float32) for value in (x, y, z)))[0])
        if depth[0] < below < depth[1]:
            points.append((x, y, z))
    return points


@lru_cache(maxsize=4)
def vessels(seed: int, leaves: int = 700) -> tuple[Tube, ...]:
    """Arteries and veins of both lungs.

    Parameters
    ----------
    seed
        Of the random end points.
    leaves
        End points of each of the four trees.
    """
    rng = np.random.default_rng([seed, 1])
    tubes: list[Tube] = []
    for root in ((-48, 12, 6), (52, 18, 12), (-42, 4, -14), (46, 12, -12)):
        points = rng.uniform((25, -95, -140), (130, 95, 130), (16 * leaves, 3)).astype(np.float32)
        points[:, 0] *= np.sign(root[0])
        inside = points[lungs(points[:, 0], points[:, 1], points[:, 2]) < -4]
        tubes.extend(_tree(np.array(root, np.float32), inside[:leaves], (0.0, 0.0, 0.0)))
    return tuple(tubes)


def _tree(start: Millimetres, ends: Millimetres, heading: Point) -> Iterator[Tube]:
    """Halve a cloud of end points across its longest side, again and again, a branch to each half.

    The radius follows Murray's law, r ** 2.8 in proportion to the leaves fed: 0.62 mm at the
    tips, 6.4 mm at the hilum for 700 of them.
    """
    if len(ends) > 1:
        towards = (ends.mean(axis=0) - start) * 0.42
        node = start + towards * 0.8 + np.array(heading, np.float32) * 0.2  # bends, does not kink
    else:
        node = ends[0]
        towards = node - start
    if np.linalg.norm(node - start) > 0.5:
        thin = 0.62 * max(len(ends) / 2, 1) ** (1 / 2.8)
        yield Tube(_point(start), _point(node), (0.62 * len(ends) ** (1 / 2.8), thin))
    if len(ends) > 1:
        order = np.argsort(ends[:, np.argmax(np.ptp(ends, axis=0))], kind="stable")
        for half in (order[: len(order) // 2], order[len(order) // 2 :]):
            yield from _tree(node, ends[half], _point(towards))


def _point(vector: Millimetres) -> Point:
    x, y, z = (float(value) for value in vector)
    return x, y, z
