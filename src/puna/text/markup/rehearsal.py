"""Sentinel conversations, rendered to see what a template writes around the sentinels."""

import re
from typing import Any

from puna.errors import TemplateFailed
from puna.jobs import Message, Tool, ToolCall, message
from puna.text.chat import ChatTemplate
from puna.text.effort import Think
from puna.text.markup.format import GAP
from puna.text.rendering import Unusable

ASKED = "PUNAASKED"
THOUGHT = "PUNATHOUGHT"
SPOKEN = "PUNASPOKEN"
NAMES = ("punatoola", "punatoolb", "punatoolc")
IDS = ("punaid00a", "punaid00b", "punaid00c")
KEYS = ("punakeyx", "punakeyy", "punakeyz")
NUMBER = 424242
ITEM = "PUNAITEM"

TOOLS = tuple(
    Tool(
        name=name,
        description="about it",
        parameters={
            "type": "object",
            "properties": {key: {"type": "string", "description": "about it"} for key in KEYS},
            "required": list(KEYS),
        },
    )
    for name in NAMES
)


def values_of(name: str) -> dict[str, Any]:
    """The sentinel arguments of a tool."""
    return {key: f"PUNA{name[-1]}VALUE{key[-1]}".upper() for key in KEYS}


def calls_of(count: int) -> tuple[ToolCall, ...]:
    """The sentinel calls of the first tools."""
    return tuple(
        ToolCall(name=name, arguments=values_of(name), id=own)
        for name, own in zip(NAMES[:count], IDS, strict=False)
    )


class Rehearsal:
    """A template on trial; what it refuses is written as nothing."""

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self.parallel = template.shape.parallel_calls

    def turn(
        self,
        *,
        text: str = "",
        thinking: str = "",
        calls: tuple[ToolCall, ...] = (),
        think: Think = None,
    ) -> str:
        """What is written after the question, for this answer to it."""
        spoken = message("assistant", text) if text else Message(role="assistant")
        spoken = Message(role="assistant", parts=spoken.parts, thinking=thinking, tool_calls=calls)
        return self._after_question((spoken,), think, generation=False, tools=bool(calls))

    def prompt(self, think: Think = None, *, tools: bool = False) -> str:
        """What is written after the question, for the model to answer."""
        return self._after_question((), think, generation=True, tools=tools)

    def _after_question(
        self, answer: tuple[Message, ...], think: Think, *, generation: bool, tools: bool
    ) -> str:
        try:
            written = self._template.render(
                (message("user", ASKED), *answer),
                TOOLS if tools else (),
                add_generation_prompt=generation,
                think=think,
            )
        except Unusable:
            raise
        except TemplateFailed:
            return ""
        return re.sub("|".join(IDS), GAP, written[written.rfind(ASKED) + len(ASKED) :])
