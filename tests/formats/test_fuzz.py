"""Damaged files of every format give an error of ours, soon, and without much memory.

The long form is ``python benchmarks/fuzz.py``. What it found has a test of its own in
`test_hostile_headers`.
"""

import pytest
from formats.damaged_files import KINDS, whole_files
from formats.fuzzing import numbered_file, peak_bytes, readings

_INPUTS = 2_000
_SECONDS = 10.0  # of a machine that does other things as well
_MORE_BYTES = 256 << 20

WHOLE = whole_files()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_here_can_be_read_when_it_is_whole(tmp_path, kind):
    for number, whole in enumerate(WHOLE[kind]):
        path = tmp_path / f"{number}{whole.suffix}"
        path.write_bytes(whole.content)
        assert [one.outcome for one in readings(path)] == ["ok", "ok"]


def test_nothing_but_errors_of_ours_comes_out_of_damaged_files(tmp_path):
    outcomes = set()
    before = peak_bytes()

    for number in range(_INPUTS):
        file = numbered_file(number, WHOLE)
        path = tmp_path / f"ct{file.suffix}"
        path.write_bytes(file.content)
        for one in readings(path):
            assert one.expected, (number, one)
            assert one.seconds < _SECONDS, (number, one)
            outcomes.add(one.outcome)
        path.unlink()
    assert len(outcomes) > 50  # they are damaged in ways that differ
    assert peak_bytes() - before < _MORE_BYTES
