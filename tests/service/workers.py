"""Processes that do something else than label, told by the name of the method of their job."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def misbehave(order, pipe):
    """Do what the method says, in the place of `gmmlabel.api.work.work`."""

    def tell(message):
        with suppress(BrokenPipeError):
            pipe.send_bytes(json.dumps(message).encode())

    tell({"stage": "label"})
    with (order.upload.parents[2] / "attempts").open("a") as file:
        file.write(f"{order.upload.parent.name} {os.getpid()}\n")
    if order.method == "crash" or (order.method == "crash-once" and order.case.name == "1"):
        order.case.mkdir()
        (order.case / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    if order.method == "hang":
        time.sleep(60)
    if order.method == "lie":
        tell({"done": True})
        return
    if order.method == "babble":
        pipe.send_bytes(b"\xff" * 100)
        time.sleep(60)
    if order.method == "refuse":
        told = {"type": "t", "title": "t", "status": 422, "detail": "no"}
        tell({"problem": told})
        return
    time.sleep(0.05 if order.method != "slow" else 1.0)
    order.case.mkdir()
    (order.case / "labels.nrrd").write_bytes(Path(order.upload).read_bytes()[::-1])
    (order.case / "result.json").write_text(json.dumps({"of": order.upload.read_text()}))
    tell({"done": True})
