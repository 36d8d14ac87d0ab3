"""Small CT files of every format, and readers of them that know nothing of gmmlabel.

A stored array has the axes (i, j, k) of the file, first axis fastest; an affine is the 4 x 4
matrix from (i, j, k) to mm, LPS.
"""

from pathlib import Path

import nibabel
import nrrd
import numpy as np
import SimpleITK

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def grid(*axes, spacing=(0.7, 0.8, 2.5), origin=(-12.3, 45.6, -78.9)):
    """The affine of stored axes along these unit vectors."""
    affine = np.eye(4)
    affine[:3, :3] = np.transpose(axes) * spacing
    affine[:3, 3] = origin
    return affine


def turned(degrees_x, degrees_z):
    """Three axes, turned first about x and then about z."""
    x, z = np.radians([degrees_x, degrees_z])
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    return (np.array(about_z) @ about_x).T


X, Y, Z = np.eye(3)
GRIDS = {
    "axial": grid(X, Y, Z),
    "flipped": grid(-X, -Y, Z),
    "feet_first": grid(-X, Y, -Z),
    "sagittal": grid(Y, -Z, X, spacing=(0.8, 2.5, 0.7)),
    "coronal": grid(X, -Z, Y, spacing=(0.7, 2.5, 0.8)),
    "oblique": grid(*turned(10, -7)),
    "oblique_flipped": grid(*(turned(-13, 4) * [[-1], [-1], [1]])),
}
STRAIGHT = [name for name in GRIDS if "oblique" not in name]


def ct(dtype=np.int16):
    """A stored array of noise from air to bone, of three different lengths."""
    return np.random.default_rng(7).integers(-1000, 900, (14, 12, 10)).astype(dtype)


def write_nrrd(path, voxels, affine, *, space="left-posterior-superior", **header):
    """Write an NRRD with pynrrd; a header field of None is left out."""
    flip = {"left-posterior-superior": np.eye(4), "right-anterior-superior": _RAS}[space]
    stated = flip @ affine
    fields = {
        "space": space,
        "space directions": stated[:3, :3].T,
        "space origin": stated[:3, 3],
        "encoding": "gzip",
        **{name.replace("_", " "): value for name, value in header.items()},
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    nrrd.write(str(path), voxels, fields)
    return path


def write_nifti(path, voxels, affine, *, sform=2, qform=1):
    """Write a NIfTI-1 with nibabel; a code of 0 leaves that form out."""
    image = nibabel.Nifti1Image(voxels, None)
    image.set_qform(_RAS @ affine if qform else None, qform)
    image.set_sform(_RAS @ affine if sform else None, sform)
    lengths = [*np.linalg.norm(affine[:3, :3], axis=0), 1.0]
    image.header.set_zooms(lengths[: voxels.ndim])
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def write_itk(path, voxels, affine, *, compress=False):
    """Write a MetaImage, or what else the suffix says, with SimpleITK."""
    image = SimpleITK.GetImageFromArray(voxels.T)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), compress)
    return path


def read_nrrd(path):
    """Stored array and affine, by pynrrd."""
    voxels, header = nrrd.read(str(path))
    affine = np.eye(4)
    if "spacings" in header:
        return voxels, np.diag([*header["spacings"], 1.0])
    affine[:3, :3] = header["space directions"].T
    affine[:3, 3] = header["space origin"]
    return voxels, (_RAS if header["space"] == "right-anterior-superior" else np.eye(4)) @ affine


def read_nifti(path):
    """Stored array and affine, by nibabel."""
    image = nibabel.load(path)
    return np.asanyarray(image.dataobj), _RAS @ image.affine


def read_itk(path):
    """Stored array and affine, by SimpleITK."""
    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).T, affine


def patient(voxels, affine):
    """Turn a stored array into (z, y, x) of the patient, by nibabel."""
    image = nibabel.Nifti1Image(voxels, _RAS @ affine)
    return np.asanyarray(nibabel.as_closest_canonical(image).dataobj)[::-1, ::-1].T


def affine_of(geometry):
    """The affine that a `gmmlabel.volume.Geometry` states."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(geometry.direction, (3, 3)) * geometry.spacing
    affine[:3, 3] = geometry.origin
    return affine


def raw_nrrd(path: Path, voxels, *lines, newline="\n"):
    """Write an NRRD by hand: these header lines, and the voxels uncompressed."""
    head = newline.join(["NRRD0004", *lines, "", ""])
    path.write_bytes(head.encode("latin-1") + voxels.tobytes(order="F"))
    return path
