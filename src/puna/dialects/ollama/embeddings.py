"""The routes that embed: `/api/embed`, and `/api/embeddings` as it was before."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from puna.deltas import Delta, DoneDelta, Usage, VectorsDelta
from puna.dialects.answer import WholeAnswer
from puna.dialects.defaults import find_defaults
from puna.dialects.ollama.errors import error_body, error_status, read
from puna.dialects.ollama.lines import nanoseconds
from puna.dialects.ollama.requests import EmbeddingsRequest, EmbedRequest
from puna.dialects.scopes import scope
from puna.errors import ErrorReport
from puna.models.library import Library
from puna.scheduling.scheduler import Scheduler

Vectors = list[list[float]]


class Embedded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `/api/embed`; without figures where there was nothing to embed."""

    model: str
    embeddings: Vectors
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    warnings: tuple[str, ...] = ()


class Embedding(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `/api/embeddings`."""

    embedding: list[float]
    warnings: tuple[str, ...] = ()


class Telling:
    """One object, once all vectors are there."""

    media_type = "application/json; charset=utf-8"

    def __init__(self, told: Callable[[Vectors, Usage], msgspec.Struct]) -> None:
        self._told = told
        self._vectors: Vectors = []

    def render(self, batch: list[Delta]) -> bytes:
        """Nothing, until everything is there."""
        for delta in batch:
            if isinstance(delta, VectorsDelta):
                numbers, width = array("f", delta.data), delta.width
                rows = range(0, len(numbers), width)
                self._vectors += (numbers[row : row + width].tolist() for row in rows)
            elif isinstance(delta, DoneDelta):
                return msgspec.json.encode(self._told(self._vectors, delta.usage))
        return b""

    def error(self, report: ErrorReport) -> bytes:
        """The error as an object."""
        return error_body(report)

    def status(self, report: ErrorReport) -> int:
        """The status code for an error."""
        return error_status(report)


@dataclass(frozen=True)
class Embeddings:
    """What embeds, for whoever asks."""

    library: Library
    scheduler: Scheduler

    def routes(self) -> list[Route]:
        """Where it is asked."""
        return [
            Route("/api/embed", self.embed, methods=["POST"]),
            Route("/api/embeddings", self.embeddings, methods=["POST"]),
        ]

    @scope("infer")
    async def embed(self, request: Request) -> Response:
        """One vector for each input, of length 1; no input only loads the model."""
        asked = await read(request, EmbedRequest)
        defaults = await find_defaults(self.library, asked.model)
        options = defaults.options(asked.options)
        job = asked.job(options)
        if not job.inputs:
            await self.scheduler.load(asked.model, job.demand, job.context or 0)
            return _object(Embedded(asked.model, [], warnings=options.warnings))

        def told(vectors: Vectors, usage: Usage) -> Embedded:
            return Embedded(
                asked.model,
                vectors,
                nanoseconds(usage.total_seconds),
                nanoseconds(usage.load_seconds),
                usage.prompt_tokens,
                options.warnings,
            )

        return WholeAnswer(self.scheduler.run(job, model=defaults.model), Telling(told))

    @scope("infer")
    async def embeddings(self, request: Request) -> Response:
        """The vector of one prompt as the model has it; no prompt only loads the model."""
        asked = await read(request, EmbeddingsRequest)
        defaults = await find_defaults(self.library, asked.model)
        options = defaults.options(asked.options)
        job = asked.job(options)
        if not asked.prompt:
            await self.scheduler.load(asked.model, job.demand, job.context or 0)
            return _object(Embedding([], options.warnings))

        def told(vectors: Vectors, _: Usage) -> Embedding:
            return Embedding(vectors[0], options.warnings)

        return WholeAnswer(self.scheduler.run(job, model=defaults.model), Telling(told))


def _object(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type=Telling.media_type)
