"""``/static``: scripts and styles of the pages, compressed once and sent again only when changed.

The framework would compress them for each browser anew, a quarter of a second for the largest, and
knows a change by the time of a file, which packages and images may set to one moment for all.
"""

import gzip
import hashlib
import mimetypes
import os
from dataclasses import dataclass
from pathlib import Path

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

mimetypes.add_type("text/javascript", ".js")  # on Windows it is what other programs have made it

_WORTH_IT = 0.9  # of the size; pictures get no smaller


class PageFiles(StaticFiles):
    """Files of a folder, kept in memory; a browser asks each time whether they are the same.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder)
        self._contents: dict[tuple[str, int, int], _Content] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, or that it is the one that the browser has."""
        found = await super().get_response(path, scope)
        if not isinstance(found, FileResponse) or found.stat_result is None:
            return found
        content = await self._content(str(found.path), found.stat_result)
        asked = Headers(scope=scope)
        headers = {"ETag": content.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if content.tag in asked.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if content.packed is None or "gzip" not in asked.get("accept-encoding", ""):
            return Response(content.plain, headers=headers, media_type=found.media_type)
        headers["Content-Encoding"] = "gzip"
        return Response(content.packed, headers=headers, media_type=found.media_type)

    async def _content(self, path: str, known: os.stat_result) -> "_Content":
        key = path, known.st_mtime_ns, known.st_size
        if key not in self._contents:
            self._contents[key] = await run_sync(_read, Path(path))
        return self._contents[key]


@dataclass(frozen=True)
class _Content:
    tag: str
    plain: bytes
    packed: bytes | None


def _read(path: Path) -> _Content:
    plain = path.read_bytes()
    packed = gzip.compress(plain, 6)
    return _Content(
        # Weak: it is that of both forms.
        tag=f'W/"{hashlib.sha256(plain).hexdigest()[:32]}"',
        plain=plain,
        packed=packed if len(packed) < _WORTH_IT * len(plain) else None,
    )
