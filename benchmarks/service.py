"""What the service costs beside the command line, and what it stands.

    python benchmarks/service.py overhead [--slices 150] [--runs 5]
    python benchmarks/service.py load [--clients 200] [--seconds 120]
    python benchmarks/service.py kill [--jobs 1000] [--seed 0]

`overhead` labels a phantom of 512 x 512 voxels in turn by `gmmlabel label` and by a request to
`/v1/label` of a running `gmmlabel serve`; ratios and differences are run by run, of wall time.

`load` lets many clients send small volumes, each another one and as fast as they are accepted, to a
service with a queue limit. Whoever gets 429 tries again after a second. A process of its own asks
`/healthz` twenty times a second, beside as many requests to a bare TCP server that does nothing but
answer: what that takes is what the machine takes.

`kill` sends small volumes, each another one, while workers and the server are killed with SIGKILL
at random moments. At the end it compares what the service made with what `gmmlabel batch` makes.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np

from gmmlabel.case_files import HISTOGRAM, MAPS
from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")
SMALL = (64, 64, 40), (5.0, 5.0, 8.0)
PROBES_A_SECOND = 20


class Server:
    """A ``gmmlabel serve`` that can be killed and started again.

    Parameters
    ----------
    folder
        Of its data and log.
    options
        Of the command.
    """

    def __init__(self, folder: Path, *options: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "log"
        self._command = [GMMLABEL, "serve", "--port", self.port, "--data", folder / "data"]
        self._command += [*options]
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(list(map(str, self._command)), stderr=log)
        while True:
            with suppress(httpx.HTTPError):
                httpx.get(f"{self.url}/healthz")
                return
            if self.process.poll() is not None:
                raise SystemExit(self._log.read_text())
            time.sleep(0.1)

    def stop(self) -> None:
        """End it in good order."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def workers(self) -> list[int]:
        """Tell which processes work on a job."""
        forkservers = _children(self.process.pid)
        return [child for parent in forkservers for child in _children(parent)]

    def resident(self) -> int:
        """Memory of the server process, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


@contextmanager
def serving(folder: Path, *options: object) -> Iterator[Server]:
    """Run a server in a folder."""
    server = Server(folder, *options)
    try:
        yield server
    finally:
        server.stop()


def small_volumes(folder: Path, count: int) -> list[Path]:
    """Write small phantoms, each with noise of its own."""
    volume = make_phantom(*SMALL).volume
    folder.mkdir()
    paths = [folder / f"ct{number:05}.nrrd" for number in range(count)]
    for number, path in enumerate(paths):
        noise = np.random.default_rng(number).integers(-3, 4, volume.hu.shape, np.int16)
        write_volume(path, replace(volume, hu=volume.hu + noise))
    return paths


def overhead(folder: Path, slices: int, runs: int) -> None:
    """Print seconds by the command line and by the service."""
    ct = folder / "ct.nrrd"
    write_volume(ct, make_phantom((512, 512, slices), (0.7, 0.7, 300 / slices)).volume)
    made: list[tuple[float, float]] = []
    with serving(folder, "--workers", 1) as server:
        for _ in range(runs + 1):
            start = time.perf_counter()
            command = [GMMLABEL, "label", str(ct), "--out", str(folder / "case")]
            subprocess.run(command, check=True, capture_output=True)
            middle = time.perf_counter()
            with ct.open("rb") as body:
                answer = httpx.post(f"{server.url}/v1/label", content=body, timeout=600)
            end = time.perf_counter()
            ours = (folder / "case" / "labels.nrrd").read_bytes()
            if answer.raise_for_status().content != ours:
                raise SystemExit("the service and the command line differ")
            job = answer.headers["gmmlabel-job"]
            httpx.delete(f"{server.url}/v1/jobs/{job}").raise_for_status()
            shutil.rmtree(folder / "case")
            made.append((middle - start, end - middle))
    made = made[1:]  # the first compiles the kernels and warms the page cache
    print(f"512 x 512 x {slices}, {os.cpu_count()} cores, {runs} runs, medians")
    print(f"{statistics.median(one for one, _ in made):8.2f} s gmmlabel label")
    print(f"{statistics.median(two for _, two in made):8.2f} s POST /v1/label")
    print(f"{statistics.median(two - one for one, two in made):+8.2f} s difference")
    print(f"{statistics.median(two / one for one, two in made):8.2f} ratio")


@dataclass
class Sent:
    """What became of requests."""

    statuses: Counter[int]
    jobs: list[str]


def load(folder: Path, clients: int, seconds: float) -> None:
    """Print what many clients got, and how the server was meanwhile."""
    body = small_volumes(folder / "cts", 1)[0].read_bytes()
    with serving(folder, "--queue-limit", 100) as server:
        resident = [server.resident()]
        stop = threading.Event()
        watch = threading.Thread(target=_watch, args=(server, resident, stop))
        watch.start()
        probe = subprocess.Popen(
            [sys.executable, __file__, "probe", server.url], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        sent = asyncio.run(_send(server.url, body, clients, seconds))
        told = json.loads(probe.communicate("")[0])
        states = _ended(server.url, sent.jobs)
        stop.set()
        watch.join()
    print(f"{clients} clients, {seconds:g} s, {os.cpu_count()} cores shared with them")
    print("answers:", ", ".join(f"{n} x {status}" for status, n in sorted(sent.statuses.items())))
    print(f"accepted {len(sent.jobs)}:", ", ".join(f"{n} {state}" for state, n in states.items()))
    for what, times in told.items():
        ranks = [1000 * np.quantile(times, rank) for rank in (0.5, 0.99, 1)]
        print(f"{what}: median {ranks[0]:.1f} ms, p99 {ranks[1]:.1f} ms, longest {ranks[2]:.1f} ms")
    parts = [resident[0], *(max(part) for part in np.array_split(resident, 4))]
    print(
        "server MB at the start, and the most in each quarter:", [round(it / 1e6) for it in parts]
    )


async def _send(url: str, body: bytes, clients: int, seconds: float) -> Sent:
    until, sent = time.monotonic() + seconds, Sent(Counter(), [])
    magic, _, rest = body.partition(b"\n")

    async def send(number: int) -> None:
        count = 0
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            while time.monotonic() < until:
                count += 1  # a comment makes it another volume, for the service and in truth
                content = magic + f"\n# {number} {count}\n".encode() + rest
                answer = await client.post("/v1/jobs", content=content)
                sent.statuses[answer.status_code] += 1
                if answer.status_code == httpx.codes.ACCEPTED:
                    sent.jobs.append(answer.json()["id"])
                else:
                    await asyncio.sleep(1)

    await asyncio.gather(*(send(number) for number in range(clients)))
    return sent


def _watch(server: Server, resident: list[int], stop: threading.Event) -> None:
    while not stop.wait(1):
        resident.append(server.resident())


def _ended(url: str, jobs: Sequence[str]) -> Counter[str]:
    """Wait until jobs have ended, and count how."""
    states: Counter[str] = Counter()
    with httpx.Client(base_url=url, timeout=60) as client:
        for job in jobs:
            while True:
                answer = client.get(f"/v1/jobs/{job}")
                state = answer.json()["state"] if answer.is_success else "lost"
                if state not in ("queued", "running"):
                    break
                time.sleep(0.2)
            states[state] += 1
    return states


def probe(url: str) -> None:
    """Ask for the health, and a server that only answers, until the standard input ends."""
    bare = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_answer, args=(bare,), daemon=True).start()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    urls = {
        "/healthz": f"{url}/healthz",
        "bare server": f"http://127.0.0.1:{bare.getsockname()[1]}",
    }
    times: dict[str, list[float]] = {what: [] for what in urls}
    with httpx.Client(timeout=60) as client:
        while not ended.wait(1 / PROBES_A_SECOND):
            for what, where in urls.items():
                start = time.perf_counter()
                client.get(where).raise_for_status()
                times[what].append(time.perf_counter() - start)
    print(json.dumps(times))


def _answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    while connection.recv(4096):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def kill(folder: Path, count: int, seed: int) -> None:
    """Print how many kills the jobs went through, and whether anything is missing or different."""
    paths = small_volumes(folder / "cts", count)
    command = [GMMLABEL, "batch", str(folder / "cts"), "--out", str(folder / "cases"), "--json"]
    subprocess.run(command, check=True, capture_output=True)
    options = ("--lease", 2, "--attempts", 1000, "--queue-limit", count)
    killed: Counter[str] = Counter()
    with serving(folder, *options) as server:
        moments = random.Random(seed)  # noqa: S311 - the same moments each time
        done = threading.Event()
        killer = threading.Thread(target=_kill, args=(server, moments, killed, done))
        killer.start()
        start = time.perf_counter()
        jobs = [_post(server.url, path) for path in paths]
        _wait(server.url, jobs)
        seconds = time.perf_counter() - start
        done.set()
        killer.join()
        ends = Counter(httpx.get(f"{server.url}/v1/jobs/{job}").json()["state"] for job in jobs)
        different = [
            f"{path.stem}/{name}"
            for path, job in zip(paths, jobs, strict=True)
            for name in _different(server.url, job, folder / "cases" / path.stem)
        ]
    print(f"{count} volumes of {' x '.join(map(str, SMALL[0]))}, {seconds:.0f} s, seed {seed}")
    print("killed:", ", ".join(f"{number} {what}s" for what, number in sorted(killed.items())))
    print(f"{len(set(jobs))} jobs:", ", ".join(f"{number} {end}" for end, number in ends.items()))
    print(f"{len(different)} files that differ from those of gmmlabel batch", *different[:5])


def _kill(
    server: Server, moments: random.Random, killed: Counter[str], done: threading.Event
) -> None:
    while not done.wait(moments.uniform(1, 9)):
        if moments.random() < 0.15:
            server.kill()
            server.start()
            killed["server"] += 1
        elif workers := server.workers():
            with suppress(ProcessLookupError):
                os.kill(moments.choice(workers), signal.SIGKILL)
                killed["worker"] += 1


def _post(url: str, path: Path) -> str:
    while True:
        with suppress(httpx.HTTPError):
            answer = httpx.post(f"{url}/v1/jobs", content=path.read_bytes(), timeout=60)
            return str(answer.raise_for_status().json()["id"])
        time.sleep(0.2)


def _wait(url: str, jobs: Sequence[str]) -> None:
    for job in jobs:
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/v1/jobs/{job}").json()["state"] not in ("queued", "running"):
                    break
            time.sleep(0.2)


def _different(url: str, job: str, case: Path) -> list[str]:
    """Name the files of a job that are not what the command line made, to the last byte."""
    names = [*(f"{name}.nrrd" for name in MAPS), HISTOGRAM]
    with httpx.Client(base_url=f"{url}/v1/jobs/{job}/files") as client:
        found = [name for name in names if client.get(name).content != (case / name).read_bytes()]
        ours, theirs = (
            client.get("result.json").json(),
            json.loads((case / "result.json").read_bytes()),
        )
    for document in (ours, theirs):
        del document["seconds"], document["input"]["name"]
    return found if ours == theirs else [*found, "result.json"]


def main() -> None:
    """Measure what is asked for, in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the temporary folder is to be")
    what = parser.add_subparsers(dest="what", required=True)
    alone = what.add_parser("overhead")
    alone.add_argument("--slices", type=int, default=150)
    alone.add_argument("--runs", type=int, default=5)
    many = what.add_parser("load")
    many.add_argument("--clients", type=int, default=200)
    many.add_argument("--seconds", type=float, default=120)
    killing = what.add_parser("kill")
    killing.add_argument("--jobs", type=int, default=1000)
    killing.add_argument("--seed", type=int, default=0)
    what.add_parser("probe").add_argument("url")
    asked = parser.parse_args()
    if asked.what == "probe":
        probe(asked.url)
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as temporary:
        folder = Path(temporary)
        if asked.what == "overhead":
            overhead(folder, asked.slices, asked.runs)
        elif asked.what == "load":
            load(folder, asked.clients, asked.seconds)
        else:
            kill(folder, asked.jobs, asked.seed)


if __name__ == "__main__":
    main()
