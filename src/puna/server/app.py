"""The application: puts the floors together, lives as long as the server does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from puna.builds.choosing import choose
from puna.builds.quantizing import quantize
from puna.builds.shelf import Shelf
from puna.configuration import Configuration
from puna.dialects.ollama.routes import routes as ollama_routes
from puna.dialects.puna.engines import routes as engine_routes
from puna.dialects.puna.placing import Placing
from puna.dialects.puna.routes import routes as puna_routes
from puna.errors import PunaError
from puna.hosts.host import Host
from puna.hosts.local import LocalHost
from puna.models.library import Library
from puna.models.revisions import Keeping
from puna.models.store import Store
from puna.scheduling.scheduler import Scheduler
from puna.server.access import Access
from puna.server.bounds import Bounds
from puna.server.guarding import Guard
from puna.server.journal import journal
from puna.server.refusing import refusal, unrouted
from puna.server.tidying import tidying
from puna.state.history import History


def create_app(configuration: Configuration, host: Host | None = None) -> Starlette:
    """The application with these settings; runners are started on this host."""
    settings = configuration.settings
    keeping = Keeping(settings.history_revisions, settings.history_days)
    library = Library(Store(settings.store, keeping))
    history = History(settings)
    shelf = Shelf(settings.home)
    engine = choose(shelf, settings.engine)
    host = host or LocalHost(journal, engine.path)
    scheduler = Scheduler(
        library,
        host,
        settings,
        remember=history.remember,
        emit=journal,
    )
    configuration.hearers.append(scheduler.heed)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with history, scheduler, tidying(library, scheduler, settings):
            yield

    app = Starlette(
        routes=[
            *ollama_routes(library, scheduler, partial(quantize, shelf=shelf, choice=engine)),
            *puna_routes(library, scheduler, history, configuration),
            *Placing(library, scheduler, host, configuration).routes(),
            *engine_routes(shelf, engine),
        ],
        # The first is the outermost.
        middleware=[
            Middleware(Access),
            Middleware(Guard, settings=settings),
            Middleware(Bounds, settings=settings),
        ],
        exception_handlers={HTTPException: _unrouted, PunaError: _refused},
        lifespan=lifespan,
    )
    app.state.close = scheduler.close
    app.state.engine = engine
    return app


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, PunaError)
    return refusal(error)


def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"error": unrouted(request, error.status_code)}
    return JSONResponse(body, error.status_code, error.headers)
