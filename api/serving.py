"""``gmmlabel serve``: the application on uvicorn."""

from collections.abc import Mapping
from typing import Any

import uvicorn

from .app import create_app
from .settings import SettingsError, read_settings

_STOP_AFTER = 5


def serve(options: Mapping[str, Any]) -> None:
    """Serve until a signal ends it.

    Parameters
    ----------
    options
        Settings by name, which win over the environment.

    Raises
    ------
    SettingsError
        If a setting cannot be.
    """
    settings = read_settings(options)
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{settings.data}: cannot be made ({error.strerror}); set another GMMLABEL_DATA"
        ) from error
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        # Requests that wait have this long to end; their jobs wait for the next start.
        timeout_graceful_shutdown=_STOP_AFTER,
    )
