"""The page that shows the API needs nothing from elsewhere."""

import hashlib
import re
from collections.abc import Callable
from importlib.resources import files
from urllib.parse import urljoin

from service.conftest import Server

Serve = Callable[..., Server]

# Of swagger-ui-dist 5.35.0 (npm); a new version is a new list.
SHA256 = {
    "LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui-bundle.js.LICENSE.txt": (
        "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb"
    ),
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


def test_the_files_of_swagger_ui_are_those_of_its_release() -> None:
    folder = files("gmmlabel.api") / "static" / "swagger-ui"
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}
    assert found == SHA256


def test_all_that_the_page_loads_is_of_this_service(serve: Serve) -> None:
    client = serve().client
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len([one for one in loaded if not one.startswith("data:")]) == 3
    for one in loaded:
        if one != "data:,":
            url = urljoin(str(page.url), one)
            assert url.startswith(str(client.base_url))
            assert client.get(one).status_code == 200, one
    assert not re.search(r"<script[^>]*>[^<]|<style| on\w+=| style=", page.text)


def test_the_policy_of_every_page_lets_nothing_in_from_elsewhere(serve: Serve) -> None:
    client = serve().client
    for path in ("/", "/docs"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
        for rule in ("default-src", "base-uri", "form-action", "frame-ancestors"):
            assert rules[rule] == "'none'", (path, rule)
        for rule in ("script-src", "style-src", "connect-src"):
            assert rules[rule] == "'self'", (path, rule)
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cache-control"] == "no-cache"


def test_there_is_no_other_page_of_the_framework_and_no_way_out_of_the_folder(
    serve: Serve,
) -> None:
    client = serve().client
    for path in (
        "/redoc", "/docs/oauth2-redirect", "/static/", "/static/../app.py", "/static/..%2fapp.py",
        "/static/%2e%2e/settings.py", "/static//etc/passwd",
    ):  # fmt: skip
        assert client.get(path).status_code == 404, path
