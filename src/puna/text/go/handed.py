"""What Ollama hands to its templates: messages, calls and tools, with its names for their parts."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.text.go.functions import TYPESCRIPT
from puna.text.go.values import JsonList, JsonMap, OneOrMore, Struct, Type, from_json

Given = Mapping[str, Any]

_MESSAGE = Type(
    "Message",
    {
        "Role": "role",
        "Content": "content",
        "Thinking": "thinking?",
        "Images": "images?",
        "ToolCalls": "tool_calls?",
        "ToolName": "tool_name?",
        "ToolCallID": "tool_call_id?",
    },
)
_CALL = Type("ToolCall", {"ID": "id?", "Function": "function"})
_CALLED = Type("ToolCallFunction", {"Index": "index", "Name": "name", "Arguments": "arguments"})
_TOOL = Type("Tool", {"Type": "type", "Items": "items?", "Function": "function"}, text="json")
_FUNCTION = Type(
    "ToolFunction",
    {"Name": "name", "Description": "description", "Parameters": "parameters"},
    text="json",
)
_PARAMETERS = Type(
    "ToolFunctionParameters",
    {
        "Type": "type",
        "Defs": "$defs?",
        "Items": "items?",
        "Required": "required?",
        "Properties": "properties",
    },
    text="json",
)
_PROPERTY = Type(
    "ToolProperty",
    {
        "AnyOf": "anyOf?",
        "Type": "type?",
        "Items": "items?",
        "Description": "description?",
        "Enum": "enum?",
        "Properties": "properties?",
        "Required": "required?",
    },
)
_SCRIPT_TYPES = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "any[]",
    "object": "Record<string, any>",
    "null": "null",
}


class _Properties(JsonMap):
    """A tool's parameters by their names."""

    def __init__(self, properties: Given) -> None:
        super().__init__({name: _property(each) for name, each in properties.items()})
        self.missing = _property({})


def messages(given: Sequence[Given]) -> list[Struct]:
    """The messages; theirs is the shape of OpenAI's."""
    return [_message(each) for each in given]


def tools(given: Sequence[Given]) -> JsonList:
    """The tools; theirs is the shape of OpenAI's."""
    return JsonList(_tool(each) for each in given)


def _message(given: Given) -> Struct:
    calls = cast("list[Given]", given.get("tool_calls") or [])
    return Struct(
        _MESSAGE,
        {
            "Role": given["role"],
            "Content": given.get("content") or "",
            "Thinking": given.get("thinking", ""),
            # How many there are is all that a template can see of images.
            "Images": [b""] * given.get("images", 0),
            "ToolCalls": [_call(index, each) for index, each in enumerate(calls)],
            "ToolName": given.get("name", ""),
            "ToolCallID": given.get("tool_call_id", ""),
        },
    )


def _call(index: int, given: Given) -> Struct:
    function = given["function"]
    called = {
        "Index": index,
        "Name": function["name"],
        "Arguments": JsonMap(from_json(function["arguments"])),
    }
    return Struct(_CALL, {"ID": given.get("id", ""), "Function": Struct(_CALLED, called)})


def _tool(given: Given) -> Struct:
    function = given["function"]
    parameters = _object(function.get("parameters"))
    return Struct(
        _TOOL,
        {
            "Type": given.get("type", "function"),
            "Items": None,
            "Function": Struct(
                _FUNCTION,
                {
                    "Name": function["name"],
                    "Description": function.get("description", ""),
                    "Parameters": Struct(_PARAMETERS, _parameters(parameters)),
                },
            ),
        },
    )


def _parameters(schema: Given) -> dict[str, Any]:
    return {
        "Type": _word(schema.get("type")),
        "Defs": from_json(schema.get("$defs")),
        "Items": from_json(schema.get("items")),
        "Required": _words(schema.get("required")),
        "Properties": _Properties(_object(schema.get("properties"))),
    }


def _property(schema: Any) -> Struct:
    schema = _object(schema)
    properties = schema.get("properties")
    fields = {
        "AnyOf": [_property(each) for each in _list(schema.get("anyOf"))],
        "Type": OneOrMore(_words(schema.get("type"))),
        "Items": from_json(schema.get("items")),
        "Description": _word(schema.get("description")),
        "Enum": from_json(_list(schema.get("enum"))),
        "Properties": _Properties(_object(properties)) if properties is not None else None,
        "Required": _words(schema.get("required")),
    }
    return Struct(_PROPERTY, fields, {TYPESCRIPT: _script_type(fields)})


def _script_type(fields: Given) -> str:
    if fields["AnyOf"]:
        return " | ".join(each.methods[TYPESCRIPT] for each in fields["AnyOf"])
    return " | ".join(_SCRIPT_TYPES.get(word, "any") for word in fields["Type"]) or "any"


def _object(value: Any) -> Given:
    return cast(Given, value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in _list(value) if isinstance(each, str)]
