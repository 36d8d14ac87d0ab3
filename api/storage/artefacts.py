"""The data folder: uploads on their way in, and a folder for each job.

::

    incoming/ID/upload        an upload that is arriving; nothing refers to it
    jobs/ID/upload.nrrd       the upload of an accepted job, until the job ends
    jobs/ID/upload/           the same of a refit: its histograms
    jobs/ID/3/                what the third attempt made: the case folder
    jobs/ID/3/view/           and what a browser shows of it
    jobs/ID/3.tmp/            what it unpacks meanwhile

A folder moves from ``incoming`` to ``jobs`` when it is whole, before its job is accepted. So what a
killed server leaves is a folder without a job, which `Artefacts.sweep` finds by its age.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..jobs import UPLOAD, VIEW

JOB_ID = re.compile(r"[0-9a-f]{32}")
"""What an id looks like, and so the only names that folders of jobs have."""


class Artefacts:
    """The files of the service.

    Parameters
    ----------
    root
        The data folder; is made if it does not exist.
    """

    def __init__(self, root: Path) -> None:
        self._incoming, self._jobs = root / "incoming", root / "jobs"
        for folder in (root, self._incoming, self._jobs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def free_bytes(self) -> int:
        """Tell how much disk is free."""
        return shutil.disk_usage(self._jobs).free

    def begin(self, job_id: str) -> Path:
        """Make room for an upload; gives the file to write."""
        folder = self._incoming / _checked(job_id)
        folder.mkdir(mode=0o700)
        return folder / UPLOAD

    def drop_incoming(self, job_id: str) -> None:
        """Remove an upload that was not kept; nothing if it was."""
        shutil.rmtree(self._incoming / _checked(job_id), ignore_errors=True)

    def drop(self, job_id: str) -> None:
        """Remove all that there is of a job."""
        shutil.rmtree(self._jobs / _checked(job_id), ignore_errors=True)

    def keep(self, job_id: str, name: str) -> None:
        """Turn an upload that is whole into the folder of a job, also if the power fails next.

        Parameters
        ----------
        job_id
            The job.
        name
            What the upload is called from now on.
        """
        folder = self._incoming / _checked(job_id)
        (folder / UPLOAD).rename(folder / name)
        _sync(folder)
        folder.rename(self._jobs / job_id)
        _sync(self._jobs)

    def upload(self, job_id: str, name: str) -> Path:
        """Tell where the upload of a job is."""
        return self._jobs / _checked(job_id) / name

    def case(self, job_id: str, attempt: int) -> Path:
        """Tell where an attempt puts its results."""
        return self._jobs / _checked(job_id) / str(attempt)

    def scratch(self, job_id: str, attempt: int) -> Path:
        """Tell where the temporary files of an attempt go."""
        return self._jobs / _checked(job_id) / f"{attempt}.tmp"

    def files(self, job_id: str, attempt: int) -> dict[str, Path]:
        """List the files of a case folder by name."""
        return _files(self.case(job_id, attempt))

    def view(self, job_id: str, attempt: int) -> dict[str, Path]:
        """List the files of the view of a case by name; there may be none."""
        return _files(self.case(job_id, attempt) / VIEW)

    def drop_case(self, job_id: str, attempt: int) -> None:
        """Remove what an attempt made, and what it had in hand."""
        for folder in (self.case(job_id, attempt), self.scratch(job_id, attempt)):
            shutil.rmtree(folder, ignore_errors=True)

    def tidy(self, job_id: str, keep: int) -> None:
        """Remove all that a job no longer needs when it has ended.

        Parameters
        ----------
        job_id
            The job.
        keep
            The attempt whose results stay.
        """
        folder = self._jobs / _checked(job_id)
        for entry in _entries(folder):
            if entry.name == str(keep):
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def with_uploads(self) -> list[str]:
        """List the ids of jobs whose upload is still there."""
        return sorted({path.parent.name for path in self._jobs.glob(f"*/{UPLOAD}*")})

    def sweep(self, is_job: Callable[[str], bool], older_than: float) -> None:
        """Remove folders that belong to no job.

        Parameters
        ----------
        is_job
            Whether there is a job of an id.
        older_than
            Seconds since anything was written in a folder that may be removed; longer than
            between the last byte of an upload and its acceptance.
        """
        for parent in (self._incoming, self._jobs):
            for folder in _entries(parent):
                if time.time() - _last_written(folder) > older_than and not (
                    parent == self._jobs and is_job(folder.name)
                ):
                    shutil.rmtree(folder, ignore_errors=True)


def _checked(job_id: str) -> str:
    """Let nothing else through to the file system."""
    if not JOB_ID.fullmatch(job_id):
        raise ValueError(f"{job_id!r} is no id of a job")
    return job_id


def _files(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in _entries(folder) if path.is_file()}


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except FileNotFoundError:
        return


def _last_written(folder: Path) -> float:
    """Tell when a folder or a file in it changed last; now if it is being removed."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return time.time()


def _sync(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
