"""The application: puts the floors together, lives as long as the server does."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from puna import __version__
from puna.dialects.ollama.routes import router as ollama_router
from puna.hosts.host import Host, LocalHost
from puna.models.library import Library
from puna.scheduling.scheduler import Scheduler
from puna.server.journal import journal
from puna.settings import Settings


def create_app(settings: Settings, host: Host | None = None) -> FastAPI:
    """The application with these settings; runners are started on this host."""
    library = Library()
    scheduler = Scheduler(library, host or LocalHost(journal, settings.engine), settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with scheduler:
            yield

    # Its own pages would fetch scripts from elsewhere, so there are none.
    app = FastAPI(
        title="Puna", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.include_router(ollama_router(library, scheduler))
    return app
