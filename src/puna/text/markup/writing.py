"""Writing tool calls as a model would, for templates that leave them out of a history."""

import json
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from puna.jobs import Message, TextPart, ToolCall
from puna.text.markup.format import (
    Arguments,
    Assignments,
    Calls,
    Elements,
    JsonArguments,
    NamedCall,
    ObjectCall,
    Parameters,
)


def calls_as_text(messages: Sequence[Message], calls: Calls) -> tuple[Message, ...]:
    """The messages with their calls written into their text."""
    return tuple(
        msgspec.structs.replace(
            each, parts=(*each.parts, TextPart(_written(each.tool_calls, calls))), tool_calls=()
        )
        if each.tool_calls
        else each
        for each in messages
    )


def _written(made: Sequence[ToolCall], calls: Calls) -> str:
    each = [_call(call, calls.call) for call in made]
    if calls.between:
        return calls.open + calls.between.join(each) + calls.close
    return "\n".join(calls.open + call + calls.close for call in each)


def _call(call: ToolCall, form: ObjectCall | NamedCall) -> str:
    match form:
        case ObjectCall(name_key, arguments_key):
            return _json({name_key: call.name, arguments_key: call.arguments})
        case NamedCall(name_close, arguments):
            return call.name + name_close + _arguments(call.arguments, arguments)


def _arguments(given: dict[str, Any], form: Arguments) -> str:
    match form:
        case JsonArguments():
            return _json(given)
        case Assignments():
            inner = form.comma.join(f"{key}{form.assign}{each!r}" for key, each in given.items())
            return form.open + inner + form.close
        case Elements():
            return "".join(_element(form, key, each) for key, each in given.items())
        case Parameters():
            return "".join(
                form.key_open + key + form.key_close + _bare(each) + form.value_close
                for key, each in given.items()
            )


def _element(form: Elements, name: str, value: Any) -> str:
    match value:
        case dict():
            inner = _arguments(cast("dict[str, Any]", value), form)
        case list():
            items = cast("list[Any]", value)
            inner = "".join(_element(form, form.item, each) for each in items)
        case _:
            inner = _bare(value)
    return f"{form.open}{name}{form.assign}{inner}{form.leave}{name}{form.close}"


def _bare(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
