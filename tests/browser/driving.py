"""A real Chromium from the system's packages, driven by Playwright, and what its pages complain of.

For other folders too: ``with driving() as launch: launch().new_page()``.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

REQUIRED = "GMMLABEL_TEST_BROWSER"
"""If this variable is ``required``, tests fail where there is no browser, and do not skip."""

WAIT = 150_000
"""Milliseconds that a slow machine may take for anything."""

# WebGL2 without a graphics card, and the same pixels on every screen.
_FLAGS = (
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--force-device-scale-factor=1",
    "--force-color-profile=srgb",
)

# What Chromium says of its software drawing, and no page can help.
_OF_THE_DRIVER = re.compile(r"GL Driver Message|GPU stall due to ReadPixels")

Launch = Callable[..., "Browser"]  # with the flags of the command line


def _chromium() -> str | None:
    """Tell where the browser is; the one without windows is smaller and starts sooner."""
    names = ("chromium-headless-shell", "chromium")
    found = (path for name in names if (path := shutil.which(name)))
    return os.environ.get("CHROMIUM") or next(found, None)


@contextmanager
def driving() -> Iterator[Launch]:
    """Give what starts browsers with further flags; they end with the block.

    Playwright keeps an event loop in the thread meanwhile, so that no other may run in it: a test
    module may hold this, a session of tests may not.
    """
    path = _chromium()
    if sync_playwright is None or path is None:
        reason = "no playwright is installed" if path else "no chromium is installed"
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = []

        def launch(*flags: str) -> Browser:
            browser = playwright.chromium.launch(
                executable_path=path,
                chromium_sandbox=os.geteuid() != 0,  # which root cannot have
                args=[*_FLAGS, *flags],
            )
            started.append(browser)
            return browser

        yield launch
        for browser in started:
            browser.close()


def until(page: Page, expression: str) -> None:
    """Wait until something is true in the page.

    What Playwright has for it evaluates a text in the page, which the page's policy forbids.
    """
    deadline = time.monotonic() + WAIT / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"still not so: {expression}"
        page.wait_for_timeout(20)


@dataclass
class Complaints:
    """All that went wrong in pages, but for what a test says may."""

    said: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def listen(self, page: Page, url: str) -> None:
        """Hear a page from now on, which may ask the service at this URL only."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.said.append(f"page error: {error}"))
        page.on("request", lambda request: self._ask(url, request))
        page.on("requestfailed", self._fail)

    def allow(self, pattern: str) -> None:
        """Let pass what this regular expression is found in."""
        self.allowed.append(pattern)

    def left(self) -> list[str]:
        """What no test allowed."""
        return [one for one in self.said if not any(re.search(it, one) for it in self.allowed)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _OF_THE_DRIVER.search(message.text):
            where = message.location["url"]
            self.said.append(f"console {message.type}: {message.text} ({where})")

    def _ask(self, url: str, request: Request) -> None:
        if not request.url.startswith((f"{url}/", "blob:", "data:")):
            self.said.append(f"request elsewhere: {request.url}")

    def _fail(self, request: Request) -> None:
        # A view that is left, or a page that is closed, gives its requests up.
        if request.failure != "net::ERR_ABORTED":
            self.said.append(f"request failed: {request.url} {request.failure}")
