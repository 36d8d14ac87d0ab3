"""What is wrong with a JSON file that came from outside, in one line."""

from pydantic import ValidationError


def first_fault(error: ValidationError) -> str:
    """Say where the first fault of a document is, and what it is."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    detail = f"{place}: {first['msg']}" if place else first["msg"]
    return " ".join(detail.split())
