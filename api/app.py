"""The application: its parts put together, and taken apart at the end."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

from anyio.to_thread import run_sync
from fastapi import FastAPI, Security

from .cluster.workers import ClusterWorkers
from .metrics import Metrics
from .middleware.access import BEARER, COOKIE, Access
from .middleware.auditing import Audit
from .middleware.guarding import Guard, SafeHeaders
from .middleware.measuring import Measure
from .middleware.outages import Outages
from .problems import PROBLEM_RESPONSES, install
from .routes import docs, health, jobs, label, models, page, sample, session
from .routes.page_files import PageFiles
from .service import Service
from .settings import Settings
from .standing import Standing
from .storage.artefacts import Artefacts
from .storage.database import Database
from .storage.sessions import Sessions
from .storage.store import Store
from .storage.tokens import Tokens
from .watching import Watcher
from .working.order import Order
from .working.processes import LocalProcesses
from .working.runner import Runner
from .working.work import work
from .working.workers import Workers

_log = logging.getLogger(__name__)
_STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings, target: Callable[[Order, Connection], None] = work) -> FastAPI:
    """Make the application; it works while its lifespan lasts.

    Parameters
    ----------
    settings
        All that can be set.
    target
        What a worker does; can be imported by its name.

    Raises
    ------
    GmmlabelError
        If there is to be a cluster that cannot do the work.
    """
    metrics = Metrics(version("gmmlabel"))
    workers: Workers = (
        ClusterWorkers(settings.scheduler, settings, target)
        if settings.scheduler
        else LocalProcesses(settings, target)
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            artefacts = Artefacts(settings.data)  # first: the job store may be in that folder
            database = Database(settings.database_url)
            store, tokens = Store(database), Tokens(database)
            runner = Runner(store, artefacts, settings, workers, metrics)
            standing = Standing(settings, store, artefacts, runner)
            metrics.registry.register(standing)
            app.state.service = Service(
                settings,
                store,
                artefacts,
                runner,
                Watcher(store),
                tokens,
                Sessions(settings.data, tokens),
                metrics,
                standing,
            )
            runner.start()
        except Exception:  # the framework would log its text, but not where it was
            _log.exception("the service cannot start")
            workers.close()
            raise
        yield
        await run_sync(runner.stop)
        metrics.registry.unregister(standing)
        database.close()

    app = FastAPI(
        title="gmmlabel",
        summary="Label the lung tissue of a chest CT. For research, not for diagnosis.",
        version=version("gmmlabel"),
        lifespan=lifespan,
        responses=PROBLEM_RESPONSES,
        docs_url=None,  # those of the framework load their scripts from elsewhere
        redoc_url=None,
    )
    install(app)
    for module in (label, jobs, models):
        app.include_router(module.router, dependencies=[Security(BEARER), Security(COOKIE)])
    app.include_router(session.router)
    for module in (health, docs, page, sample):
        app.include_router(module.router)
    app.mount("/static", PageFiles(_STATIC))
    # A request passes the last first.
    app.add_middleware(Access, settings=settings)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Outages)
    app.add_middleware(Audit)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Measure, metrics=metrics)
    return app
