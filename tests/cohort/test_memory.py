import ctypes
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from ct_files import GRIDS, ct, write_nifti, write_nrrd
from dicom_series import chest, write_series

from gmmlabel.cohort import memory
from gmmlabel.cohort.finding import FoundCT, find_cts
from gmmlabel.cohort.memory import (
    available_bytes,
    case_bytes,
    check_fits,
    peak_bytes,
    volume_size,
)
from gmmlabel.errors import InputError

LARGE = FoundCT("large", Path("/data/large.nrrd"), size=(512, 512, 1250))


@pytest.mark.parametrize(
    ("slices", "voxel_bytes", "measured_kib"),
    [
        (100, 4, 467_804),
        (300, 4, 747_520),
        (630, 4, 1_181_640),
        (248, 4, 622_052),
        (1250, 4, 1_782_380),
        (300, 8, 724_944),
        (300, 12, 1_184_148),
    ],
)
def test_the_estimate_lies_above_what_was_measured_and_not_far(slices, voxel_bytes, measured_kib):
    """By /usr/bin/time on gmmlabel label, see docs/finding.md."""
    estimate = peak_bytes((512, 512, slices), voxel_bytes)
    assert 1 < estimate / (measured_kib * 1024) < 1.3


def test_the_size_is_that_of_the_headers(tmp_path):
    write_series(tmp_path / "dicom", chest(9))
    write_nrrd(tmp_path / "a.nrrd", ct(), GRIDS["axial"])
    sizes = {volume_size(one) for one in find_cts([tmp_path]).cts}
    assert sizes == {(16, 16, 9), (14, 12, 10)}


def test_a_size_that_was_not_kept_is_read_of_the_file(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz", ct(), GRIDS["axial"])
    assert volume_size(FoundCT("a", path)) == (14, 12, 10)


def test_no_voxel_is_read_for_a_size(tmp_path):
    path = write_nrrd(tmp_path / "a.nrrd", ct(), GRIDS["axial"], encoding="raw")
    path.write_bytes(path.read_bytes()[:-2000])
    (found,) = find_cts([path]).cts
    assert volume_size(found) == (14, 12, 10)


@pytest.mark.parametrize("name", ["none.nrrd", "none.zip", "none"])
def test_a_size_that_no_header_says(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(InputError, match=name):
        volume_size(FoundCT("none", path))
    path.write_text("hello")
    with pytest.raises(InputError, match=name):
        volume_size(FoundCT("none", path))
    (found,) = find_cts([path]).cts
    with pytest.raises(InputError, match=name):
        case_bytes(found)


def test_a_volume_of_doubles_takes_more_than_one_of_shorts(tmp_path):
    for dtype in (np.int16, np.float64):
        write_nrrd(tmp_path / f"{np.dtype(dtype)}.nrrd", ct(dtype), GRIDS["axial"])
    doubles, shorts = find_cts([tmp_path]).cts
    assert (doubles.voxel_bytes, shorts.voxel_bytes) == (12, 4)
    assert case_bytes(doubles) == peak_bytes((14, 12, 10), 12)


def test_a_volume_that_does_not_fit_is_refused_in_one_line():
    needed = case_bytes(LARGE)
    check_fits(LARGE, needed)
    with pytest.raises(InputError) as caught:
        check_fits(LARGE, needed - 1)
    assert str(caught.value) == (
        "/data/large.nrrd: 512 x 512 x 1250 voxels take about 2.1 GB of memory, and 2.1 GB are "
        "there; free some, or label it on a larger machine"
    )


# What there is


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A Linux of 8 GiB, of which 4 GiB are available, without control groups."""
    for name in ("_CGROUP", "_MEMBERSHIP", "_MEMINFO"):
        monkeypatch.setattr(memory, name, tmp_path / name)
    (tmp_path / "_MEMINFO").write_text(
        f"MemTotal: {8 << 20} kB\nMemFree: {1 << 20} kB\nMemAvailable: {4 << 20} kB\n"
    )
    return tmp_path


def group(folder, version, limit, used, inactive=0):
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {inactive}\n")


@pytest.mark.usefixtures("machine")
def test_what_is_available_is_what_linux_says():
    assert available_bytes() == 4 << 30


def test_the_least_limit_of_the_groups_of_version_2_counts(machine):
    (machine / "_MEMBERSHIP").write_text("0::/job/step\n")
    group(machine / "_CGROUP" / "job", 2, 3 << 30, 2 << 30, inactive=1 << 29)
    group(machine / "_CGROUP" / "job" / "step", 2, "max", 1 << 30)
    assert available_bytes() == (1 << 30) + (1 << 29)


def test_the_limit_of_a_group_of_version_1_counts(machine):
    (machine / "_MEMBERSHIP").write_text("9:cpu:/x\n4:memory,hugetlb:/job\n0::/\n")
    group(machine / "_CGROUP" / "memory" / "job", 1, 2 << 30, 1 << 30)
    group(machine / "_CGROUP" / "memory", 1, 9223372036854771712, 1 << 30)
    assert available_bytes() == 1 << 30


def test_a_container_that_does_not_see_its_group_by_name_sees_it_as_the_root(machine):
    (machine / "_MEMBERSHIP").write_text("0::/docker/abc\n")
    group(machine / "_CGROUP", 2, 2 << 30, 3 << 30)
    assert available_bytes() == 0


def test_without_linux_all_memory_counts(machine):
    (machine / "_MEMINFO").unlink()
    assert available_bytes() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.usefixtures("machine")
def test_windows_is_asked_in_its_own_way(monkeypatch):
    class Kernel:
        @staticmethod
        def GlobalMemoryStatusEx(status):  # noqa: N802
            at = ctypes.cast(status, ctypes.POINTER(ctypes.c_uint64))
            assert ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] == 64
            at[1], at[2] = 8 << 30, 5 << 30  # ullTotalPhys and ullAvailPhys
            return 1

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", type("Windows", (), {"kernel32": Kernel}), raising=False)
    assert available_bytes() == 5 << 30


def test_this_machine_has_some():
    assert 1 << 26 < available_bytes() < 1 << 50
