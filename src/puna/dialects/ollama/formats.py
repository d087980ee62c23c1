"""What `format` asks for: any JSON, or JSON that keeps to a schema.

In Ollama an object has the properties that its schema names and no others, though JSON Schema
itself lets in whatever is not forbidden; who writes a schema for a model expects the former.
"""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from puna.jobs import Constraint

# Where schemas stand within a schema, each by a name that people chose, in a list, or alone.
# Not in `allOf`, whose objects have each other's properties too.
_NAMED = ("properties", "$defs", "definitions")
_LISTED = ("anyOf", "oneOf", "prefixItems")
_ALONE = ("items", "additionalProperties")
_OPEN = frozenset({"additionalProperties", "unevaluatedProperties", "patternProperties", "allOf"})


def constraint_of(asked: str | dict[str, Any] | None) -> Constraint | None:
    """The language of the answer; none where no format is asked for."""
    match asked:
        case None | "":
            return None
        case str():
            return Constraint("json")
        case schema:
            return Constraint("json_schema", msgspec.json.encode(closed(schema)).decode())


def closed(schema: Any) -> Any:
    """The schema, its objects closed to properties that it does not name."""
    if not isinstance(schema, dict):
        return schema
    given = cast(dict[str, Any], schema)
    known: dict[str, Any] = {}
    for key, value in given.items():
        if key in _NAMED and isinstance(value, Mapping):
            named = cast(Mapping[str, Any], value)
            known[key] = {name: closed(one) for name, one in named.items()}
        elif key in _LISTED and isinstance(value, list):
            known[key] = [closed(one) for one in cast(list[Any], value)]
        elif key in _ALONE:
            known[key] = closed(value)
        else:
            known[key] = value
    if "properties" in given and _OPEN.isdisjoint(given):
        known["additionalProperties"] = False
    return known
