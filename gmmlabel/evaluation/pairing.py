"""Which mask of ours belongs to which reference, told by their names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path

from gmmlabel.errors import InputError, UnreadableError

MASK_SUFFIXES = (".seg.nrrd", ".nrrd", ".nii.gz", ".nii", ".mha")
"""Suffixes of masks, the longer one first where one ends in another."""

_RESULT = "result.json"
_CASE = "{case}"
_AFTER_NAME = "_-."


@dataclass(frozen=True)
class Case:
    """A case folder, or a plain mask file.

    Parameters
    ----------
    name
        Name of the folder, or of the file without its suffix.
    path
        The folder or file.
    """

    name: str
    path: Path

    @property
    def is_folder(self) -> bool:
        """Whether it is a case folder, which holds several maps."""
        return self.path.is_dir()

    def map_path(self, name: str | None) -> Path:
        """Find a map of the case; a plain mask file is its own and only map.

        Parameters
        ----------
        name
            ``labels``, ``smoothed``, ``lungs`` or ``opacity``; of a plain mask nothing is asked.

        Raises
        ------
        InputError
            If the case folder has no such map, or has it in several formats.
        """
        if not self.is_folder:
            return self.path
        found = [self.path / f"{name}{suffix}" for suffix in MASK_SUFFIXES]
        found = [path for path in found if path.is_file()]
        if not found:
            raise UnreadableError(
                f"{self.path}: holds no {name} map; label the case again or choose another --map"
            )
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise InputError(f"{self.path}: holds {names}; remove those that are not meant")
        return found[0]


@dataclass(frozen=True)
class Pairing:
    """Cases and the references that their names fit.

    Parameters
    ----------
    references
        For each case, in order of name, the files that fit: one is right, several are not clear.
    without_reference
        Names of the cases that no file fits.
    without_case
        Files that fit no case, relative to the folder of references.
    """

    references: dict[Case, tuple[Path, ...]]
    without_reference: tuple[str, ...]
    without_case: tuple[str, ...]


def find_cases(folder: Path) -> tuple[Case, ...]:
    """List the cases under a folder.

    Parameters
    ----------
    folder
        A case folder (it holds ``result.json``), a folder of case folders, or a folder of masks.

    Returns
    -------
    tuple of Case
        In order of name.

    Raises
    ------
    InputError
        If there are none, both of folders and masks, or two masks of one name.
    """
    if not folder.is_dir():
        raise UnreadableError(f"{folder}: no such folder; give a folder of cases or of masks")
    if (folder / _RESULT).is_file():
        return (Case(folder.resolve().name, folder),)
    folders = [Case(path.name, path) for path in _listed(folder) if (path / _RESULT).is_file()]
    masks = [Case(_stem(path), path) for path in _listed(folder) if _is_mask(path)]
    if folders and masks:
        raise InputError(
            f"{folder}: holds case folders and masks, such as {masks[0].path.name}; "
            "put them in folders of their own"
        )
    if not folders and not masks:
        raise InputError(f"{folder}: holds neither case folders nor masks; give the --out of batch")
    named: dict[str, Case] = {}
    for case in (*folders, *masks):
        if case.name in named:
            raise InputError(
                f"{folder}: {named[case.name].path.name} and {case.path.name} have one name; "
                "remove one"
            )
        named[case.name] = case
    return tuple(named[name] for name in sorted(named))


def pair_by_name(cases: Sequence[Case], folder: Path, *, pattern: str | None = None) -> Pairing:
    """Find the reference of each case.

    A reference is called as its case, or as its case followed by ``_``, ``-`` or ``.`` and
    anything, or lies in a folder that is called as its case. Of several cases whose names a file
    begins with, the longest has it: ``ct_1_lungs`` is of ``ct_1`` and not of ``ct``.

    Parameters
    ----------
    cases
        Cases, each of another name.
    folder
        Folder of references, whose own folders are looked into one level deep.
    pattern
        What references are called instead, without suffix: ``{case}`` stands for the name of the
        case, and ``*``, ``?`` and ``[...]`` are those of the shell. A ``/`` is that of a folder.

    Raises
    ------
    InputError
        If the folder is missing or holds no masks, or the pattern has no ``{case}``.
    """
    if pattern is not None and _CASE not in pattern:
        raise InputError(f"--reference-name {pattern!r} has no {_CASE} in it; add it")
    if not folder.is_dir():
        raise UnreadableError(f"{folder}: no such folder; give the folder of references")
    found: dict[str, list[Path]] = {case.name: [] for case in cases}
    strays = []
    files = [path for path in _with_subfolders(folder) if _is_mask(path)]
    if not files:
        raise InputError(f"{folder}: holds no masks ({', '.join(MASK_SUFFIXES)})")
    for path in files:
        key = _key(path, folder)
        owners = [name for name in found if _fits(key, name, pattern)]
        if owners:
            found[max(owners, key=len)].append(path)
        elif pattern is None or fnmatchcase(key, pattern.replace(_CASE, "*")):
            strays.append(path.relative_to(folder).as_posix())
    return Pairing(
        {case: tuple(found[case.name]) for case in cases if found[case.name]},
        tuple(case.name for case in cases if not found[case.name]),
        tuple(strays),
    )


def only_one(case: Case, references: Sequence[Path], folder: Path, map_name: str | None) -> Path:
    """Take the reference of a case, if there is no doubt which one it is.

    Of several, the one that is called as the case and the map, such as ``ct_1_lungs`` or
    ``ct_1/lungs`` for the lungs of ``ct_1``, is meant.

    Raises
    ------
    InputError
        If there are several all the same.
    """
    keys = [_key(path, folder) for path in references]
    named = [
        path
        for path, key in zip(references, keys, strict=True)
        if key.removeprefix(case.name)[1:] == map_name
    ]
    for chosen in (references, named):
        if len(chosen) == 1:
            return chosen[0]
    names = ", ".join(path.relative_to(folder).as_posix() for path in references)
    raise InputError(
        f"{len(references)} references fit: {names}; say which are meant, such as "
        f"--reference-name '{keys[-1].replace(case.name, _CASE, 1)}'"
    )


def _key(path: Path, folder: Path) -> str:
    """Name of a reference in its folder, without suffix."""
    return (path.parent.relative_to(folder) / _stem(path)).as_posix()


def _fits(key: str, name: str, pattern: str | None) -> bool:
    if pattern is not None:
        return fnmatchcase(key, pattern.replace(_CASE, escape(name)))
    head, _, within = key.partition("/")
    rest = head.removeprefix(name)
    return head == name or (not within and rest != head and rest[0] in _AFTER_NAME)


def _listed(folder: Path) -> list[Path]:
    """List what is in a folder, in order of name, without what is hidden."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _with_subfolders(folder: Path) -> Iterator[Path]:
    for path in _listed(folder):
        yield from _listed(path) if path.is_dir() else [path]


def _is_mask(path: Path) -> bool:
    return path.name.lower().endswith(MASK_SUFFIXES) and path.is_file()


def _stem(path: Path) -> str:
    suffix = next(it for it in MASK_SUFFIXES if path.name.lower().endswith(it))
    return path.name[: -len(suffix)]
