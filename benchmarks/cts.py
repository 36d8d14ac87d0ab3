"""What both methods give on a folder of CTs, as a Markdown table.

    python benchmarks/cts.py FOLDER

Every CT in the folder is labelled. ``NAME_lungs.nrrd`` beside ``NAME.nrrd`` is taken for an expert
lung mask, and gives a Dice coefficient.
"""

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from gmmlabel import GmmlabelError, Labelling, label_volume, read_volume
from gmmlabel.method import METHODS

_SUFFIXES = (".nrrd", ".nii", ".gz", ".mha")


def dice(labelling: Labelling, mask: Path) -> str:
    """Dice coefficient of the lungs and an expert mask, or a dash where there is none."""
    if not mask.exists():
        return "-"
    geometry = labelling.volume.geometry
    expert = geometry.from_stored(sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))) > 0
    ours = labelling.lung_mask > 0
    return f"{2 * (expert & ours).sum() / (expert.sum() + ours.sum()):.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print("| CT | method | lungs L | right share | Dice | involvement % | dense % | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for path in sorted(folder.iterdir()):
        if path.suffix not in _SUFFIXES or "_lungs" in path.name:
            continue
        for name, method in METHODS.items():
            try:
                made = label_volume(read_volume(path), method=method)
            except GmmlabelError as error:
                print(f"| {path.name} | {name} | {str(error).split(': ', 1)[-1].split(';')[0]} |")
                continue
            middle = made.volume.hu.shape[2] // 2
            right = np.count_nonzero(made.lung_mask[:, :, :middle])
            share = right / np.count_nonzero(made.lung_mask)
            seconds = sum(made.seconds.values())
            dense = list(made.tissues.values())[-1].percent
            print(
                f"| {path.name} | {name} | {made.lungs_ml / 1000:.2f} | {share:.2f} "
                f"| {dice(made, path.with_name(path.stem + '_lungs.nrrd'))} "
                f"| {made.involvement.percent:.1f} | {dense:.1f} | {seconds:.2f} |"
            )


if __name__ == "__main__":
    main()
