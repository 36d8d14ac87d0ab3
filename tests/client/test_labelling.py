"""The clients and ``gmmlabel serve`` in a process of its own, which really labels."""

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from client.conftest import Connect
from dicom_series import write_series
from service.test_serve import Process

from gmmlabel.client import Job, ServiceError
from gmmlabel.phantom import make_phantom
from gmmlabel.volume import Volume
from gmmlabel.writers import write_volume

SPACING = (5.0, 5.0, 7.0)
Serving = Callable[..., Process]


@pytest.fixture(scope="module")
def volume() -> Volume:
    return make_phantom((72, 72, 48), SPACING).volume


@pytest.fixture(scope="module")
def ct(volume: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_volume(path, volume)
    return path


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with models of its own."""
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GMMLABEL_MODELS", str(folder / "models"))
        process = Process(folder)
        process.start()
        yield process.url
        process.end(signal.SIGKILL)


def test_a_folder_of_dicom_gives_the_label_map_of_the_same_volume(
    url: str, connect: Connect, volume: Volume, ct: Path, tmp_path: Path
) -> None:
    series = tmp_path / "series"
    x, y, z = volume.geometry.origin
    write_series(
        series, volume.hu, PixelSpacing=["5", "5"], SliceThickness="7",
        positions=[(x, y, z + SPACING[2] * number) for number in range(len(volume.hu))],
    )  # fmt: skip
    client = connect(url)
    told = [
        client.label(series, tmp_path / "a.nii.gz", map="lungs"),
        client.label(ct, tmp_path / "b.nrrd", map="lungs", method="default"),
    ]
    of_series, of_file = (sitk.ReadImage(one.path) for one in told)
    assert np.array_equal(
        sitk.GetArrayViewFromImage(of_series), sitk.GetArrayViewFromImage(of_file)
    )
    assert of_file.GetSize() == (72, 72, 48)
    assert of_file.GetSpacing() == pytest.approx(SPACING)
    assert told[0].involvement_percent == told[1].involvement_percent > 0
    assert told[0].opacity_percent is not None
    # The case folder tells the same.
    folder = client.download(told[1].job, tmp_path / "case")
    result = json.loads((folder / "result.json").read_text())
    assert result["involvement"]["percent"] == pytest.approx(told[1].involvement_percent, abs=1e-4)


def test_a_wait_outlives_the_service(
    serving: Serving, connect: Connect, ct: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = serving("--port", str(port))
    client = connect(server.url, retries=12, backoff=0.1)
    seen: list[Job] = []
    began = threading.Event()

    def see(job: Job) -> None:
        seen.append(job)
        if job.state == "running":
            began.set()

    def restart() -> None:
        assert began.wait(30)
        server.end(signal.SIGKILL)
        server.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    try:
        labelled = client.label(ct, tmp_path / "labels.mha", on_change=see)
    finally:
        began.set()
        restarting.join()
    assert len(server.started) == 2
    assert sitk.ReadImage(labelled.path).GetSize() == (72, 72, 48)
    assert {job.id for job in seen} == {labelled.job}
    assert seen[-1].state == "succeeded"


def test_a_refit_gives_a_model_that_labels(
    url: str, connect: Connect, ct: Path, tmp_path: Path
) -> None:
    client = connect(url)
    name = f"ours-{len(client.models())}"
    first = client.label(ct, tmp_path / "first.nrrd")
    case = client.download(first.job, tmp_path / "case", ["histogram.json"])
    histograms = [case / "histogram.json"]
    job = client.fit_model(name, jobs=[first.job], histograms=histograms, by="us")
    done = client.wait(job, timeout=60)
    assert (done.kind, done.state) == ("refit", "succeeded"), done.problem
    assert client.jobs(kind="refit")[0].id == job.id
    assert name in [model.name for model in client.models()]
    second = client.label(ct, tmp_path / "second.nrrd", model=name)
    assert second.job != first.job
    with pytest.raises(ServiceError) as caught:
        client.fit_model(name, jobs=[first.job], strength_patients=2)
    assert (caught.value.status, caught.value.word) == (409, "model-exists")
