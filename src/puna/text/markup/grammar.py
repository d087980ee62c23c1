"""A grammar that forces tool calls, as Lark for llguidance, by the literals of a model's markup."""

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from puna.errors import BadConstraint
from puna.jobs import Tool
from puna.text.markup.format import (
    GAP,
    Arguments,
    Assignments,
    Begun,
    Calls,
    Elements,
    JsonArguments,
    Markup,
    NamedCall,
    ObjectCall,
    Parameters,
)
from puna.text.markup.lark import Rules, TokenOf
from puna.text.markup.opening import Way, opened
from puna.text.markup.schemas import named_values, types_in

# What a schema asks beyond what can be constrained is left to the tool to check; white space is
# what people write, not as much as a model likes to.
_OPTIONS = {"coerce_one_of": True, "lenient": True, "whitespace_pattern": r"( |\n[ \t]{0,40})"}

_TEXT = frozenset({"string"})
_REFERENCE = re.compile(r"#/(\$defs|definitions)/([^/]+)")
# So deep are elements in elements asked for; what is below them, as JSON.
_DEEPEST = 6


def calls_grammar(
    markup: Markup,
    calls: Calls,
    tools: Sequence[Tool],
    *,
    parallel: bool,
    begun: Begun,
    may_think: bool,
    token_of: TokenOf,
    otherwise: Sequence[Way] = (),
) -> str:
    """One call of these tools or, if parallel, one and more; thought about, where that may be.

    `otherwise` is what may be written in place of calls.
    """
    rules = Rules(token_of)
    # Where nothing opens a call, none can be told from a text behind the first.
    single = calls.single or not (calls.open or calls.between)
    rest = _Calls(calls, rules).rest(tools, parallel=parallel and not single)
    ways = [Way(calls.open, rest)]
    if calls.said is not None:
        said = rules.text_up_to(calls.said.close)
        ways.append(Way(calls.said.open, f"{said} {rules.literal(calls.open)} {rest}"))
    start = opened(rules, markup, begun, [*ways, *otherwise], may_think=may_think)
    return rules.grammar(start)


class _Calls:
    def __init__(self, calls: Calls, rules: Rules) -> None:
        self._calls = calls
        self._rules = rules

    def rest(self, tools: Sequence[Tool], *, parallel: bool) -> str:
        """What stands behind the first call's opening, to the end."""
        each = [self._rules.rule("tool", self._call(tool)) for tool in tools]
        call = self._rules.rule("call", " | ".join(each))
        between, close = self._calls.between, self._rules.literal(self._calls.close)
        if between:
            more = f"({self._rules.literal(between)} {call})*" if parallel else ""
            return self._rules.rule("calls", f"{call} {more} {close}")
        opening = self._rules.literal(self._calls.open)
        more = f"({opening} {call} {close})*" if parallel else ""
        return self._rules.rule("calls", f"{call} {close} {more}")

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
                start = f"{json.dumps(tool.name)} {self._rules.literal(name_close)}"
                return f"{start} {self._arguments(arguments, schema)}"

    def _arguments(self, form: Arguments, schema: dict[str, Any]) -> str:
        match form:
            case JsonArguments():
                return _json(schema)
            case Parameters():
                given = [self._parameter(form, *each) for each in _properties(schema)]
                return " ".join(given)
            case Elements():
                return self._elements(form, schema)
            case Assignments():
                return self._assignments(form, schema)

    def _elements(self, form: Elements, schema: dict[str, Any], depth: int = 0) -> str:
        return " ".join(
            self._element(form, key, each, depth) + ("" if needed else "?")
            for key, each, needed in _properties(schema)
        )

    def _element(self, form: Elements, name: str, schema: dict[str, Any], depth: int) -> str:
        """An element, and those within it as deep as it is worth it; below them is JSON."""
        opening = self._rules.literal(f"{form.open}{name}{form.assign}")
        closing = f"{form.leave}{name}{form.close}"
        kind = schema.get("type") if depth < _DEEPEST else None
        if _is_any_text(schema):
            return f"({opening} {self._rules.text_up_to(closing)})"
        if kind == "object" and schema.get("properties"):
            inner = self._elements(form, schema, depth + 1)
        elif kind == "array" and isinstance(schema.get("items"), dict):
            items = _resolved({**schema["items"], **_definitions(schema)})
            inner = f"{self._element(form, form.item, items, depth + 1)}*"
        else:
            inner = f"({_choice(schema)})"
        return f"({opening} {inner} {self._rules.literal(closing)})"

    def _parameter(self, form: Parameters, key: str, schema: dict[str, Any], needed: bool) -> str:
        is_text = "string" in types_in(schema)
        close = form.key_close.replace(GAP, form.string_hint if is_text else _other(form))
        if _is_any_text(schema):
            value = self._rules.text_up_to(form.value_close)
        else:
            value = f"({_choice(schema)}) {self._rules.literal(form.value_close)}"
        before, behind = self._rules.literal(form.key_open), self._rules.literal(close)
        written = f"{before} {json.dumps(key)} {behind} {value}"
        return written if needed else f"({written})?"

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
            rest = self._rules.rule("rest", f"({comma} {other})? {rest}")
        if needed:
            inner += f" {rest}"
        elif choices:
            inner = f"({' | '.join(choices)})?"
        return f"{self._rules.literal(form.open)} {inner} {self._rules.literal(form.close)}"

    def _assignment(self, form: Assignments, key: str, schema: dict[str, Any]) -> str:
        value = _json(schema)
        if _is_any_text(schema) and types_in(schema) == _TEXT:
            if form.quote == "'":
                value = r"/'([^'\\\n]|\\.)*'/"
            elif len(form.quote) > 1:
                value = f"{self._rules.literal(form.quote)} {self._rules.text_up_to(form.quote)}"
        return f"{json.dumps(key)} {json.dumps(form.assign)} {value}"


def _other(form: Parameters) -> str:
    """What a key's closing says of values that are not strings."""
    return "false" if form.string_hint == "true" else GAP


def _is_any_text(schema: dict[str, Any]) -> bool:
    """Whether a value is text that has no quotes, or may be: `null` reads as what it looks like."""
    return "string" in types_in(schema) and not named_values(schema)


def _choice(schema: dict[str, Any]) -> str:
    """A value as it stands without quotes."""
    if "string" not in types_in(schema):
        return _json(schema)
    named = [each if isinstance(each, str) else json.dumps(each) for each in named_values(schema)]
    return " | ".join(json.dumps(each, ensure_ascii=False) for each in named)


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
        (key, _resolved({**each, **shared}) if isinstance(each, dict) else {}, key in needed)
        for key, each in described
    ]


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to in place of the reference, so that its type is seen."""
    definitions = _definitions(schema)
    found = _REFERENCE.fullmatch(str(schema.get("$ref")))
    target = definitions.get(found[1], {}).get(found[2]) if found else None
    if not isinstance(target, dict):
        return schema
    return {**target, **definitions}
