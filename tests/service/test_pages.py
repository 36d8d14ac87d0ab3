"""The page on the service says all that there is."""

import re
from pathlib import Path

from gmmlabel.api.app import create_app
from gmmlabel.api.problems import _KINDS
from gmmlabel.api.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_every_route_and_parameter_is_told() -> None:
    for path, methods in create_app(Settings()).openapi()["paths"].items():
        for method, route in methods.items():
            told = re.sub(r"\{\w*id\}", "{id}", path)
            assert f"`{method.upper()} {told}`" in PAGE, (method, told)
            for parameter in route.get("parameters", []):
                name = parameter["name"]
                assert parameter["in"] == "path" or f"`{name}`" in PAGE or name.title() in PAGE


def test_every_problem_is_told_with_its_status() -> None:
    table = re.findall(r"^\| `([\w-]+)` \| (\d{3}) \|", PAGE, re.M)
    assert {word: int(status) for word, status in table} == {
        word: status for word, (_, _, status) in _KINDS.items()
    }
