"""All files below some folders, each once, and what could not be looked at."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmmlabel.case_files import MAPS, RESULT
from gmmlabel.errors import InputError, UnreadableError
from gmmlabel.writers import FORMATS

_CASE_MAPS = frozenset(f"{name}.{form}" for name in MAPS for form in FORMATS)


@dataclass(frozen=True, order=True)
class Skipped:
    """What was not taken for a CT, and why, in one line."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a tree.

    Parameters
    ----------
    path
        Absolute path by which it was reached.
    root
        Input folder that it lies below; for a file that is an input, its folder.
    is_input
        Whether the file itself is an input.
    """

    path: str
    root: str
    is_input: bool = False

    @property
    def inside(self) -> str:
        """Path below the root, with slashes on every system."""
        return os.path.relpath(self.path, self.root).replace(os.sep, "/")


@dataclass(frozen=True)
class Tree:
    """All files below some inputs, in order of their paths."""

    files: tuple[TreeFile, ...]
    skipped: tuple[Skipped, ...]


def list_tree(inputs: Sequence[Path], *, exclude: Path | None = None) -> Tree:
    """List all files below some inputs, each once.

    Parameters
    ----------
    inputs
        Files and folders. Links are followed; hidden files and folders, ``__MACOSX``, and the
        label maps of case folders are passed over.
    exclude
        A folder that is not looked into: the one for the results.

    Raises
    ------
    InputError
        If an input does not exist, or lies in the folder to exclude.
    """
    excluded = os.path.realpath(exclude) if exclude is not None else None
    walk = _Walk(excluded)
    folders: dict[str, str] = {}
    for path in sorted(os.path.abspath(given) for given in inputs):  # noqa: PTH100
        real = os.path.realpath(path)
        if not Path(real).exists():
            raise UnreadableError(f"{path}: no such file or folder; check the path")
        if excluded is not None and Path(real).is_relative_to(excluded):
            raise InputError(f"{path}: lies in the folder for the results; give another --out")
        (folders if Path(real).is_dir() else walk.inputs).setdefault(real, path)
    for _, folder in sorted(folders.items()):  # outer ones first: theirs are the files
        walk.add_folder(folder, folder)
    walk.follow_links()
    walk.add_inputs()
    files = sorted(walk.files, key=lambda file: file.path)
    return Tree(tuple(files), tuple(sorted(walk.skipped)))


@dataclass
class _Walk:
    """A walk over folders, which knows where it has been: links can lead in a circle."""

    excluded: str | None
    inputs: dict[str, str] = field(default_factory=dict)  # files, by real path
    files: list[TreeFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)  # real paths of folders, and of linked files
    links: deque[tuple[str, str]] = field(default_factory=deque)

    def add_folder(self, folder: str, root: str) -> None:
        todo = [folder]
        while todo:
            here = todo.pop()
            real = os.path.realpath(here)
            if real in self.seen or real == self.excluded:
                continue
            self.seen.add(real)
            try:
                entries = list(_visible(here))
            except OSError as error:
                self.skipped.append(Skipped(Path(here), f"cannot be listed ({error.strerror})"))
                continue
            if any(entry.name == RESULT for entry in entries):
                others = [entry for entry in entries if entry.name not in _CASE_MAPS]
                if len(others) < len(entries):
                    why = "a labelled case: its label maps are no CTs"
                    self.skipped.append(Skipped(Path(here), why))
                entries = others
            for entry in entries:
                if entry.is_symlink():
                    self.links.append((entry.path, root))
                elif entry.is_dir():
                    todo.append(entry.path)
                elif entry.is_file():
                    named = self.inputs.pop(f"{real}{os.sep}{entry.name}", None)
                    self.files.append(TreeFile(entry.path, root, named is not None))

    def follow_links(self) -> None:
        """Look where links lead, last: what is also there without a link has that path."""
        self.links = deque(sorted(self.links))
        while self.links:
            link, root = self.links.popleft()
            path, real = Path(link), Path(os.path.realpath(link))
            if path.is_dir():
                self.add_folder(link, root)
            elif path.is_file():
                if not {str(real), str(real.parent)} & self.seen:
                    self.seen.add(str(real))
                    named = self.inputs.pop(str(real), None)
                    self.files.append(TreeFile(link, root, named is not None))
            elif not path.exists():
                self.skipped.append(Skipped(path, "a link to nothing"))

    def add_inputs(self) -> None:
        """Add the files that are inputs themselves and lie in no folder that is one."""
        self.files += [
            TreeFile(path, str(Path(path).parent), True) for path in self.inputs.values()
        ]


def _visible(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.name != "__MACOSX":
                yield entry
