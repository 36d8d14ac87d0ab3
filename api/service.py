"""What every route needs: the parts of the running service, and whose request it is."""

from dataclasses import dataclass
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Path, Request

from .jobs import Job
from .metrics import Metrics
from .problems import ProblemError, refusal
from .settings import Settings
from .standing import Standing
from .storage.artefacts import JOB_ID, Artefacts
from .storage.sessions import Sessions
from .storage.store import Store
from .storage.tokens import Token, Tokens
from .watching import Watcher
from .working.runner import Runner


@dataclass(frozen=True)
class Service:
    """The parts of the running service."""

    settings: Settings
    store: Store
    artefacts: Artefacts
    runner: Runner
    watcher: Watcher
    tokens: Tokens
    sessions: Sessions
    metrics: Metrics
    standing: Standing


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _token(request: Request) -> Token | None:
    """Tell by which token a request is made; None where none is needed."""
    token: Token | None = getattr(request.state, "token", None)
    return token


ServiceOf = Annotated[Service, Depends(_service)]
TokenOf = Annotated[Token | None, Depends(_token)]


def _client(token: TokenOf) -> str:
    """Tell whose request it is: that of a token; where none is needed all are of one client."""
    return token.id if token else ""


Client = Annotated[str, Depends(_client)]
JobId = Annotated[str, Path(pattern=f"^{JOB_ID.pattern}$", description="Id of a job")]


async def _job(job_id: JobId, service: ServiceOf, client: Client) -> Job:
    job = await run_sync(service.store.get, job_id, client)
    if job is None:
        raise no_such_job(job_id)
    return job


JobOf = Annotated[Job, Depends(_job)]


def no_such_job(job_id: str) -> ProblemError:
    """Make what is answered for the id of no job, or of another client's."""
    return refusal("no-such-job", f"{job_id}: there is none, or it has been removed")
