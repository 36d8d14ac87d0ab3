"""The view: a labelled CT as small volumes that a browser draws at once.

No number is measured on them. 256 voxels an axis is what every device that draws in 3-D can hold;
a CT of 512 x 512 x 600 voxels as it is takes a browser 4 GB.
"""

from pathlib import Path

import nibabel
import numpy as np
from isal import igzip
from numpy.typing import NDArray

from gmmlabel.pages.coarse import Three, coarse_affine, coarse_labels, coarse_means
from gmmlabel.pages.pictures import draw_plane, planes_of_most_lung
from gmmlabel.pipeline import Labelling
from gmmlabel.staging import staged
from gmmlabel.tissues import Tissue

MOST_VOXELS = 256
"""Along each axis of the CT and of the label maps, which lie on one grid."""

MOST_SOLID_VOXELS = 128
"""Along each axis of the solid, which is drawn anew whenever it is turned."""

_CT, _SOLID, _THUMBNAIL = "ct.nii.gz", "solid.nii.gz", "thumbnail.jpg"

_MARGIN = 1  # of the solid, so that surfaces at its sides are closed
_THUMBNAIL_PIXELS = 160
_THUMBNAIL_QUALITY = 80
_FASTEST = 1
_TO_VOXELS = 352  # bytes of a NIfTI-1 file before them


def write_view(labelling: Labelling, folder: Path) -> None:
    """Write the view of a labelled CT.

    ``ct.nii.gz`` is int16 HU, and the label maps of the case lie on the same grid, over the box
    of the CT. `solid_of` says what ``solid.nii.gz`` is. ``thumbnail.jpg`` is the coronal plane of
    most lung with its tissues.

    Parameters
    ----------
    labelling
        What to show.
    folder
        Where to; is made if it does not exist.

    Raises
    ------
    OutputError
        If the folder cannot be written, or has a view.
    """
    maps = {
        "labels.nii.gz": labelling.cropped_labels,
        "smoothed.nii.gz": labelling.cropped_smoothed,
        "lungs.nii.gz": labelling.lungs.mask,
    }
    if labelling.cropped_opacity is not None:
        maps["opacity.nii.gz"] = labelling.cropped_opacity
    hu, corner = labelling.volume.hu, labelling.lungs.corner
    shape = _at_most(MOST_VOXELS, hu.shape)
    affine = coarse_affine(labelling.volume, (0, 0, 0), hu.shape, shape)
    with staged(folder, [_CT, *maps, _SOLID, _THUMBNAIL]) as stage:
        _write_nifti(stage / _CT, coarse_means(hu, shape), affine)
        for name, cropped in maps.items():
            coarse = coarse_labels(cropped, corner, hu.shape, shape)
            _write_nifti(stage / name, coarse, affine)
        _write_nifti(stage / _SOLID, *solid_of(labelling))
        _save_thumbnail(labelling, stage / _THUMBNAIL)


def solid_of(labelling: Labelling) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Make what a picture in 3-D shows: lesions inside lungs that are looked through.

    It covers the lungs and a margin. Lesions are the ground glass and the consolidation of the
    smoothed map, but only inside the opacity where there is one: the walls of vessels and airways
    have the HU of lesions, and all over the lungs they would hide them. What is denser than
    consolidation there counts as that, so that a lesion has no hole in its middle.

    Parameters
    ----------
    labelling
        What to show.

    Returns
    -------
    ndarray
        uint8, (z, y, x): 1 is the right lung, 2 the left one, 3 ground glass and 4 consolidation.
    ndarray
        4 x 4, from the index (x, y, z) of a voxel to mm, RAS.
    """
    lungs, opacity = labelling.lungs, labelling.cropped_opacity
    whole = lungs.mask.shape
    shape = _at_most(MOST_SOLID_VOXELS - 2 * _MARGIN, whole)

    def coarse(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return coarse_labels(labels, (0, 0, 0), whole, shape)

    solid, smoothed = coarse(lungs.mask), coarse(labelling.cropped_smoothed)
    lesions = smoothed >= Tissue.GROUND_GLASS
    if opacity is None:
        lesions &= smoothed <= Tissue.CONSOLIDATION
    else:
        lesions &= coarse(opacity) != 0
    solid[lesions] = smoothed[lesions].clip(max=Tissue.CONSOLIDATION)
    affine = coarse_affine(labelling.volume, lungs.corner, whole, shape, _MARGIN)
    return np.pad(solid, _MARGIN), affine


def _at_most(most: int, shape: tuple[int, ...]) -> Three:
    z, y, x = (min(most, voxels) for voxels in shape)
    return z, y, x


def _write_nifti(
    path: Path, voxels: NDArray[np.int16] | NDArray[np.uint8], affine: NDArray[np.float64]
) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(voxels.shape[::-1])
    header.set_xyzt_units("mm")
    header.set_qform(affine, "scanner")
    header.set_sform(affine, "scanner")
    header["vox_offset"] = _TO_VOXELS
    with (
        path.open("wb") as file,
        igzip.IGzipFile("", "wb", compresslevel=_FASTEST, fileobj=file, mtime=0) as packed,
    ):
        packed.write(header.binaryblock.ljust(_TO_VOXELS, b"\0"))
        packed.write(voxels)


def _save_thumbnail(labelling: Labelling, path: Path) -> None:
    coronal = next(plane for plane in planes_of_most_lung(labelling) if plane.name == "coronal")
    size = coronal.size_within(_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS)
    draw_plane(coronal, size, tissues=True).save(path, quality=_THUMBNAIL_QUALITY)
