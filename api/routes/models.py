"""``/v1/models``: what volumes can be labelled with."""

from fastapi import APIRouter

from gmmlabel.model_files import ModelAtHand, models_at_hand
from gmmlabel.model_schema import tissue_entries

from ..problems import refusal
from ..views import ModelList, ModelView

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
def index() -> ModelList:
    """List the models."""
    return ModelList(models=[_view(model) for model in models_at_hand()[0]])


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
