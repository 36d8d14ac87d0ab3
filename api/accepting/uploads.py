"""An upload on its way to disk: hashed and limited while it streams, kept whole or not at all."""

import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path

import anyio
from anyio.to_thread import run_sync
from fastapi import Request
from pydantic import ByteSize
from starlette.requests import ClientDisconnect

from ..problems import refusal
from ..settings import Settings
from ..storage.artefacts import Artefacts
from .multipart import FIELD, boundary_of, file_of
from .sniffing import HEAD_BYTES, suffix_of

_BINARY = {"type": "string", "format": "binary"}
VOLUME_BODY = {
    "requestBody": {
        "required": True,
        "description": "A volume; what it is called, and said to be, means nothing.",
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _BINARY}}
            },
        },
    }
}
"""What the API's description says of the body of a request with a volume."""

_BLOCK = 1 << 20
_LOOK_AT_DISK = 64 << 20


@dataclass(frozen=True)
class Upload:
    """An upload that is whole.

    Parameters
    ----------
    job_id
        Id of the job that it may become, and of its folder among those that come in.
    sha256
        Its hash.
    suffix
        Its format.
    """

    job_id: str
    sha256: str
    suffix: str


@asynccontextmanager
async def received(
    request: Request, settings: Settings, artefacts: Artefacts
) -> AsyncIterator[Upload]:
    """Receive the volume of a request; what has not been kept at the end is removed.

    Parameters
    ----------
    request
        Its body is the volume, or multipart with the volume in a field.
    settings
        The limits.
    artefacts
        Where the upload goes, and from where `Artefacts.keep` takes it.

    Yields
    ------
    Upload
        The upload.

    Raises
    ------
    ProblemError
        If it is too large, stops, is damaged or of no known format, or the disk is full.
    """
    _check_room(request, settings, artefacts)
    boundary = boundary_of(request.headers.get("content-type", ""))
    job_id = secrets.token_hex(16)
    path = artefacts.begin(job_id)
    try:
        body = body_of(request, settings, settings.upload_limit)
        pieces = file_of(body, boundary) if boundary else body
        yield await _write(job_id, pieces, path, settings, artefacts)
    finally:
        # A folder that was kept is elsewhere.
        with anyio.CancelScope(shield=True):
            await run_sync(artefacts.drop_incoming, job_id)


def _check_room(request: Request, settings: Settings, artefacts: Artefacts) -> None:
    """Refuse, before a byte is read, what is known to be too much."""
    stated = int(request.headers.get("content-length", 0))
    if stated > settings.upload_limit:
        raise _too_large(settings.upload_limit)
    _check_disk(stated, settings, artefacts)


def _check_disk(needed: int, settings: Settings, artefacts: Artefacts) -> None:
    if artefacts.free_bytes() - needed < settings.disk_floor:
        raise refusal("disk-full", "the disk of the service is nearly full; try again later")


async def body_of(request: Request, settings: Settings, limit: ByteSize) -> AsyncIterator[bytes]:
    """Give the body of a request as it comes, but wait for ever neither for a part nor for all.

    Raises
    ------
    ProblemError
        If it is larger than `limit`, stops, or takes too long.
    """
    stream, total = request.stream().__aiter__(), 0
    until = anyio.current_time() + settings.upload_seconds
    while True:
        left = until - anyio.current_time()
        if left <= 0:  # what is there already is given without waiting
            raise _too_slow(settings, silent=False)
        try:
            with anyio.fail_after(min(settings.upload_pause, left)):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise _too_slow(settings, silent=left > settings.upload_pause) from error
        except ClientDisconnect as error:  # nobody is there to read it
            raise refusal("bad-request", "the upload broke off; send it again") from error
        total += len(chunk)
        if total > limit:
            raise _too_large(limit)
        yield chunk


async def _write(
    job_id: str,
    pieces: AsyncIterator[bytes],
    path: Path,
    settings: Settings,
    artefacts: Artefacts,
) -> Upload:
    digest, head, written, looked = hashlib.sha256(), b"", 0, 0
    try:
        with path.open("xb", buffering=0) as file:
            async for block in _blocks(pieces):
                if not head:
                    head = block[:HEAD_BYTES]
                    _suffix(head)  # refuse it now, not after gigabytes
                if written - looked >= _LOOK_AT_DISK:
                    _check_disk(0, settings, artefacts)
                    looked = written
                await run_sync(_take, file.fileno(), digest, block)
                written += len(block)
            await run_sync(os.fsync, file.fileno())
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT):
            raise
        raise refusal("disk-full", "the disk of the service is full; try again later") from error
    if not written:
        raise refusal("bad-request", "the body is empty; send a volume")
    return Upload(job_id, digest.hexdigest(), _suffix(head))


async def _blocks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join pieces, so that each is worth a change of threads."""
    joined = bytearray()
    async for piece in pieces:
        joined += piece
        if len(joined) >= _BLOCK:
            yield bytes(joined)
            joined.clear()
    if joined:
        yield bytes(joined)


def _take(file: int, digest: "hashlib._Hash", block: bytes) -> None:
    digest.update(block)
    view = memoryview(block)
    while view:
        view = view[os.write(file, view) :]


def _suffix(head: bytes) -> str:
    suffix = suffix_of(head)
    if suffix is None:
        raise refusal(
            "unknown-format",
            "neither NRRD, NIfTI, MetaImage nor a .zip of a DICOM series; send one of these",
        )
    return suffix


def _too_slow(settings: Settings, *, silent: bool) -> Exception:
    detail = (
        f"nothing came for {settings.upload_pause:g} s; send it again"
        if silent
        else f"it took more than {settings.upload_seconds:g} s; send it by a faster connection"
    )
    return refusal("upload-stalled", detail, {"Connection": "close"})


def _too_large(limit: ByteSize) -> Exception:
    most = limit.human_readable()
    return refusal("upload-too-large", f"more than {most}; send less", {"Connection": "close"})
