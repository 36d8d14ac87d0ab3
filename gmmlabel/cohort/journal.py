"""What was done in the folder of a cohort, so that a second run does only what is left.

A case is finished if its folder has all of its files and its ``result.json`` is of the same
settings and of the same input. Hashing all inputs again would take as long as reading them, so a
line of the journal keeps what the file system says of an input: as long as sizes and times of
its files are the same, so is the input. A line that is lost costs a hash, no more.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmmlabel.case_files import RESULT, case_files
from gmmlabel.cohort.finding import FoundCT
from gmmlabel.cohort.labelling import Settings, matches

_NAMES = ("utf-8", "surrogateescape")  # what names of files are made of

JOURNAL = "batch.jsonl"
"""Name of the journal in the folder of the cohort."""


@dataclass(frozen=True)
class Journal:
    """The finished cases of a cohort.

    Parameters
    ----------
    path
        The file: a JSON document on each line, the last of a case counts.
    entries
        Lines by the name of their case.
    """

    path: Path
    entries: dict[str, Mapping[str, Any]]

    @classmethod
    def open(cls, folder: Path) -> "Journal":
        """Read the journal of a folder, which may have none; lines cut short are passed over."""
        path = folder / JOURNAL
        entries = {}
        text = path.read_text("utf-8", "replace") if path.exists() else ""
        if text and not text.endswith("\n"):  # of a process that was killed while it wrote
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                entries[str(entry["case"])] = entry
            except (ValueError, TypeError, KeyError):
                continue
        return cls(path, entries)

    def add(self, ct: FoundCT) -> None:
        """Note that the case of a CT is finished."""
        entry = {"case": ct.name, "source": source_of(ct), "state": state_of(ct)}
        self.entries[ct.name] = entry
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def unchanged(self, ct: FoundCT) -> bool:
        """Whether the input is, for all that the file system says, what was labelled."""
        return self.entries.get(ct.name, {}).get("state") == state_of(ct)

    def renamed(self, cts: Mapping[str, FoundCT]) -> set[str]:
        """Find the cases whose CT has another name by now, given the CTs by name."""
        sources = {source_of(ct) for ct in cts.values()}
        return {
            name
            for name, entry in self.entries.items()
            if name not in cts and entry.get("source") in sources
        }


def source_of(ct: FoundCT) -> str:
    """Hash by which a CT is told from every other one."""
    return hashlib.sha256("\0".join([str(ct.source), *ct.files]).encode(*_NAMES)).hexdigest()


def state_of(ct: FoundCT) -> str:
    """Hash sizes and times of the files of a CT."""
    digest = hashlib.sha256(source_of(ct).encode())
    for path in ct.paths:
        try:
            told = path.stat()
            digest.update(f"{told.st_size} {told.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(b"missing\n")
    return digest.hexdigest()


def finished_sha256(folder: Path, settings: Settings) -> str | None:
    """Hash of the input of a case that was labelled with these settings and is whole, or None."""
    try:
        document = json.loads((folder / RESULT).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or not matches(document, settings):
        return None
    without = () if document.get("opacity") else ("opacity",)
    files = case_files(settings.form, without=without)
    if not all((folder / name).is_file() for name in files):
        return None
    given = document.get("input")
    found = given.get("sha256") if isinstance(given, dict) else None
    return found if isinstance(found, str) else None
