"""``/healthz`` and ``/readyz``: for whatever watches the service."""

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from ..jobs import State
from ..problems import refusal
from ..service import Service, ServiceOf

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
    faults = [name for name, well in _checks(service).items() if not well]
    if faults:
        raise refusal("not-ready", f"not well: {', '.join(faults)}")
    return Health()


def _checks(service: Service) -> dict[str, bool]:
    return {
        "store": _store_answers(service),
        "disk": service.artefacts.free_bytes() >= service.settings.disk_floor,
        "workers": service.runner.alive,
    }


def _store_answers(service: Service) -> bool:
    try:
        service.store.count(State.QUEUED)
    except SQLAlchemyError:
        return False
    return True
