"""``/``: the web page."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from gmmlabel.method import METHODS
from gmmlabel.tissues import LUNG_SEGMENTS, OPACITY_SEGMENTS, TISSUE_SEGMENTS, Segment

from ..service import ServiceOf
from ..settings import Settings
from .page_headers import PAGE_HEADERS

router = APIRouter(include_in_schema=False)

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=True,
    trim_blocks=True,
)
_STYLES = (
    "page", "session/session", "upload/panel", "worklist/worklist", "case/case", "viewer/viewer",
    "case/numbers", "mixture/chart", "case/histogram", "case/downloads", "models/models",
)  # fmt: skip


@router.get("/", response_class=HTMLResponse)
async def page(service: ServiceOf) -> HTMLResponse:
    """Show the page, which does the rest by the API."""
    facts = json.dumps(_facts(service.settings)).replace("<", r"\u003c")
    content = _PAGES.get_template("page.html").render(
        facts=Markup(facts),  # noqa: S704 - JSON in which nothing can end the element
        styles=_STYLES,
        version=version("gmmlabel"),
    )
    return HTMLResponse(content, headers=PAGE_HEADERS)


def _facts(settings: Settings) -> dict[str, Any]:
    """Say what the page would have to ask for before it could show anything."""
    return {
        "version": version("gmmlabel"),
        "default_model": settings.model,
        "default_method": settings.method,
        "methods": list(METHODS),
        "upload_limit": settings.upload_limit,
        "tokens_needed": settings.tokens_needed,
        "tissues": [_segment(segment) for segment in TISSUE_SEGMENTS],
        "lungs": [_segment(segment) for segment in LUNG_SEGMENTS],
        "opacity": [_segment(segment) for segment in OPACITY_SEGMENTS],
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "value": segment.value,
        "key": segment.key,
        "name": segment.name,
        "rgb": segment.rgb,
    }
