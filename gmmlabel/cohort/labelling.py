"""One case of a cohort, labelled by whatever process it was sent to."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from gmmlabel.case import write_case
from gmmlabel.case_files import RESULT
from gmmlabel.cohort.finding import FoundCT, read_found
from gmmlabel.cohort.summary import Failure
from gmmlabel.errors import GmmlabelError, ModelError
from gmmlabel.method import Method, method_document
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.pipeline import label_volume
from gmmlabel.staging import clear_stages


@dataclass(frozen=True)
class Settings:
    """What all cases of a batch are labelled with.

    Parameters
    ----------
    model
        Name or file of the model.
    model_sha256
        Hash of its file, by which each process checks that it has the same.
    method
        The numbers of the pipeline.
    form
        Format of the label maps.
    software
        Version of gmmlabel, which each process must have.
    """

    model: str
    model_sha256: str | None
    method: Method
    form: str = "nrrd"
    software: str = version("gmmlabel")


@dataclass(frozen=True)
class CaseTask:
    """A case to be labelled: it can be sent to any process that sees the files.

    Parameters
    ----------
    ct
        The CT.
    folder
        Case folder to write.
    settings
        What to label it with.
    finished_sha256
        Hash of the input of a case that is in the folder and was labelled with these settings;
        it stays if the CT is still the same.
    """

    ct: FoundCT
    folder: Path
    settings: Settings
    finished_sha256: str | None = None


@dataclass(frozen=True)
class Labelled:
    """A case that has its folder.

    Parameters
    ----------
    case
        Its name.
    seconds
        Time that each stage took.
    kept
        Whether an earlier folder was kept, because nothing had changed.
    """

    case: str
    seconds: Mapping[str, float]
    kept: bool = False


def label_case(task: CaseTask) -> Labelled | Failure:
    """Label a case into its folder.

    Parameters
    ----------
    task
        What to do.

    Returns
    -------
    Labelled or Failure
        What became of it. Whatever goes wrong is a failure of this case, with its reason.

    Raises
    ------
    MemoryError
        If there is not enough memory: by itself it may succeed.
    """
    stage = "read"
    try:
        model = _model(task.settings)
        volume = read_found(task.ct)
        if task.finished_sha256 and volume.sha256 == task.finished_sha256:
            return Labelled(task.ct.name, {"read": volume.read_seconds}, kept=True)
        stage = "label"
        labelling = label_volume(volume, model, task.settings.method)
        stage = "write"
        clear_stages(task.folder)  # of a process that was killed
        (task.folder / RESULT).unlink(missing_ok=True)  # from here on the old case is no case
        document = write_case(labelling, task.folder, form=task.settings.form, overwrite=True)
    except MemoryError:
        raise
    except GmmlabelError as error:
        return failure(task, str(error), stage)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cases go on
        return failure(task, f"unexpected {error!r}; label it with --debug to see more", stage)
    return Labelled(task.ct.name, document["seconds"])


def failure(task: CaseTask, message: str, stage: str = "", attempts: int = 1) -> Failure:
    """Say of a case why it failed, in one line."""
    line = " ".join(message.split())
    return Failure(task.ct.name, str(task.ct.source), line, stage, attempts)


def matches(document: Mapping[str, object], settings: Settings) -> bool:
    """Whether the content of a ``result.json`` is of these settings."""
    software, model = document.get("software"), document.get("model")
    return (
        isinstance(software, Mapping)
        and isinstance(model, Mapping)
        and software.get("version") == settings.software
        and model.get("sha256") == settings.model_sha256
        and document.get("method") == _document_of(settings.method)
    )


_document_of = lru_cache(maxsize=4)(method_document)  # a resume asks for it once for each case


@lru_cache(maxsize=4)
def _model(settings: Settings) -> Mixture:
    here = version("gmmlabel")
    if here != settings.software:
        raise ModelError(
            f"this worker has gmmlabel {here}, not {settings.software}; install the same on all"
        )
    model = load_model(settings.model)
    if model.sha256 != settings.model_sha256:
        raise ModelError(
            f"model {settings.model}: it is not the same on this worker; install the same on all"
        )
    return model
