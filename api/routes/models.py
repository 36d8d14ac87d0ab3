"""``/v1/models``: what volumes can be labelled with, and making more of it."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gmmlabel.model_files import ModelAtHand, models_at_hand
from gmmlabel.model_schema import tissue_entries

from ..accepting.adding import IF_THERE_IS_ROOM, SenderOf
from ..accepting.refits import RefitRequest, accept_refit
from ..problems import refusal
from ..service import ServiceOf
from ..views import JobView, ModelList, ModelView, accepted

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
def index() -> ModelList:
    """List the models."""
    return ModelList(models=[_view(model) for model in models_at_hand()[0]])


def _schema() -> dict[str, Any]:
    """Describe the body by itself: its own definitions lie where no reference finds them."""
    schema = RefitRequest.model_json_schema()
    defined = schema.pop("$defs", {})
    for field in schema["properties"].values():
        if "$ref" in field:
            field.update(defined[field.pop("$ref").rpartition("/")[2]])
    return schema


_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _schema()}}}}


@router.post(
    "", status_code=202, response_model=JobView, openapi_extra=_BODY,
    dependencies=[IF_THERE_IS_ROOM],
)  # fmt: skip
async def create(request: Request, service: ServiceOf, sender: SenderOf) -> Response:
    """Fit a new model to the lungs of jobs and to histograms."""
    return accepted(await accept_refit(request, service, sender))


@router.get("/{name}")
def show(name: str) -> ModelView:
    """Tell what a model is."""
    for model in models_at_hand()[0]:
        if model.mixture.name == name:
            return _view(model)
    raise refusal("no-such-model", f"{name}: there is none; /v1/models lists all")


def _view(model: ModelAtHand) -> ModelView:
    mixture = model.mixture
    return ModelView(
        name=mixture.name,
        sha256=mixture.sha256,
        place=model.place,
        boundaries_hu=list(mixture.boundaries()),
        tissues=tissue_entries(mixture),
        doubts=list(mixture.doubts),
    )
