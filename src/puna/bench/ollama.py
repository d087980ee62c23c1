"""Ollama's API: lines of JSON."""

from collections.abc import Sequence
from typing import Any

import msgspec

from puna.bench.asking import Ask, Told
from puna.bench.dialect import Manner, complaint, lines
from puna.bench.wire import Part


class _Message(msgspec.Struct):
    content: str | None = ""
    thinking: str | None = ""
    tool_calls: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct):
    message: _Message | None = None
    response: str | None = ""
    thinking: str | None = ""
    done: bool = False
    prompt_eval_count: int | None = None
    eval_count: int = 0
    error: str | None = None


class _Embedded(msgspec.Struct):
    embeddings: list[msgspec.Raw]
    prompt_eval_count: int | None = None


class Ollama:
    """`/api/chat`, `/api/generate` and `/api/embed`."""

    name = "ollama"

    def put(self, ask: Ask, manner: Manner) -> tuple[str, dict[str, Any]]:
        """The path and the body of a request."""
        if ask.kind == "embed":
            return "/api/embed", {"model": manner.model, "input": ask.text}
        options = {"num_predict": ask.output, "temperature": manner.temperature}
        if manner.ignore_eos:
            options["ignore_eos"] = True
        body = {"model": manner.model, "stream": True, "options": options}
        if ask.kind == "complete":
            return "/api/generate", {**body, "prompt": ask.text, "raw": True}
        messages = [{"role": one.role, "content": one.text} for one in ask.messages]
        return "/api/chat", {**body, "messages": messages}

    def read(self, ask: Ask, parts: Sequence[Part]) -> Told:
        """What an answer says that came with status 200."""
        if ask.kind == "embed":
            return _read_vectors(parts)
        pieces, texts, decoder = list[float](), list[str](), msgspec.json.Decoder(_Line)
        for at, line in lines(parts):
            said = decoder.decode(line)
            if said.error is not None:
                return Told(tuple(pieces), fault="told", error=complaint(line))
            message = said.message or _Message(said.response, said.thinking)
            if message.content or message.thinking or message.tool_calls:
                pieces.append(at)
                texts.append(message.content or "")
            if said.done:
                counts = said.prompt_eval_count, said.eval_count
                return Told(tuple(pieces), "".join(texts), *counts)
        return Told(tuple(pieces), fault="broken", error="The stream ended before it was done.")


def _read_vectors(parts: Sequence[Part]) -> Told:
    said = msgspec.json.decode(b"".join(data for _, data in parts), type=_Embedded)
    if not said.embeddings:
        return Told(fault="malformed", error="There is no vector in the answer.")
    return Told((parts[-1][0],), "", said.prompt_eval_count, 0)
