"""What a client does, step by step, without saying how.

A `Flow` is a generator: it yields what is to be done, and is sent what came of it or thrown what
went wrong. So each conversation with a service is written once, and `gmmlabel.client.Client` and
`gmmlabel.client.AsyncClient` only do the steps, each in its way.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from gmmlabel.client.requests import Request

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """Send a request; gives the answer as a `httpx.Response`, or `httpx.TransportError`.

    Parameters
    ----------
    request
        The request.
    file
        Takes the body of an answer of status 200, from its beginning.
    hear
        Is given each line of the body of an answer of status 200 as it comes, and ends it by True.
    """

    request: Request
    file: BinaryIO | None = None
    hear: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Pause:
    """Wait some seconds."""

    seconds: float


@dataclass(frozen=True)
class Do:
    """Do what takes long and is of this machine only; gives what it gives."""

    action: Callable[[], Any]


Step = Send | Pause | Do
Flow = Generator[Step, Any, T]
