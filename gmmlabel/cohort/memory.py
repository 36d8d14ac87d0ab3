"""How much memory a case takes, how much there is, and so what fits.

Figures are of ``/usr/bin/time`` on ``gmmlabel label``, see ``docs/finding.md``.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path

from gmmlabel.cohort.candidates import FoundCT
from gmmlabel.errors import InputError
from gmmlabel.formats.image_file import FORMATS, read_image_header

# Python and what is imported, before and after the kernels are compiled.
_READING_BYTES = 300_000_000
_LABELLING_BYTES = 450_000_000
_LABELLING_VOXEL_BYTES = 5  # the most that was measured is 4.6
_CGROUP = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_MEMINFO = Path("/proc/meminfo")


def peak_bytes(size: tuple[int, int, int], voxel_bytes: int = 4) -> int:
    """Estimate the memory that labelling a CT takes at its peak, in bytes.

    Parameters
    ----------
    size
        Voxels along each axis.
    voxel_bytes
        Most memory that a voxel takes while it is read, see `FoundCT`.

    Returns
    -------
    int
        More than any method and format was measured to take, for the threshold segmenter; the
        package lungmask takes gigabytes more.
    """
    voxels = prod(size)
    reading = _READING_BYTES + voxels * voxel_bytes
    return max(reading, _LABELLING_BYTES + voxels * _LABELLING_VOXEL_BYTES)


def case_bytes(ct: FoundCT) -> int:
    """Estimate the memory that labelling a CT takes at its peak, in bytes.

    Raises
    ------
    InputError
        As of `volume_size`.
    """
    return peak_bytes(volume_size(ct), ct.voxel_bytes)


def volume_size(ct: FoundCT) -> tuple[int, int, int]:
    """Voxels of a CT along each stored axis, by its headers.

    Raises
    ------
    InputError
        If they do not say it: the CT cannot be read either.
    """
    if ct.size is not None:
        return ct.size
    if ct.source.name.lower().endswith(FORMATS) and ct.source.is_file():
        return read_image_header(ct.source).geometry.size
    raise InputError(f"{ct.source}: no header of it says its size; see what reading it says")


def check_fits(ct: FoundCT, memory: int) -> None:
    """Refuse a CT that is too large to be labelled, before a voxel of it is read.

    Parameters
    ----------
    ct
        The CT.
    memory
        Memory that there is for it, in bytes.

    Raises
    ------
    InputError
        If its peak is higher, and as of `volume_size`.
    """
    if case_bytes(ct) > memory:
        size = " x ".join(map(str, volume_size(ct)))
        raise InputError(
            f"{ct.source}: {size} voxels take about {case_bytes(ct) / 1e9:.1f} GB of memory, and "
            f"{memory / 1e9:.1f} GB are there; free some, or label it on a larger machine"
        )


def available_bytes() -> int:
    """Memory that this process and its children can take, in bytes.

    The least of what the system has left and what is left below each limit of a control group
    (container, batch job, service) on Linux; on Windows what the system has left; elsewhere all
    memory that is built in.
    """
    return min([_system_bytes(), *_group_bytes(_CGROUP, _MEMBERSHIP)])


def _system_bytes() -> int:
    if sys.platform == "win32":
        return _windows_bytes()
    try:
        fields = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _windows_bytes() -> int:
    """Ask ``GlobalMemoryStatusEx`` (sysinfoapi.h) for ``ullAvailPhys``."""
    status = (ctypes.c_uint64 * 8)()  # two 32-bit numbers, the first its size, and seven of 64
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - is not there elsewhere
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        raise OSError("the system does not say how much memory it has")
    return int(status[2])


def _group_bytes(mount: Path, membership: Path) -> Iterator[int]:
    """Tell what is left below each limit of the groups that this process is in."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            names = "memory.max", "memory.current", "inactive_file"
            yield from _limits(mount, group, *names)
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            yield from _limits(mount / "memory", group, *names)


def _limits(mount: Path, group: str, limit: str, used: str, reclaimable: str) -> Iterator[int]:
    """Tell what is left below the limits from a group up to the root of what is mounted.

    A container sees its own group as the root, and at times reads of a group that it cannot see.
    """
    folder = mount / group.lstrip("/")
    for here in (folder, *folder.parents):
        if here.is_relative_to(mount):
            try:
                most = int((here / limit).read_text())
                taken = int((here / used).read_text())
                stat = dict(
                    line.split() for line in (here / "memory.stat").read_text().splitlines()
                )
            except (OSError, ValueError):  # no such group, or its limit is "max"
                continue
            # Files that were read and are not in use are dropped when memory is needed.
            yield max(most - taken + int(stat.get(reclaimable, 0)), 0)
