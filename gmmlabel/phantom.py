"""A synthetic chest CT with known tissues: what no real CT at hand can show.

`gmmlabel.anatomy` says where everything lies in mm of the patient; here it is scanned: each axial
section is painted with honest partial volume, blurred like a scanner's point spread function and
made noisy. One section is in memory at a time beside the volume itself.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmmlabel import anatomy
from gmmlabel.anatomy import Ellipsoid, Lesion, Millimetres, Part, Shape, Texture, Tube
from gmmlabel.errors import GeometryError
from gmmlabel.tissues import Tissue
from gmmlabel.volume import Geometry, Volume

_PSF_MM = 0.6  # sigma in the plane, of a medium reconstruction kernel
_THICK_MM = 1.5  # slices thicker than this are the mean of three sections
_VESSEL_HU = 35.0
_PATCH_HU = {Tissue.AIR: -955.0, Tissue.GROUND_GLASS: -625.0, Tissue.CONSOLIDATION: -345.0}
_PATCH_TEXTURE_HU = {Tissue.AIR: 4.0, Tissue.GROUND_GLASS: 27.0, Tissue.CONSOLIDATION: 18.0}
_VERTEBRA_MM, _RIB_MM = 26.0, 25.0  # from one to the next


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic CT and the truth about it.

    Parameters
    ----------
    volume
        The scan, int16 HU, (z, y, x) of the patient.
    truth
        uint8, the same shape: the `Tissue` at the centre of each voxel, without blur and noise;
        0 outside the lungs, where trachea, main and lobar bronchi count as outside.
    """

    volume: Volume
    truth: NDArray[np.uint8]

    @property
    def lungs(self) -> NDArray[np.bool_]:
        """The true lung mask, vessels and lesions included."""
        return self.truth > 0


@dataclass(frozen=True)
class _Section:
    """An axial plane to paint on: x (1, nx), y (ny, 1) and z in mm, and the pixel's size."""

    x: Millimetres
    y: Millimetres
    z: float
    pixel: float

    def window(self, shape: Shape, margin: float = 4.0) -> tuple[slice, slice] | None:
        """Rows and columns that a shape can touch, or None if it misses the section."""
        (x0, y0, z0), (x1, y1, z1) = shape.box
        if not z0 - margin < self.z < z1 + margin:
            return None
        margin += self.pixel
        rows = np.searchsorted(self.y[:, 0], (y0 - margin, y1 + margin))
        columns = np.searchsorted(self.x[0], (x0 - margin, x1 + margin))
        if rows[0] == rows[1] or columns[0] == columns[1]:
            return None
        return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))

    def distance(self, shape: Shape, window: tuple[slice, slice]) -> Millimetres:
        """Signed distance to a shape in a window of the section."""
        rows, columns = window
        return shape.distance(self.x[:, columns], self.y[rows], self.z)


@dataclass(frozen=True)
class _Chest:
    """What differs from seed to seed."""

    vessels: tuple[Tube, ...]
    lesions: tuple[Lesion, ...]
    fine: Texture
    coarse: Texture

    @cached_property
    def _reach(self) -> Millimetres:
        return np.array([(tube.box[0][2], tube.box[1][2]) for tube in self.vessels], np.float32)

    def vessels_near(self, z: float) -> list[Tube]:
        """Vessels that come within 1 mm of a height: some 200 of 5,600."""
        near = (self._reach[:, 0] < z + 1) & (self._reach[:, 1] > z - 1)
        return [self.vessels[index] for index in np.flatnonzero(near)]


def make_phantom(
    size: tuple[int, int, int] = (512, 512, 300),
    spacing: tuple[float, float, float] = (0.7, 0.7, 1.0),
    *,
    seed: int = 0,
    noise_hu: float = 25.0,
    lesions: bool = True,
    pad_hu: int | None = None,
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Phantom:
    """Scan a synthetic chest: about 340 x 240 mm of body, with two lungs of 4.8 L together.

    The chest is defined in mm, so the same seed at another size or spacing is the same patient;
    only the scanner's noise differs. What does not fit into the field of view is cropped.

    Parameters
    ----------
    size
        Voxels along x, y and z.
    spacing
        Distance of neighbouring voxels along x, y and z, in mm. Slices touch each other.
    seed
        Vessels, lesions, texture and noise follow from it.
    noise_hu
        Standard deviation of the scanner's noise, HU.
    lesions
        Whether there are patches of emphysema, ground glass and consolidation.
    pad_hu
        Value outside the inscribed circle of the field of view (-3024 in many exports), or None
        for a square field of view.
    centre_mm
        Middle of the field of view, in mm from the middle of the chest (LPS).

    Returns
    -------
    Phantom
        The volume and its true tissues.

    Raises
    ------
    GeometryError
        If there are no voxels along an axis, or a spacing is not positive.
    """
    if min(size) < 1:
        raise GeometryError(f"size {size} has no voxels; give one or more along each axis")
    Geometry(size, spacing)  # refuses what is no spacing
    chest = _Chest(
        anatomy.vessels(seed),
        anatomy.lesions(seed) if lesions else (),
        Texture(seed, 1.2),
        Texture(seed, 7.0),
    )
    nx, ny, nz = size
    x, y, z = (
        (np.arange(n) - (n - 1) / 2) * step + middle
        for n, step, middle in zip(size, spacing, centre_mm, strict=True)
    )
    columns, rows = x.astype(np.float32)[None, :], y.astype(np.float32)[:, None]
    pixel = float(np.sqrt(spacing[0] * spacing[1]))
    sections = (0.0, -spacing[2] / 3, spacing[2] / 3) if spacing[2] > _THICK_MM else (0.0,)
    hu, truth = np.empty((nz, ny, nx), np.int16), np.empty((nz, ny, nx), np.uint8)
    outside = _outside_circle(size, spacing)
    for index, height in enumerate(z):
        mean, truth[index] = _paint(chest, _Section(columns, rows, float(height), pixel))
        for offset in sections[1:]:
            mean += _paint(chest, _Section(columns, rows, float(height) + offset, pixel))[0]
        mean /= len(sections)
        scan = _scan(mean, spacing, noise_hu, np.random.default_rng([seed, 3, index]))
        if pad_hu is not None:
            scan[outside] = pad_hu
            truth[index, outside] = 0
        hu[index] = scan
    return Phantom(_volume(hu, spacing, (x[0], y[0], z[0]), f"phantom-{seed}"), truth)


def make_head(
    size: tuple[int, int, int] = (96, 96, 96),
    spacing: tuple[float, float, float] = (2.5, 2.5, 2.5),
    *,
    seed: int = 0,
) -> Volume:
    """Scan a synthetic head: a CT in HU with air around and in it, and no lungs.

    Parameters
    ----------
    size, spacing
        Voxels and their distance (mm) along x, y and z.
    seed
        Of the scanner's noise.

    Returns
    -------
    Volume
        Skull, brain, and two maxillary sinuses of 15 mL of air each.
    """
    parts = (
        Part(Ellipsoid((0, 0, 10), (74, 92, 84)), 40.0, (6.0, 40.0)),
        Part(Ellipsoid((0, 0, 10), (68, 86, 78)), 36.0, (6.0, 900.0)),
        Part(Tube((0, 15, -40), (0, 20, -200), (55, 55)), 50.0),
        *(Part(Ellipsoid((side * 26, -40, -34), (13, 16, 17)), -1000.0, (2.0, 400.0))
          for side in (-1, 1)),
    )  # fmt: skip
    x, y, z = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(size, spacing, strict=True))
    columns, rows = x.astype(np.float32)[None, :], y.astype(np.float32)[:, None]
    hu = np.empty(size[::-1], np.int16)
    for index, height in enumerate(z):
        section = _Section(columns, rows, float(height), spacing[0])
        plane = np.full((size[1], size[0]), -1000, np.float32)
        for part in parts:
            _lay(plane, section, part)
        hu[index] = _scan(plane, spacing, 10.0, np.random.default_rng([seed, 3, index]))
    return _volume(hu, spacing, (x[0], y[0], z[0]), f"head-{seed}")


def _volume(
    hu: NDArray[np.int16],
    spacing: tuple[float, float, float],
    first: tuple[float, float, float],
    name: str,
) -> Volume:
    nz, ny, nx = hu.shape
    x, y, z = (float(value) for value in first)
    return Volume(hu, Geometry((nx, ny, nz), spacing, (x, y, z)), name)


def _outside_circle(
    size: tuple[int, int, int], spacing: tuple[float, float, float]
) -> NDArray[np.bool_]:
    (nx, ny, _), (sx, sy, _) = size, spacing
    x, y = (np.arange(nx) - (nx - 1) / 2) * sx, (np.arange(ny) - (ny - 1) / 2) * sy
    outside: NDArray[np.bool_] = np.hypot(x, y[:, None]) > min(nx * sx, ny * sy) / 2
    return outside


def _cover(distance: Millimetres, width: float) -> Millimetres:
    """Share of a pixel (or of a soft rim, `width` mm) on the inner side of an edge."""
    share: Millimetres = np.clip(0.5 - distance / width, 0, 1)
    return share


def _fill(plane: Millimetres, distance: Millimetres, hu: float | Millimetres, width: float) -> None:
    plane += (hu - plane) * _cover(distance, width)


def _lay(plane: Millimetres, section: _Section, part: Part) -> None:
    """Paint an organ, wall first."""
    thickness, wall_hu = part.wall
    if window := section.window(part.shape, thickness + 2):
        distance = section.distance(part.shape, window)
        if thickness:
            _fill(plane[window], distance - thickness, wall_hu, section.pixel)
        _fill(plane[window], distance, part.hu, section.pixel)


def _paint(chest: _Chest, section: _Section) -> tuple[Millimetres, NDArray[np.uint8]]:
    """Hounsfield units without blur and noise, and the true tissues, of one section."""
    x, y, z, pixel = section.x, section.y, section.z, section.pixel
    plane = np.full((y.size, x.size), -1000, np.float32)
    truth = np.zeros(plane.shape, np.uint8)
    cavity = anatomy.cavity(x, y, z)
    coarse = chest.coarse.plane(x, y, z)
    _paint_table(plane, section)
    _paint_wall(plane, section, cavity, coarse)
    # fat of the mediastinum and the abdomen; above the lungs the cavity is the neck's muscle
    inner = np.full_like(plane, np.interp(z, (115, 140), (-95, 35)))
    for part in anatomy.ORGANS:
        _lay(inner, section, part)
    _paint_gas(inner, section)
    _fill(plane, cavity, inner, pixel)
    _paint_spine(plane, section)
    lungs = anatomy.lungs(x, y, z, cavity)
    if lungs.min() < pixel:
        tissue, inside = _paint_lungs(chest, section, coarse, lungs)
        plane += (tissue - plane) * _cover(lungs, pixel)
        truth[:] = np.where(lungs < 0, inside, 0)
    for hu, thickness in ((30.0, anatomy.AIRWAY_WALL), (-1000.0, 0.0)):
        for tube in anatomy.AIRWAYS:
            if window := section.window(tube):
                distance = section.distance(tube, window) - thickness
                _fill(plane[window], distance, hu, pixel)
                truth[window][distance < 0] = 0
    return plane, truth


def _paint_table(plane: Millimetres, section: _Section) -> None:
    """Mattress, and a curved couch: two thin shells with foam between."""
    x, y, pixel = section.x, section.y, section.pixel
    top = 136 - x * x / 700
    bottom = 178 - x * x / 2500
    edge = np.abs(x) - 205
    _fill(plane, np.maximum(np.abs(y - top + 6) - 4, edge), -930, pixel)
    _fill(plane, np.maximum(np.maximum(top - y, y - bottom), edge), -900, pixel)
    for shell in (top, bottom):
        # 2 mm of carbon fibre: the share of the pixel it fills, however large the pixel
        away = np.maximum(np.abs(y - shell), edge + 1)
        share = _cover(away - 1, pixel) * min(1.0, 2 / pixel)
        plane += (80 - plane) * share


def _paint_wall(
    plane: Millimetres, section: _Section, cavity: Millimetres, coarse: Millimetres
) -> None:
    """Skin, fat, muscle, ribs and the other bones around the cavity."""
    x, y, z, pixel = section.x, section.y, section.z, section.pixel
    body = anatomy.body(x, y, z)
    _fill(plane, body, 5, pixel)
    _fill(plane, body + 2, -105, pixel)
    _fill(plane, body + 11 + 0.6 * coarse, 52, pixel)
    # a layer of fat under the outer muscles, broken here and there
    _fill(plane, np.abs(cavity - 17 - coarse) - 1.2 - 0.8 * coarse, -80, 2 * pixel)
    # ribs slant by 0.4: the front end lies 75 mm lower than the back; all of them by one modulo
    height = np.mod(z - 0.4 * y, _RIB_MM) - _RIB_MM / 2
    rib = np.hypot((cavity - 6.5) / 4, height / 6.2)
    rib = np.maximum((rib - 1) * 4.6, np.maximum(20 - np.abs(x), body + 6))
    front = _cover(np.abs(x) - 62 + 0.4 * (y + 60), 12) * _cover(y + 40, 12)
    _fill(plane, rib, 720 - 620 * front, pixel)  # cartilage towards the sternum
    _fill(plane, rib + 1.7, 190 - 95 * front, pixel)
    sternum = anatomy.sternum(x, y, z)
    _fill(plane, sternum, 430, pixel)
    _fill(plane, sternum + 1.6, 120, pixel)
    for bone in anatomy.BONES:
        _lay(plane, section, bone)


def _paint_gas(plane: Millimetres, section: _Section) -> None:
    """Gas bubble of the stomach above its fluid, and loops of the colon."""
    if window := section.window(anatomy.STOMACH):
        distance = section.distance(anatomy.STOMACH, window)
        level = section.y[window[0]] - anatomy.STOMACH_LEVEL
        _fill(plane[window], np.maximum(distance, level), -990, section.pixel)
    for loop in anatomy.BOWEL:
        _lay(plane, section, Part(loop, -970, (2.5, 40)))


def _paint_spine(plane: Millimetres, section: _Section) -> None:
    """Vertebral bodies and discs, arch around the canal, spinous and transverse processes."""
    x, y, z, pixel = section.x, section.y - anatomy.spine_y(section.z), section.z, section.pixel
    height = float(np.mod(z, _VERTEBRA_MM)) - _VERTEBRA_MM / 2  # 0 at the middle of a vertebra
    waist = 1.5 * float(np.cos(2 * np.pi * height / _VERTEBRA_MM))
    vertebral = (np.hypot(x / 18, y / 14.5) - 1) * 16 + waist
    disc = 10 - abs(height) < 0
    canal = np.hypot(x, y - 24) - 8.5
    # laminae and processes are there for half of each vertebra only; they slant downwards
    lamina = np.maximum(canal - 4.5, abs(height) - 9)
    across = np.maximum(np.abs(y - 22 - 0.15 * np.abs(x)) - 4, np.abs(x) - 30)
    across = np.maximum(across, abs(height - 4) - 5)
    spinous = np.maximum(np.abs(x) - 3.5, np.abs(y - 42 + 0.3 * height) - 12)
    spinous = np.maximum(spinous, abs(height + 3) - 8)
    bone = np.minimum(np.minimum(lamina, across), spinous)
    _fill(plane, np.hypot(x / 1.3, y - 16) - 26, 52, pixel)  # muscle along the spine
    _fill(plane, np.minimum(bone, vertebral if not disc else bone), 560, pixel)
    _fill(plane, bone + 1.8, 260, pixel)
    _fill(plane, vertebral + (0 if disc else 1.5), 85 if disc else 190, pixel)
    _fill(plane, canal, 25, pixel)


def _paint_lungs(
    chest: _Chest, section: _Section, coarse: Millimetres, lungs: Millimetres
) -> tuple[Millimetres, NDArray[np.uint8]]:
    """Parenchyma with its lesions and vessels, as if the whole section were lung."""
    x, y, z, pixel = section.x, section.y, section.z, section.pixel
    fine = chest.fine.plane(x, y, z)
    # -880 in front, -820 at the back: the patient lies on the back
    plane = 7 * coarse + 9 * fine
    plane += y / 3 - 850
    truth: NDArray[np.uint8] = np.full((y.size, x.size), Tissue.HEALTHY, np.uint8)
    for lesion in chest.lesions:
        if window := section.window(lesion.shape, 25):
            distance = section.distance(lesion.shape, window) + 3 * coarse[window]
            hu = coarse[window] + fine[window]
            hu *= _PATCH_TEXTURE_HU[lesion.tissue]
            hu += _PATCH_HU[lesion.tissue]
            _fill(plane[window], distance, hu, max(lesion.rim, pixel))
            truth[window][distance < 0] = lesion.tissue
    share = np.zeros(plane.shape, np.float32)
    for tube in chest.vessels_near(z):
        if window := section.window(tube, 1.0):
            distance = section.distance(tube, window)
            # a tube thinner than the pixel fills only a part of it, in both directions
            radius = max(tube.radius)
            across = _cover(distance, pixel) - _cover(distance + 2 * radius, pixel)
            across *= min(1.0, np.pi * radius / (2 * pixel))
            np.maximum(share[window], across, out=share[window])
            truth[window][distance < 0] = Tissue.DENSE
    plane += (_VESSEL_HU - plane) * share * (lungs < pixel)
    return plane, truth


def _scan(
    plane: Millimetres,
    spacing: tuple[float, float, float],
    noise_hu: float,
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """Blur by the point spread function, add noise, and clip as a scanner does."""
    for axis, step in ((0, spacing[1]), (1, spacing[0])):
        reach = int(np.ceil(2.5 * _PSF_MM / step))
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / _PSF_MM) ** 2)
        plane = _convolve(plane, kernel / kernel.sum(), axis)
    noise = rng.standard_normal(plane.shape, np.float32)
    for axis in (0, 1):
        # neighbours correlate by 2/3; dividing by the kernel's norm keeps the SD
        noise = _convolve(noise, np.array([1, 2, 1]) / np.sqrt(6), axis)
    return np.rint(plane + np.float32(noise_hu) * noise).clip(-1024, 3071).astype(np.int16)


def _convolve(plane: Millimetres, kernel: NDArray[np.float64], axis: int) -> Millimetres:
    """Correlation with a symmetric kernel along one axis, edges repeated."""
    reach = len(kernel) // 2
    pad = [(0, 0), (0, 0)]
    pad[axis] = (reach, reach)
    wide = np.pad(plane, pad, mode="edge")
    length = plane.shape[axis]
    total = np.zeros_like(plane)
    for shift, weight in enumerate(kernel):
        part = wide[shift : shift + length] if axis == 0 else wide[:, shift : shift + length]
        total += np.float32(weight) * part
    return total
