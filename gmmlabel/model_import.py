"""Models from elsewhere, checked and taken into the folder of the user's models.

A model file of gmmlabel is copied as it is, so that its hash stays. A Gaussian mixture that
scikit-learn fitted, saved by joblib or pickle, is made into a model file. Unpickling runs whatever
code the file names, so that is done only when told to trust it.
"""

import math
from dataclasses import replace
from pathlib import Path

from gmmlabel.errors import ModelError, OutputError
from gmmlabel.fitting.expectation import Maximum
from gmmlabel.fitting.plausibility import implausible
from gmmlabel.method import DefaultMethod
from gmmlabel.mixture import Mixture
from gmmlabel.model_card import model_card
from gmmlabel.model_files import (
    CARD_SUFFIX,
    MODEL_SUFFIX,
    installed_names,
    place_model,
    user_folder,
)
from gmmlabel.model_schema import check_name, parse_model, serialise_model


def import_model(
    file: str | Path, *, name: str | None = None, trust: bool = False, overwrite: bool = False
) -> Path:
    """Take a model into the folder of the user's models, and a model card with it.

    Parameters
    ----------
    file
        A model file (``.json``), or a mixture of scikit-learn saved by joblib or pickle. The card
        beside a model file is taken along; where there is none, one is made.
        A mixture of scikit-learn whose components are not the five tissues is marked as doubtful.
    name
        What to call it; unless given, as the model file does, or as the other file is called.
    trust
        Whether code in the file may run: reading any but a model file runs it.
    overwrite
        Whether an earlier model of the user of this name may be replaced.

    Returns
    -------
    Path
        The model file in the user's folder.

    Raises
    ------
    ModelError
        If the file cannot be read, is not trusted or is no model of five tissues, or if the name
        is none, or that of an installed model.
    OutputError
        If the user has a model of this name, or the folder cannot be written.
    """
    file = Path(file)
    content = _read(file)
    card = None
    if file.suffix.lower() == MODEL_SUFFIX:
        mixture = parse_model(content, str(file))
        if name is None or name == mixture.name:
            beside = file.with_suffix(CARD_SUFFIX)
            card = _read(beside) if beside.is_file() else None
        else:
            check_name(name, str(file))
            content = serialise_model(replace(mixture, name=name), str(file))
    elif not trust:
        raise ModelError(
            f"{file}: is no model file ({MODEL_SUFFIX}), and reading anything else runs the code "
            "that is in it; add --trust if you know who made it"
        )
    else:
        from gmmlabel.pickled_model import read_scikit_learn

        name = file.stem if name is None else name
        check_name(name, str(file))
        read = serialise_model(read_scikit_learn(content, file, name), str(file))
        content = serialise_model(_judged(parse_model(read, str(file))), str(file))
    mixture = parse_model(content, str(file))
    if mixture.name in installed_names():
        raise ModelError(
            f"{file}: {mixture.name} is the name of an installed model; give another --name"
        )
    path = user_folder() / f"{mixture.name}{MODEL_SUFFIX}"
    for taken in (path, path.with_suffix(CARD_SUFFIX)):
        if taken.exists() and not overwrite:
            raise OutputError(f"{taken}: is there already; add --overwrite or give another --name")
    if card is None:
        card = model_card(mixture).encode("utf-8", "replace")
    place_model(path, content, card, overwrite=overwrite)
    return path


def _judged(mixture: Mixture) -> Mixture:
    """Mark a mixture that would be refused if it were a refit."""
    unknown, training = math.nan, mixture.training
    fit = Maximum(
        mixture, unknown, unknown, training["iterations"], training["converged"] is not False
    )
    reasons = implausible(fit, DefaultMethod().clip_hu)
    if not reasons:
        return mixture
    return replace(mixture, training={**training, "implausible": list(reasons)})


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror}); give a file") from error
