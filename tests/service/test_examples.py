"""Every example of the pages on the service and its client, run against a service as it is."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from dicom_series import write_series
from service.test_serve import GMMLABEL, Process

from gmmlabel.api.accepting.refits import RefitRequest
from gmmlabel.client import Client, ServiceError
from gmmlabel.phantom import make_phantom
from gmmlabel.writers import FORMATS, write_volume

DOCS = Path(__file__).parents[2] / "docs"
API, CLIENT = ((DOCS / name).read_text() for name in ("api.md", "client.md"))
CASE = {"report.html", "result.json", "histogram.json", "preview.png"}
HOST = "localhost:8000"

needs_curl = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not installed"
)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def shown(page: str, beginning: str) -> str:
    """An indented block that begins so: what something looks like."""
    found = re.search(rf"^    {re.escape(beginning)}.*\n(?:    .*\n)*", page, re.M)
    assert found, beginning
    return found[0]


@dataclass(frozen=True)
class Service:
    """A service that runs, and the folder in which its user is."""

    url: str
    folder: Path

    def meant(self, text: str) -> str:
        """The text as it has to be for this service."""
        port = self.url.rpartition(":")[2]
        text = text.replace("Client()", f'Client("{self.url}")')
        return re.sub(r"(localhost|127\.0\.0\.1):8000", rf"\1:{port}", text)

    def run(self, *command: str, token: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "CURL_HOME": str(self.folder), "GMMLABEL_TOKEN": token},
        )  # fmt: skip

    def shell(self, script: str, token: str = "") -> subprocess.CompletedProcess[str]:
        return self.run("bash", "-euo", "pipefail", "-c", self.meant(script), token=token)

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def has_geometry_of_the_ct(self, name: str) -> bool:
        found, ct = (sitk.ReadImage(self.folder / one) for one in (name, "ct.nrrd"))
        assert sitk.GetArrayViewFromImage(found).max() >= 1
        for what in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(found, what)() == pytest.approx(getattr(ct, what)(), abs=1e-5), what
        return True


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GMMLABEL_MODELS", str(folder / "models"))
        process = Process(folder)
        process.start()
        yield process.url
        for one in process.started:
            one.kill()
            one.wait()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the user of the examples has: a CT in every form, and a picture that is none."""
    folder = tmp_path_factory.mktemp("inputs")
    volume = make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume
    write_volume(folder / "ct.nrrd", volume)
    sitk.WriteImage(sitk.ReadImage(folder / "ct.nrrd"), folder / "ct.nii.gz")
    x, y, z = volume.geometry.origin
    write_series(
        folder / "series", volume.hu, PixelSpacing=["5", "5"], SliceThickness="7",
        positions=[(x, y, z + 7.0 * number) for number in range(48)],
    )  # fmt: skip
    with zipfile.ZipFile(folder / "series.zip", "w") as archive:
        for file in (folder / "series").iterdir():
            archive.write(file, file.name)
    (folder / "photo.nrrd").write_bytes(b"\xff\xd8\xff\xe0")
    # An answer that is an error ends the script.
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return folder


@pytest.fixture
def service(url: str, inputs: Path, tmp_path: Path) -> Service:
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    return Service(url, tmp_path)


@needs_curl
def test_the_curl_examples_do_what_the_page_says(service: Service) -> None:
    script = "".join(
        f"exec > block-{number}.txt\n{block}" for number, block in enumerate(blocks(API, "sh"))
    )
    assert len(re.findall(r"\bcurl\b", script)) == API.count("curl ") - API.count("`curl ")
    done = service.shell(script, "not asked for")
    assert done.returncode == 0, (done.stderr, service.folder)
    outputs = sorted(service.folder.glob("block-*.txt"), key=lambda path: int(path.stem[6:]))
    said = [path.read_text() for path in outputs]

    for name in ("labels.nrrd", "smoothed.nii.gz", "lungs.nrrd", "labels-ours.nrrd"):
        assert service.has_geometry_of_the_ct(name)
    assert (service.folder / "labels.nrrd").read_bytes() != (
        service.folder / "labels-ours.nrrd"
    ).read_bytes()

    (headers,) = (text for text in said if "gmmlabel-involvement" in text)
    of_page = shown(API, "gmmlabel-job")
    assert [line.split(":")[0] for line in headers.splitlines()] == [
        line.strip().split(":")[0] for line in of_page.splitlines()
    ]
    assert service.json("once.json")["id"] == service.json("again.json")["id"]

    assert set(service.json("job.json")) == set(json.loads(shown(API, '{"id"')))
    job = service.json("done.json")
    assert (job["id"], job["state"]) == (service.json("job.json")["id"], "succeeded")
    assert job["result"]["involvement"]["score"] in range(6)
    maps = {f"{name}.nii.gz" for name in ("labels", "smoothed", "lungs", "opacity")}
    assert {file["name"] for file in service.json("files.json")["files"]} == CASE | maps
    assert (service.folder / "report.html").read_text().startswith("<!")
    with zipfile.ZipFile(service.folder / "case.zip") as archive:
        assert {Path(name).name for name in archive.namelist()} == CASE | maps
    assert {file["name"] for file in service.json("view.json")["files"]} >= {"solid.nii.gz"}
    assert sitk.ReadImage(service.folder / "view-ct.nii.gz").GetSize() == (72, 72, 48)
    with Client(service.url) as client, pytest.raises(ServiceError, match="no-such-job"):
        client.job(job["id"])  # the last line of the block removed it
    streams = [text for text in said if "event: job" in text]
    assert len(streams) == 2
    for stream in streams:
        events = [json.loads(line[5:]) for line in stream.splitlines() if line[:5] == "data:"]
        assert events[-1]["state"] == "succeeded"

    assert "zaffino2021" in [model["name"] for model in service.json("models.json")["models"]]
    assert (service.json("refit.json")["kind"], service.json("ours.json")["name"]) == (
        "refit",
        "ours",
    )


def test_the_python_example_without_the_client_ends_with_a_job(service: Service) -> None:
    (block,) = blocks(API, "python")
    done = service.run(sys.executable, "-c", service.meant(block))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("succeeded ")


def test_the_examples_of_the_client_do_what_the_page_says(service: Service) -> None:
    done = service.run(
        sys.executable, "-W", "error", "-c", service.meant("\n".join(blocks(CLIENT, "python")))
    )
    assert done.returncode == 0, done.stderr
    for name in ("labels.nrrd", "first.mha", "second.mha", "ours.nrrd"):
        assert service.has_geometry_of_the_ct(name)
    maps = {f"{name}.nrrd" for name in ("labels", "smoothed", "lungs", "opacity")}
    assert {path.name for path in (service.folder / "case").iterdir()} == CASE | maps
    assert not (service.folder / "never.nrrd").exists()
    assert re.search(r"^\d+\.\d % involved, \d+\.\d % opaque$", done.stdout, re.M)
    assert "100 % sent" in done.stdout
    assert re.search(r"^succeeded .*100 %$", done.stdout, re.M)
    assert re.search(r"^\((-\d{3}(, )?){4}\)$", done.stdout, re.M)  # the boundaries of the model
    assert re.search(r"^415 unknown-format .* None$", done.stdout, re.M)


@needs_curl
def test_the_example_of_a_token_opens_a_service_that_asks_for_one(
    service: Service, tmp_path: Path
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    create = [GMMLABEL, "serve", "token", "create", "me", "--data", str(folder / "data"), "--json"]
    done = subprocess.run(create, capture_output=True, text=True, check=True)
    token = json.loads(done.stdout)["token"]
    process = Process(folder, ("--access", "tokens"))
    process.start()
    try:
        closed = Service(process.url, service.folder)
        (block,) = (one for one in blocks(API, "sh") if "GMMLABEL_TOKEN" in one)
        assert json.loads(closed.shell(block, token).stdout) == {"jobs": []}
        assert closed.shell(block, "gml_wrong").returncode != 0
        with Client(closed.url, token=token) as client:
            assert client.jobs() == []
        with Client(closed.url) as client, pytest.raises(ServiceError, match="no-token 401"):
            client.jobs()
    finally:
        process.started[-1].kill()
        process.started[-1].wait()


def test_the_pages_say_what_there_is() -> None:
    table = API.partition("| field | is | default |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(RefitRequest.model_fields)
    for name in (name for name in dir(Client) if not name.startswith("_")):
        assert f"`{name}(" in CLIENT or f", `{name}(" in CLIENT or name == "close", name
    for form in FORMATS:
        assert f"`.{form}`" in CLIENT
