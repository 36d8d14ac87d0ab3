"""The description of the API says what the server does: Schemathesis asks it everything.

``SCHEMA_EXAMPLES=1000 pytest tests/service/test_schema.py`` asks longer.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import hypothesis
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation as Operation
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from service.tolerant import tolerate

from gmmlabel.api.accepting.multipart import FIELD
from gmmlabel.api.app import create_app
from gmmlabel.api.serving import server_config
from gmmlabel.api.settings import Settings
from gmmlabel.api.storage.tokens import tokens_of

_EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "12"))
DESCRIPTION = create_app(Settings(), tolerate).openapi()
_SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
_SCHEMA.config.generation.allow_extra_parameters = False  # what is not known is passed over
_SCHEMA.config.generation.with_security_parameters = False  # each request has the token
OPERATIONS = {one.ok().label: one.ok() for one in _SCHEMA.get_all_operations()}


@dataclass(frozen=True)
class Described:
    """A server whose workers only pretend to label, and which asks for a token."""

    url: str
    token: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    settings = Settings(
        data=tmp_path_factory.mktemp("schema"), workers=2, worker_memory=1 << 30, disk_floor=0,
        wait=1, queue_limit=100_000, access="tokens",
    )  # fmt: skip
    with tokens_of(settings) as tokens:
        token = tokens.create("schema")
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(server_config(create_app(settings, tolerate), settings))
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield Described(f"http://127.0.0.1:{listener.getsockname()[1]}", token)
    running.should_exit = True
    thread.join()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_answers_are_as_described(
    server: Described, operation: Operation, mode: GenerationMode
) -> None:
    # No schema can say what a volume is, so that random bytes are valid by it, and are refused.
    @hypothesis.settings(max_examples=_EXAMPLES, suppress_health_check=list(HealthCheck))
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(
            base_url=server.url,
            headers={"Authorization": f"Bearer {server.token}"},
            excluded_checks=[positive_data_acceptance],
            timeout=30,
        )

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # what takes nothing can be sent nothing wrong


def test_a_volume_is_described_as_bytes_or_as_a_field_of_a_form() -> None:
    for path in ("/v1/label", "/v1/jobs"):
        content = DESCRIPTION["paths"][path]["post"]["requestBody"]["content"]
        assert set(content) == {"application/octet-stream", "multipart/form-data"}
        assert content["multipart/form-data"]["schema"]["required"] == [FIELD]


def test_every_reference_of_the_description_leads_somewhere() -> None:
    found = list(_references(DESCRIPTION))
    assert found
    for reference in found:
        here = DESCRIPTION
        for name in reference.removeprefix("#/").split("/"):
            here = here[name]


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)
