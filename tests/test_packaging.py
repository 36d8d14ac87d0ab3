"""What an install puts on a machine."""

import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir")
    subprocess.run([*pip, str(folder), str(ROOT)], check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return archive.namelist()


def test_the_wheel_puts_one_name_on_the_path(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gmmlabel"}


def test_the_wheel_brings_models_types_and_licence(wheel: list[str]) -> None:
    assert {
        "gmmlabel/models/zaffino2021.json",
        "gmmlabel/models/zaffino2021.md",
        "gmmlabel/api/__init__.py",
        "gmmlabel/py.typed",
    } <= set(wheel)
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_every_package_of_the_source_is_in_the_wheel(wheel: list[str]) -> None:
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "gmmlabel").rglob("*.py")}
    service = {f"gmmlabel/{path.relative_to(ROOT)}" for path in (ROOT / "api").rglob("*.py")}
    assert sources | service <= set(wheel)


def test_the_licence_is_declared() -> None:
    assert distribution("gmmlabel").metadata["License-Expression"] == "Apache-2.0"
