"""Cohorts of small phantoms, and processes that misbehave with some of them."""

import json
import os
import signal

import numpy as np

from gmmlabel.cohort.labelling import label_case
from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume


def write_cohort(folder, names):
    """Write a small phantom for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        volume = make_phantom((72, 72, 48), (5.0, 5.0, 7.0), seed=seed).volume
        write_volume(folder / f"{name}.nrrd", volume)
    return folder


def misbehave(task):
    """Label a case, but for those that are called after what they do to their process."""
    if task.ct.name == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if task.ct.name == "crash-once" and not task.folder.exists():
        task.folder.mkdir()
        os.kill(os.getpid(), signal.SIGKILL)
    if task.ct.name == "hungry":
        np.empty(1 << 55, np.uint8)
    if task.ct.name == "broken":
        raise RuntimeError("a bug")
    return label_case(task)


def numbers(folder):
    """All that a case folder says, but for how long it took."""
    result = json.loads((folder / "result.json").read_text())
    del result["seconds"]
    maps = {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name not in {"result.json", "report.html"}
    }
    return result, maps
