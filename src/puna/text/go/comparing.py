"""Which values are the same, and which is less, by Go's rules: only like goes with like."""

from typing import Any, cast

from puna.text.go.strings import Strings
from puna.text.go.values import Kind, kind, type_name

_BASIC: frozenset[Kind] = frozenset(("bool", "int", "float", "complex", "string"))
_ORDERED: frozenset[Kind] = frozenset(("int", "float", "string"))


class Incomparable(Exception):
    """Two values that Go does not compare."""


def equal(one: Any, other: Any, strings: Strings) -> bool:
    """Whether two values are the same."""
    if one is None or other is None:
        return one is None and other is None
    kinds = kind(one), kind(other)
    if kinds[0] != kinds[1]:
        raise _incomparable(one, other)
    if kinds[0] not in _BASIC:
        raise Incomparable(f"values of type {type_name(one)} cannot be compared")
    if kinds[0] == "string":
        return strings.bytes(one) == strings.bytes(other)
    return bool(one == other)


def less(one: Any, other: Any, strings: Strings) -> bool:
    """Whether the first is less than the other."""
    for value in (one, other):
        if kind(value) not in _ORDERED:
            raise Incomparable(f"values of type {type_name(value)} have no order")
    if kind(one) != kind(other):
        raise _incomparable(one, other)
    if isinstance(one, str):
        return strings.bytes(one) < strings.bytes(cast(str, other))
    return bool(one < other)


def _incomparable(one: Any, other: Any) -> Incomparable:
    return Incomparable(f"{type_name(one)} and {type_name(other)} cannot be compared")
