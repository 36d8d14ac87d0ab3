"""Small DICOM series of a chest phantom, written with pydicom."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

AXIAL = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
UID = "1.2.826.0.1.3680043.10.999"


def chest(slices: int = 12, side: int = 16) -> NDArray[np.int16]:
    """A body of 40 HU with a lung of -850 HU in air of -1000 HU, and every voxel its own."""
    hu = np.full((slices, side, side), -1000, np.int16)
    hu[:, 2:-2, 2:-2] = 40
    hu[:, 5:-5, 5:-5] = -850
    return hu + np.arange(hu.size, dtype=np.int16).reshape(hu.shape) % 97


def write_slice(
    file: Path,
    hu: NDArray[np.int16],
    position: Iterable[float] = (0, 0, 0),
    *,
    orientation: Iterable[float] = AXIAL,
    slope: float = 1,
    intercept: float = -1024,
    signed: bool = False,
    preamble: bool = True,
    stored: NDArray[Any] | None = None,
    **tags: Any,
) -> Path:
    """Write one image of these Hounsfield units; a tag of None is left out."""
    if stored is None:
        stored = np.rint((hu - intercept) / slope)
    pixels = np.asarray(stored, np.int16 if signed else np.uint16)
    image = Dataset()
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = f"{UID}.0"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.Modality = "CT"
    image.PatientName = "SECRET^NAME"
    image.SeriesDescription = "SECRET DESCRIPTION"
    image.SeriesInstanceUID = f"{UID}.1"
    image.SeriesNumber = 2
    image.Rows, image.Columns = pixels.shape[-2:]
    image.PixelSpacing = ["0.7", "0.6"]
    image.ImagePositionPatient = [f"{number:.9g}" for number in position]
    image.ImageOrientationPatient = [f"{number:.9g}" for number in orientation]
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit = 15
    image.PixelRepresentation = int(signed)
    image.RescaleSlope, image.RescaleIntercept = f"{slope:g}", f"{intercept:g}"
    image.PixelData = pixels.tobytes()
    for name, value in tags.items():
        if value is None:
            del image[name]
        else:
            setattr(image, name, value)
    file.parent.mkdir(parents=True, exist_ok=True)
    if preamble:
        image.file_meta = FileMetaDataset()
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.save_as(file, enforce_file_format=True)
    else:
        image.save_as(file, implicit_vr=False, little_endian=True)
    return file


def write_series(
    folder: Path,
    hu: NDArray[np.int16] | None = None,
    *,
    positions: Iterable[Iterable[float]] | None = None,
    spacing: float = 2.5,
    number: int = 2,
    **options: Any,
) -> list[Path]:
    """Write a series, from below upwards unless `positions` says otherwise; its files.

    The number of a series is in its UIDs and file names, so that two of them go in one folder.
    """
    hu = chest() if hu is None else hu
    if positions is None:
        positions = [(-5, -6, 10 + spacing * step) for step in range(len(hu))]
    options = {"SeriesInstanceUID": f"{UID}.{number}", **options}
    return [
        write_slice(
            folder / f"IM{number}_{step:04}.dcm",
            image,
            position,
            SeriesNumber=number,
            **{"SOPInstanceUID": f"{UID}.{number}.{step}", **options},
        )
        for step, (image, position) in enumerate(zip(hu, positions, strict=True))
    ]
