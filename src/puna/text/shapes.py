"""How one template wants its messages: what differs from template to template, and their form.

The form is OpenAI's. A `Shape` is found by `probing.py`; this room only writes by it.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from puna.jobs import ImagePart, Message, TextPart, Tool, ToolCall

ThinkingKey = Literal["reasoning_content", "thinking", "reasoning", "thought", ""]


class Shape(msgspec.Struct, frozen=True):
    """What a template can take: found once, by rendering, and then kept."""

    content_parts: bool = False
    arguments_as_text: bool = False
    system: bool = True
    tools: bool = False
    calls: bool = False
    parallel_calls: bool = False
    text_beside_calls: bool = True
    null_beside_calls: bool = False
    thinking_key: ThinkingKey = ""
    thinking_always: bool = False


class Writer(msgspec.Struct, frozen=True):
    """Writes messages and tools in a template's shape. Images become `image_marker`."""

    shape: Shape
    image_marker: str

    def messages(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The messages as a template reads them."""
        return [self._message(each) for each in messages]

    def tools(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """The tools as a template reads them."""
        return [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in tools
        ]

    def _message(self, message: Message) -> dict[str, Any]:
        written: dict[str, Any] = {"role": message.role, "content": self._content(message)}
        always = self.shape.thinking_always and message.role == "assistant"
        if self.shape.thinking_key and (message.thinking or always):
            written[self.shape.thinking_key] = message.thinking
        if message.tool_calls:
            written["tool_calls"] = [self._call(call) for call in message.tool_calls]
        if message.tool_name:
            written["name"] = message.tool_name
        if message.tool_call_id:
            written["tool_call_id"] = message.tool_call_id
        return written

    def _content(self, message: Message) -> str | list[dict[str, str]] | None:
        text = "".join(self._part(part) for part in message.parts)
        if message.tool_calls and not text and self.shape.null_beside_calls:
            return None
        if self.shape.content_parts:
            return [{"type": "text", "text": text}]
        return text

    def _part(self, part: TextPart | ImagePart) -> str:
        match part:
            case TextPart(text):
                return text
            case ImagePart():
                return self.image_marker

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments: Any = call.arguments
        if self.shape.arguments_as_text:
            arguments = json.dumps(arguments, ensure_ascii=False)
        return {
            "type": "function",
            "id": call.id,
            "function": {"name": call.name, "arguments": arguments},
        }
