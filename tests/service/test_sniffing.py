"""Uploads are told by their content, as the readers tell them by their names."""

import gzip
from pathlib import Path

import pytest

from gmmlabel.api.accepting.sniffing import HEAD_BYTES, suffix_of
from gmmlabel.formats.image_file import FORMATS
from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_written_in_a_format_is_told_to_be_of_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ct{suffix}"
    write_volume(path.with_name("ct.nii.gz" if suffix == ".nii" else path.name), _volume())
    if suffix == ".nii":
        path.write_bytes(gzip.decompress((tmp_path / "ct.nii.gz").read_bytes()))
    assert suffix_of(path.read_bytes()[:HEAD_BYTES]) == suffix


@pytest.mark.parametrize(
    "head", [b"", b"NRRD", b"\x7fELF", b"<html>", bytes(128) + b"DICM", b"NDims", b"PK\x01\x02"]
)
def test_all_else_is_of_no_format(head: bytes) -> None:
    assert suffix_of(head) is None


def _volume():
    return make_phantom((24, 24, 16), (15.0, 15.0, 20.0)).volume
