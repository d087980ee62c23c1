"""How a chat's deltas are written in Ollama's API: one JSON line for each, or one object."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from puna.dialects.ollama.errors import error_body, error_status
from puna.errors import ErrorReport
from puna.jobs import (
    Delta,
    DoneDelta,
    FinishDelta,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

NANOSECONDS = 1_000_000_000


class Function(msgspec.Struct, frozen=True):
    """What is called, and with what."""

    name: str
    arguments: dict[str, Any]


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool call."""

    function: Function
    id: str = ""


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


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a streamed answer."""

    model: str
    created_at: datetime
    message: Said
    done: bool
    logprobs: list[Logprob] = []


class LastLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of a streamed answer, or the whole of one that is not."""

    model: str
    created_at: datetime
    message: Said
    done: bool
    done_reason: str
    total_duration: int
    load_duration: int
    prompt_eval_count: int
    prompt_eval_duration: int
    eval_count: int
    eval_duration: int
    logprobs: list[Logprob] = []


encode = msgspec.json.Encoder().encode


class ChatRenderer:
    """What streamed and whole answers share: from deltas to pieces of a message."""

    media_type = "application/x-ndjson"

    def __init__(self, model: str) -> None:
        self._model = model
        self._reason = "stop"
        self._call: ToolCallDelta | None = None
        self._arguments: list[str] = []

    def error(self, report: ErrorReport) -> bytes:
        """An error as one JSON object on a line."""
        return error_body(report) + b"\n"

    def status(self, report: ErrorReport) -> int:
        """The status code for an error."""
        return error_status(report)

    def _said(self, delta: Delta) -> Iterator[Said]:
        if type(delta) is TextDelta:
            yield from self._finished_call()
            yield Said("assistant", delta.text)
        elif type(delta) is ToolCallDelta:
            if self._call is None or delta.index != self._call.index:
                yield from self._finished_call()
                self._call = delta
            self._arguments.append(delta.arguments)
        elif type(delta) is ThinkingDelta:
            yield from self._finished_call()
            yield Said("assistant", "", delta.text)
        elif type(delta) is FinishDelta:
            yield from self._finished_call()
            self._reason = "length" if delta.reason == "length" else "stop"

    def _finished_call(self) -> Iterator[Said]:
        """Ollama's clients get a call in one piece, so it waits until it is complete."""
        if self._call is None:
            return
        arguments = msgspec.json.decode("".join(self._arguments) or "{}", type=dict[str, Any])
        call = Call(Function(self._call.name, arguments), self._call.id)
        self._call, self._arguments = None, []
        yield Said("assistant", "", tool_calls=[call])

    def _last_line(self, said: Said, usage: Usage, logprobs: list[Logprob]) -> bytes:
        line = LastLine(
            model=self._model,
            created_at=datetime.now(UTC),
            message=said,
            done=True,
            done_reason=self._reason,
            total_duration=_nanoseconds(usage.total_seconds),
            load_duration=_nanoseconds(usage.load_seconds),
            prompt_eval_count=usage.prompt_tokens,
            prompt_eval_duration=_nanoseconds(usage.prompt_seconds),
            eval_count=usage.output_tokens,
            eval_duration=_nanoseconds(usage.output_seconds),
            logprobs=logprobs,
        )
        return encode(line) + b"\n"


class StreamedChat(ChatRenderer):
    """One line for each piece."""

    def render(self, batch: list[Delta]) -> bytes:
        """The lines of these deltas."""
        lines: list[bytes] = []
        for delta in batch:
            if type(delta) is DoneDelta:
                lines.append(self._last_line(Said("assistant", ""), delta.usage, []))
                continue
            for said in self._said(delta):
                line = Line(self._model, datetime.now(UTC), said, False, _logprobs(delta))
                lines.append(encode(line) + b"\n")
        return b"".join(lines)


class WholeChat(ChatRenderer):
    """One object at the end."""

    media_type = "application/json; charset=utf-8"

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._pieces: list[Said] = []
        self._logprobs: list[Logprob] = []

    def render(self, batch: list[Delta]) -> bytes:
        """Nothing, until everything is there."""
        for delta in batch:
            if type(delta) is DoneDelta:
                return self._last_line(self._whole(), delta.usage, self._logprobs)
            self._logprobs += _logprobs(delta)
            self._pieces += self._said(delta)
        return b""

    def _whole(self) -> Said:
        return Said(
            "assistant",
            "".join(piece.content for piece in self._pieces),
            "".join(piece.thinking for piece in self._pieces),
            [call for piece in self._pieces for call in piece.tool_calls],
        )


def _logprobs(delta: Delta) -> list[Logprob]:
    if not isinstance(delta, TextDelta | ThinkingDelta | ToolCallDelta) or not delta.logprobs:
        return []
    return [_logprob(one) for one in delta.logprobs]


def _logprob(one: TokenLogprob) -> Logprob:
    return Logprob(
        one.piece.decode(errors="replace"),
        one.logprob,
        list(one.piece),
        [
            LikelyToken(piece.decode(errors="replace"), logprob, list(piece))
            for _, piece, logprob in one.top
        ],
    )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS)
