"""Ollama's API, put together: who it says it is, and its rooms."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from puna.dialects.ollama.blobs import Blobs
from puna.dialects.ollama.embeddings import Embeddings
from puna.dialects.ollama.generation import Generation
from puna.dialects.ollama.models import Models
from puna.dialects.scopes import scope
from puna.models.library import Library
from puna.models.quantizing import Quantizer
from puna.scheduling.scheduler import Scheduler

# The release of Ollama whose API this is: clients ask before they use what is new in it.
API_VERSION = "0.13.0"


def routes(library: Library, scheduler: Scheduler, quantizer: Quantizer) -> list[Route]:
    """The routes, served by these."""
    return [
        Route("/", _root),
        Route("/api/version", _version),
        *Generation(library, scheduler).routes(),
        *Embeddings(library, scheduler).routes(),
        *Models(library, scheduler, quantizer).routes(),
        *Blobs(library).routes(),
    ]


@scope("infer")
async def _root(_: Request) -> Response:
    return PlainTextResponse("Ollama is running")


@scope("infer")
async def _version(_: Request) -> Response:
    return JSONResponse({"version": API_VERSION})
