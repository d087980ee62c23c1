"""Formats: a schema's objects are closed where it does not say otherwise."""

import json
from typing import Any

import pytest

from puna.dialects.ollama.formats import closed, constraint_of
from puna.jobs import Constraint

TEXT = {"type": "string"}
OPEN: dict[str, Any] = {"type": "object", "properties": {"a": TEXT}}
CLOSED = {**OPEN, "additionalProperties": False}


def test_no_format_is_no_constraint() -> None:
    assert constraint_of(None) is constraint_of("") is None
    assert constraint_of("json") == Constraint("json")


def test_a_schema_keeps_the_order_of_its_properties() -> None:
    schema = {"type": "object", "properties": {"z": TEXT, "a": TEXT}}
    found = constraint_of(schema)
    assert found
    assert list(json.loads(found.value)["properties"]) == ["z", "a"]
    assert constraint_of({}) == Constraint("json_schema", "{}")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (OPEN, CLOSED),
        ({"items": OPEN}, {"items": CLOSED}),
        ({"anyOf": [OPEN, TEXT]}, {"anyOf": [CLOSED, TEXT]}),
        ({"$defs": {"one": OPEN}}, {"$defs": {"one": CLOSED}}),
        (
            {"properties": {"properties": OPEN}},
            {"properties": {"properties": CLOSED}, "additionalProperties": False},
        ),
    ],
)
def test_objects_are_closed_wherever_they_stand(schema: Any, expected: Any) -> None:
    assert closed(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {**OPEN, "additionalProperties": True},
        {**OPEN, "additionalProperties": TEXT},
        {**OPEN, "patternProperties": {"^x": TEXT}},
        {**OPEN, "unevaluatedProperties": True},
        {"allOf": [OPEN, {"properties": {"b": TEXT}}]},
        {"type": "object"},
        True,
        {"enum": [OPEN]},
    ],
)
def test_what_says_otherwise_stays_open(schema: Any) -> None:
    assert closed(schema) == schema
