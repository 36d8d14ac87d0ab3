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
        ("access", "none"),
        ("hosts", "a,,b"),
        ("proxies", "proxy.example.org"),
        ("connections", "0"),
        ("header_pause", "0"),
        ("log", "xml"),
        ("database", "postgresql://localhost/jobs"),
        ("database", "nonsense"),
        ("database", "sqlite://"),
        ("database", "sqlite+aiosqlite:///jobs.db"),
        ("database", "postgresql+psycopg://user@host"),
        ("database", "postgresql+psycopg://user@host:port/name"),
        ("database", "postgresql+psycopg://user@host/name?password=secret"),
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
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_addresses_of_this_machine_tokens_are_asked_for_only_if_wanted(host: str) -> None:
    settings = read_settings({"host": host})
    assert not settings.tokens_needed
    assert settings.answered_names == {"localhost", "127.0.0.1", "[::1]", host}
    settings = read_settings({"host": host, "access": "tokens"})
    assert settings.tokens_needed
    assert settings.answered_names is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "127.example.org"])  # noqa: S104
def test_on_all_other_addresses_tokens_are_needed(host: str) -> None:
    assert read_settings({"host": host}).tokens_needed


def test_names_and_addresses_are_given_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMMLABEL_HOSTS", "ct.example.org, CT")
    settings = read_settings({"proxies": "10.0.0.1,172.16.0.0/12"})
    assert settings.answered_names == {"ct.example.org", "ct", "localhost", "127.0.0.1", "[::1]"}
    assert [str(one) for one in settings.proxies or ()] == ["10.0.0.1/32", "172.16.0.0/12"]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/gmmlabel/jobs.db",
        "postgresql+psycopg://user:secret@db.example.org/name?sslmode=verify-full",
        "postgresql+psycopg://user@/name?host=/var/run/postgresql",
    ],
)
def test_a_known_database_is_taken_and_not_shown(url: str) -> None:
    settings = read_settings({"database": url})
    assert settings.database_url == url
    assert "secret" not in repr(settings)


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
    options.remove("context")
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
