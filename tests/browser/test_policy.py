"""Nothing but the page's own files can run in it, or be asked from it."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx
import pytest
from browser.driving import Complaints
from browser.serving import Service

if TYPE_CHECKING:
    from playwright.sync_api import Page


class Elements(HTMLParser):
    """All elements of a document, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))


def test_the_policy_names_what_may_run_and_be_asked(service: Service) -> None:
    policy = httpx.get(service.url).headers["content-security-policy"]
    said = {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}
    assert said["default-src"] == ["'none'"]
    assert said["script-src"] == ["'self'"]
    assert said["connect-src"] == ["'self'"]
    assert said["base-uri"] == said["frame-ancestors"] == ["'none'"]
    assert "form-action" in said


def test_the_document_holds_no_script_no_style_and_no_listener(service: Service) -> None:
    for tag, attributes in Elements(httpx.get(service.url).text).all:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "script" and attributes.get("type") != "application/json":
            assert str(attributes.get("src")).startswith("/static/")


INTRUSIONS = {
    "script": "document.body.append(script({text: WORK}))",
    "blob": "document.body.append(script({src: URL.createObjectURL(new Blob([WORK]))}))",
    "listener": "{ const i = new Image(); i.setAttribute('onerror', WORK); i.src = 'data:,'; }",
    "address": "location.assign(`javascript:${WORK}`)",
    "text": "setTimeout(WORK)",
}


@pytest.mark.parametrize("intrusion", INTRUSIONS.values(), ids=INTRUSIONS)
def test_a_script_that_got_into_the_page_does_not_run(
    visit: Callable[..., Page], complaints: Complaints, intrusion: str
) -> None:
    complaints.allow("Content Security Policy| csp$")
    page = visit()
    came_about = page.evaluate(
        f"""() => new Promise((tell) => {{
             document.addEventListener(
               "securitypolicyviolation", (event) => tell(event.effectiveDirective));
             Object.defineProperty(window, "intruded", {{set: () => tell("it ran")}});
             const WORK = "window.intruded = true";
             const script = (how) => Object.assign(document.createElement("script"), how);
             {intrusion};
           }})"""
    )
    assert came_about.startswith("script-src")
