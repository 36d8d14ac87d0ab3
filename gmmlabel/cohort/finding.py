"""Every CT below some files and folders: what to call it, and all that it takes to read it."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from gmmlabel.cohort.candidates import FoundCT, Outcome, look_at, series_in_folders
from gmmlabel.cohort.naming import name_cases
from gmmlabel.cohort.tree import Skipped, list_tree
from gmmlabel.formats.dicom_header import DicomSlice
from gmmlabel.formats.itk import quiet_itk
from gmmlabel.readers import read_volume
from gmmlabel.volume import Volume

__all__ = ["Finding", "FoundCT", "Skipped", "find_cts", "read_found"]

_THREADS = 8  # a header on a network file system is a matter of waiting
_BATCH = 2000


@dataclass(frozen=True)
class Finding:
    """What was found.

    Parameters
    ----------
    cts
        In order of their names.
    skipped
        What was not taken for a CT, in order of the paths.
    """

    cts: tuple[FoundCT, ...]
    skipped: tuple[Skipped, ...]


def find_cts(
    inputs: Sequence[Path],
    *,
    exclude: Path | None = None,
    reserved: Collection[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Finding:
    """Find every CT below some files and folders.

    Only headers are read. A series of DICOM files may be spread over any folders below the inputs.

    Parameters
    ----------
    inputs
        Image files, .zip files of DICOM series, and folders of all of these and of DICOM files at
        any depth. A file that is named here is taken whatever it is: what is wrong with it shows
        when it is read.
    exclude
        A folder that is not looked into: the one for the results.
    reserved
        Names that no case may have.
    progress
        Is called now and then with the number of files that have been looked at.

    Returns
    -------
    Finding
        The CTs, and what was not taken for one.

    Raises
    ------
    InputError
        If an input does not exist, or lies in the folder to exclude.
    """
    tree = list_tree(inputs, exclude=exclude)
    outcomes: list[Outcome] = list(tree.skipped)
    slices: list[DicomSlice] = []
    # ITK's switch for warnings is one for all threads: it is turned here, around all of them.
    with quiet_itk(), ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(tree.files), _BATCH):
            batch = tree.files[start : start + _BATCH]
            for found in chain.from_iterable(pool.map(look_at, batch)):
                if isinstance(found, DicomSlice):
                    slices.append(found)
                else:
                    outcomes.append(found)
            if progress:
                progress(start + len(batch))
    roots = {file.path: file.root for file in tree.files}
    outcomes += series_in_folders(slices, roots)
    finding = _named(outcomes, reserved)
    told = {one.file.parent for one in slices}
    told |= {ct.source for ct in finding.cts} | {one.path for one in finding.skipped}
    silent = _folders_without(told, inputs)
    return replace(finding, skipped=tuple(sorted([*finding.skipped, *silent])))


def read_found(ct: FoundCT, *, hu_offset: int = 0) -> Volume:
    """Read a CT that was found.

    Parameters
    ----------
    ct
        The CT.
    hu_offset
        As of `read_volume`, which says what is raised.

    Returns
    -------
    Volume
        A DICOM series has the name of the case: that of its folder may be the patient's.
    """
    files = ct.files or None
    volume = read_volume(ct.source, hu_offset=hu_offset, series=ct.series, files=files)
    return replace(volume, name=ct.name) if files else volume


def _named(outcomes: Iterable[Outcome], reserved: Collection[str]) -> Finding:
    candidates, skipped = [], []
    for one in outcomes:
        if isinstance(one, Skipped):
            skipped.append(one)
        else:
            candidates.append(one)
    names = name_cases([one.wanted for one in candidates], reserved=reserved)
    cts = [replace(one.ct, name=name) for one, name in zip(candidates, names, strict=True)]
    return Finding(tuple(sorted(cts, key=lambda ct: ct.name)), tuple(skipped))


def _folders_without(told: Iterable[Path], inputs: Iterable[Path]) -> Iterator[Skipped]:
    """Tell of the input folders below which nothing was found that is worth a word."""
    above: set[Path] = set()
    for path in told:
        while path not in above:
            above.add(path)
            path = path.parent  # noqa: PLW2901 - up to the root
    for folder in {Path(os.path.abspath(given)) for given in inputs}:  # noqa: PTH100
        if folder.is_dir() and folder not in above:
            yield Skipped(folder, "no CT in it")
