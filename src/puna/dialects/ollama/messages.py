"""Messages and tools as clients of Ollama's API send them, and their canonical form."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator

from puna.jobs import ImagePart, Message, Part, TextPart, Tool, ToolCall


def _decoded(images: list[Any] | None) -> list[bytes]:
    try:
        return [base64.b64decode(image, validate=True) for image in images or []]
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError("an image must be base64") from error


def _text(value: Any) -> Any:
    return "" if value is None else value


def _list(value: Any) -> Any:
    return [] if value is None else value


def _object(value: Any) -> Any:
    return {} if value is None else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


# Null is as good as nothing said.
Text = Annotated[str, BeforeValidator(_text)]
Images = Annotated[list[bytes], BeforeValidator(_decoded)]
Object = Annotated[dict[str, Any], BeforeValidator(_object)]
Role = Annotated[Literal["system", "user", "assistant", "tool"], BeforeValidator(_lower)]


class FunctionCall(BaseModel):
    """The function that a message calls."""

    name: str
    arguments: Object = {}


class CallOfMessage(BaseModel):
    """One tool call of a message."""

    function: FunctionCall
    id: Text = ""


class ChatMessage(BaseModel):
    """One message of a conversation."""

    role: Role
    content: Text = ""
    thinking: Text = ""
    images: Images = []
    tool_calls: Annotated[list[CallOfMessage], BeforeValidator(_list)] = []
    tool_name: Text = ""
    tool_call_id: Text = ""

    def message(self) -> Message:
        """The message in its canonical form."""
        return Message(
            role=self.role,
            parts=parts(self.content, self.images),
            thinking=self.thinking,
            tool_calls=tuple(
                ToolCall(call.function.name, call.function.arguments, call.id)
                for call in self.tool_calls
            ),
            tool_name=self.tool_name,
            tool_call_id=self.tool_call_id,
        )


class ToolFunction(BaseModel):
    """A function that the model may call."""

    name: str
    description: Text = ""
    parameters: Object = {}


class ChatTool(BaseModel):
    """A tool that the model may use."""

    type: Text = "function"
    function: ToolFunction

    def tool(self) -> Tool:
        """The tool in its canonical form."""
        return Tool(self.function.name, self.function.description, self.function.parameters)


def parts(text: str, images: list[bytes]) -> tuple[Part, ...]:
    """A message's images and its text."""
    said: tuple[Part, ...] = (TextPart(text),) if text else ()
    return (*(ImagePart(image) for image in images), *said)
