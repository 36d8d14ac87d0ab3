"""``/healthz``, ``/readyz`` and ``/metrics``: for whatever watches the service."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel

from ..problems import refusal
from ..service import ServiceOf

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """That the service is well."""

    status: str = "ok"


@router.get("/healthz")
async def alive() -> Health:
    """Answer as long as the server does."""
    return Health()


@router.get("/readyz")
def ready(service: ServiceOf) -> Health:
    """Tell whether volumes can be accepted and worked on."""
    faults = [name for name, well in service.standing.checks().items() if not well]
    if faults:
        raise refusal("not-ready", f"not well: {', '.join(faults)}")
    return Health()


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Figures", "content": {"text/plain": {}}}},
)
def figures(service: ServiceOf, accept: Annotated[str, Header()] = "") -> Response:
    """Give the figures of the service, in a form of Prometheus."""
    encode, content_type = choose_encoder(accept)
    return Response(encode(service.metrics.registry), media_type=content_type)
