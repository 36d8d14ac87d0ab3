"""The documentation names what there is."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

import gmmlabel
from gmmlabel.cli import app
from gmmlabel.method import METHODS, OpacityMethod

ROOT = Path(__file__).parents[1]


def commands(command: Any, name: str) -> list[tuple[str, Any]]:
    found = [(name, command)]
    for child, below in getattr(command, "commands", {}).items():
        found += commands(below, f"{name} {child}")
    return found


def test_every_command_and_option_is_in_the_command_line_page() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    for name, command in commands(typer.main.get_command(app), "gmmlabel"):
        assert f"`{name}`" in page or f"$ {name} " in page, name
        for parameter in command.params:
            for option in parameter.opts:
                assert option in page or not option.startswith("-"), f"{name} {option}"


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_number_of_a_method_has_its_reason(name: str) -> None:
    page = (ROOT / "docs" / "method.md").read_text()
    method = METHODS[name]
    numbers = {field.name for part in (method, OpacityMethod()) for field in fields(part)}
    for number in numbers - {"name", "opacity"}:
        group = f"`{number.split('_')[0]}_*`"  # a group of numbers has its own paragraphs
        assert f"`{number}`" in page or group in page, number


def test_every_public_name_can_be_imported_and_has_a_docstring() -> None:
    for name in gmmlabel.__all__:
        assert getattr(gmmlabel, name).__doc__, name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = gmmlabel.nonsense


def test_every_run_time_dependency_has_its_reason() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[(.*?)\]", project, re.DOTALL | re.MULTILINE)
    assert listed
    page = (ROOT / "docs" / "dependencies.md").read_text()
    for name in re.findall(r'"([A-Za-z]+)', listed[1]):
        assert name in page


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
