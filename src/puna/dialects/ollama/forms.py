"""How one answer of Ollama's API is written: as a chat's lines, or as a text's."""

from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from puna.dialects.ollama.lines import (
    ChatEnding,
    ChatLine,
    DebugInfo,
    GenerateEnding,
    GenerateLine,
    Logprob,
    Said,
)

NOTHING = Said("assistant", "")
encode = msgspec.json.Encoder().encode


class Form(Protocol):
    """How one kind of answer is written."""

    def line(self, said: Said, logprobs: list[Logprob]) -> bytes:
        """A piece on its way."""
        ...

    def ending(self, said: Said, tokens: list[int], **more: Any) -> bytes:
        """The last line; `tokens` are the prompt's and the answer's, where the job told them."""
        ...


class ChatForm:
    """The lines of a chat."""

    def __init__(self, model: str) -> None:
        self._model = model

    def line(self, said: Said, logprobs: list[Logprob]) -> bytes:
        """A piece on its way."""
        return encode(ChatLine(self._model, datetime.now(UTC), said, False, logprobs))

    def ending(self, said: Said, tokens: list[int], **more: Any) -> bytes:
        """The last line."""
        return encode(
            ChatEnding(model=self._model, created_at=datetime.now(UTC), message=said, **more)
        )


class GenerateForm:
    """The lines of a text."""

    def __init__(self, model: str) -> None:
        self._model = model

    def line(self, said: Said, logprobs: list[Logprob]) -> bytes:
        """A piece on its way."""
        now = datetime.now(UTC)
        line = GenerateLine(
            self._model, now, said.content, False, said.thinking, said.tool_calls, logprobs
        )
        return encode(line)

    def ending(self, said: Said, tokens: list[int], **more: Any) -> bytes:
        """The last line."""
        return encode(
            GenerateEnding(
                model=self._model,
                created_at=datetime.now(UTC),
                response=said.content,
                thinking=said.thinking,
                tool_calls=said.tool_calls,
                context=tokens,
                **more,
            )
        )


def loaded(form: Form, reason: str, warnings: tuple[str, ...] = ()) -> bytes:
    """The answer to a request that only loads or unloads."""
    return form.ending(NOTHING, [], done=True, done_reason=reason, warnings=list(warnings))


def rendered(form: Form, prompt: str, images: int) -> bytes:
    """The answer to a request that only wants to see the prompt."""
    return form.ending(NOTHING, [], done=False, debug_info=DebugInfo(prompt, images))
