"""The application: its parts put together, and taken apart at the end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from multiprocessing.connection import Connection

from anyio.to_thread import run_sync
from fastapi import FastAPI

from .artefacts import Artefacts
from .database import Database
from .order import Order
from .problems import PROBLEM_RESPONSES, install
from .routes import health, jobs, label, models
from .runner import Runner
from .service import Service
from .settings import Settings
from .store import Store
from .watching import Watcher
from .work import work


def create_app(settings: Settings, target: Callable[[Order, Connection], None] = work) -> FastAPI:
    """Make the application; it works while its lifespan lasts.

    Parameters
    ----------
    settings
        All that can be set.
    target
        What a worker does, see `Runner`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        artefacts = Artefacts(settings.data)  # first: the job store may be in that folder
        database = Database(settings.database_url)
        store = Store(database)
        runner = Runner(store, artefacts, settings, target)
        app.state.service = Service(settings, store, artefacts, runner, Watcher(store))
        runner.start()
        yield
        await run_sync(runner.stop)
        database.close()

    app = FastAPI(
        title="gmmlabel",
        summary="Label the lung tissue of a chest CT. For research, not for diagnosis.",
        version=version("gmmlabel"),
        lifespan=lifespan,
        responses=PROBLEM_RESPONSES,
    )
    install(app)
    for module in (label, jobs, models, health):
        app.include_router(module.router)
    return app
