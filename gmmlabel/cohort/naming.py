"""Names of cases: one a CT, safe for every file system, and without the name of a patient.

A name is found in steps, and only a CT that shares it with another, or with a name of an earlier
step, goes on to the next: its own name, its own name with a hash of its path inside the input,
the same with a hash of its whole path. Every step of a CT depends on itself alone, so names do not
depend on the order of inputs, and a CT that is added later can take its name from another but
never gets a name that another one had.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

LONGEST = 80
"""Characters of a file's stem that are kept."""

_DIGITS = 12
_HASHED = re.compile(rf".*-[0-9a-f]{{{_DIGITS}}}", re.IGNORECASE)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows


@dataclass(frozen=True)
class Wanted:
    """What a case may be named after.

    Parameters
    ----------
    name
        Safe name that it has if no other case has it: of `file_name` or `series_name`.
    inside
        Path inside the input.
    path
        Whole path, or another text that no other case has.
    """

    name: str
    inside: str
    path: str


def file_name(stem: str) -> str:
    """Make the name of a case after a file.

    Parameters
    ----------
    stem
        Name of the file without its suffix. What is not an ASCII letter, a digit or one of
        ``._-`` becomes ``_``; accents are dropped.

    Returns
    -------
    str
        ``case`` if none of `stem` is left. It never ends as names with a hash do.
    """
    plain = unicodedata.normalize("NFKD", stem)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    name = _UNSAFE.sub("_", plain).strip(".-")[:LONGEST].rstrip(".")
    if not name.strip("_"):
        return "case"
    if _HASHED.fullmatch(name):
        return f"{name}_"  # what ends like a hash has one
    return f"ct_{name}" if _DEVICES.fullmatch(name) else name


def series_name(uid: str) -> str:
    """Make the name of a case after a DICOM series: ``ct-`` and a hash of its UID."""
    return f"ct-{_hash(uid)}"


def path_name(path: str) -> str:
    """Make the name of a case after a path that may hold the name of a patient."""
    return f"ct-{_hash(path)}"


def name_cases(cases: Sequence[Wanted], *, reserved: Collection[str] = ()) -> list[str]:
    """Name cases so that no two names are equal, in small letters or capitals.

    Parameters
    ----------
    cases
        No two of them with the same `path`.
    reserved
        Names that no case may have.

    Returns
    -------
    list of str
        A name for each case, in their order.
    """
    names: dict[int, str] = {}
    used = {name.lower() for name in reserved}
    unnamed = list(range(len(cases)))
    for step in range(3):
        tried = {at: _name(cases[at], step) for at in unnamed}
        shared = Counter(name.lower() for name in tried.values())
        names |= {
            at: name
            for at, name in tried.items()
            if shared[name.lower()] == 1 and name.lower() not in used
        }
        used |= shared.keys()
        unnamed = [at for at in unnamed if at not in names]
    if unnamed:
        raise ValueError(f"two cases of one path: {cases[unnamed[0]].path}")
    return [names[at] for at in range(len(cases))]


def _name(case: Wanted, step: int) -> str:
    return (case.name, f"{case.name}-{_hash(case.inside)}", f"{case.name}-{_hash(case.path)}")[step]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
