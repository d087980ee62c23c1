"""The application: puts the floors together, lives as long as the server does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from puna import __version__
from puna.configuration import Configuration
from puna.dialects.ollama.routes import router as ollama_router
from puna.dialects.puna.routes import router as puna_router
from puna.errors import BadRequest, PunaError
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


def create_app(configuration: Configuration, host: Host | None = None) -> FastAPI:
    """The application with these settings; runners are started on this host."""
    settings = configuration.settings
    keeping = Keeping(settings.history_revisions, settings.history_days)
    library = Library(Store(settings.store, keeping))
    history = History(settings)
    scheduler = Scheduler(
        library,
        host or LocalHost(journal, settings.engine),
        settings,
        remember=history.remember,
        emit=journal,
    )
    configuration.hearers.append(scheduler.heed)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with history, scheduler, tidying(library, scheduler, settings):
            yield

    # Pages of its own would fetch scripts from elsewhere, and a scheme of its own nobody asks for.
    app = FastAPI(
        title="Puna", version=__version__, lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url=None,
    )  # fmt: skip
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(PunaError, _refused)
    app.include_router(ollama_router(library, scheduler))
    app.include_router(puna_router(library, scheduler, history, configuration))
    app.state.close = scheduler.close
    # The last is the outermost.
    app.add_middleware(Bounds, settings=settings)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Access)
    return app


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, PunaError)
    return refusal(error)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    return refusal(BadRequest(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}."))


def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"error": unrouted(request, error.status_code)}
    return JSONResponse(body, error.status_code, error.headers)
