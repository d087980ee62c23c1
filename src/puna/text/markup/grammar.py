"""A grammar that forces tool calls, as Lark for llguidance, by the literals of a model's markup."""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from puna.errors import BadConstraint
from puna.jobs import Tool
from puna.text.markup.format import (
    GAP,
    Assignments,
    Calls,
    JsonArguments,
    NamedCall,
    ObjectCall,
    Parameters,
    Tags,
)
from puna.text.markup.words import split

TokenOf = Callable[[str], int | None]

_GAP = "/[A-Za-z0-9_.:-]{1,40}/"
_ANY = "/(?s:.*)/"
# What a schema asks beyond what can be constrained is left to the tool to check; white space is
# what people write, not as much as a model likes to.
_OPTIONS = {"coerce_one_of": True, "lenient": True, "whitespace_pattern": r"( |\n[ \t]{0,40})"}


def calls_grammar(calls: Calls, tools: Sequence[Tool], *, parallel: bool, token_of: TokenOf) -> str:
    """One call of these tools or, if parallel, one and more.

    `token_of` knows which words of the markup are tokens of their own in the vocabulary.
    """
    return _Grammar(calls, token_of).text(tools, parallel=parallel)


class _Grammar:
    def __init__(self, calls: Calls, token_of: TokenOf) -> None:
        self._calls = calls
        self._token_of = token_of
        self._rules: list[str] = []

    def text(self, tools: Sequence[Tool], *, parallel: bool) -> str:
        """All rules, the first of them `start`."""
        names = [
            self._rule(f"call_{number}", self._call(tool)) for number, tool in enumerate(tools)
        ]
        call = self._rule("call", " | ".join(names))
        parallel = parallel and not self._calls.single
        opening, closing = (self._literal(part) for part in (self._calls.open, self._calls.close))
        before = [self._message(tags) for tags in self._calls.before]
        if self._calls.between:
            more = f"({self._literal(self._calls.between)} {call})*" if parallel else ""
            start = f"{opening} {call} {more} {closing}"
        else:
            start = f"({opening} {call} {closing}){'+' if parallel else ''}"
        return "\n".join([f"start: {' '.join([*before, start])}", *self._rules])

    def _rule(self, name: str, body: str) -> str:
        self._rules.append(f"{name}: {body}")
        return name

    def _message(self, tags: Tags) -> str:
        """A message that may come, or not."""
        return f"({self._literal(tags.open)} {self._free_text(tags.close)})?"

    def _literal(self, literal: str) -> str:
        """A literal, its tokens as tokens, its gaps as gaps."""
        written: list[str] = []
        for word in split(literal):
            token = self._token_of(word)
            if word == GAP:
                written.append(_GAP)
            elif token is not None:
                written.append(f"<[{token}]>")
            else:
                written.append(json.dumps(word, ensure_ascii=False))
        return " ".join(written)

    def _call(self, tool: Tool) -> str:
        schema = {"type": "object", **tool.parameters}
        match self._calls.call:
            case ObjectCall(name_key, arguments_key):
                return _json(
                    {
                        "type": "object",
                        "properties": {name_key: {"const": tool.name}, arguments_key: schema},
                        "required": [name_key, arguments_key],
                        "additionalProperties": False,
                        **_definitions(schema),
                    }
                )
            case NamedCall(name_close, arguments):
                start = f"{json.dumps(tool.name)} {self._literal(name_close)}"
                return f"{start} {self._arguments(arguments, schema)}"

    def _arguments(
        self, form: JsonArguments | Parameters | Assignments, schema: dict[str, Any]
    ) -> str:
        match form:
            case JsonArguments():
                return _json(schema)
            case Parameters():
                given = [self._parameter(form, *each) for each in _properties(schema)]
                return " ".join(given)
            case Assignments():
                return self._assignments(form, schema)

    def _parameter(self, form: Parameters, key: str, schema: dict[str, Any], needed: bool) -> str:
        is_string = schema.get("type") == "string" and "enum" not in schema
        close = form.key_close.replace(GAP, form.string_hint if is_string else _other(form))
        if is_string:
            value = self._free_text(form.value_close)
        else:
            value = f"({_choice(schema)}) {self._literal(form.value_close)}"
        written = f"{self._literal(form.key_open)} {json.dumps(key)} {self._literal(close)} {value}"
        return written if needed else f"({written})?"

    def _free_text(self, close: str) -> str:
        """Text up to what closes it, and that."""
        first, *rest = [word for word in split(close) if not word.isspace()]
        following = self._literal("".join(rest))
        if self._token_of(first) is not None:
            return f"{_ANY} {self._literal(first)} {following}"
        name = f"text_{len(self._rules)}"
        self._rules.append(f"{name}[suffix={json.dumps(first, ensure_ascii=False)}]: {_ANY}")
        return f"{name} {following}"

    def _assignments(self, form: Assignments, schema: dict[str, Any]) -> str:
        """Arguments in the schema's order, those first that are needed."""
        properties = _properties(schema)
        comma = json.dumps(form.comma)
        needed = [self._assignment(form, key, each) for key, each, must in properties if must]
        others = [self._assignment(form, key, each) for key, each, must in properties if not must]
        inner = f" {comma} ".join(needed)
        # What may follow an argument that may be left out: any of those after it.
        rest = ""
        choices: list[str] = []
        for other in reversed(others):
            choices.append(f"{other} {rest}")
            rest = self._rule(f"rest_{len(self._rules)}", f"({comma} {other})? {rest}")
        if needed:
            inner += f" {rest}"
        elif choices:
            inner = f"({' | '.join(choices)})?"
        return f"{self._literal(form.open)} {inner} {self._literal(form.close)}"

    def _assignment(self, form: Assignments, key: str, schema: dict[str, Any]) -> str:
        value = _json(schema)
        if schema.get("type") == "string" and "enum" not in schema:
            if form.quote == "'":
                value = r"/'([^'\\\n]|\\.)*'/"
            elif len(form.quote) > 1:
                value = f"{self._literal(form.quote)} {self._free_text(form.quote)}"
        return f"{json.dumps(key)} {json.dumps(form.assign)} {value}"


def _other(form: Parameters) -> str:
    """What a key's closing says of values that are not strings."""
    return "false" if form.string_hint == "true" else GAP


def _choice(schema: dict[str, Any]) -> str:
    """A value as it stands without quotes."""
    if schema.get("type") == "string" and isinstance(schema["enum"], list):
        values = cast("list[Any]", schema["enum"])
        return " | ".join(json.dumps(str(each), ensure_ascii=False) for each in values)
    return _json(schema)


def _json(schema: dict[str, Any]) -> str:
    return f"%json {json.dumps({'x-guidance': _OPTIONS, **schema}, ensure_ascii=False)}"


def _definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """What references in a schema point to; they count from the root."""
    return {key: schema[key] for key in ("$defs", "definitions") if key in schema}


def _properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any], bool]]:
    """A tool's arguments: their names, their schemas, and whether they are needed."""
    properties, needed = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(needed, list):
        raise BadConstraint("A tool's parameters are not a JSON schema of an object.")
    shared = _definitions(schema)
    described = cast("dict[str, Any]", properties).items()
    return [
        (key, {**each, **shared} if isinstance(each, dict) else {}, key in needed)
        for key, each in described
    ]
