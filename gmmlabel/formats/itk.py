"""Around SimpleITK: no noise on stderr, no paths that end the process, no copies of voxels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Keep the warnings of ITK and GDCM off stderr: what matters is raised or noted."""
    shown = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(shown)


def is_itk_path(path: Path) -> bool:
    """Whether a path may be given to SimpleITK, which aborts the process if it is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def new_image(
    size: tuple[int, int, int], dtype: type[np.generic]
) -> tuple[SimpleITK.Image, NDArray[Any]]:
    """Make an image of zeros, and an array that is its voxels.

    SimpleITK itself gives views that cannot be written, and copies where they can.

    Parameters
    ----------
    size
        Voxels along each axis, first axis fastest.
    dtype
        Type of the voxels, ``np.uint8`` or ``np.int16``.

    Returns
    -------
    SimpleITK.Image
        The image.
    ndarray
        Its voxels, last axis first; is valid as long as the image is.
    """
    pixel = {np.uint8: SimpleITK.sitkUInt8, np.int16: SimpleITK.sitkInt16}[dtype]
    image = SimpleITK.Image(size, pixel)
    return image, np.asarray(_Voxels(SimpleITK.GetArrayViewFromImage(image)))


class _Voxels:
    """What NumPy makes an array of that can be written, of a view that cannot."""

    def __init__(self, view: NDArray[Any]) -> None:
        interface = view.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}
