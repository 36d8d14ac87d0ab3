"""What the Dockerfile and the compose files say agrees with the project, and is safe."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("docker", reason="needs the packages of .ci/image")
pytest.importorskip("dockerfile_parse", reason="needs the packages of .ci/image")
pytest.importorskip("yaml", reason="needs the packages of .ci/image")

import yaml
from deploy.steps import sent_files
from dockerfile_parse import DockerfileParser
from packaging.specifiers import SpecifierSet

from gmmlabel.api.settings import PREFIX, Settings
from gmmlabel.model_files import USER_FOLDER_VARIABLE

ROOT = Path(__file__).parents[2]
DOCKERFILE = DockerfileParser(path=str(ROOT / "Dockerfile"), env_replace=False).structure
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DASK: dict[str, Any] = yaml.safe_load((ROOT / "deploy/dask/compose.yaml").read_text())
OURS = {name: one for name, one in COMPOSE["services"].items() if "build" in one}
TEXTS = [ROOT / "compose.yaml", ROOT / "deploy/cluster.env"]


def values(instruction: str) -> list[str]:
    return [step["value"] for step in DOCKERFILE if step["instruction"] == instruction]


def environment() -> dict[str, str]:
    pairs = [
        tuple(pair.partition("=")[::2]) for value in values("ENV") for pair in shlex.split(value)
    ]
    return dict(pairs)


def test_the_image_runs_as_a_user_without_a_name_to_look_up() -> None:
    assert DOCKERFILE[-1]["instruction"] == "CMD"
    (user,) = values("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_the_python_of_the_image_is_one_that_the_package_allows() -> None:
    allowed = re.search(r'^requires-python = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    version = re.search(r"PYTHON=(\d+\.\d+)-slim", "\n".join(values("ARG")))
    assert allowed
    assert version
    assert version[1] in SpecifierSet(allowed[1])


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    sent = sent_files(ROOT)
    copied = []
    for value in values("COPY"):
        words = [word for word in value.split() if not word.startswith("--")]
        if "--from=" not in value:
            copied += words[:-1]
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name in sent, name
    tops = {name.split("/")[0] for name in sent if (ROOT / name).is_file()}
    # An engine needs the first two itself, whatever .dockerignore says.
    assert tops == {"Dockerfile", ".dockerignore"} | {name.split("/")[0] for name in copied}
    assert not [name for name in sent if "secret" in name or "__pycache__" in name]


def test_every_source_file_of_the_package_is_sent() -> None:
    sent = sent_files(ROOT)
    for top in ("gmmlabel", "api", "models"):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(ROOT)) in sent


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "deploy/cluster.env"])
def test_the_settings_that_are_named_exist(name: str) -> None:
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    # What the service does not read: another variable of the package, and one of the compose file.
    known |= {USER_FOLDER_VARIABLE, "GMMLABEL_THREADS", "GMMLABEL_IMAGE"}
    assert set(re.findall(r"\bGMMLABEL_\w+", (ROOT / name).read_text())) <= known


def test_the_service_alone_needs_no_profile_and_the_cluster_one() -> None:
    profiles = {name: one.get("profiles") for name, one in COMPOSE["services"].items()}
    assert profiles == {
        "service": None,
        "database": ["cluster"],
        "scheduler": ["cluster"],
        "worker": ["cluster"],
    }
    for needed in COMPOSE["services"]["service"]["depends_on"].values():
        assert needed == {"condition": "service_healthy", "required": False}


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_service_is_confined(name: str) -> None:
    one = COMPOSE["services"][name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["mem_limit"]
    assert one["restart"] == "unless-stopped"
    assert "privileged" not in one
    assert "cap_add" not in one
    assert "healthcheck" in one or name == "service"  # which has that of the image


def test_only_the_service_is_published_and_on_this_machine_only() -> None:
    services = COMPOSE["services"]
    assert [name for name in services if "ports" in services[name]] == ["service"]
    assert services["service"]["ports"] == ["${PUBLISH:-127.0.0.1:8000}:8000"]
    inner = {name for name, one in COMPOSE["networks"].items() if one and one.get("internal")}
    for name in set(services) - {"service"}:
        assert set(services[name]["networks"]) <= inner
    assert not set(services["database"]["networks"]) & set(services["worker"]["networks"])


def test_no_password_is_written_down() -> None:
    for text in (path.read_text() for path in TEXTS):
        assert not re.search(r"PASSWORD\s*[:=]", text)  # that of a file is PASSWORD_FILE
        assert not re.search(r"://\w+:[^@/\s]+@", text)
    assert COMPOSE["secrets"]["database_password"]["file"].startswith("${DATABASE_PASSWORD_FILE:")


def test_all_of_ours_share_one_image_and_the_data() -> None:
    assert set(OURS) == {"service", "scheduler", "worker"}
    for one in OURS.values():
        assert one["image"] == "${GMMLABEL_IMAGE:-gmmlabel}"
        assert one["volumes"] == [f"data:{environment()['GMMLABEL_DATA']}"]
    for one in DASK["services"].values():
        assert (ROOT / "deploy/dask" / one["build"]).resolve() == ROOT


def test_the_addresses_of_the_cluster_are_those_of_its_services() -> None:
    lines = (ROOT / "deploy/cluster.env").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    services = COMPOSE["services"]
    user, base = (services["database"]["environment"][f"POSTGRES_{one}"] for one in ("USER", "DB"))
    assert said["GMMLABEL_DATABASE"] == f"postgresql+psycopg://{user}@database/{base}"
    assert said["GMMLABEL_SCHEDULER"] in services["worker"]["command"]
    assert said["GMMLABEL_SCHEDULER"].endswith(services["scheduler"]["command"][3])
    assert said["COMPOSE_PROFILES"] == "cluster"
