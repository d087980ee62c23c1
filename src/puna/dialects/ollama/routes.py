"""The routes of Ollama's API."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError

from puna.dialects.answer import StreamedAnswer, WholeAnswer
from puna.dialects.ollama.chat import StreamedChat, WholeChat
from puna.dialects.ollama.errors import error_body, error_status
from puna.dialects.ollama.requests import ChatRequest
from puna.errors import BadRequest, PunaError
from puna.models.library import Library, Model
from puna.scheduling.scheduler import Resident, Scheduler

# The release of Ollama whose API this is: clients ask before they use what is new in it.
API_VERSION = "0.13.0"
# Ollama's way to say that a model stays until it is told to go.
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class OllamaRoute(APIRoute):
    """A route whose errors have Ollama's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors caught around it."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except PunaError as error:
                return _refusal(error)
            except ValidationError as error:
                return _refusal(BadRequest(_first_fault(error)))

        return guarded


def router(library: Library, scheduler: Scheduler) -> APIRouter:
    """The routes, served by these two."""
    routes = APIRouter(route_class=OllamaRoute)

    @routes.api_route("/", methods=["GET", "HEAD"], response_class=PlainTextResponse)
    async def root() -> str:
        return "Ollama is running"

    @routes.api_route("/api/version", methods=["GET", "HEAD"])
    async def version() -> dict[str, str]:
        return {"version": API_VERSION}

    @routes.api_route("/api/tags", methods=["GET", "HEAD"])
    async def tags() -> dict[str, Any]:
        return {"models": [_listed(model) for model in library.all()]}

    @routes.get("/api/ps")
    async def running() -> dict[str, Any]:
        return {"models": [_running(resident) for resident in scheduler.residents]}

    @routes.post("/api/chat")
    async def chat(request: Request) -> Response:
        # Many clients, curl among them, post JSON without saying so: the type is not asked for.
        asked = ChatRequest.model_validate_json(await request.body())
        job = asked.job()
        deltas = scheduler.run(job)
        if asked.stream is False:
            return WholeAnswer(deltas, WholeChat(asked.model))
        return StreamedAnswer(deltas, StreamedChat(asked.model))

    return routes


def _listed(model: Model) -> dict[str, Any]:
    return {
        "name": str(model.name),
        "model": str(model.name),
        "modified_at": model.modified,
        "size": model.size,
        "digest": model.digest,
        "details": {"parent_model": "", "format": "gguf"},
    }


def _running(resident: Resident) -> dict[str, Any]:
    facts = resident.runner.facts
    assert facts is not None, "a resident is loaded"
    return _listed(resident.model) | {
        "size": facts.bytes,
        "size_vram": 0,
        "context_length": facts.context,
        "expires_at": NEVER,
    }


def _refusal(error: PunaError) -> Response:
    report = error.report()
    return Response(error_body(report), error_status(report), media_type="application/json")


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where or 'The body'}: {fault['msg']}."
