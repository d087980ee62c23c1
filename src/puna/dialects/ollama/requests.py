"""What clients send to Ollama's API, checked, and the jobs that it means."""

import base64
import binascii
from typing import Any, Literal
from uuid import uuid4

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

from puna.jobs import (
    ChatJob,
    Constraint,
    Fit,
    ImagePart,
    Limits,
    Message,
    Part,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
)

SAMPLING_OPTIONS = set(Sampling.__struct_fields__)


class Options(BaseModel):
    """A model's options for one request."""

    model_config = ConfigDict(extra="ignore")

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_last_n: int | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    seed: int | None = None
    stop: list[str] | str = []
    num_predict: int = -1
    num_keep: int | None = None
    num_ctx: int | None = Field(default=None, ge=1)

    def sampling(self) -> Sampling:
        """How tokens are drawn."""
        given = self.model_dump(include=SAMPLING_OPTIONS, exclude_none=True)
        if "seed" in given:
            # Ollama's seeds are signed; here they are the same bits without a sign.
            given["seed"] %= 1 << 64
        return Sampling(**given)

    def limits(self) -> Limits:
        """When the answer ends; a negative num_predict is no limit."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        return Limits(
            max_tokens=self.num_predict if self.num_predict >= 0 else None,
            stop=tuple(text for text in stop if text),
        )


class FunctionCall(BaseModel):
    """The function that a message calls."""

    name: str
    arguments: dict[str, Any] = {}


class CallOfMessage(BaseModel):
    """One tool call of a message."""

    function: FunctionCall
    id: str = ""


class ChatMessage(BaseModel):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    thinking: str = ""
    images: list[bytes] = []
    tool_calls: list[CallOfMessage] = []
    tool_name: str = ""
    tool_call_id: str = ""

    @field_validator("images", mode="before")
    @classmethod
    def _decode(cls, images: list[str] | None) -> list[bytes]:
        try:
            return [base64.b64decode(image, validate=True) for image in images or []]
        except (binascii.Error, TypeError, ValueError) as error:
            raise ValueError("an image must be base64") from error

    @field_validator("content", "thinking", "tool_calls", mode="before")
    @classmethod
    def _fill(cls, value: Any, info: Any) -> Any:
        return ([] if info.field_name == "tool_calls" else "") if value is None else value

    def message(self) -> Message:
        """The message in its canonical form."""
        text: tuple[Part, ...] = (TextPart(self.content),) if self.content else ()
        return Message(
            role=self.role,
            parts=(*(ImagePart(image) for image in self.images), *text),
            thinking=self.thinking,
            tool_calls=tuple(
                ToolCall(call.function.name, call.function.arguments, call.id)
                for call in self.tool_calls
            ),
            tool_name=self.tool_name,
            tool_call_id=self.tool_call_id,
        )


class ToolFunction(BaseModel):
    """A function that the model may call."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class ChatTool(BaseModel):
    """A tool that the model may use."""

    type: Literal["function"] = "function"
    function: ToolFunction


class ChatRequest(BaseModel):
    """The body of `POST /api/chat`."""

    model: str
    messages: list[ChatMessage] = []
    tools: list[ChatTool] | None = None
    format: Literal["json", ""] | dict[str, Any] | None = None
    options: Options | None = None
    stream: bool | None = None
    think: bool | Literal["low", "medium", "high"] | None = None
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=20)
    truncate: bool = True
    shift: bool = True

    def job(self) -> ChatJob:
        """The job that is asked for."""
        options = self.options or Options()
        return ChatJob(
            id=uuid4().hex,
            model=self.model,
            messages=tuple(message.message() for message in self.messages),
            tools=tuple(
                Tool(tool.function.name, tool.function.description, tool.function.parameters)
                for tool in self.tools or []
            ),
            think=self.think,
            sampling=options.sampling(),
            constraint=_constraint(self.format),
            limits=options.limits(),
            fit=Fit(
                context=options.num_ctx,
                truncate=self.truncate,
                shift=self.shift,
                keep=options.num_keep if options.num_keep is not None else Fit().keep,
            ),
            logprobs=self.top_logprobs if self.logprobs else None,
        )


def _constraint(format: str | dict[str, Any] | None) -> Constraint | None:
    if not format and format != {}:
        return None
    if isinstance(format, str):
        return Constraint("json")
    return Constraint("json_schema", msgspec.json.encode(format).decode())
