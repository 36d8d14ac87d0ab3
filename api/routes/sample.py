"""``/sample.nrrd``: a CT to try the service with, that of ``gmmlabel demo``."""

from importlib.resources import as_file, files

from fastapi import APIRouter
from fastapi.responses import FileResponse

router = APIRouter(tags=["sample"])


@router.get("/sample.nrrd", response_class=FileResponse)
def sample() -> FileResponse:
    """Send the CTChest scan of 3D Slicer at a quarter of its resolution."""
    with as_file(files("slicerio").joinpath("data", "CTChest4.nrrd")) as path:
        return FileResponse(path, media_type="application/octet-stream", filename="sample.nrrd")
