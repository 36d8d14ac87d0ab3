"""Models are found by name and path, and written whole with their cards."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gmmlabel.cli.models import models_app
from gmmlabel.errors import ModelError, OutputError
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import (
    installed_names,
    load_model,
    model_name_of,
    model_names,
    models_at_hand,
    user_folder,
    write_model,
)

KEYS = ["air", "healthy", "ground_glass", "consolidation", "dense"]


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of models that does not exist yet."""
    folder = tmp_path / "user"
    monkeypatch.setenv("GMMLABEL_MODELS", str(folder))
    return folder


def model(name: str = "mine", **training: Any) -> Mixture:
    return replace(load_model(), name=name, sha256=None, training=training)


@pytest.fixture
def content() -> dict[str, Any]:
    """A model file's content."""
    return {
        "schema_version": 1,
        "name": "any-1",
        "tissues": [
            {"tissue": key, "mean_hu": mean, "variance_hu2": 2500.0, "weight": 0.2}
            for key, mean in zip(KEYS, (-950, -830, -650, -340, -10), strict=True)
        ],
        "training": {},
        "citation": "none",
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "any.json"


def _refused(file: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(file)
    message = str(caught.value)
    assert str(file) in message
    assert len(message.splitlines()) == 1


def test_the_published_model_is_installed_under_its_name() -> None:
    assert "zaffino2021" in model_names()
    model = load_model("zaffino2021")
    assert model.name == "zaffino2021"
    assert model.means.shape == model.variances.shape == model.weights.shape == (5,)
    assert model.weights.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", installed_names())
def test_every_installed_model_is_called_as_its_file(name: str) -> None:
    assert load_model(name).name == name


@pytest.mark.parametrize("kind", [str, Path])
def test_a_model_is_loaded_by_path(file, content, kind) -> None:
    file.write_text(json.dumps(content))
    model = load_model(kind(file))
    assert model.name == "any-1"
    assert model.means.tolist() == [-950, -830, -650, -340, -10]
    assert model.variances.tolist() == [2500] * 5
    assert model.weights.tolist() == [0.2] * 5
    assert model.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_an_unknown_name_is_told_with_the_names_that_are_known() -> None:
    with pytest.raises(ModelError, match=r"^no-such-model: no such model, .*zaffino2021"):
        load_model("no-such-model")


def test_a_name_too_long_for_a_file_is_an_unknown_name() -> None:
    with pytest.raises(ModelError, match="no such model"):
        load_model("x" * 5000)


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    _refused(tmp_path)


def test_a_file_that_may_not_be_read_is_a_model_error(file, content, monkeypatch) -> None:
    file.write_text(json.dumps(content))

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    _refused(file)


def test_a_model_is_written_with_its_card(tmp_path: Path) -> None:
    path = write_model(model(cases=6), tmp_path / "new" / "mine.json")
    assert path == tmp_path / "new" / "mine.json"
    assert {file.name for file in path.parent.iterdir()} == {"mine.json", "mine.md"}
    card = (path.parent / "mine.md").read_text()
    assert "# Model card: mine" in card
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert load_model(path).training == {"cases": 6}
    assert load_model(path).means.tolist() == load_model().means.tolist()


@pytest.mark.parametrize("present", ["mine.json", "mine.md"])
def test_what_is_there_is_replaced_only_when_told_to(tmp_path: Path, present: str) -> None:
    (tmp_path / present).write_text("earlier")
    with pytest.raises(OutputError, match=present):
        write_model(model(), tmp_path / "mine.json")
    assert [file.name for file in tmp_path.iterdir()] == [present]
    assert (tmp_path / present).read_text() == "earlier"
    write_model(model(), tmp_path / "mine.json", overwrite=True)
    assert load_model(tmp_path / "mine.json").name == "mine"
    assert "# Model card" in (tmp_path / "mine.md").read_text()


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("mine", "other.json", "call the file mine.json"),
        ("mine", "mine", "NAME.json"),
        ("mine", "mine.JSON", "NAME.json"),
        ("../mine", "mine.json", "is called ../mine"),
        ("my model", "my model.json", "no name for a model"),
        ("mine\n", "mine\n.json", "no name for a model"),
        ("", ".json", "NAME.json"),
    ],
)
def test_a_model_file_is_called_as_its_model(tmp_path: Path, name, file, words) -> None:
    with pytest.raises(ModelError, match=words):
        write_model(model(name), tmp_path / file)
    assert list(tmp_path.iterdir()) == []


def test_no_model_leaves_no_file(tmp_path: Path) -> None:
    bad = model()
    with pytest.raises(ModelError, match=r"mine\.json: .*add up"):
        write_model(replace(bad, weights=bad.weights / 2), tmp_path / "mine.json")
    with pytest.raises(TypeError):
        write_model(model(by=object()), tmp_path / "mine.json")
    assert list(tmp_path.iterdir()) == []


def test_a_file_tells_what_its_model_must_be_called() -> None:
    assert model_name_of(Path("models") / "site-2.v1.json") == "site-2.v1"


def test_a_name_with_dots_keeps_them_in_the_card(tmp_path: Path) -> None:
    write_model(model("v1.2"), tmp_path / "v1.2.json")
    assert (tmp_path / "v1.2.md").exists()


def test_the_users_folder_is_where_the_variable_says(user: Path) -> None:
    assert user_folder() == user


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of another system")
@pytest.mark.parametrize("variable", [None, ""])
def test_the_users_folder_is_else_where_the_system_says(tmp_path, monkeypatch, variable) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("GMMLABEL_MODELS")
    if variable is not None:
        monkeypatch.setenv("GMMLABEL_MODELS", variable)
    assert user_folder() == tmp_path / "gmmlabel" / "models"


def test_the_users_models_are_loaded_by_name(user: Path) -> None:
    write_model(model("mine", cases=6), user / "mine.json")
    assert load_model("mine").training == {"cases": 6}
    assert model_names() == [*installed_names(), "mine"]
    found, errors = models_at_hand()
    assert [(it.mixture.name, it.place) for it in found] == [
        *((name, "installed") for name in installed_names()),
        ("mine", "user"),
    ]
    assert errors == []


def test_a_name_means_the_users_model_before_a_file_of_the_same_name(
    user: Path, tmp_path: Path, monkeypatch
) -> None:
    write_model(model("mine", place="user"), user / "mine.json")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_model(model("mine", place="here"), "mine.json")
    (tmp_path / "here" / "mine.json").rename(tmp_path / "here" / "mine")
    assert load_model("mine").training == {"place": "user"}
    assert load_model("./mine").training == {"place": "here"}


def test_an_installed_model_cannot_be_hidden_by_the_users(user: Path) -> None:
    published = load_model()
    write_model(replace(model("zaffino2021"), means=published.means + 5), user / "zaffino2021.json")
    assert load_model("zaffino2021").means.tolist() == published.means.tolist()
    assert model_names() == installed_names()
    found, (error,) = models_at_hand()
    assert [it.place for it in found] == ["installed"] * len(found)
    assert "installed" in str(error)


def test_broken_files_of_the_user_are_told_and_break_nothing(user: Path) -> None:
    write_model(model("good"), user / "good.json")
    (user / "broken.json").write_text("{}")
    (user / "gone.json").symlink_to(user / "nowhere")
    (user / "folder.json").mkdir()
    (user / "renamed.json").write_bytes((user / "good.json").read_bytes())
    (user / "notes.txt").write_text("no model")
    (user / ".json").write_text("no name")
    found, errors = models_at_hand()
    assert [it.mixture.name for it in found if it.place == "user"] == ["good"]
    told = [str(error) for error in errors]
    assert [message.split(":")[0] for message in told] == [
        str(user / name) for name in ("broken.json", "folder.json", "gone.json", "renamed.json")
    ]
    assert "call the file good.json" in told[3]
    with pytest.raises(ModelError, match=r"call the file good\.json"):
        load_model("renamed")


def test_a_users_folder_that_cannot_be_read_holds_no_model(user: Path) -> None:
    user.write_text("a file")
    assert model_names() == installed_names()
    assert load_model().name == "zaffino2021"
    assert models_at_hand()[1] == []


def _run(*arguments: object) -> tuple[str, str]:
    done = CliRunner().invoke(models_app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout, done.stderr


def test_the_table_has_a_line_for_each_model(user: Path) -> None:
    forced = model("forced", created="2026-11-21", cases=6, implausible=["too light"])
    path = write_model(forced, user / "forced.json")
    (user / "broken.json").write_text("{}")
    out, err = _run()
    header, published, mine = out.splitlines()
    assert header.split() == ["name", "created", "cases", "boundaries", "HU", "hash", "where"]
    assert published.split() == [
        *("zaffino2021", "-", "62", "-893,", "-721,", "-472,", "-235"),
        *(load_model().sha256[:12], "installed"),
    ]
    assert mine.split()[:3] == ["forced", "2026-11-21", "6"]
    assert mine.split()[-3:] == [
        hashlib.sha256(path.read_bytes()).hexdigest()[:12], "user", "doubtful",
    ]  # fmt: skip
    assert len(err.splitlines()) == 1
    assert "broken.json" in err


def test_the_json_of_the_table_is_json_whatever_is_broken(user: Path) -> None:
    write_model(model("forced", cases={"a": 3}, implausible=["too light"]), user / "forced.json")
    (user / "broken.json").write_text("{}")
    published, mine = json.loads(_run("--json")[0])
    assert published["place"] == "installed"
    assert published["boundaries_hu"] == [-893, -721, -472, -235]
    assert published["doubts"] == []
    assert (mine["name"], mine["place"], mine["doubts"]) == ("forced", "user", ["too light"])
    assert "forced" in _run()[0]


def test_a_model_is_shown_with_what_is_known_of_its_fit(user: Path) -> None:
    training = {
        "cases": 6,
        "prior": {"name": "zaffino2021", "sha256": "ab" * 32, "strength_voxels": 2e6},
        "drift": {"boundaries_moved_hu": [3, -2, 0, 14], "changed_percent": 1.24},
        "histogram": {"first_hu": -1000, "counts": [1, 2]},
        "implausible": ["the mean of air is -806 HU"],
    }
    write_model(model("forced", **training), user / "forced.json")
    out, _ = _run("show", "forced")
    for words in (
        "healthy             -829.0      58.4    0.3616",
        "healthy lung -893, ground-glass opacity -721, consolidation -472, dense tissue -235 HU",
        "prior: zaffino2021 (abababababab), worth 2,000,000 voxels",
        "moved by +3, -2, +0, +14 HU and 1.2 % of",
        "doubtful: the mean of air is -806 HU",
    ):
        assert words in out
    assert "histogram" not in out
    document = json.loads(_run("show", "forced", "--json")[0])
    assert document["training"] == training
    assert document["citation"] == load_model().citation
    assert [entry["tissue"] for entry in document["tissues"]] == KEYS


def test_whatever_the_training_holds_is_shown(user: Path) -> None:
    odd = {"cases": [1, {"a": None}], "method": 5, "prior": {"name": None}, "drift": [1],
           "by": "two\nlines", "implausible": True, "x" * 400: {"y": "z" * 4000}}  # fmt: skip
    write_model(model("odd", **odd), user / "odd.json")
    out, _ = _run("show", "odd")
    assert "fitted by: two lines" in out
    assert max(map(len, out.splitlines())) < 700
    assert "odd" in _run()[0]
