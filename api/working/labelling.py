"""What a worker does with a volume."""

import logging
from dataclasses import replace

from gmmlabel.case import write_case
from gmmlabel.cohort.memory import peak_bytes
from gmmlabel.errors import ModelError, OutputError
from gmmlabel.formats.archive import unpacked_bytes
from gmmlabel.formats.image_file import read_image_header
from gmmlabel.method import METHODS
from gmmlabel.mixture import Mixture
from gmmlabel.model_files import load_model
from gmmlabel.pages.view import write_view
from gmmlabel.pipeline import Labelling, label_volume
from gmmlabel.readers import read_volume

from ..jobs import VIEW, LabelWanted
from ..problems import refusal
from .order import Order, Tell

_log = logging.getLogger(__name__)


def label_upload(order: Order, wanted: LabelWanted, tell: Tell) -> None:
    """Label the volume of a job, and write its case folder and its view.

    Parameters
    ----------
    order
        Where the volume is, and where the results go.
    wanted
        What they are made with.
    tell
        Is told each stage.

    Raises
    ------
    GmmlabelError
        If it cannot be labelled.
    MemoryError
        If the header says that it takes more memory than there is.
    ProblemError
        If it is an archive that would fill the disk.
    """
    tell("read")
    model = load_same_model(wanted.model, wanted.model_sha256)
    if order.upload.suffix == ".zip":  # the size of its CT shows when it is unpacked
        _check_room(order)
    else:
        header = read_image_header(order.upload)
        if peak_bytes(header.geometry.size, header.voxel_bytes) > order.memory:
            raise MemoryError
    volume = read_volume(order.upload)
    # Results do not depend on what a client calls its file, which may be a patient's name.
    volume = replace(volume, name=order.upload.name)
    labelling = label_volume(volume, model, METHODS[wanted.method], watch=tell)
    tell("write")
    write_case(labelling, order.case, form=wanted.form)
    tell("view")
    _show(labelling, order)


def _show(labelling: Labelling, order: Order) -> None:
    """Write the view. If it fails of anything but the disk, the results are whole without it."""
    try:
        write_view(labelling, order.case / VIEW)
    except OutputError:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, it is told
        _log.exception("the view could not be made", extra={"facts": {"job": order.job_id}})


def _check_room(order: Order) -> None:
    """Refuse an archive that would fill the disk, before anything of it is unpacked."""
    needed = unpacked_bytes(order.upload)
    if needed > order.room:
        raise refusal(
            "disk-full",
            f"it unpacks to {needed / 1e9:.1f} GB, and there is room for {order.room / 1e9:.1f}; "
            "try again later",
        )


def load_same_model(name: str, sha256: str) -> Mixture:
    """Load the model that had a name when the job was accepted.

    Raises
    ------
    ModelError
        If it is another one now, or is gone.
    """
    model = load_model(name)
    if model.sha256 != sha256:
        raise ModelError(f"model {name}: has changed meanwhile; send the request again")
    return model
