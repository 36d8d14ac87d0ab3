"""Processes that do something else than label: what the last word of their upload says."""

import json
import os
import signal
import time
from contextlib import suppress


def misbehave(order, pipe):
    """Stand in for `gmmlabel.api.working.work.work`."""

    def tell(message):
        with suppress(BrokenPipeError):
            pipe.send_bytes(json.dumps(message).encode())

    text = order.upload.read_text()
    what = text.split()[-1]
    tell({"stage": "label"})
    with (order.upload.parents[2] / "attempts").open("a") as file:
        file.write(f"{order.upload.parent.name} {os.getpid()}\n")
    if what == "crash" or (what == "crash-once" and order.case.name == "1"):
        order.case.mkdir()
        (order.case / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        time.sleep(60)
    if what == "lie":
        tell({"done": True})
        return
    if what == "babble":
        pipe.send_bytes(b"\xff" * 100)
        time.sleep(60)
    if what == "refuse":
        told = {"type": "t", "title": "t", "status": 422, "detail": "no"}
        tell({"problem": told})
        return
    time.sleep(1.0 if what == "slow" else 0.05)
    order.case.mkdir()
    (order.case / "labels.nrrd").write_text(text[::-1])
    (order.case / "report.html").write_text("<p>report</p>")
    result = {"of": text, "involvement": {"percent": 12.34567, "score": 2}, "opacity": None}
    (order.case / "result.json").write_text(json.dumps(result))
    tell({"done": True})
