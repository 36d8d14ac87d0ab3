"""A process that nobody holds any more ends."""

from pathlib import Path

import pytest

from gmmlabel.api.cluster import leash
from gmmlabel.api.cluster.leash import Collar, Leash


class Clock:
    """Stands in for the module `time`."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_an_attempt_is_begun_once(tmp_path: Path) -> None:
    Leash(tmp_path / "1.tmp")
    assert Collar(tmp_path / "1.tmp", 30).begin()
    assert not Collar(tmp_path / "1.tmp", 30).begin()


def test_what_is_dropped_or_removed_is_not_begun_and_does_not_go_on(tmp_path: Path) -> None:
    held = Leash(tmp_path / "1.tmp")
    collar = Collar(tmp_path / "1.tmp", 30)
    assert collar.held()
    held.drop()
    assert not collar.held()
    held.renew()  # cannot make it again
    assert not collar.held()
    assert not Collar(tmp_path / "1.tmp", 30).begin()
    assert not Collar(tmp_path / "2.tmp", 30).begin()


def test_silence_for_the_time_of_a_lease_is_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(leash, "time", clock)
    held = Leash(tmp_path / "1.tmp")
    collar = Collar(tmp_path / "1.tmp", 30)
    for _ in range(5):
        clock.now += 29
        assert collar.held()
        held.renew()
    assert collar.held()
    clock.now += 31
    assert not collar.held()


def test_a_disk_that_cannot_be_read_for_a_while_ends_nothing(tmp_path: Path) -> None:
    held = Leash(tmp_path / "1.tmp")
    collar = Collar(tmp_path / "1.tmp", 3600)
    assert collar.held()
    (tmp_path / "1.tmp").rename(tmp_path / "away")
    (tmp_path / "1.tmp").write_text("")  # so that the name leads to no folder
    assert collar.held()
    (tmp_path / "1.tmp").unlink()
    (tmp_path / "away").rename(tmp_path / "1.tmp")
    held.renew()
    assert collar.held()
