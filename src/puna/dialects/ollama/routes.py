"""Ollama's API, put together: who it says it is, and its rooms."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from puna.dialects.ollama.blobs import Blobs
from puna.dialects.ollama.embeddings import Embeddings
from puna.dialects.ollama.errors import OllamaRoute
from puna.dialects.ollama.generation import Generation
from puna.dialects.ollama.models import Models
from puna.dialects.scopes import scope
from puna.models.library import Library
from puna.scheduling.scheduler import Scheduler

# The release of Ollama whose API this is: clients ask before they use what is new in it.
API_VERSION = "0.13.0"


def router(library: Library, scheduler: Scheduler) -> APIRouter:
    """The routes, served by these two."""
    routes = APIRouter(route_class=OllamaRoute)

    @routes.api_route("/", methods=["GET", "HEAD"], response_class=PlainTextResponse)
    @scope("infer")
    async def root() -> str:
        return "Ollama is running"

    @routes.api_route("/api/version", methods=["GET", "HEAD"])
    @scope("infer")
    async def version() -> dict[str, str]:
        return {"version": API_VERSION}

    Generation(library, scheduler).mount(routes)
    Embeddings(library, scheduler).mount(routes)
    Models(library, scheduler).mount(routes)
    Blobs(library).mount(routes)
    return routes
