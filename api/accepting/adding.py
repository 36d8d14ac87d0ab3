"""What all requests for a job have in common: who sends them, and how they become one."""

from dataclasses import dataclass
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Header

from ..jobs import Job, State, Wanted
from ..problems import ProblemError, refusal
from ..service import Client, Service, ServiceOf
from ..storage.database import OUTAGES
from ..storage.store import KeyReusedError, NameTakenError, QueueFullError

_RETRY_AFTER = {"Retry-After": "10"}


@dataclass(frozen=True)
class Sender:
    """Who sends a request.

    Parameters
    ----------
    client
        Whose the job will be.
    idempotency_key
        What the client calls this request, so that it can repeat it.
    """

    client: str
    idempotency_key: str | None


def _sender(
    client: Client,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="Makes sending the request again safe"),
    ] = None,
) -> Sender:
    return Sender(client, idempotency_key)


SenderOf = Annotated[Sender, Depends(_sender)]


async def _check_queue(service: ServiceOf) -> None:
    """Refuse a request, before anything else of it is read, if too many jobs are waiting."""
    if await run_sync(service.store.count, State.QUEUED) >= service.settings.queue_limit:
        raise _queue_full()


IF_THERE_IS_ROOM = Depends(_check_queue)
"""For routes that make jobs: refuses first of all what the queue has no room for."""


def add_job(service: Service, sender: Sender, upload_id: str, wanted: Wanted) -> Job:
    """Make a job of what came in, or find the one that does the same.

    Parameters
    ----------
    service
        Where the job goes.
    sender
        Whose it is.
    upload_id
        Under which its upload lies among those that come in; becomes the job's id.
    wanted
        What it is to do.

    Raises
    ------
    ProblemError
        If it is refused.
    """
    # Its files first: a job that is accepted has all that it needs.
    service.artefacts.keep(upload_id, wanted.upload)
    kept = False
    try:
        job, kept = service.store.add(
            upload_id,
            wanted,
            client=sender.client,
            queue_limit=service.settings.queue_limit,
            idempotency_key=sender.idempotency_key,
        )
    except QueueFullError as error:
        raise _queue_full() from error
    except KeyReusedError as error:
        raise refusal("key-reused", "use a new Idempotency-Key for each request") from error
    except NameTakenError as error:
        raise name_taken(str(wanted.makes)) from error
    except OUTAGES:
        kept = True  # it may have been accepted; if not, a sweep removes its files
        raise
    finally:
        if not kept:
            service.artefacts.drop(upload_id)
    return job


def name_taken(name: str) -> ProblemError:
    """Make what is answered to a request for a model that there is."""
    return refusal("model-exists", f"{name}: a model is called so; choose a new name")


def _queue_full() -> ProblemError:
    return refusal("queue-full", "send it again later", _RETRY_AFTER)
