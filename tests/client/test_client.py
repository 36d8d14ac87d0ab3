"""The clients and a real service, whose workers only pretend to label."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import run

import anyio
import pytest
from client.conftest import Connect
from service.conftest import Server
from service.test_runner import settled, upload

from gmmlabel.client import (
    AsyncClient,
    Client,
    ClientError,
    ConnectionFailedError,
    Job,
    ServiceError,
    StillRunningError,
)
from gmmlabel.errors import GmmlabelError, OutputError, UnreadableError

Serve = Callable[..., Server]


@pytest.fixture
def ct(tmp_path: Path) -> Callable[..., Path]:
    """Write what makes a worker do something."""

    def write(what: str = "good", text: str = "") -> Path:
        path = tmp_path / f"{what}{text}.nrrd"
        path.write_bytes(upload(what, text))
        return path

    return write


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


CT = Callable[..., Path]


def test_a_label_map_is_written_and_its_figures_are_told(
    serve: Serve, connect: Connect, ct: CT, tmp_path: Path
) -> None:
    server = serve()
    out = tmp_path / "new" / "labels.nrrd"
    labelled = connect(url(server)).label(ct(), out)
    assert out.read_bytes() == upload("good")[::-1]
    assert [path.name for path in out.parent.iterdir()] == ["labels.nrrd"]
    assert (labelled.path, labelled.opacity_percent) == (out, None)
    assert (labelled.involvement_percent, labelled.involvement_score) == (12.34567, 2)
    assert server.client.get(f"/v1/jobs/{labelled.job}").json()["state"] == "succeeded"


def test_a_label_map_that_takes_longer_is_waited_for_and_each_change_is_told(
    serve: Serve, connect: Connect, ct: CT, tmp_path: Path
) -> None:
    seen: list[Job] = []
    client = connect(url(serve()))
    labelled = client.label(ct("slow"), tmp_path / "out", on_change=seen.append)
    assert labelled.path.read_bytes() == upload("slow")[::-1]
    assert labelled.involvement_percent == pytest.approx(12.34567)
    assert seen[-1].state == "succeeded"
    assert "label" in [job.stage for job in seen]
    assert len({job.id for job in seen}) == 1
    assert sorted(job.progress for job in seen) == [job.progress for job in seen]
    again = client.label(ct("slow"), tmp_path / "again", wait=0)
    assert again.job == labelled.job


@pytest.mark.parametrize("wait", [0, 10])
def test_a_job_that_fails_is_an_error_and_leaves_no_file(
    serve: Serve, connect: Connect, ct: CT, tmp_path: Path, wait: float
) -> None:
    server = serve(attempts=1)
    with pytest.raises(ServiceError) as caught:
        connect(url(server)).label(ct("crash"), tmp_path / "new" / "out.mha", wait=wait)
    error = caught.value
    assert (error.status, error.word) == (500, "worker-died")
    (job,) = server.client.get("/v1/jobs").json()["jobs"]
    assert error.job == job["id"]
    assert job["format"] == "mha"  # as the name of the file says
    assert isinstance(error, GmmlabelError)
    assert "\n" not in str(error)
    assert not (tmp_path / "new").exists()


def test_what_the_service_refuses_is_told_with_its_word(
    serve: Serve, connect: Connect, ct: CT, tmp_path: Path
) -> None:
    client = connect(url(serve()))
    path = ct()
    for options, word in (({"model": "nothing"}, "invalid-parameter"), ({"map": "x"}, None)):
        with pytest.raises(ServiceError) as caught:
            client.label(path, tmp_path / "out", **options)
        assert caught.value.word == word or caught.value.status == 422
    path.write_bytes(b"hello")
    with pytest.raises(ServiceError, match="NRRD") as caught:
        client.submit(path)
    assert (caught.value.status, caught.value.word) == (415, "unknown-format")
    for ask in (client.job, client.wait, client.files, client.cancel, client.delete):
        with pytest.raises(ServiceError) as caught:
            ask("0" * 32)
        assert (caught.value.status, caught.value.word) == (404, "no-such-job")


def test_no_file_is_replaced_unless_that_is_said(
    serve: Serve, connect: Connect, ct: CT, tmp_path: Path
) -> None:
    server = serve()
    client = connect(url(server))
    out = tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        client.label(ct(), out)
    assert out.read_text() == "mine"
    assert server.client.get("/v1/jobs").json()["jobs"] == []  # nothing was sent
    client.label(ct(), out, overwrite=True)
    assert out.read_bytes() == upload("good")[::-1]


def test_a_case_folder_is_downloaded(
    serve: Serve, connect: Connect, ct: CT, tmp_path: Path
) -> None:
    server = serve()
    client = connect(url(server))
    job = client.wait(client.submit(ct()))
    assert job.result is not None
    assert job.result["of"] == upload("good").decode()
    files = {file.name: file.bytes for file in client.files(job)}
    case = server.service.artefacts.case(job.id, 1)
    assert files == {path.name: path.stat().st_size for path in case.iterdir()}
    folder = client.download(job.id, tmp_path / "case")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in case.iterdir()
    }
    one = client.download(job, tmp_path / "one", ["result.json"])
    assert [path.name for path in one.iterdir()] == ["result.json"]
    with pytest.raises(OutputError):
        client.download(job, one)
    with pytest.raises(ServiceError, match=r"x\.mha"):
        client.download(job, tmp_path / "none", ["labels.nrrd", "x.mha"])
    assert not (tmp_path / "none").exists()


def test_a_download_before_the_end_says_what_to_do(
    serve: Serve, connect: Connect, ct: CT, tmp_path: Path
) -> None:
    client = connect(url(serve()))
    job = client.submit(ct("hang"))
    with pytest.raises(ClientError, match="wait for it"):
        client.download(job, tmp_path / "case")
    client.cancel(job)
    with pytest.raises(ServiceError, match="cancelled"):
        client.download(job, tmp_path / "case")
    assert not (tmp_path / "case").exists()


def test_a_wait_that_is_over_leaves_the_job_and_comes_back_in_time(
    serve: Serve, connect: Connect, ct: CT
) -> None:
    client = connect(url(serve()))
    job = client.submit(ct("hang"))
    start = time.monotonic()
    with pytest.raises(StillRunningError, match=job.id):
        client.wait(job, timeout=1)
    assert 0.9 < time.monotonic() - start < 10
    assert not client.job(job).ended
    assert client.cancel(job).state == "cancelled"
    assert client.wait(job).state == "cancelled"
    assert client.cancel(job).state == "cancelled"  # and is not removed by that


def test_a_job_is_removed_whether_it_has_ended_or_not(
    serve: Serve, connect: Connect, ct: CT
) -> None:
    server = serve(workers=1)
    client = connect(url(server))
    done = client.wait(client.submit(ct()))
    running, waiting = client.submit(ct("hang")), client.submit(ct("hang", "2"))
    assert [job.id for job in client.jobs(limit=2)] == [waiting.id, running.id]
    assert [job.id for job in client.jobs(state="succeeded")] == [done.id]
    for job in (done, waiting, running):
        client.delete(job)
    assert client.jobs() == []
    assert settled(lambda: server.files == [])


def test_a_queue_that_stays_full_is_asked_again_and_then_told(
    serve: Serve, connect: Connect, ct: CT, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmmlabel.client.conversation._LONGEST_PAUSE", 1)
    server = serve(workers=1, queue_limit=1)
    client = connect(url(server))
    running = client.submit(ct("hang"))
    assert settled(lambda: client.job(running).state == "running")
    client.submit(ct("hang", "2"))
    with pytest.raises(ServiceError) as caught:
        client.submit(ct())
    assert (caught.value.status, caught.value.word) == (429, "queue-full")


def test_the_models_are_those_of_the_service(serve: Serve, connect: Connect) -> None:
    client = connect(url(serve()))
    (model,) = client.models()
    assert (model.name, model.boundaries_hu) == ("zaffino2021", (-893, -721, -472, -235))
    assert client.model("zaffino2021") == model
    with pytest.raises(ServiceError) as caught:
        client.model("../models")
    assert caught.value.status == 404


def test_a_service_that_is_not_there_is_one_line(connect: Connect, ct: CT, tmp_path: Path) -> None:
    client = connect("http://127.0.0.1:9", retries=2)
    with pytest.raises(ConnectionFailedError, match=r"http://127\.0\.0\.1:9/v1/label") as caught:
        client.label(ct(), tmp_path / "new" / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_ct_that_is_not_there_is_told_before_anything_is_asked(
    connect: Connect, tmp_path: Path
) -> None:
    client = connect("http://127.0.0.1:9")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "no.nrrd", tmp_path / "empty"):
        with pytest.raises(UnreadableError, match=path.name):
            client.submit(path)


def test_ctrl_c_ends_the_waiting_and_not_the_job(serve: Serve, ct: CT, tmp_path: Path) -> None:
    def press(_: object) -> None:
        raise KeyboardInterrupt

    with Client(url(serve())) as client:
        with pytest.raises(KeyboardInterrupt):
            client.label(ct("slow"), tmp_path / "new" / "out", on_change=press)
        assert not (tmp_path / "new").exists()
        (job,) = client.jobs()
        assert client.wait(job).state == "succeeded"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_that_is_cancelled_leaves_the_job(
    serve: Serve, ct: CT, tmp_path: Path, backend: str
) -> None:
    server = serve()

    async def cancelled() -> None:
        async with AsyncClient(url(server)) as client:
            with anyio.move_on_after(0.4) as scope:
                await client.label(ct("slow"), tmp_path / "new" / "out")
            assert scope.cancelled_caught
            assert not (tmp_path / "new").exists()
            (job,) = await client.jobs()
            assert (await client.wait(job)).state == "succeeded"

    anyio.run(cancelled, backend=backend)


def test_the_client_is_imported_without_kernels_arrays_and_service() -> None:
    heavy = {"numpy", "numba", "SimpleITK", "fastapi", "sqlalchemy", "gmmlabel.volume"}
    code = f"import sys, gmmlabel.client; sys.exit(bool({heavy} & set(sys.modules)))"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_upload_that_is_refused_as_it_begins_is_told_as_that(
    serve: Serve, connect: Connect, ct: CT
) -> None:
    path = ct()
    with path.open("ab") as file:
        file.truncate(256 << 20)  # more than is on its way before the service hangs up
    server = serve(disk_floor=1 << 60)
    with pytest.raises(ServiceError) as caught:
        connect(url(server)).submit(path)
    assert caught.value.word == "disk-full"
    # Of its size the answer may get lost.
    server = serve(upload_limit=1 << 20)
    with pytest.raises(ClientError, match=r"of this size|more than 1"):
        connect(url(server), retries=1).submit(path)
    assert server.client.get("/v1/jobs").json() == {"jobs": []}
