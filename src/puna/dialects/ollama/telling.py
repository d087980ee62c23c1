"""How deltas are told in Ollama's API: one JSON line for each piece, or one object at the end.

What a line looks like is its form's.
"""

import secrets
import string
from typing import Any

import msgspec

from puna.deltas import (
    Delta,
    DoneDelta,
    FinishDelta,
    PromptDelta,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)
from puna.dialects.ollama.errors import error_body, error_status
from puna.dialects.ollama.forms import NOTHING, Form
from puna.dialects.ollama.lines import Call, Function, Logprob, Said, logprob, nanoseconds
from puna.errors import ErrorReport

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_ID_SIGNS = string.ascii_lowercase + string.digits


class Telling:
    """What streamed and whole answers share: from deltas to pieces of an answer."""

    media_type = "application/x-ndjson"

    def __init__(self, form: Form, warnings: tuple[str, ...] = ()) -> None:
        self._form = form
        self._warnings = list(warnings)
        self._reason = "stop"
        self._call: ToolCallDelta | None = None
        self._arguments: list[str] = []
        self._logprobs: list[Logprob] = []
        self._tokens: list[int] = []
        self._tells_tokens = False

    def error(self, report: ErrorReport) -> bytes:
        """An error as one JSON object on a line."""
        return error_body(report) + b"\n"

    def status(self, report: ErrorReport) -> int:
        """The status code for an error."""
        return error_status(report)

    def _said(self, delta: Delta) -> list[Said]:
        match delta:
            case TextDelta() | ThinkingDelta():
                self._heard(delta)
                if not delta.text:
                    return []
                said = (
                    Said("assistant", delta.text)
                    if type(delta) is TextDelta
                    else Said("assistant", "", delta.text)
                )
                return [said] if self._call is None else [*self._finished_call(), said]
            case ToolCallDelta():
                self._heard(delta)
                said = []
                if self._call is None or delta.index != self._call.index:
                    said = self._finished_call()
                    self._call = delta
                self._arguments.append(delta.arguments)
                return said
            case FinishDelta():
                self._reason = "length" if delta.reason == "length" else "stop"
                return self._finished_call()
            case PromptDelta() if delta.ids and not self._tells_tokens:
                self._tells_tokens = True
                self._tokens += delta.ids
            case _:
                pass
        return []

    def _heard(self, delta: TextDelta | ThinkingDelta | ToolCallDelta) -> None:
        if delta.logprobs:
            self._logprobs += map(logprob, delta.logprobs)
        if self._tells_tokens:
            self._tokens += delta.tokens

    def _finished_call(self) -> list[Said]:
        """Ollama's clients get a call in one piece, so it waits until it is complete."""
        if (call := self._call) is None:
            return []
        written = "".join(self._arguments)
        self._call, self._arguments = None, []
        cut_off = self._reason == "length"
        try:
            arguments = _decode_object(written or ("" if cut_off else "{}"))
        except msgspec.DecodeError:
            # What breaks off before it is a call is nothing to be carried out.
            return [Said("assistant", f"{call.name} {written}")]
        function = Function(call.index, call.name, arguments)
        return [Said("assistant", "", tool_calls=[Call(call.id or _call_id(), function)])]

    def _ending(self, said: Said, usage: Usage) -> bytes:
        return self._form.ending(
            said,
            self._tokens,
            done=True,
            done_reason=self._reason,
            total_duration=nanoseconds(usage.total_seconds),
            load_duration=nanoseconds(usage.load_seconds),
            prompt_eval_count=usage.prompt_tokens,
            prompt_eval_duration=nanoseconds(usage.prompt_seconds),
            eval_count=usage.output_tokens,
            eval_duration=nanoseconds(usage.output_seconds),
            logprobs=self._logprobs,
            warnings=self._warnings,
        )


class Streamed(Telling):
    """One line for each piece."""

    def render(self, batch: list[Delta]) -> bytes:
        """The lines of these deltas."""
        lines: list[bytes] = []
        for delta in batch:
            if type(delta) is DoneDelta:
                lines.append(self._ending(NOTHING, delta.usage))
                continue
            for said in self._said(delta):
                lines.append(self._form.line(said, self._logprobs))
                if self._logprobs:
                    self._logprobs = []
        lines.append(b"")
        return b"\n".join(lines)


class Whole(Telling):
    """One object at the end."""

    media_type = "application/json; charset=utf-8"

    def __init__(self, form: Form, warnings: tuple[str, ...] = ()) -> None:
        super().__init__(form, warnings)
        self._pieces: list[Said] = []

    def render(self, batch: list[Delta]) -> bytes:
        """Nothing, until everything is there."""
        for delta in batch:
            if type(delta) is DoneDelta:
                return self._ending(self._whole(), delta.usage)
            self._pieces += self._said(delta)
        return b""

    def _whole(self) -> Said:
        return Said(
            "assistant",
            "".join(piece.content for piece in self._pieces),
            "".join(piece.thinking for piece in self._pieces),
            [call for piece in self._pieces for call in piece.tool_calls],
        )


def _call_id() -> str:
    return "call_" + "".join(secrets.choice(_ID_SIGNS) for _ in range(8))
