"""Settings are checked before anything starts, and each has its line in the documentation."""

import inspect
import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from gmmlabel.api.settings import PREFIX, Settings, SettingsError, read_settings
from gmmlabel.cli.serve import serve

ROOT = Path(__file__).parents[2]


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMMLABEL_PORT", "9000")
    monkeypatch.setenv("GMMLABEL_UPLOAD_LIMIT", "1GiB")
    monkeypatch.setenv("GMMLABEL_METHOD", "")
    assert read_settings().port == 9000
    assert read_settings({"port": 9001}).port == 9001
    assert read_settings().upload_limit == 1 << 30
    assert read_settings().method == "default"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("port", "http"),
        ("host", "0.0.0.0"),  # noqa: S104 - it is refused
        ("host", "example.org"),
        ("database", "postgresql://localhost/jobs"),
        ("database", "nonsense"),
        ("database", "sqlite://"),
        ("upload_limit", "much"),
        ("worker_memory", "1MiB"),
        ("workers", "0"),
        ("model", "nothing"),
        ("method", "nothing"),
        ("format", "dicom"),
    ],
)
def test_a_value_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variable = f"{PREFIX}{name.upper()}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert name in str(caught.value).lower()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_addresses_of_this_machine_are_taken(host: str) -> None:
    assert read_settings({"host": host}).host == host


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="GMMLABEL_NOTHING"):
        read_settings({"nothing": 1})


def test_the_store_and_the_shares_of_workers_follow_from_the_rest(tmp_path: Path) -> None:
    settings = read_settings({"data": tmp_path, "workers": 2})
    assert settings.database_url == f"sqlite:///{tmp_path / 'jobs.db'}"
    assert settings.worker_bytes >= 1 << 29
    assert read_settings({"worker_memory": "2GiB"}).worker_bytes == 2 << 30


def test_every_setting_is_an_option_and_is_documented_with_its_default() -> None:
    options = {"format" if name == "form" else name for name in inspect.signature(serve).parameters}
    assert options == set(Settings.model_fields)
    page = (ROOT / "docs" / "operations.md").read_text()
    table = re.findall(r"^\| `GMMLABEL_(\w+)` \| `--([\w-]+)` \| ([^|]+) \|(.+)\|$", page, re.M)
    assert {name.lower() for name, *_ in table} == set(Settings.model_fields)
    for name, option, default, said in table:
        field = Settings.model_fields[name.lower()]
        assert option == name.lower().replace("_", "-")
        assert said.strip() == field.description
        if field.default not in (None, PydanticUndefined):
            told = getattr(field.default, "human_readable", lambda field=field: f"{field.default}")
            assert default == f"`{told().replace('.0', '') if 'iB' in told() else told()}`", name
