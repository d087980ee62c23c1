"""The constraint under which a model must call tools, in the markup that it was trained on.

Made of literals and slots, so that it knows no markup by name: who knows how a model writes calls
says it with `object_call`, `named_call` and `parameters_call`.
"""

import json
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from puna.jobs import Constraint, Tool
from puna.text.markup.format import Calls, JsonArguments, NamedCall, ObjectCall, Parameters
from puna.text.tokens import Specials

# In a literal: a short text that differs from call to call, such as an id.
GAP = "\0"
_GAP_RULE = "/[A-Za-z0-9_-]{1,32}/"
# What a schema asks beyond what can be constrained is left to the tool to check.
_OPTIONS = {"coerce_one_of": True, "lenient": True, "whitespace_pattern": r"( |\n[ \t]{0,40})"}


class Json(msgspec.Struct, frozen=True):
    """A slot for a JSON value of this schema."""

    schema: dict[str, Any]


class Raw(msgspec.Struct, frozen=True):
    """A slot for any text, up to and with this literal."""

    until: str


class Words(msgspec.Struct, frozen=True):
    """A slot for one of these texts."""

    choices: tuple[str, ...]


class Maybe(msgspec.Struct, frozen=True):
    """Parts that may be left out together."""

    parts: "tuple[Part, ...]"


Part = str | Json | Raw | Words | Maybe


class Frame(msgspec.Struct, frozen=True):
    """What stands around calls: `open` call (`between` call)* `close`.

    Without `between`, every call has an `open` and a `close` of its own.
    """

    open: str
    between: str
    close: str


def object_call(
    tool: Tool, name_key: str = "name", arguments_key: str = "arguments"
) -> tuple[Part, ...]:
    """A call that is one JSON object with the name and the arguments under these keys."""
    schema = {
        "type": "object",
        "properties": {name_key: {"const": tool.name}, arguments_key: _arguments(tool)},
        "required": [name_key, arguments_key],
        "additionalProperties": False,
    }
    # References in the tool's schema start at its own root, which is now further down.
    for key in ("$defs", "definitions"):
        if key in tool.parameters:
            schema[key] = tool.parameters[key]
    return (Json(schema),)


def named_call(tool: Tool, name_close: str) -> tuple[Part, ...]:
    """A call that is the name, a literal, and a JSON object of arguments."""
    return (f"{tool.name}{name_close}", Json(_arguments(tool)))


def parameters_call(
    tool: Tool, name_close: str, key_open: str, key_close: str, value_close: str
) -> tuple[Part, ...]:
    """A call whose arguments each stand between literals, strings without quotes."""
    schema = _arguments(tool)
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    parts = list[Part]([f"{tool.name}{name_close}"])
    for name, value in _properties(schema):
        written = (f"{key_open}{name}{key_close}", *_value({**shared, **value}, value_close))
        required = name in cast("list[str]", schema.get("required", []))
        parts.extend(written if required else [Maybe(written)])
    return tuple(parts)


def tool_calls(
    frame: Frame, calls: Sequence[tuple[Part, ...]], specials: Specials, *, parallel: bool
) -> Constraint:
    """The constraint that one of these calls is made, or in parallel several."""
    grammar = _Grammar(specials)
    opening, closing = grammar.literal(frame.open), grammar.literal(frame.close)
    grammar.rule("call", " | ".join(grammar.parts(call) for call in calls))
    if not parallel:
        start = f"{opening} call {closing}"
    elif frame.between:
        start = f"{opening} call ({grammar.literal(frame.between)} call)* {closing}"
    else:
        start = f"({opening} call {closing})+"
    grammar.rule("start", start)
    return Constraint("lark", grammar.text())


def required_calls(
    calls: Calls, tools: Sequence[Tool], specials: Specials, *, parallel: bool
) -> Constraint | None:
    """The constraint that one of these tools is called in a model's markup.

    None where no grammar for that markup is known, so that a caller can say so.
    """
    written = [_call(calls.call, tool) for tool in tools]
    if not written or any(parts is None for parts in written):
        return None
    frame = Frame(calls.open, calls.between, calls.close)
    known = [parts for parts in written if parts is not None]
    return tool_calls(frame, known, specials, parallel=parallel)


def _call(form: ObjectCall | NamedCall, tool: Tool) -> tuple[Part, ...] | None:
    match form:
        case ObjectCall(name_key, arguments_key):
            return object_call(tool, name_key, arguments_key)
        case NamedCall(name_close, JsonArguments()):
            return named_call(tool, name_close)
        case NamedCall(name_close, Parameters(key_open, key_close, value_close, string_hint="")):
            return parameters_call(tool, name_close, key_open, key_close, value_close)
        case NamedCall():
            return None


class _Grammar:
    """A Lark grammar being written."""

    def __init__(self, specials: Specials) -> None:
        self._specials = specials
        self._markup = {special.token for special in specials.all if special.markup}
        self._names = {special.token: special.text for special in specials.all}
        self._rules: list[str] = []

    def rule(self, name: str, body: str) -> str:
        self._rules.append(f"{name}: {body}")
        return name

    def text(self) -> str:
        return "\n".join(self._rules) + "\n"

    def parts(self, parts: Sequence[Part]) -> str:
        return " ".join([self._part(part) for part in parts]) or '""'

    def literal(self, text: str) -> str:
        """A literal, in which the names of special tokens are those tokens."""
        written = list[str]()
        plain = ""
        for fragment in self._specials.partition(text):
            if isinstance(fragment, int) and fragment in self._markup:
                written += [*self._plain(plain), f"<[{fragment}]>"]
                plain = ""
            else:
                plain += self._names[fragment] if isinstance(fragment, int) else fragment
        return " ".join([*written, *self._plain(plain)]) or '""'

    def _plain(self, text: str) -> list[str]:
        written = list[str]()
        for index, piece in enumerate(text.split(GAP)):
            written += [_GAP_RULE] if index else []
            written += [json.dumps(piece, ensure_ascii=False)] if piece else []
        return written

    def _part(self, part: Part) -> str:
        match part:
            case str():
                return self.literal(part)
            case Json():
                schema = {**part.schema, "x-guidance": _OPTIONS}
                return self.rule(f"json_{len(self._rules)}", f"%json {json.dumps(schema)}")
            case Raw():
                return self._raw(part.until)
            case Words():
                return f"({' | '.join(self.literal(word) for word in part.choices)})"
            case Maybe():
                return f"({self.parts(part.parts)})?"

    def _raw(self, until: str) -> str:
        fragments = self._specials.partition(until)
        if fragments and fragments[0] in self._markup:
            # No text can have the token in it, so nothing need look for its end.
            return f"/(?s:.*)/ {self.literal(until)}"
        name = f"raw_{len(self._rules)}"
        end = "".join(f"\\x{{{ord(char):x}}}" for char in until)
        self.rule(f"{name}[lazy]", f"/(?s:.*){end}/")
        return name


def _arguments(tool: Tool) -> dict[str, Any]:
    return {"type": "object", **tool.parameters} if tool.parameters else {"type": "object"}


def _properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    named = cast("dict[str, Any]", schema.get("properties") or {})
    return [(name, value if isinstance(value, dict) else {}) for name, value in named.items()]


def _value(schema: dict[str, Any], close: str) -> tuple[Part, ...]:
    if schema.get("type") != "string":
        return (Json(schema), close)
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if choices:
        return (Words(tuple(str(choice) for choice in cast("list[Any]", choices))), close)
    return (Raw(close),)
