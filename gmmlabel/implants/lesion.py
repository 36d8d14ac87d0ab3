"""Lesions of known shape, in mm of the patient: an uneven ellipsoid, its edge and its density.

The numbers are those of real lesions of two patients with COVID-19, as
``benchmarks/lesion_statistics.py`` measures them; docs/implants.md tells how.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gmmlabel.tissues import Tissue

_SAMPLE_MM = 1.0  # voxels are probed at points so far apart; edges are three times as wide
_STRETCH = 0.25  # logarithm of a semi-axis, at most
_BUMPS, _BUMP_SIZE = 6, 0.06  # each adds so much to the radius, which has SD 0.10 then
_BUMP_TURNS = (2.0, 4.5)  # radians from the middle of the lesion to its surface: no spikes


class LesionKind(StrEnum):
    """What is put into the lung."""

    GROUND_GLASS = "ground-glass"
    CONSOLIDATION = "consolidation"

    @property
    def tissue(self) -> Tissue:
        """Its value in a label map."""
        return Tissue[self.name]


@dataclass(frozen=True)
class Look:
    """How lesions of one kind look on a CT.

    Parameters
    ----------
    mean_hu
        Mean density between the vessels.
    texture_hu
        Standard deviation of the density, beside that of the lung under it and of the noise.
    edge_mm
        Distance over which the density rises from 10 to 90 %.
    """

    mean_hu: float
    texture_hu: float
    edge_mm: float


GROUND_GLASS = Look(mean_hu=-600.0, texture_hu=95.0, edge_mm=5.0)
CONSOLIDATION = Look(mean_hu=25.0, texture_hu=22.0, edge_mm=3.3)

HALO_MM = 5.0
"""Width of the ground glass around a consolidation, from half density to half density."""

GRAINS = ((0.6, 0.6), (3.0, 0.4))
"""Texture has two grains: sigma in mm, and share of the variance."""


@dataclass(frozen=True, eq=False)
class Outline:
    """An ellipsoid with an uneven surface, of mean radius 1.

    Parameters
    ----------
    shape
        3 x 3 matrix (z, y, x) that turns the ellipsoid into a ball.
    waves, phases
        (n, 3) and (n,): each makes the radius larger by
        ``_BUMP_SIZE * cos(wave . direction + phase)``.
    """

    shape: NDArray[np.float32]
    waves: NDArray[np.float32]
    phases: NDArray[np.float32]

    @classmethod
    def draw(
        cls, rng: np.random.Generator, flat_along: NDArray[np.float64] | None = None
    ) -> "Outline":
        """Draw one at random.

        Parameters
        ----------
        rng
            Source of chance.
        flat_along
            Unit vector (z, y, x) of the shortest axis, which lesions at the pleura turn to it;
            None for any.
        """
        basis = rng.standard_normal((3, 3))
        axes = rng.uniform(-_STRETCH, _STRETCH, 3)
        if flat_along is not None:
            basis[:, 0] = flat_along
            axes.sort()
        basis, _ = np.linalg.qr(basis)
        axes = np.exp(axes - axes.mean())
        waves = rng.standard_normal((_BUMPS, 3))
        waves *= rng.uniform(*_BUMP_TURNS, (_BUMPS, 1)) / np.linalg.norm(
            waves, axis=1, keepdims=True
        )
        phases = rng.uniform(0, 2 * np.pi, _BUMPS)
        return cls(*(a.astype(np.float32) for a in ((basis / axes) @ basis.T, waves, phases)))

    @property
    def longest(self) -> float:
        """A radius that the outline stays below in all directions."""
        return float((1 + _BUMPS * _BUMP_SIZE) / np.linalg.norm(self.shape, -2))

    @property
    def shortest(self) -> float:
        """A radius that the outline stays above in all directions."""
        return float((1 - _BUMPS * _BUMP_SIZE) / np.linalg.norm(self.shape, 2))

    def radius(
        self, z: NDArray[np.float32], y: NDArray[np.float32], x: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Radius towards unit vectors."""
        length = np.zeros(np.broadcast_shapes(z.shape, y.shape, x.shape), np.float32)
        for row in self.shape:
            length += (row[0] * z + row[1] * y + row[2] * x) ** 2
        bumps = np.ones_like(length)
        for wave, phase in zip(self.waves, self.phases, strict=True):
            bumps += np.float32(_BUMP_SIZE) * np.cos(
                wave[0] * z + wave[1] * y + wave[2] * x + phase
            )
        return np.asarray(bumps / np.sqrt(np.maximum(length, np.float32(1e-6))))


@dataclass(frozen=True, eq=False)
class Reach:
    """At which size an outline reaches the points of a block of voxels.

    Parameters
    ----------
    size_mm
        Size of the outline whose surface runs through each point.
    radius
        Radius towards each point of the outline of size 1.
    samples
        Points in a voxel along (z, y, x).
    """

    size_mm: NDArray[np.float32]
    radius: NDArray[np.float32]
    samples: tuple[int, int, int]

    @classmethod
    def of(
        cls,
        outline: Outline,
        first_mm: NDArray[np.float64],
        shape: tuple[int, ...],
        spacing: tuple[float, float, float],
    ) -> "Reach":
        """Probe a block of voxels.

        Parameters
        ----------
        outline
            The lesion's.
        first_mm
            Centre of the first voxel, seen from the middle of the outline, (z, y, x).
        shape, spacing
            Voxels, and their distance in mm, along (z, y, x).
        """
        fine = [int(np.ceil(step / _SAMPLE_MM)) for step in spacing]
        z, y, x = (
            (first + (np.arange(n * count) - (count - 1) / 2) * step / count).astype(np.float32)
            for first, n, step, count in zip(first_mm, shape, spacing, fine, strict=True)
        )
        z, y = z[:, np.newaxis, np.newaxis], y[:, np.newaxis]
        away = np.maximum(np.sqrt(z * z + y * y + x * x), np.float32(1e-3))
        radius = outline.radius(z / away, y / away, x / away)
        return cls(away / radius, radius, (fine[0], fine[1], fine[2]))

    def share(self, size_mm: float, edge_mm: float) -> NDArray[np.float32]:
        """Share of each voxel that is lesion: the mean over its points.

        Parameters
        ----------
        size_mm
            Mean radius of the surface on which the lesion is half as dense.
        edge_mm
            Distance over which its density rises from 10 to 90 %.
        """
        depth = (np.float32(size_mm) - self.size_mm) * self.radius
        share = soft_edge(depth, edge_mm)
        for axis, count in enumerate(self.samples):
            if count > 1:
                split = (*share.shape[:axis], -1, count, *share.shape[axis + 1 :])
                share = share.reshape(split).mean(axis=axis + 1)
        return np.asarray(share)


def soft_edge(depth_mm: NDArray[np.float32], edge_mm: float) -> NDArray[np.float32]:
    """Share of tissue at a depth below a surface: linear, a half at 0, 10 to 90 % over the edge."""
    share: NDArray[np.float32] = np.float32(0.5) + depth_mm * np.float32(0.8 / edge_mm)
    return share.clip(0, 1)
