"""What clients send to generate, chat and embed, checked, and the jobs that it means."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, Strict

from puna.dialects.defaults import Defaults, Think
from puna.dialects.ollama.formats import constraint_of
from puna.dialects.ollama.messages import ChatMessage, ChatTool, Images, Object, Text, parts
from puna.dialects.options import Options
from puna.dialects.request_id import request_id
from puna.errors import BadRequest
from puna.jobs import (
    ChatJob,
    CompleteJob,
    Demand,
    EmbedJob,
    GenerateJob,
    Message,
)
from puna.models.template_signs import signs_of_go
from puna.units import read_duration

DIALECT = "ollama"
# In seconds, or as Go writes it; negative is for ever.
Duration = Annotated[float, Strict(), BeforeValidator(read_duration), Field(allow_inf_nan=False)]


class Asked(BaseModel):
    """What every request that needs a loaded model may say."""

    model: str = Field(min_length=1)
    options: Object = {}
    keep_alive: Duration | None = None

    @property
    def unloads(self) -> bool:
        """Whether it asks that the model go, provided that it asks for nothing else."""
        return self.keep_alive == 0

    def demand(self, options: Options) -> Demand:
        """How the model is to be loaded and kept."""
        return options.demand(self.keep_alive)


class Generating(Asked):
    """What requests for text have in common."""

    format: Literal["json", ""] | dict[str, Any] | None = None
    stream: bool | None = None
    think: Think = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    truncate: bool | None = None
    shift: bool | None = None
    debug_render_only: bool = Field(default=False, validation_alias="_debug_render_only")

    def common(self, options: Options) -> dict[str, Any]:
        """What its job has of all this, whatever kind of job it is."""
        return {
            "id": request_id(),
            "model": self.model,
            "sampling": options.sampling(),
            "constraint": constraint_of(self.format),
            "limits": options.limits(),
            "fit": options.fit(truncate=self.truncate is not False, shift=self.shift is not False),
            "logprobs": (self.top_logprobs or 0) if self.logprobs else None,
            "demand": self.demand(options),
            "dialect": DIALECT,
        }


class ChatRequest(Generating):
    """The body of `POST /api/chat`."""

    messages: Annotated[list[ChatMessage], BeforeValidator(lambda given: given or [])] = []
    tools: list[ChatTool] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to answer."""
        return not self.messages

    @property
    def image_count(self) -> int:
        """How many images it shows."""
        return sum(len(message.images) for message in self.messages)

    def job(self, defaults: Defaults, options: Options) -> ChatJob:
        """The job that is asked for."""
        defaults.require("completion", "chat")
        if self.tools:
            defaults.require("tools")
        if self.image_count:
            defaults.require("vision", "images")
        messages = tuple(message.message() for message in self.messages)
        return ChatJob(
            messages=defaults.conversation(messages),
            tools=tuple(tool.tool() for tool in self.tools or []),
            think=defaults.think(self.think),
            continue_last=_is_begun(messages),
            template=defaults.model.template,
            **self.common(options),
        )


class GenerateRequest(Generating):
    """The body of `POST /api/generate`."""

    prompt: Text = ""
    suffix: Text = ""
    system: Text = ""
    template: Text = ""
    raw: bool | None = None
    context: list[Annotated[int, Field(ge=0)]] | None = None
    images: Images = []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to go on with."""
        return not self.prompt

    @property
    def image_count(self) -> int:
        """How many images it shows."""
        return len(self.images)

    def job(self, defaults: Defaults, options: Options) -> GenerateJob:
        """The job that is asked for: a conversation of one turn, or a text to go on with."""
        if self.raw and (self.template or self.system or self.context):
            raise BadRequest("Raw mode does not support template, system, or context.")
        defaults.require("completion", "generate")
        if self.suffix:
            defaults.require("insert", "insert (a suffix)")
        if self.images:
            defaults.require("vision", "images")
        think = defaults.think(self.think)
        template = self.template or defaults.model.template
        if self.raw or (self.suffix and not signs_of_go(template).suffix):
            if self.context:
                raise BadRequest("This model's template takes a suffix without a context.")
            return self._completion(options)
        asked = Message("user", parts(self.prompt, self.images))
        own = () if self.context or self.suffix else defaults.model.messages
        return ChatJob(
            messages=(*defaults.system(self.system), *own, asked),
            think=think,
            template=template,
            before=tuple(self.context or ()),
            suffix=self.suffix or None,
            tell_prompt=True,
            **self.common(options),
        )

    def _completion(self, options: Options) -> CompleteJob:
        return CompleteJob(
            prompt=self.prompt,
            suffix=self.suffix or None,
            images=tuple(self.images),
            parse_special=bool(self.raw),
            tell_prompt=not self.raw,
            **self.common(options),
        )


class EmbedRequest(Asked):
    """The body of `POST /api/embed`."""

    input: str | list[str] | None = None
    truncate: bool | None = None
    dimensions: int | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The texts; an empty one alone is none."""
        if isinstance(self.input, str):
            return (self.input,) if self.input else ()
        return tuple(self.input or ())

    def job(self, options: Options) -> EmbedJob:
        """The job that is asked for."""
        return EmbedJob(
            id=request_id(),
            model=self.model,
            inputs=self.inputs,
            truncate=self.truncate is not False,
            context=options.context,
            dimensions=self.dimensions or None,
            demand=self.demand(options),
            dialect=DIALECT,
        )


class EmbeddingsRequest(Asked):
    """The body of `POST /api/embeddings`, the older form: one text, its vector as it comes."""

    prompt: Text = ""

    def job(self, options: Options) -> EmbedJob:
        """The job that is asked for."""
        return EmbedJob(
            id=request_id(),
            model=self.model,
            inputs=(self.prompt,),
            context=options.context,
            normalise=False,
            demand=self.demand(options),
            dialect=DIALECT,
        )


def _is_begun(messages: tuple[Message, ...]) -> bool:
    """Whether the last message is the beginning of the answer, which is to be gone on with."""
    return bool(messages) and messages[-1].role == "assistant" and not messages[-1].tool_calls
