"""The routes that generate: `/api/generate` and `/api/chat`."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from puna.dialects.answer import StreamedAnswer, WholeAnswer
from puna.dialects.defaults import find_defaults
from puna.dialects.ollama.errors import read
from puna.dialects.ollama.forms import ChatForm, Form, GenerateForm, loaded, rendered
from puna.dialects.ollama.requests import ChatRequest, GenerateRequest
from puna.dialects.ollama.telling import Streamed, Whole
from puna.dialects.scopes import scope
from puna.jobs import CompleteJob, GenerateJob
from puna.models.library import Library
from puna.protocol import Tokens
from puna.scheduling.scheduler import Scheduler


@dataclass(frozen=True)
class Generation:
    """What generates, for whoever asks."""

    library: Library
    scheduler: Scheduler

    def routes(self) -> list[Route]:
        """Where it is asked."""
        return [
            Route("/api/generate", self.generate, methods=["POST"]),
            Route("/api/chat", self.chat, methods=["POST"]),
        ]

    @scope("infer")
    async def generate(self, request: Request) -> Response:
        """Go on with a prompt; an empty one only loads the model, or lets it go."""
        asked = await read(request, GenerateRequest)
        return await self._answer(asked, GenerateForm(asked.model))

    @scope("infer")
    async def chat(self, request: Request) -> Response:
        """Answer a conversation; an empty one only loads the model, or lets it go."""
        asked = await read(request, ChatRequest)
        return await self._answer(asked, ChatForm(asked.model))

    async def _answer(self, asked: ChatRequest | GenerateRequest, form: Form) -> Response:
        defaults = await find_defaults(self.library, asked.model)
        if asked.is_empty and asked.unloads:
            await self.scheduler.unload(asked.model)
            return _object(loaded(form, "unload"))
        options = defaults.options(asked.options)
        job = asked.job(defaults, options)
        if asked.is_empty:
            await self.scheduler.load(asked.model, job.demand, job.fit.context or 0)
            return _object(loaded(form, "load", options.warnings))
        if asked.debug_render_only:
            prompt = _legible(job, await self.scheduler.render(job))
            return _object(rendered(form, prompt, asked.image_count))
        if asked.stream is False:
            whole = Whole(form, options.warnings)
            return WholeAnswer(self.scheduler.run(job, model=defaults.model), whole)
        return StreamedAnswer(
            lambda hear: self.scheduler.run(job, hear=hear, model=defaults.model),
            Streamed(form, options.warnings),
        )


def _legible(job: GenerateJob, prompt: Tokens) -> str:
    if isinstance(job, CompleteJob) and job.suffix is not None:
        # What is filled in between is marked by tokens alone, which no text has.
        return b"".join(prompt.pieces).decode(errors="replace")
    return prompt.text


def _object(body: bytes) -> Response:
    return Response(body, media_type="application/json; charset=utf-8")
