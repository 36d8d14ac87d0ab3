"""What the page shows of a job: its view, its summary, all files as one zip, and a sample CT."""

import gzip
import io
import json
from collections.abc import Callable
from errno import ENOSPC
from importlib.resources import files
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import nibabel
import pytest
from service.conftest import Server
from service.test_http import ended, is_problem, post

from gmmlabel.api.jobs import LabelWanted
from gmmlabel.api.routes.archives import zipped
from gmmlabel.api.working import labelling
from gmmlabel.api.working.order import Order
from gmmlabel.api.working.settling import _read_result
from gmmlabel.api.working.work import work
from gmmlabel.case_files import case_files
from gmmlabel.model_files import load_model
from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

Serve = Callable[..., Server]
MAPS = ("labels", "smoothed", "lungs", "opacity")


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ct") / "upload.nrrd"
    write_volume(path, make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)
    return path


@pytest.fixture
def order(ct: Path, tmp_path: Path) -> Order:
    """To label the CT."""
    sha256 = load_model().sha256
    assert sha256
    wanted = LabelWanted("a" * 64, ".nrrd", "zaffino2021", sha256, "default", "nrrd")
    folders = (tmp_path / name for name in ("case", "scratch", "models"))
    return Order("f" * 32, wanted, ct, *folders, memory=1 << 40, threads=1)


def test_a_job_that_labels_has_a_view_a_summary_and_one_zip(serve: Serve, ct: Path) -> None:
    server = serve(work)
    client = server.client
    made = client.post("/v1/jobs", content=ct.read_bytes()).json()
    assert made["summary"] is None
    job = ended(server, made)
    assert (job["state"], job["stage"]) == ("succeeded", "view")

    shown = client.get(f"/v1/jobs/{job['id']}/view").json()["files"]
    volumes = {f"{name}.nii.gz" for name in ("ct", *MAPS, "solid")}
    assert {one["name"] for one in shown} == volumes | {"thumbnail.jpg"}
    for one in shown:
        answer = client.get(one["path"])
        assert len(answer.content) == one["bytes"] == int(answer.headers["content-length"])
        kind = "image/jpeg" if one["name"] == "thumbnail.jpg" else "application/gzip"
        assert answer.headers["content-type"] == kind
        assert "content-encoding" not in answer.headers  # what is packed is the file itself
        if one["name"] in volumes:
            image = nibabel.Nifti1Image.from_bytes(gzip.decompress(answer.content))
            assert one["name"] == "solid.nii.gz" or image.shape == (72, 72, 48)
    for name in ("nothing.nii.gz", "result.json", "..%2fresult.json", "%2e%2e/result.json"):
        assert client.get(f"/v1/jobs/{job['id']}/view/{name}").status_code == 404, name

    result = job["result"]
    assert isinstance(result, dict)
    assert job["summary"] == {
        "lungs_ml": result["lungs"]["volume_ml"],
        "involvement_percent": result["involvement"]["percent"],
        "involvement_score": result["involvement"]["score"],
        "opacity_percent": result["opacity"]["percent"],
        "flags": [flag["flag"] for flag in result["quality"]],
    }
    (listed,) = client.get("/v1/jobs").json()["jobs"]
    assert (listed["summary"], listed["result"]) == (job["summary"], None)

    answer = client.get(f"/v1/jobs/{job['id']}/files.zip")
    folder = f"gmmlabel-{str(job['id'])[:8]}"
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{folder}.zip"'
    cases = client.get(f"/v1/jobs/{job['id']}/files").json()["files"]
    assert {one["name"] for one in cases} == set(case_files())
    with ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {info.filename for info in archive.infolist()} == {
            f"{folder}/{name}" for name in case_files()
        }
        for one in cases:
            assert archive.read(f"{folder}/{one['name']}") == client.get(one["path"]).content

    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert server.files == []


def test_a_job_without_results_has_no_view_no_summary_and_no_zip(serve: Serve) -> None:
    server = serve()
    refused, other = ended(server, post(server, "refuse")), ended(server, post(server, "good"))
    for job in (refused, other):  # the result of the other is that of no labelled CT
        assert server.client.get(f"/v1/jobs/{job['id']}/view").json() == {"files": []}
        assert is_problem(
            server.client.get(f"/v1/jobs/{job['id']}/view/ct.nii.gz"), 404, "no-such-file"
        )
        assert job["summary"] is None
    assert [one["summary"] for one in server.client.get("/v1/jobs").json()["jobs"]] == [None, None]
    assert is_problem(server.client.get(f"/v1/jobs/{refused['id']}/files.zip"), 404, "no-such-file")
    running = post(server, "hang")
    assert server.client.get(f"/v1/jobs/{running['id']}/view").json() == {"files": []}


def test_the_sample_is_the_ct_of_the_demo_and_needs_no_token(serve: Serve) -> None:
    server = serve(access="tokens")
    answer = server.client.get("/sample.nrrd")
    assert answer.status_code == 200
    demo = files("slicerio").joinpath("data", "CTChest4.nrrd")
    assert answer.content == demo.read_bytes()


def test_a_zip_is_made_as_it_is_sent(tmp_path: Path) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    with large.open("wb") as file:
        file.truncate(50 << 20)
    small.write_bytes(b"small")
    parts = []
    opened = zipped({"large": large, "small": small}, "here")
    for part in opened:
        assert len(part) < 1 << 20
        parts.append(part)
    with ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert archive.read("here/small") == b"small"
        assert {info.compress_type for info in archive.infolist()} == {ZIP_STORED}
        assert archive.getinfo("here/large").file_size == 50 << 20
    stopped = zipped({"large": large}, "here")
    next(stopped)
    stopped.close()  # as if whom it is sent to had gone


def test_labels_are_whole_though_their_view_cannot_be_made(
    order: Order, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(labelling, "write_view", fail)
    stages: list[str] = []
    assert isinstance(order.wanted, LabelWanted)
    labelling.label_upload(order, order.wanted, stages.append)
    assert stages[-1] == "view"
    assert {path.name for path in order.case.iterdir()} == set(case_files())
    (record,) = caplog.records
    assert record.__dict__["facts"] == {"job": order.job_id}


def test_a_disk_that_is_full_at_the_view_is_a_full_disk(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(ENOSPC, "full")

    monkeypatch.setattr("gmmlabel.pages.view._write_nifti", fail)
    told: list[dict[str, object]] = []

    class Pipe:
        def send_bytes(self, content: bytes) -> None:
            told.append(json.loads(content))

    monkeypatch.setattr("gmmlabel.api.working.work._limit", lambda _: None)
    monkeypatch.setattr("gmmlabel.api.working.work._step_back", lambda: None)
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("GMMLABEL_THREADS", "1")
    work(order, Pipe())  # type: ignore[arg-type]
    problem = told[-1]["problem"]
    assert isinstance(problem, dict)
    assert problem["type"].endswith(":disk-full")
    assert not (order.case / "view").exists()


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 1500 + b"]" * 1500 + b"}",
    ],
    ids=["nul", "half a surrogate", "deep"],
)
def test_a_result_that_a_database_cannot_look_into_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    assert _read_result(path) is None
    path.write_bytes(b'{"a": "\\u00e9", "b": [[0.1]]}')
    assert _read_result(path) == {"a": "\N{LATIN SMALL LETTER E WITH ACUTE}", "b": [[0.1]]}
