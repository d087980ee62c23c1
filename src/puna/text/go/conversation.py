"""A conversation through a Go template, as Ollama puts it.

A template that reads `.Messages` runs once. One that knows only `.System`, `.Prompt` and
`.Response` runs once for each exchange, and the last time only up to its `.Response`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from puna.text.go import handed
from puna.text.go.evaluator import Evaluator
from puna.text.go.faults import Fault
from puna.text.go.functions import NAMES, Functions
from puna.text.go.nodes import Action, Body, Command, Field, Node, Parsed, Pipe
from puna.text.go.parser import parsed
from puna.text.go.response import until_response
from puna.text.go.strings import Strings, whole
from puna.text.go.values import Struct, from_json

MAX_CHARACTERS = 16 << 20
_GAP = "\n\n"


class Given(TypedDict, total=False):
    """What a rendering is given: `prompt` and `suffix` together are a place to fill in.

    Messages and tools have OpenAI's shape, a message's `images` is how many it has. `stand_ins`
    are characters of guarded texts with those that they stand for. `thinking` and `extra` are
    more that templates read.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    prompt: str
    suffix: str
    stand_ins: Mapping[str, str]
    thinking: Mapping[str, Any]
    extra: Mapping[str, Any]


class Conversational:
    """A Go template, ready to be rendered. A `Fault` says what is wrong, and where."""

    def __init__(self, source: str) -> None:
        self._parsed = parsed(source, NAMES)
        self._body = _with_response(self._parsed)

    @property
    def variables(self) -> frozenset[str]:
        """All names that the template reads, in small letters."""
        return self._parsed.names

    def render(self, values: Mapping[str, Any], limit: int = MAX_CHARACTERS) -> str:
        """The text for a conversation."""
        return _Rendering(self._parsed, self._body, cast(Given, values), limit).text()


class _Rendering:
    def __init__(self, template: Parsed, body: Body, given: Given, limit: int) -> None:
        self._template = template
        self._body = body
        self._given = given
        self._limit = limit
        self._pieces: list[str] = []
        self._length = 0
        strings = Strings(given.get("stand_ins"))
        self._evaluator = Evaluator(template, Functions(strings, limit), self._write)

    def text(self) -> str:
        if suffix := self._given.get("suffix"):
            self._run(self._body, Prompt=self._given.get("prompt", ""), Suffix=suffix, Response="")
        elif "messages" in self._template.names:
            self._whole()
        else:
            self._exchanges()
        return whole("".join(self._pieces))

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > self._limit:
            message = f"the text is longer than {self._limit} characters"
            raise Fault(self._template.source, 0, message)
        self._pieces.append(text)

    def _run(self, body: Body, **values: Any) -> None:
        extra = {key: from_json(each) for key, each in self._given.get("extra", {}).items()}
        thinking = {"Think": False, "ThinkLevel": "", "IsThinkSet": False}
        thinking |= self._given.get("thinking", {})
        self._evaluator.run(body, extra | thinking | values)

    def _whole(self) -> None:
        messages = self._messages()
        system = [each.fields["Content"] for each in messages if each.fields["Role"] == "system"]
        self._run(
            self._body,
            System=_GAP.join(system),
            Messages=messages,
            Tools=handed.tools(self._given.get("tools", ())),
            Response="",
        )

    def _messages(self) -> list[Struct]:
        """The messages, neighbours of one role joined, but for results of tools."""
        joined: list[Struct] = []
        for each in handed.messages(self._given.get("messages", ())):
            last = joined[-1].fields if joined else {}
            if last.get("Role") != each.fields["Role"] or last["Role"] == "tool":
                joined.append(each)
                continue
            last["Content"] += _GAP + each.fields["Content"]
            last["ToolCalls"] += each.fields["ToolCalls"]
            last["Images"] += each.fields["Images"]
        return joined

    def _exchanges(self) -> None:
        said = {"System": "", "Prompt": "", "Response": ""}
        for each in self._messages():
            content = each.fields["Content"]
            match each.fields["Role"]:
                case "system":
                    if said["Prompt"] or said["Response"]:
                        said = self._exchanged(said)
                    said["System"] = content
                case "user":
                    if said["Response"]:
                        said = self._exchanged(said)
                    said["Prompt"] = content
                case "assistant":
                    said["Response"] = content
                case _:
                    pass
        self._run(until_response(self._body), **said)

    def _exchanged(self, said: dict[str, str]) -> dict[str, str]:
        self._run(self._body, **said)
        return dict.fromkeys(said, "")


def _with_response(template: Parsed) -> Body:
    """The template's body; one that reads no answer gets it at its end."""
    if {"messages", "response"} & template.names:
        return template.body
    at = len(template.source)
    pipe = Pipe((Command((Field(("Response",), at),), at),), (), False, at)
    end: Node = Action(pipe, at)
    return (*template.body, end)
