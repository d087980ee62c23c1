"""What a template works with: Go's kinds of values, by Python's.

None is Go's nil, in all its types. A `str` is bytes to Go (see `strings.py`), a `bytes` is data.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard, cast

Kind = Literal["nil", "bool", "int", "float", "complex", "string", "data", "list", "map", "struct"]


@dataclass(frozen=True, slots=True)
class Type:
    """A struct's type: its fields in their order, each with its name in JSON.

    A name that ends with `?` is left out of JSON where the field is empty. `text` says how such
    a value is printed: as a struct, or as JSON.
    """

    name: str
    fields: dict[str, str]
    text: Literal["struct", "json"] = "struct"


@dataclass(frozen=True, slots=True, eq=False)
class Struct:
    """A value with named fields; `methods` are those that take no arguments, with their values."""

    type: Type
    fields: dict[str, Any]
    methods: dict[str, str] = field(default_factory=dict[str, str])


class JsonMap(dict[str, Any]):
    """A map that is printed as JSON; `missing` is what it has under a key that it has not."""

    missing: Any = None


class JsonList(list[Any]):
    """A list that is printed as JSON."""


class OneOrMore(list[str]):
    """A list of words that is printed, and written as JSON, as its one word where it has one."""


def kind(value: Any) -> Kind:
    """The kind of a value."""
    match value:
        case None:
            return "nil"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case complex():
            return "complex"
        case str():
            return "string"
        case bytes():
            return "data"
        case list():
            return "list"
        case dict():
            return "map"
        case _:
            return "struct"


def type_name(value: Any) -> str:
    """A value's type as Go calls it."""
    match value:
        case Struct():
            return value.type.name
        case OneOrMore():
            return "[]string"
        case _:
            return {
                "nil": "<nil>",
                "bool": "bool",
                "int": "int",
                "float": "float64",
                "complex": "complex128",
                "string": "string",
                "data": "[]uint8",
                "list": "[]interface {}",
                "map": "map[string]interface {}",
                "struct": "func",
            }[kind(value)]


def is_true(value: Any) -> bool:
    """Whether a value counts as true: structs do, nothing and what is empty or zero does not."""
    return value is not None and (isinstance(value, Struct) or bool(value))


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a list."""
    return isinstance(value, list)


def is_map(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is a map."""
    return isinstance(value, dict)


def from_json(value: Any) -> Any:
    """A JSON value as Go reads one: every number that a float can hold is a float."""
    match value:
        case bool():
            return value
        case int():
            return float(value) if abs(value) <= 2**53 else value
        case list():
            return [from_json(each) for each in cast("list[Any]", value)]
        case dict():
            return {key: from_json(each) for key, each in cast("dict[str, Any]", value).items()}
        case _:
            return value
