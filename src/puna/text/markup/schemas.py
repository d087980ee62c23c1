"""What a tool's schema says of its arguments, as far as reading them needs it."""

from typing import Any, cast

from puna.jobs import Tool

_DEEPEST = 8


def schema_of(tool: Tool | None) -> object:
    """The schema of a tool's arguments; nothing of one that is not known."""
    return None if tool is None else tool.parameters


def of_key(schema: object, key: str) -> object:
    """The schema of one key of an object."""
    return _member(_member(schema, "properties"), key)


def of_items(schema: object) -> object:
    """The schema of a list's items."""
    return _member(schema, "items")


def _member(schema: object, key: str) -> object:
    return cast("dict[str, object]", schema).get(key) if isinstance(schema, dict) else None


def types_in(schema: object, depth: int = 0) -> frozenset[str]:
    """The JSON types that a schema allows; empty where it does not say."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return frozenset()
    described = cast("dict[str, Any]", schema)
    found: set[str] = set()
    kind = described.get("type")
    if isinstance(kind, str):
        found.add(kind)
    elif isinstance(kind, list):
        found.update(each for each in cast("list[Any]", kind) if isinstance(each, str))
    for choice in ("anyOf", "oneOf", "allOf"):
        options = described.get(choice)
        if isinstance(options, list):
            for option in cast("list[Any]", options):
                found |= types_in(option, depth + 1)
    return frozenset(found or map(type_of, named_values(described)))


def named_values(schema: dict[str, Any]) -> list[Any]:
    """The values of which a schema wants one; none where it names none."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return cast("list[Any]", values) if isinstance(values, list) else []


def type_of(value: object) -> str:
    """The JSON type of a value."""
    match value:
        case bool():
            return "boolean"
        case None:
            return "null"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"
