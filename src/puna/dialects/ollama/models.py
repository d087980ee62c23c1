"""The routes about models: which there are, which are loaded, and what becomes of them."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from pydantic import AliasChoices, BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from puna.dialects.answer import StreamedAnswer, WholeAnswer
from puna.dialects.ollama.creating import CreateBody, LastStatus, StreamedStatus, created
from puna.dialects.ollama.errors import read
from puna.dialects.ollama.listing import listed, running
from puna.dialects.ollama.showing import ShowRequest, shown
from puna.dialects.scopes import scope
from puna.models.library import Library
from puna.models.quantizing import Quantizer
from puna.scheduling.scheduler import Scheduler


class CopyRequest(BaseModel):
    """The body of `POST /api/copy`."""

    source: str = Field(min_length=1)
    destination: str = Field(min_length=1)


class DeleteRequest(BaseModel):
    """The body of `DELETE /api/delete`."""

    model: Annotated[str, Field(min_length=1, validation_alias=AliasChoices("model", "name"))]


@dataclass(frozen=True)
class Models:
    """The models, for whoever asks about them."""

    library: Library
    scheduler: Scheduler
    quantizer: Quantizer

    def routes(self) -> list[Route]:
        """Where one asks."""
        return [
            Route("/api/tags", self.tags),
            Route("/api/ps", self.ps),
            Route("/api/show", self.show, methods=["POST"]),
            Route("/api/create", self.create, methods=["POST"]),
            Route("/api/copy", self.copy, methods=["POST"]),
            Route("/api/delete", self.delete, methods=["DELETE"]),
        ]

    @scope("infer")
    async def tags(self, _: Request) -> Response:
        """Every model, the latest first."""
        models = await asyncio.to_thread(self.library.all)
        return _object({"models": [listed(model) for model in models]})

    @scope("infer")
    async def ps(self, _: Request) -> Response:
        """Every model that is loaded, the one that stays longest first."""
        found = [running(resident) for resident in self.scheduler.residents]
        found.sort(key=lambda one: one.expires_at, reverse=True)
        return _object({"models": found})

    @scope("infer")
    async def show(self, request: Request) -> Response:
        """Everything that is known of one model."""
        asked = await read(request, ShowRequest)
        return _object(await asyncio.to_thread(shown, self.library, asked))

    @scope("manage")
    async def create(self, request: Request) -> Response:
        """Make a model of another one, or of files that were uploaded."""
        asked = await read(request, CreateBody)
        news = created(self.library, asked.request(), self.quantizer)
        if asked.stream is False:
            return WholeAnswer(news, LastStatus())
        return StreamedAnswer(lambda _: news, StreamedStatus())

    @scope("manage")
    async def copy(self, request: Request) -> Response:
        """Give a model a second name."""
        asked = await read(request, CopyRequest)
        await asyncio.to_thread(self.library.copy, asked.source, asked.destination)
        return Response()

    @scope("manage")
    async def delete(self, request: Request) -> Response:
        """Forget a model's name."""
        asked = await read(request, DeleteRequest)
        await asyncio.to_thread(self.library.remove, asked.model)
        return Response()


def _object(answer: Any) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json; charset=utf-8")
