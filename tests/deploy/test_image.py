"""The steps of the Dockerfile are run, and what they made is used like a container of it."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nrrd
import pytest

pytest.importorskip("docker", reason="needs the packages of .ci/image")
pytest.importorskip("dockerfile_parse", reason="needs the packages of .ci/image")
pytest.importorskip("yaml", reason="needs the packages of .ci/image")

import yaml
from deploy.container import Container
from deploy.steps import Build, Stage

from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

ROOT = Path(__file__).parents[2]
URL = "http://127.0.0.1:8000"

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bwrap", "curl", "nsenter", "setpriv"))) or os.geteuid() != 0,
    reason="needs root, bubblewrap, util-linux and curl",
)


@dataclass
class Image:
    """What the steps made."""

    stage: Stage
    python: Path

    def kernels(self) -> dict[str, str]:
        """The compiled kernels, by name, and a hash of each."""
        return hashes(self.stage.root / "opt/gmmlabel/cache/numba")


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    prefix = os.environ.get("IMAGE_PYTHON")
    if not prefix:
        pytest.skip("IMAGE_PYTHON names no Python to stand in for the one of the base image")
    folder = tmp_path_factory.mktemp("image")
    build = Build(ROOT, folder, Path(prefix), {})
    return Image(build.run(), build.python)


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Callable[..., Container]]:
    made: list[Container] = []

    def make(**options: object) -> Container:
        data = tmp_path / "data"
        if not data.exists():  # as a new volume begins: with what the image has there
            shutil.copytree(image.stage.root / "data", data)
            owner = (image.stage.root / "data").stat()
            os.chown(data, owner.st_uid, owner.st_gid)
        log = tmp_path / f"log{len(made)}"
        made.append(Container(image.stage, image.python, data, log, **options))
        return made[-1]

    yield make
    for one in made:
        if one.process and one.process.poll() is None:
            one.stop(signal.SIGKILL)


def healthy(one: Container) -> bool:
    return one.execute(one.stage.words("HEALTHCHECK")).returncode == 0


def test_without_a_token_the_service_refuses_to_start_and_says_what_to_do(
    container: Callable[..., Container],
) -> None:
    first = container()
    assert first.run(first.stage.words("CMD")) == 1
    assert "gmmlabel serve token create" in first.log.read_text()


def test_the_service_labels_with_the_kernels_of_the_image_and_stops_when_asked(
    container: Callable[..., Container], image: Image, tmp_path: Path
) -> None:
    once = container()
    assert once.run(["gmmlabel", "serve", "token", "create", "alice"]) == 0
    token = once.log.read_text().split()[-1]

    service = container(settings={"GMMLABEL_DISK_FLOOR": "0"})
    service.start(service.stage.words("CMD"))
    service.wait_until(lambda: healthy(service))
    status = Path(f"/proc/{service.pid}/status").read_text()
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert "CapBnd:\t0000000000000000" in status
    assert service.execute(["touch", "/opt/gmmlabel/changed"]).returncode != 0

    ct = tmp_path / "ct.nrrd"
    write_volume(ct, make_phantom((256, 256, 160), (1.4, 1.4, 2.0)).volume)
    send = ("curl", "--silent", "--show-error", "--fail-with-body", "--data-binary", f"@{ct}")
    unknown = service.reach([*send, f"{URL}/v1/label"])
    assert b"no-token" in unknown.stdout
    bearer = ("--header", f"Authorization: Bearer {token}")
    for method in ("default", "published"):
        labels = tmp_path / f"{method}.nrrd"
        sent = service.reach([*send, *bearer, f"{URL}/v1/label?method={method}", "-o", str(labels)])
        assert sent.returncode == 0, (sent.stderr, service.log.read_text())
    here = [sys.executable, "-m", "gmmlabel", "label", ct, "--out", tmp_path]
    subprocess.run(here, check=True, capture_output=True)
    expected, _ = nrrd.read(str(tmp_path / "labels.nrrd"))
    assert (nrrd.read(str(tmp_path / "default.nrrd"))[0] == expected).all()

    warm = Path(f"/proc/{service.pid}/root/tmp/gmmlabel/numba")
    assert hashes(warm) == image.kernels() != {}
    assert service.stop(signal.SIGTERM) == 0


def test_the_password_of_the_database_is_for_its_user_alone_and_as_libpq_reads_it(
    container: Callable[..., Container], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("with:colon\\and backslash\n")
    one = container(mounts={"/run/secrets/database_password": secret})
    assert one.run(["sh", "-c", 'stat --format=%a "$PGPASSFILE" && cat "$PGPASSFILE"']) == 0
    assert one.log.read_text() == "600\n*:*:*:*:with\\:colon\\\\and backslash\n"


def test_scheduler_and_worker_of_the_compose_file_start_and_find_each_other(
    container: Callable[..., Container], tmp_path: Path
) -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost scheduler\n")
    scheduler = container(mounts={"/etc/hosts": hosts})
    scheduler.start(services["scheduler"]["command"])
    asks = services["scheduler"]["healthcheck"]["test"][1:]
    scheduler.wait_until(lambda: scheduler.execute(asks).returncode == 0)
    # The worker in the network of the scheduler, so at another port.
    worker = [word.replace("8787", "8788") for word in services["worker"]["command"]]
    asks = [word.replace("8787", "8788") for word in services["worker"]["healthcheck"]["test"][1:]]
    with scheduler.beside(worker):
        scheduler.wait_until(lambda: scheduler.execute(asks).returncode == 0)
        scheduler.wait_until(lambda: "Register worker" in scheduler.log.read_text())
    assert scheduler.stop(signal.SIGTERM) == 0
