"""What a user of the web page waits for, and what it takes of their memory.

    python benchmarks/page.py CT [CT ...] [--runs 3]

A headless Chromium without a graphics card chooses each CT in the page of a `gmmlabel serve` with
one worker, on this machine, and follows its job until the picture with the tissues is drawn. The
parts follow one another: the upload, the labelling with the wait for a worker, the stage that makes
the volumes of the viewer, and the page, which notices the end, downloads them and draws. 3-D is
drawn when the planes are there. Memory is the proportional set size of all processes of Chromium,
the most of a look every half second. The first paint is that of a browser that knows nothing yet.
All are medians of the runs.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from service import serving

from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PAINTED = "performance.getEntriesByName('first-contentful-paint').map((it) => it.startTime)"

# All times are of the page's own clock. The case is opened as soon as there is a job.
FOLLOW = """() => {
  window.times = {};
  const now = (name) => (times[name] ??= performance.now());
  document.addEventListener("change", () => now("chosen"), { capture: true });
  document.addEventListener("job-accepted", ({ detail: job }) => {
    now("accepted");
    times.id = job.id;
    location.hash = `#/jobs/${job.id}`;
    const events = new EventSource(`/v1/jobs/${job.id}/events`);
    events.addEventListener("job", ({ data }) => {
      const { state, stage } = JSON.parse(data);
      if (stage === "view") now("view");
      if (!["queued", "running"].includes(state)) {
        times.state = state;
        now("ended");
        events.close();
      }
    });
  });
}"""
TIMES = """() => {
  const marks = performance.getEntriesByType("mark");
  return { ...times, ...Object.fromEntries(marks.map((mark) => [mark.name, mark.startTime])) };
}"""
PARTS = {
    "upload": ("chosen", "accepted"),
    "labelling": ("accepted", "view"),
    "view stage": ("view", "ended"),
    "download": ("ended", "viewer-loaded"),
    "drawing": ("viewer-loaded", "viewer-drawn"),
    "all": ("chosen", "viewer-drawn"),
    "then 3-D": ("viewer-drawn", "viewer-3d-drawn"),
}


@contextmanager
def memory(pid: int) -> Iterator[list[int]]:
    """Watch the memory of a process and all below it, in bytes; the last is the most."""
    most, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            most.append(max(most[-1], sum(map(_pss, _family(pid)))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


def _family(pid: int) -> list[int]:
    found = [pid]
    with suppress(OSError):  # it has ended
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [one for child in path.read_text().split() for one in _family(int(child))]
    return found


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((1024 * int(it.split()[1]) for it in lines if it.startswith("Pss:")), 0)


def first_paint(browser: Browser, url: str) -> float:
    """Seconds until a browser that has nothing of the page shows the first of it."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(url)
        return float(_wait(page, PAINTED)[0]) / 1000


def drop(browser: Browser, url: str, ct: Path) -> dict[str, float]:
    """Seconds that the parts take from the choice of a CT to its picture."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.goto(url)
        page.evaluate(FOLLOW)
        page.locator("input[type=file]").first.set_input_files(ct)
        job = _wait(page, "times.id")
        state = _wait(page, "times.state")
        if state != "succeeded":
            raise SystemExit(f"{ct.name}: the job {state}")
        _wait(page, "performance.getEntriesByName('viewer-3d-drawn').length")
        times: dict[str, Any] = page.evaluate(TIMES)
    httpx.delete(f"{url}/v1/jobs/{job}").raise_for_status()  # or the next run would be given it
    return {part: (times[end] - times[begin]) / 1000 for part, (begin, end) in PARTS.items()}


def _wait(page: Page, expression: str) -> Any:
    deadline = time.monotonic() + 600
    while not (found := page.evaluate(expression)):
        if time.monotonic() > deadline:
            raise SystemExit(f"not within ten minutes: {expression}")
        page.wait_for_timeout(50)
    return found


def _process(browser: Browser) -> int:
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return next(int(one["id"]) for one in told if one["type"] == "browser")


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run the browser that the system's packages install."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, chromium_sandbox=os.geteuid() != 0, args=FLAGS
        )
        yield browser
        browser.close()


def measure(url: str, ct: Path, runs: int) -> None:
    """Print the medians of a CT."""
    made, most = [], []
    for _ in range(runs):
        with browsing() as browser, memory(_process(browser)) as taken:
            made.append(drop(browser, url, ct))
        most.append(taken[-1])
    told = {part: f"{statistics.median(one[part] for one in made):.1f}" for part in PARTS}
    size = ct.stat().st_size / 1e6
    print(f"| {ct.name} | {size:.0f} |", " | ".join(told.values()), end=" | ")
    print(f"{statistics.median(most) / 1e6:.0f} |", flush=True)


def main() -> None:
    """Measure the CTs that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cts", type=Path, nargs="+", metavar="CT")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        warming = Path(temporary) / "phantom.nrrd"
        write_volume(warming, make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)
        with serving(Path(temporary), "--workers", 1) as server:
            paints = []
            for _ in range(asked.runs):
                with browsing() as browser:
                    paints.append(first_paint(browser, server.url))
            with browsing() as browser:
                drop(browser, server.url, warming)  # compiles the kernels
            print(f"{os.cpu_count()} cores, {asked.runs} runs, medians")
            print(f"first paint after {statistics.median(paints):.2f} s\n")
            print("| CT | MB |", " | ".join(f"{part}, s" for part in PARTS), "| Chromium, MB |")
            print("|---" * (len(PARTS) + 3) + "|")
            for ct in asked.cts:
                measure(server.url, ct, asked.runs)


if __name__ == "__main__":
    main()
