"""A server on a free port, in a thread, whose workers do what their uploads say."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from service.workers import misbehave

from gmmlabel.api.app import create_app
from gmmlabel.api.service import Service
from gmmlabel.api.serving import server_config
from gmmlabel.api.settings import Settings

Work = Callable[..., None]


@dataclass
class Server:
    """A server that runs."""

    port: int
    client: httpx.Client
    service: Service

    @property
    def files(self) -> list[str]:
        """All files of uploads and jobs."""
        root = self.service.settings.data
        found = [*(root / "incoming").rglob("*"), *(root / "jobs").rglob("*")]
        return sorted(str(path.relative_to(root)) for path in found)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers, which end with the test."""
    started: list[tuple[uvicorn.Server, threading.Thread, httpx.Client]] = []

    def start(work: Work = misbehave, **options: object) -> Server:
        defaults = {"data": tmp_path / "data", "workers": 2, "worker_memory": 1 << 30, "lease": 2}
        settings = Settings(**{**defaults, "disk_floor": 0, **options})
        app = create_app(settings, work)
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = server_config(app, settings)
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        started.append((server, thread, client))
        return Server(port, client, app.state.service)

    yield start
    for server, thread, client in started:
        client.close()
        server.should_exit = True
        thread.join()
