"""HTML pages from the templates of the package: strict, escaped, numbers written one way."""

from functools import cache
from typing import Any

import jinja2

_MISSING = "\u2013"


def render_page(template: str, **content: Any) -> str:
    """Make a page of a template.

    Parameters
    ----------
    template
        Name of a file in ``gmmlabel/pages/templates``.
    **content
        What the template speaks of; a name that it lacks is an error.

    Returns
    -------
    str
        The page. Every text in it is escaped; what UTF-8 cannot hold is a question mark.
    """
    page = _environment().get_template(template).render(**content)
    return page.encode("utf-8", "replace").decode("utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gmmlabel.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["words"] = _words
    return environment


def _number(value: float | None, digits: int = 0) -> str:
    """Write a number with a true minus sign, and a dash for one that is not known."""
    if value is None:
        return _MISSING
    text = f"{value:,.{digits}f}".replace("-", "\u2212")
    return text.lstrip("\u2212") if float(f"{value:.{digits}f}") == 0 else text


def _words(key: str) -> str:
    """Write a key of a document as words."""
    return key.replace("_", " ").capitalize()
