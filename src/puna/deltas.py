"""The language between the floors, the other half: what comes back (deltas)."""

from typing import Literal

import msgspec

FinishReason = Literal["stop", "length", "tool_calls", "cancelled"]


class TokenLogprob(msgspec.Struct, frozen=True, array_like=True):
    """A token's log-probability, and the likeliest tokens in its place.

    `piece` is exact also where the token is only a part of a character.
    """

    token: int
    piece: bytes
    logprob: float
    top: tuple[tuple[int, bytes, float], ...] = ()


class PromptDelta(msgspec.Struct, frozen=True, tag="prompt", array_like=True):
    """The prompt is known: how many tokens, and how many of them a cache already held.

    `ids` are the tokens themselves, where the job asked to be told.
    """

    tokens: int
    cached: int
    logprobs: tuple[TokenLogprob | None, ...] = ()
    ids: tuple[int, ...] = ()


class ProgressDelta(msgspec.Struct, frozen=True, tag="progress", array_like=True):
    """How much of the prompt has been worked through."""

    done: int
    total: int


class TextDelta(msgspec.Struct, frozen=True, tag="t", array_like=True):
    """A piece of the answer, whole characters only."""

    text: str
    choice: int = 0
    tokens: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


class ThinkingDelta(msgspec.Struct, frozen=True, tag="think", array_like=True):
    """A piece of what the model thinks before it answers."""

    text: str
    choice: int = 0
    tokens: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


class ToolCallDelta(msgspec.Struct, frozen=True, tag="call", array_like=True):
    """A tool call, growing: the first delta of an index has the name, each a piece of arguments.

    The pieces of `arguments` joined are the JSON text of one object.
    """

    index: int
    name: str
    arguments: str
    id: str = ""
    choice: int = 0
    tokens: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


class SamplerDelta(msgspec.Struct, frozen=True, tag="sampler", array_like=True):
    """What a choice's sampler needs, besides the tokens told so far, to go on elsewhere.

    It is for the server alone, and comes only where tokens are not enough (mirostat's).
    """

    state: bytes
    choice: int = 0


class FinishDelta(msgspec.Struct, frozen=True, tag="finish", array_like=True):
    """One choice has ended; `stop` is the string or token id that ended it, where one did."""

    reason: FinishReason
    choice: int = 0
    stop: str | int | None = None


class Usage(msgspec.Struct, frozen=True):
    """What a job took, counted and measured, in tokens and seconds."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    queue_seconds: float = 0.0
    load_seconds: float = 0.0
    prompt_seconds: float = 0.0
    output_seconds: float = 0.0
    total_seconds: float = 0.0


class DoneDelta(msgspec.Struct, frozen=True, tag="done", array_like=True):
    """All choices have ended."""

    usage: Usage
    seed: int = 0


class VectorsDelta(msgspec.Struct, frozen=True, tag="vectors", array_like=True):
    """Vectors of an embed job (rows of float32, joined) or scores of a rerank job (one a row)."""

    data: bytes
    width: int
    tokens: tuple[int, ...]


Delta = (
    PromptDelta
    | ProgressDelta
    | TextDelta
    | ThinkingDelta
    | ToolCallDelta
    | SamplerDelta
    | FinishDelta
    | DoneDelta
    | VectorsDelta
)
