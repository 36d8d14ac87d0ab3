"""Processes that stand in for workers, whatever bytes an upload is of."""

import json

from service.workers import misbehave

from gmmlabel.api.problems import problem


def tolerate(order, pipe):
    """Do as `misbehave` with text, and refuse all else."""
    try:
        order.upload.read_text()
    except UnicodeDecodeError:
        told = problem("unreadable", "it is no text").model_dump()
        pipe.send_bytes(json.dumps({"problem": told}).encode())
    else:
        misbehave(order, pipe)
