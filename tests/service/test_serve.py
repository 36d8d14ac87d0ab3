"""``gmmlabel serve`` as it is used: a process that labels, is killed, and goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from service.test_runner import settled

from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")


@dataclass
class Process:
    """A server in a process of its own."""

    folder: Path
    options: tuple[str, ...] = ()
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    url: str = ""

    def start(self) -> None:
        log = self.folder / f"log{len(self.started)}"
        command = [GMMLABEL, "serve", "--port", "0", "--data", str(self.folder / "data")]
        with log.open("wb") as errors:
            self.started.append(
                subprocess.Popen(
                    [*command, "--lease", "2", *self.options], stderr=errors, cwd=self.folder
                )
            )
        found = settled(lambda: re.search(r"running on (http://\S+)", log.read_text()))
        assert isinstance(found, re.Match), log.read_text()
        self.url = found[1]

    def end(self, number: int) -> int:
        self.started[-1].send_signal(number)
        return self.started[-1].wait(20)

    def job(self, job_id: str) -> dict[str, object]:
        return dict(httpx.get(f"{self.url}/v1/jobs/{job_id}").json())

    def children(self) -> list[int]:
        """Processes that the server began, and those that these began."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
        found = {self.started[-1].pid}
        while new := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= new
        return sorted(found - {self.started[-1].pid})


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    made: list[Process] = []

    def start(*options: str) -> Process:
        made.append(Process(tmp_path, options))
        made[-1].start()
        return made[-1]

    yield start
    for process in made:
        for one in process.started:
            one.kill()
            one.wait()


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_volume(path, make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)
    return path


@pytest.fixture(scope="module")
def case(ct: Path) -> Path:
    """What the command for one CT makes."""
    folder = ct.parent / "case"
    subprocess.run([GMMLABEL, "label", ct, "--out", folder], check=True, capture_output=True)
    return folder


def test_curl_gets_the_label_map_that_the_command_makes(
    serving: Callable[..., Process], ct: Path, case: Path, tmp_path: Path
) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    server = serving()
    url = f"{server.url}/v1/label"
    out = tmp_path / "labels.nrrd"
    for body in (("--data-binary", f"@{ct}"), ("-F", f"file=@{ct}")):
        subprocess.run([curl, "-sSf", *body, url, "-o", out], check=True)
        assert out.read_bytes() == (case / "labels.nrrd").read_bytes()
        out.unlink()
    for pid in server.children():  # a copy of a process with more threads may deadlock
        assert "\nThreads:\t1\n" in Path(f"/proc/{pid}/status").read_text()


def test_a_package_of_the_same_name_in_the_working_directory_is_not_taken(
    serving: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "gmmlabel").mkdir()  # as in a clone
    (tmp_path / "gmmlabel" / "__init__.py").touch()
    ct = tmp_path / "ct.nrrd"
    write_volume(ct, make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)
    answer = httpx.post(f"{serving().url}/v1/label", content=ct.read_bytes(), timeout=60)
    assert answer.status_code == 200, answer.text


def test_a_job_outlives_the_server_that_accepted_it(
    serving: Callable[..., Process], ct: Path, case: Path
) -> None:
    server = serving()
    job_id = httpx.post(f"{server.url}/v1/jobs", content=ct.read_bytes()).json()["id"]
    assert settled(lambda: server.job(job_id)["stage"] == "lungs")
    children = server.children()
    assert children
    server.end(signal.SIGKILL)
    for pid in children:  # a worker that goes on would work beside the next one
        assert settled(lambda pid=pid: _gone(pid))
    server.start()
    assert settled(lambda: server.job(job_id)["state"] == "succeeded")
    files_are_those_of_the_command(server, job_id, case)


def files_are_those_of_the_command(server: Process, job_id: str, case: Path) -> None:
    files = httpx.get(f"{server.url}/v1/jobs/{job_id}/files").json()["files"]
    assert {one["name"] for one in files} == {path.name for path in case.iterdir()}
    for one in files:
        if one["name"] not in {"result.json", "report.html"}:  # these say how long it took
            content = httpx.get(f"{server.url}{one['path']}").content
            assert content == (case / one["name"]).read_bytes(), one["name"]
    told, said = server.job(job_id)["result"], json.loads((case / "result.json").read_text())
    for document in (told, said):
        assert isinstance(document, dict)
        del document["seconds"], document["input"]["name"]
    assert told == said


def _gone(pid: int) -> bool:
    """Whether a process has ended, even if nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_a_server_that_is_asked_to_stop_stops_and_leaves_its_job_to_the_next(
    serving: Callable[..., Process], ct: Path
) -> None:
    server = serving()
    job_id = httpx.post(f"{server.url}/v1/jobs", content=ct.read_bytes()).json()["id"]
    assert settled(lambda: server.job(job_id)["state"] == "running")
    start = time.monotonic()
    server.end(signal.SIGTERM)
    assert time.monotonic() - start < 10
    server.start()
    assert settled(lambda: server.job(job_id)["state"] == "succeeded")


def header(size: int) -> bytes:
    return (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {size} {size} {size}\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
        "space origin: (0,0,0)\nkinds: domain domain domain\nendian: little\n"
    ).encode()


def test_hostile_volumes_fail_by_themselves(
    serving: Callable[..., Process], ct: Path, tmp_path: Path
) -> None:
    with ZipFile(tmp_path / "climb.zip", "w") as archive:
        archive.writestr("../../../climbed", "x")
    server = serving("--worker-memory", "1GiB")
    hostile = {
        "another file": header(48) + b"encoding: raw\ndata file: /etc/passwd\n\n",
        "too large": header(3000) + b"encoding: gzip\n\n\x1f\x8b",
        "truncated": ct.read_bytes()[:5000],
        "no image": (tmp_path / "climb.zip").read_bytes(),
        "garbage": b"\x1f\x8b" + os.urandom(1000),
    }
    for what, content in hostile.items():
        answer = httpx.post(f"{server.url}/v1/label", content=content, timeout=60)
        assert answer.status_code == 422, (what, answer.text)
        assert str(tmp_path) not in answer.text
        assert answer.json()["type"].split(":")[-1] in {"unreadable", "too-large"}
    assert (
        "too-large"
        in httpx.post(f"{server.url}/v1/label", content=hostile["too large"], timeout=60).json()[
            "type"
        ]
    )
    assert not list(tmp_path.rglob("climbed*"))
    assert list((server.folder / "data" / "jobs").iterdir()) == []
    answer = httpx.post(f"{server.url}/v1/label", content=ct.read_bytes(), timeout=60)
    assert answer.status_code == 200


def test_a_setting_that_cannot_be_is_one_line_and_status_1() -> None:
    done = subprocess.run(
        [GMMLABEL, "serve", "--port", "70000"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "GMMLABEL_PORT" in done.stderr
