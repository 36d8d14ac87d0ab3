"""``/docs``: the API's description in a browser, with nothing from elsewhere."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from .page_headers import PAGE_HEADERS

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>gmmlabel: the HTTP service</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/swagger-ui/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/static/swagger-ui/swagger-ui-bundle.js"></script>
<script src="/static/docs.js"></script>
</body>
</html>
"""


@router.get("/docs", response_class=HTMLResponse)
async def page() -> HTMLResponse:
    """Show the routes, and let them be tried."""
    return HTMLResponse(_PAGE, headers=PAGE_HEADERS)
