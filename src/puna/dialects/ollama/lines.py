"""What Ollama's API writes of an answer: the shapes of its JSON lines."""

from datetime import datetime
from typing import Any

import msgspec

from puna.deltas import TokenLogprob

NANOSECONDS = 1_000_000_000


class Function(msgspec.Struct, frozen=True):
    """What is called, and with what."""

    index: int
    name: str
    arguments: dict[str, Any]


class Call(msgspec.Struct, frozen=True):
    """A tool call."""

    id: str
    function: Function


class LikelyToken(msgspec.Struct, frozen=True):
    """A token that could have been."""

    token: str
    logprob: float
    bytes: list[int]


class Logprob(msgspec.Struct, frozen=True, omit_defaults=True):
    """The token that was chosen, and the likeliest in its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[LikelyToken] = []


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of the answering message. The role is always written, hence it has no default."""

    role: str
    content: str
    thinking: str = ""
    tool_calls: list[Call] = []


class DebugInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model would have been given."""

    rendered_template: str
    image_count: int = 0


class Ending(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the last line says beside the answer itself; the figures are left out of a mere load."""

    model: str
    created_at: datetime
    done: bool
    done_reason: str = ""
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None
    logprobs: list[Logprob] = []
    warnings: list[str] = []
    debug_info: DebugInfo | None = msgspec.field(default=None, name="_debug_info")


class ChatLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a streamed chat."""

    model: str
    created_at: datetime
    message: Said
    done: bool
    logprobs: list[Logprob] = []


class ChatEnding(Ending, frozen=True, kw_only=True):
    """The end of a streamed chat, or the whole of one that is not."""

    message: Said


class GenerateLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a streamed text."""

    model: str
    created_at: datetime
    response: str
    done: bool
    thinking: str = ""
    tool_calls: list[Call] = []
    logprobs: list[Logprob] = []


class GenerateEnding(Ending, frozen=True, kw_only=True):
    """The end of a streamed text, or the whole of one that is not."""

    response: str
    thinking: str = ""
    tool_calls: list[Call] = []
    context: list[int] = []


def nanoseconds(seconds: float) -> int:
    """A duration as Ollama's API has it."""
    return round(seconds * NANOSECONDS)


def logprob(one: TokenLogprob) -> Logprob:
    """A token's log-probability as Ollama's API has it."""
    return Logprob(
        one.piece.decode(errors="replace"),
        one.logprob,
        list(one.piece),
        [
            LikelyToken(piece.decode(errors="replace"), logprob, list(piece))
            for _, piece, logprob in one.top
        ],
    )
