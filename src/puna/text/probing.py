"""Finding a template's shape: render small conversations and see which words come out."""

import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import msgspec

from puna.errors import TemplateFailed
from puna.jobs import Message, TextPart, Tool, ToolCall, message
from puna.text.rendering import Unusable
from puna.text.shapes import Shape, ThinkingKey, Writer

# Renders messages and tools as they are; what a template needs besides is the caller's to add.
Render = Callable[[dict[str, Any]], str]

ASKED = "PUNAASKED"
SYSTEM = "PUNASYSTEM"
TOOL = "punatool"
OTHER_TOOL = "punaother"
KEY = "punakey"
VALUE = "PUNAVALUE"
IDS = ("punaid001", "punaid002")

PROBE_TOOLS = tuple(
    Tool(
        name=name,
        description=f"about {name}",
        parameters={
            "type": "object",
            "properties": {KEY: {"type": "string", "description": f"about {KEY}"}},
            "required": [KEY],
        },
    )
    for name in (TOOL, OTHER_TOOL)
)
_THINKING_KEYS: tuple[ThinkingKey, ...] = ("reasoning_content", "thinking", "reasoning", "thought")
_ASKING = (message("user", ASKED),)


def conversation_with_calls(*names: str) -> tuple[Message, ...]:
    """A question, calls of these tools, and their results."""
    calls = tuple(
        ToolCall(name=name, arguments={KEY: VALUE}, id=own)
        for name, own in zip(names, IDS, strict=False)
    )
    results = tuple(
        msgspec.structs.replace(message("tool", "PUNARESULT"), tool_name=name, tool_call_id=own)
        for name, own in zip(names, IDS, strict=False)
    )
    return (*_ASKING, Message(role="assistant", tool_calls=calls), *results)


class _Probe:
    def __init__(self, render: Render) -> None:
        self._render = render

    def written(self, shape: Shape, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """What the template makes of it; nothing where it refuses."""
        writer = Writer(shape, image_marker="")
        values: dict[str, Any] = {"messages": writer.messages(messages)}
        if tools:
            values["tools"] = writer.tools(tools)
        try:
            return self._render(values)
        except Unusable:
            raise
        except TemplateFailed:
            return ""


def shape_of(source: str, render: Render) -> Shape:
    """What the template can take."""
    probe = _Probe(render)
    shape = Shape(thinking_key=_thinking_key(source))
    parts = msgspec.structs.replace(shape, content_parts=True)
    if ASKED not in probe.written(shape, _ASKING) and ASKED in probe.written(parts, _ASKING):
        shape = parts
    spoken = probe.written(shape, (message("system", SYSTEM), *_ASKING))
    shape = msgspec.structs.replace(shape, system=SYSTEM in spoken)
    answered = (*_ASKING, message("assistant", "PUNAANSWERED"))
    if shape.thinking_key and not probe.written(shape, answered):
        always = msgspec.structs.replace(shape, thinking_always=True)
        shape = always if probe.written(always, answered) else shape
    listed = probe.written(shape, _ASKING, PROBE_TOOLS)
    shape = msgspec.structs.replace(shape, tools=TOOL in listed and OTHER_TOOL in listed)
    return _with_calls(shape, probe)


def _with_calls(shape: Shape, probe: _Probe) -> Shape:
    one = conversation_with_calls(TOOL)
    for null, as_text in product((False, True), repeat=2):
        candidate = msgspec.structs.replace(
            shape, null_beside_calls=null, arguments_as_text=as_text
        )
        written = probe.written(candidate, one, PROBE_TOOLS[1:])
        if TOOL not in written or VALUE not in written or _mangled(written):
            continue
        two = probe.written(candidate, conversation_with_calls(TOOL, OTHER_TOOL), PROBE_TOOLS[:0])
        spoken = (_ASKING[0], msgspec.structs.replace(one[1], parts=(TextPart("PUNASPOKEN"),)))
        return msgspec.structs.replace(
            candidate,
            calls=True,
            parallel_calls=TOOL in two and OTHER_TOOL in two,
            text_beside_calls=TOOL in probe.written(candidate, spoken),
        )
    return shape


def _mangled(written: str) -> bool:
    """Whether arguments came out as Python's own notation, or as a string inside a string."""
    return f"'{KEY}': '{VALUE}" in written or f'\\"{KEY}\\": \\"{VALUE}' in written


def _thinking_key(source: str) -> ThinkingKey:
    for key in _THINKING_KEYS:
        if re.search(rf"""(\.|\[?['"]){key}\b['"]?""", source):
            return key
    return ""
