"""OpenAI's API: server-sent events, of chat completions and plain ones."""

from collections.abc import Sequence
from typing import Any

import msgspec

from puna.bench.asking import Ask, Told
from puna.bench.dialect import Manner, complaint, lines
from puna.bench.wire import Part

_END = b"[DONE]"


class _Delta(msgspec.Struct):
    content: str | None = ""
    # Nobody's standard: what a model thinks, as various servers name it.
    reasoning_content: str | None = ""
    reasoning: str | None = ""
    tool_calls: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = ""
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Event(msgspec.Struct):
    choices: tuple[_Choice, ...] = ()
    usage: _Usage | None = None
    error: object = None


class _Embedded(msgspec.Struct):
    data: list[msgspec.Raw]
    usage: _Usage | None = None


class OpenAI:
    """`/v1/chat/completions`, `/v1/completions` and `/v1/embeddings`."""

    name = "openai"

    def put(self, ask: Ask, manner: Manner) -> tuple[str, dict[str, Any]]:
        """The path and the body of a request."""
        if ask.kind == "embed":
            return "/v1/embeddings", {"model": manner.model, "input": ask.text}
        body: dict[str, Any] = {
            "model": manner.model,
            "max_tokens": ask.output,
            "temperature": manner.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if manner.ignore_eos:
            body["ignore_eos"] = True
        if ask.kind == "complete":
            return "/v1/completions", {**body, "prompt": ask.text}
        messages = [{"role": one.role, "content": one.text} for one in ask.messages]
        return "/v1/chat/completions", {**body, "messages": messages}

    def read(self, ask: Ask, parts: Sequence[Part]) -> Told:
        """What an answer says that came with status 200."""
        if ask.kind == "embed":
            return _read_vectors(parts)
        pieces, texts, usage = list[float](), list[str](), _Usage()
        decoder, finished = msgspec.json.Decoder(_Event), False
        for at, line in lines(parts):
            name, _, data = line.strip().partition(b":")
            data = data.strip()
            if name == b"error":
                return Told(tuple(pieces), fault="told", error=complaint(data))
            if name != b"data":
                continue
            if data == _END:
                finished = True
                break
            event = decoder.decode(data)
            if event.error:
                return Told(tuple(pieces), fault="told", error=complaint(data))
            usage = event.usage or usage
            for choice in event.choices[:1]:
                finished = finished or choice.finish_reason is not None
                if (text := _said(choice)) is not None:
                    pieces.append(at)
                    texts.append(text)
        if not finished:
            return Told(tuple(pieces), fault="broken", error="The stream ended before it was done.")
        return Told(tuple(pieces), "".join(texts), usage.prompt_tokens, usage.completion_tokens)


def _said(choice: _Choice) -> str | None:
    """The answer's part of what was said; None where nothing was."""
    delta = choice.delta or _Delta()
    text = delta.content or choice.text or ""
    others = delta.reasoning_content or delta.reasoning or delta.tool_calls
    return text if text or others else None


def _read_vectors(parts: Sequence[Part]) -> Told:
    said = msgspec.json.decode(b"".join(data for _, data in parts), type=_Embedded)
    if not said.data:
        return Told(fault="malformed", error="There is no vector in the answer.")
    return Told((parts[-1][0],), "", (said.usage or _Usage()).prompt_tokens, 0)
