"""Where models are found, and how one is written.

Models are installed with the package, or lie in a folder of the user. An installed model cannot be
replaced by one of the same name, so that a name in a result means the same everywhere.
"""

import os
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from gmmlabel.errors import ModelError
from gmmlabel.mixture import Mixture
from gmmlabel.model_card import model_card
from gmmlabel.model_schema import check_name, parse_model, serialise_model
from gmmlabel.staging import staged

DEFAULT_MODEL = "zaffino2021"
"""Name of the published model."""

MODEL_SUFFIX = ".json"
"""How the name of every model file ends."""

CARD_SUFFIX = ".md"
"""How the name of the model card beside it ends."""

USER_FOLDER_VARIABLE = "GMMLABEL_MODELS"
"""Environment variable that names the folder of the user's models."""


@dataclass(frozen=True)
class ModelAtHand:
    """A model that can be loaded by its name, and whether it is installed or the user's."""

    mixture: Mixture
    place: Literal["installed", "user"]


def load_model(name: str | Path = DEFAULT_MODEL) -> Mixture:
    """Load a model by its name, or from a JSON file.

    Parameters
    ----------
    name
        A name that `model_names` lists, or the path of a model file.

    Raises
    ------
    ModelError
        If there is no such model, or the file is not a model.
    """
    if str(name) in installed_names():
        return _load_installed(str(name))
    files = _user_files()
    if str(name) in files:
        return _load_user(files[str(name)])
    try:
        return read_model(Path(name))
    except OSError as error:
        raise ModelError(
            f"{name}: no such model, nor a file that can be read ({error.strerror}); there "
            f"are {', '.join(model_names())}, or give the path of a model file"
        ) from error


def read_model(path: Path) -> Mixture:
    """Read a model file.

    Parameters
    ----------
    path
        The JSON file.

    Raises
    ------
    ModelError
        If the file is not a model.
    OSError
        If it cannot be read.
    """
    return parse_model(path.read_bytes(), str(path))


def write_model(mixture: Mixture, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a model file, and its model card beside it: both or none.

    Parameters
    ----------
    mixture
        The model. What its `training` holds must be JSON; NaN and infinity are written as null.
    path
        The file, called as the model is: ``NAME.json``. The card is ``NAME.md``.
    overwrite
        Whether an earlier model and card may be replaced.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    ModelError
        If the mixture is no valid model, or the file is called otherwise than the model.
    OutputError
        If one of the files is there already, or cannot be written.
    TypeError
        If `training` holds what JSON cannot.
    """
    path = Path(path)
    if model_name_of(path) != mixture.name:
        raise ModelError(
            f"{path}: the model is called {mixture.name}; "
            f"call the file {mixture.name}{MODEL_SUFFIX}"
        )
    content = serialise_model(mixture, str(path))
    card = model_card(parse_model(content, str(path)))  # with the hash, as it will be read
    place_model(path, content, card.encode("utf-8", "replace"), overwrite=overwrite)
    return path


def place_model(path: Path, content: bytes, card: bytes, *, overwrite: bool = False) -> None:
    """Write the bytes of a model file and of its card: both or none.

    Raises
    ------
    OutputError
        If one of the files is there already, or cannot be written.
    """
    card_name = path.with_suffix(CARD_SUFFIX).name
    # The model comes last: where it is, its card is.
    with staged(path.parent, [card_name, path.name], overwrite=overwrite) as stage:
        (stage / card_name).write_bytes(card)
        (stage / path.name).write_bytes(content)


def model_name_of(path: Path) -> str:
    """Tell what a model must be called to be written to a file.

    Raises
    ------
    ModelError
        If no model can be called so.
    """
    if path.suffix != MODEL_SUFFIX:
        raise ModelError(f"{path}: a model file is called NAME{MODEL_SUFFIX}; call it so")
    check_name(path.stem, str(path))
    return path.stem


def model_names() -> list[str]:
    """Names of the models at hand: those installed with the package, then the user's."""
    installed = installed_names()
    return [*installed, *(name for name in _user_files() if name not in installed)]


def installed_names() -> list[str]:
    """Names of the models that are installed with the package."""
    names = (entry.name for entry in _installed_folder().iterdir())
    return sorted(name.removesuffix(MODEL_SUFFIX) for name in names if name.endswith(MODEL_SUFFIX))


def models_at_hand() -> tuple[list[ModelAtHand], list[ModelError]]:
    """Load every model that has a name.

    Returns
    -------
    models
        Those installed, then the user's.
    errors
        Why the other files in the user's folder cannot be used.
    """
    installed = installed_names()
    models = [ModelAtHand(_load_installed(name), "installed") for name in installed]
    errors = []
    for name, path in _user_files().items():
        try:
            if name in installed:
                raise ModelError(f"{path}: has the name of an installed model; rename or remove it")
            models.append(ModelAtHand(_load_user(path), "user"))
        except ModelError as error:
            errors.append(error)
    return models, errors


def user_folder() -> Path:
    """Folder of the user's models: ``GMMLABEL_MODELS``, or else one that the system has for data.

    It need not exist.
    """
    chosen = os.environ.get(USER_FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    return user_data_path("gmmlabel", appauthor=False) / "models"


def _installed_folder() -> Traversable:
    """Find the installed models, or those of the checkout that Python was started in."""
    installed = resources.files("gmmlabel").joinpath("models")
    return installed if installed.is_dir() else Path(__file__).parents[1] / "models"


def _load_installed(name: str) -> Mixture:
    content = _installed_folder().joinpath(f"{name}{MODEL_SUFFIX}").read_bytes()
    return parse_model(content, f"model {name}")


def _user_files() -> dict[str, Path]:
    """Find the files in the user's folder by name; none if it is missing or may not be read."""
    try:
        paths = sorted(user_folder().iterdir())
    except OSError:
        return {}
    return {path.stem: path for path in paths if path.suffix == MODEL_SUFFIX and path.stem}


def _load_user(path: Path) -> Mixture:
    try:
        mixture = read_model(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); mend or remove it") from error
    if mixture.name != path.stem:
        raise ModelError(
            f"{path}: the model in it is called {mixture.name}; call the file "
            f"{mixture.name}{MODEL_SUFFIX}"
        )
    return mixture
