"""A real service, a CT that it labelled, and pages in a real Chromium that may not complain.

``page`` is 1280 by 800 and light; ``visit("#/jobs/ID")`` opens an address of the service in it.
``new_page(width=390, height=844, dark=True)`` makes others. Any error or warning on the console,
error of the page, failed request or request elsewhere fails the test, unless
``complaints.allow("409")`` lets it pass: a regular expression on what is told.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from browser.driving import WAIT, Complaints, Launch, driving
from browser.serving import COMMON, Service
from service.test_runner import settled

from gmmlabel.phantom import make_phantom
from gmmlabel.writers import write_volume

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


@pytest.fixture(scope="session")
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Service]]:
    """Start services: with options of their own, and with users who need tokens; all end at last.

    ``start_service(users=("ann", "bob")).tokens["ann"]`` is what Ann signs in with.
    """
    started: list[Service] = []

    def start(*options: str, users: Sequence[str] = ()) -> Service:
        access = ("--access", "tokens") if users else ()
        service = Service(tmp_path_factory.mktemp("service"), (*COMMON, *access, *options))
        if users:
            service.add_users(users)
        started.append(service)
        with pytest.MonkeyPatch.context() as patch:  # and no other test has them
            patch.setenv("GMMLABEL_THREADS", "1")
            patch.setenv("GMMLABEL_MODELS", str(tmp_path_factory.mktemp("models")))
            service.start()
        return service

    yield start
    for service in started:
        service.end(signal.SIGTERM)


@pytest.fixture(scope="session")
def service(start_service: Callable[..., Service]) -> Service:
    """`gmmlabel serve` with real workers, and no tokens; ``url`` is where."""
    return start_service()


@pytest.fixture(scope="session")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CT with ground glass and consolidation, as a file."""
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_volume(path, make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)
    return path


@pytest.fixture(scope="session")
def labelled(service: Service, ct: Path) -> str:
    """The id of a job that has labelled it."""
    answer = httpx.post(f"{service.url}/v1/jobs", content=ct.read_bytes(), timeout=60)
    job_id = str(answer.raise_for_status().json()["id"])
    assert settled(lambda: service.job(job_id)["state"] not in {"queued", "running"})
    assert service.job(job_id)["state"] == "succeeded", service.job(job_id)
    return job_id


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    """Start browsers with further flags, such as ``--disable-3d-apis``."""
    with driving() as start:
        yield start


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Browser:
    return launch()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What pages complained of; fails the test if anything is left."""
    heard = Complaints()
    yield heard
    assert heard.left() == []


@pytest.fixture
def new_page(
    browser: Browser, complaints: Complaints, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Make pages, each of another user, who has cookies and a storage of their own."""
    contexts: list[BrowserContext] = []

    def make(
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        url: str = "",
        of: Browser = browser,
    ) -> Page:
        base = url or request.getfixturevalue("service").url
        context = of.new_context(
            base_url=base,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(WAIT)
        page = context.new_page()
        complaints.listen(page, base)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page of the service, 1280 by 800 and light, which is nowhere yet."""
    return new_page()


@pytest.fixture
def visit(page: Page) -> Callable[..., Page]:
    """Open an address of the service in the page, such as ``#/models``."""

    def go(path: str = "") -> Page:
        page.goto(f"/{path.lstrip('/')}")
        return page

    return go
