"""``/healthz``, ``/readyz`` and ``/metrics``: for whatever watches the service."""

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel

from ..problems import refusal
from ..service import ServiceOf

router = APIRouter(tags=["health"])

_OPEN_METRICS = "application/openmetrics-text"


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
def figures(request: Request, service: ServiceOf) -> Response:
    """Give the figures of the service, in a form of Prometheus."""
    # Not what was sent: a version that is no number would be an error of the library.
    asked = _OPEN_METRICS if _OPEN_METRICS in request.headers.get("accept", "") else ""
    encode, content_type = choose_encoder(asked)
    return Response(encode(service.metrics.registry), media_type=content_type)
