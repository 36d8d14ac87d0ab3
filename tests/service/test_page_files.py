"""Scripts and styles arrive compressed, and again only when they changed."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from service.conftest import Server

from gmmlabel.api import app

Serve = Callable[..., Server]
LARGEST = "/static/swagger-ui/swagger-ui-bundle.js"


def test_text_is_sent_compressed_to_whom_takes_it_and_is_the_same(serve: Serve) -> None:
    client = serve().client
    plain = client.get(LARGEST, headers={"Accept-Encoding": "identity"})
    with client.stream("GET", LARGEST, headers={"Accept-Encoding": "gzip"}) as packed:
        sent = b"".join(packed.iter_raw())
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert packed.headers["content-type"].startswith("text/javascript")
    assert gzip.decompress(sent) == plain.content
    assert len(sent) < len(plain.content) / 3
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


def test_answers_of_the_api_are_not_compressed(serve: Serve) -> None:
    client = serve().client
    for path in ("/openapi.json", "/v1/models"):
        answer = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert len(answer.content) > 500
        assert "content-encoding" not in answer.headers


def test_a_browser_asks_each_time_and_loads_only_what_changed(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    script = folder / "a.js"
    monkeypatch.setattr(app, "_STATIC", folder)

    def write(text: str) -> None:
        script.write_text(text)
        os.utime(script, (0, 0))  # as an image may have it

    write("let a = 1;")
    first = serve().client.get("/static/a.js")
    seen = {"If-None-Match": first.headers["etag"]}
    assert first.headers["cache-control"] == "no-cache"
    client = serve().client
    same = client.get("/static/a.js", headers=seen)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert same.headers["cache-control"] == "no-cache"
    write("let a = 2;")
    changed = serve().client.get("/static/a.js", headers=seen)  # the service of a new version
    assert (changed.status_code, changed.text) == (200, "let a = 2;")
