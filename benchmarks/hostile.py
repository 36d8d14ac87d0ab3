"""What a real server answers to hostile input, and what its memory and disk do meanwhile.

    python benchmarks/hostile.py [--chunks 1000000] [--out docs/hostile.md]

Prints a Markdown table. The attacks are those of ``tests/service/hostile.py``, one after the other,
against ``gmmlabel serve`` with the limits that are named there. Linux only.
"""

import argparse
import os
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

# In the place of this folder, whose modules would hide folders of the tests.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from service.attacking import Attack, Outcome
from service.hostile import LIMITS, attacks
from service.hostile_files import good_nrrd
from service.test_serve import Process

_EVERY = 0.005
_TITLE = """# Hostile input

What was sent to `gmmlabel serve`, what came back, and what its memory and disk did: the output of
`python benchmarks/hostile.py`. `closed` is a connection that the server closed without an answer.
*Server* is by how much the peak of the memory of the server process (resident) rose above what it
was before; *worker* is the peak of the worker process, or 0 if none was needed, where one that
labels a small good volume has {idle}; *disk* is the most that uploads and scratch files took. After
each attack nothing of it was left, unless the table says so.

The limits were low, so that they are soon reached: {limits}.
The [settings](operations.md#settings) say what they are otherwise.

{after}

| sent | bytes | answer | s | server | worker | disk |
| --- | ---: | --- | ---: | ---: | ---: | ---: |"""


@dataclass
class Peaks:
    """The most that was seen, in bytes."""

    worker: int = 0
    disk: int = 0


class Watch:
    """Watches the processes and the disk of a server while it is attacked."""

    def __init__(self, process: Process) -> None:
        self._pid = process.started[-1].pid
        self._data = process.folder / "data"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.peaks = Peaks()

    def __enter__(self) -> Peaks:
        self._thread.start()
        return self.peaks

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            for worker in _workers(self._pid):
                self.peaks.worker = max(self.peaks.worker, memory(worker, "VmHWM"))
            self.peaks.disk = max(self.peaks.disk, held(self._data))


def memory(pid: int, what: str) -> int:
    """Tell a figure of ``/proc/PID/status``, in bytes; 0 if the process has ended."""
    try:
        found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) << 10 if found else 0


def held(data: Path) -> int:
    """Bytes of all uploads, scratch files and results."""
    total = 0
    for folder in ("incoming", "jobs"):
        for root, _, names in os.walk(data / folder):
            for name in names:
                try:
                    total += os.stat(Path(root, name)).st_blocks * 512  # noqa: PTH116 - is fast
                except OSError:
                    continue
    return total


def _workers(pid: int) -> list[int]:
    """List the processes that a process began which the server began: workers are forked so."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    starters = {child for child, parent in parents.items() if parent == pid}
    return [child for child, parent in parents.items() if parent in starters]


def main() -> int:
    """Attack a server; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process = Process(Path(folder), tuple(word for one in LIMITS.items() for word in one))
        try:
            process.start()
            page, faults = _attack(process, options.chunks)
        finally:
            for one in process.started:
                one.kill()
                one.wait()
    print(page)
    if options.out:
        options.out.write_text(page + "\n")
    for fault in faults:
        print(fault, file=sys.stderr)
    return bool(faults)


def _attack(process: Process, chunks: int) -> tuple[str, list[str]]:
    pid, port = process.started[-1].pid, int(process.url.rpartition(":")[2])
    good = good_nrrd()
    with Watch(process) as idle:
        before = _label(process, good)
    resident = memory(pid, "VmRSS")
    rows, faults = [], []
    for attack in attacks(chunks):
        row, outcome = _one(attack, process, port)
        rows.append(row)
        if outcome.answer not in attack.answers:
            faults.append(f"{attack.kind} {attack.name}: {outcome.answer} {outcome.text[:200]}")
    if process.started[-1].poll() is not None or _label(process, good) != before:
        faults.append("the server died, or labels differently")
    grown = memory(pid, "VmRSS") - resident
    after = (
        f"After all {len(rows)} the server had {_mib(grown)} more than before the first, and gave "
        "a good volume the same labels, byte by byte."
    )
    limits = ", ".join(f"`{option} {value}`" for option, value in LIMITS.items())
    return "\n".join(
        [_TITLE.format(limits=limits, idle=_mib(idle.worker), after=after), *rows]
    ), faults


def _one(attack: Attack, process: Process, port: int) -> tuple[str, Outcome]:
    pid, data = process.started[-1].pid, process.folder / "data"
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew, proc(5)
    resident, start = memory(pid, "VmRSS"), time.perf_counter()
    with Watch(process) as peaks:
        outcome = attack.send(port)
    seconds = time.perf_counter() - start
    grown = memory(pid, "VmHWM") - resident
    for job in httpx.get(f"{process.url}/v1/jobs?state=succeeded").json()["jobs"]:
        httpx.delete(f"{process.url}/v1/jobs/{job['id']}")
    until = time.monotonic() + 10
    while held(data) and time.monotonic() < until:
        time.sleep(_EVERY)
    left = f", {_mib(held(data))} left" if held(data) else ""
    cells = (
        f"{attack.kind}: {attack.name}".replace("|", "\\|"),
        f"{outcome.sent:,}",
        outcome.answer,
        f"{seconds:.1f}",
        _mib(grown),
        _mib(peaks.worker),
        _mib(peaks.disk) + left,
    )
    return f"| {' | '.join(cells)} |", outcome


def _label(process: Process, good: bytes) -> bytes:
    answer = httpx.post(f"{process.url}/v1/label", content=good, timeout=60)
    answer.raise_for_status()
    httpx.delete(f"{process.url}/v1/jobs/{answer.headers['gmmlabel-job']}").raise_for_status()
    return answer.content


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size > 0 else "0"


if __name__ == "__main__":
    sys.exit(main())
