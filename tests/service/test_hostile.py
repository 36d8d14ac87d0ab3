"""A real server with real workers outlives all that it is sent to do harm.

``python benchmarks/hostile.py`` shows the same as a table.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from service.attacking import Outcome
from service.hostile import LIMITS, attacks
from service.hostile_files import good_nrrd, raw_zip, zeros
from service.test_http import Serve
from service.test_runner import settled
from service.test_serve import Process

from gmmlabel.api.jobs import LabelWanted
from gmmlabel.api.problems import ProblemError
from gmmlabel.api.working.labelling import label_upload
from gmmlabel.api.working.order import Order
from gmmlabel.model_files import DEFAULT_MODEL, load_model

ATTACKS = attacks()
_CANARY = "the canary sings"
_FLAT = 64 << 20


@dataclass
class Attacked:
    """A server that was attacked, and what came of it."""

    process: Process
    outcomes: list[Outcome]
    before: bytes
    resident: int

    @property
    def pid(self) -> int:
        return self.process.started[-1].pid

    @property
    def data(self) -> Path:
        return self.process.folder / "data"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """Attack a server with everything, several at a time, after it has labelled a good volume."""
    folder = tmp_path_factory.mktemp("attacked")
    for name in ("canary", "canary1", "canary1.raw", "models/canary.json"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(_CANARY)
        os.utime(path, (1, 2))  # reading it changes the first
    process = Process(folder, tuple(word for option in LIMITS.items() for word in option))
    try:
        process.start()
        port = int(process.url.rpartition(":")[2])
        before = label(process)
        resident = resident_bytes(process.started[-1].pid)
        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(lambda attack: attack.send(port), ATTACKS))
        yield Attacked(process, outcomes, before, resident)
    finally:
        for one in process.started:
            one.kill()
            one.wait()


def label(process: Process) -> bytes:
    """Label a good volume anew."""
    answer = httpx.post(f"{process.url}/v1/label?wait=60", content=good_nrrd(), timeout=60)
    assert answer.status_code == 200, answer.text
    job = f"{process.url}/v1/jobs/{answer.headers['gmmlabel-job']}"
    assert httpx.delete(job).status_code == 204
    return answer.content


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) << 10


@pytest.mark.parametrize(
    "number", range(len(ATTACKS)), ids=[f"{one.kind}-{one.name}"[:60] for one in ATTACKS]
)
def test_an_attack_is_answered_as_it_should(attacked: Attacked, number: int) -> None:
    outcome = attacked.outcomes[number]
    assert outcome.answer in ATTACKS[number].answers, outcome.text[:500]
    if outcome.status >= 400:
        assert set(outcome.text[:1]) <= {"{"}  # a problem, unless there is no body
        for word in (str(attacked.process.folder), ".dcm", "climbed", "passwd"):
            assert word not in outcome.text  # names of files may be of patients


def test_nothing_but_the_data_folder_was_read_or_written(attacked: Attacked) -> None:
    assert not any(_CANARY in outcome.text for outcome in attacked.outcomes)
    assert not any("root:" in outcome.text for outcome in attacked.outcomes)
    canaries = sorted(attacked.process.folder.rglob("canary*"))
    assert [path.name for path in canaries] == ["canary", "canary1", "canary1.raw", "canary.json"]
    assert {path.stat().st_atime for path in canaries} == {1}
    assert {path.name for path in attacked.process.folder.iterdir()} == {
        *("data", "models", "log0", "canary", "canary1", "canary1.raw")
    }
    for root in (attacked.process.folder, Path("/tmp"), Path("/")):  # noqa: S108 - where it led
        assert not list(root.glob("climbed*"))
    assert not list(attacked.process.folder.rglob("climbed*"))


def test_nothing_of_the_attacks_stays(attacked: Attacked) -> None:
    succeeded = httpx.get(f"{attacked.process.url}/v1/jobs?state=succeeded").json()["jobs"]
    for job in succeeded:  # a bomb after a good volume is no more than that
        assert httpx.delete(f"{attacked.process.url}/v1/jobs/{job['id']}").status_code == 204
    for folder in ("incoming", "jobs"):
        assert settled(lambda folder=folder: not list((attacked.data / folder).iterdir()))


def test_the_server_lives_and_has_not_grown(attacked: Attacked) -> None:
    assert attacked.process.started[-1].poll() is None
    assert len(attacked.process.started) == 1
    assert resident_bytes(attacked.pid) - attacked.resident < _FLAT
    assert httpx.get(f"{attacked.process.url}/readyz").status_code == 200


def test_the_log_has_no_errors_and_nothing_of_what_was_sent(attacked: Attacked) -> None:
    log = (attacked.process.folder / "log0").read_text()
    assert "Traceback" not in log
    assert "unexpected" not in log
    for word in ("passwd", "climbed", "SECRET"):
        assert word not in log


def test_a_good_volume_is_labelled_as_before(attacked: Attacked) -> None:
    assert label(attacked.process) == attacked.before


def test_reading_a_canary_would_show(tmp_path: Path) -> None:
    path = tmp_path / "canary"
    path.write_text(_CANARY)
    os.utime(path, (1, 2))
    path.read_text()
    if path.stat().st_atime == 1:
        pytest.skip("this file system does not note when files are read")


def test_an_archive_that_would_fill_the_disk_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "upload.zip"
    path.write_bytes(raw_zip([(f"{n}.dcm", zeros(100), 100 << 20) for n in range(4)]))
    wanted = LabelWanted(
        sha256="0" * 64, suffix=".zip", model=DEFAULT_MODEL,
        model_sha256=load_model(DEFAULT_MODEL).sha256 or "", method="default", form="nrrd",
    )  # fmt: skip
    case, scratch = tmp_path / "1", tmp_path / "1.tmp"
    order = Order("0" * 32, wanted, path, case, scratch, tmp_path, 1 << 30, 1, room=300 << 20)
    with pytest.raises(ProblemError) as caught:
        label_upload(order, wanted, lambda _: None)
    assert (caught.value.problem.status, str(caught.value)) == (
        507,
        "it unpacks to 0.4 GB, and there is room for 0.3; try again later",
    )
    assert list(tmp_path.iterdir()) == [path]


def test_a_worker_may_fill_its_share_of_the_disk_above_the_floor(serve: Serve) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    many = serve(workers=2, disk_floor=0).service.runner._room()
    few = serve(workers=4, disk_floor=0).service.runner._room()
    assert many == pytest.approx(free / 2, rel=0.2)
    assert few == pytest.approx(free / 4, rel=0.2)
    assert serve(disk_floor=1 << 60).service.runner._room() == 0
