"""Hostile Go templates: any text is a template or a clear error, and each has its bounds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.text.go import library
from tests.text.go.test_language import CASES

from puna.errors import TemplateFailed
from puna.text.go.conversation import Conversational
from puna.text.go.evaluator import MAX_STEPS
from puna.text.go.faults import Fault
from puna.text.rendering import Bounds, Rendering

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Ünïcode?", "images": 1},
    {
        "role": "assistant",
        "content": "",
        "thinking": "hm",
        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": [1, None]}}}],
    },
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {}}}}}]
GIVEN = {"messages": MESSAGES, "tools": TOOLS, "stand_ins": {"Ü": "<"}}

# Pieces that mean something, in any order; and whole templates, cut and sewn.
PIECES = [
    *("{{", "}}", "{{-", "-}}", "(", ")", "|", ":=", "=", ",", ".", "$", "$x", "/*", "*/", " "),
    *("if", "else", "end", "range", "with", "define", "block", "template", "break", "continue"),
    *('"', "'", "`", '"t"', "1", "-1", "0x", "1e9", "nil", "true", "é", "\n", "\\", "%d", "%"),
    *(".Messages", ".Content", ".Function", ".Tools", "index", "slice", "len", "printf", "eq"),
    *("and", "or", "not", "lt", "print", "json", "html", "js", "urlquery", "call", "currentDate"),
]
SOURCES = [case["source"] for cases in CASES.values() for case in cases] + [*library.EVERY.values()]


@st.composite
def sewn(draw: st.DrawFn) -> str:
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        source = draw(st.sampled_from(SOURCES))
        start = draw(st.integers(0, len(source)))
        parts.append(source[start : start + draw(st.integers(0, 200))])
        parts.append(draw(st.sampled_from(PIECES)))
    return "".join(parts)


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=40).map("".join), sewn()))
def test_any_text_is_a_template_or_a_clear_error(source: str) -> None:
    try:
        told = Conversational(source).render(GIVEN, limit=10_000)
    except Fault as fault:
        told = fault.message if fault.message.startswith("line ") else "x" * 10_001
    assert len(told) <= 10_000
    told.encode("utf-8")


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=9,
)


@given(VALUES)
def test_any_value_can_be_printed_and_its_json_read_back(value: Any) -> None:
    given: dict[str, Any] = {"messages": [], "extra": {"value": value}}
    every = "{{ .value }}{{ printf `%v%+v%#v%s%d%q%x%t%T` " + ".value " * 9 + "}}"
    assert Conversational(every).render(given)
    text = Conversational("{{ json .value }}").render(given)
    # Whole numbers of any size are floats to Go.
    assert json.loads(text, parse_int=float) == value


@contextmanager
def rendering(source: str) -> Iterator[Rendering]:
    made = Rendering(source, Bounds(seconds=2, memory=256 << 20, characters=100_000), "go")
    try:
        yield made
    finally:
        made.close()


TWICE = "{{ $x = print $x $x }}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 100000 }}{{ range 100000 }}{{ . }}{{ end }}{{ end }}",
        '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
        '{{ define "a" }}{{ template "b" }}{{ template "b" }}{{ end }}'
        '{{ define "b" }}{{ template "a" }}{{ template "a" }}{{ end }}{{ template "a" }}',
        "{{ $x := `xx` }}" + TWICE * 60,
        "{{ range 100000 }}xx{{ end }}",
        "{{ printf `%1000000d` 1 }}",
        '{{ printf "' + "%999999d" * 2000 + '" 1 }}',
        "{{ html `" + "<" * 90_000 + "` }}",
        '{{ define "' + "a" * 9 + '" }}' + "x" * 99_000 + "{{ end }}"
        '{{ range 9 }}{{ template "aaaaaaaaa" }}{{ end }}',
    ],
    ids=[
        "a long range",
        "ranges in ranges",
        "a template in itself",
        "two in one another",
        "doubling",
        "many writes",
        "a wide number",
        "many wide numbers",
        "growing by escapes",
        "a long text, often",
    ],
)
def test_a_template_that_would_never_end_or_grows_is_stopped(source: str) -> None:
    with rendering(source) as hostile, pytest.raises(TemplateFailed):
        hostile.render({"messages": []})


def test_steps_are_counted_over_all_exchanges_of_a_conversation() -> None:
    exchanges = [{"role": role, "content": role} for role in ("user", "assistant") * 3]
    source = f"{{{{ range {MAX_STEPS // 2} }}}}{{{{ end }}}}{{{{ .Prompt }}}}"
    assert Conversational(source).render({"messages": exchanges[:1]}) == "user"
    with pytest.raises(Fault, match="more than 1000000 steps"):
        Conversational(source).render({"messages": exchanges})


def test_a_process_serves_on_after_a_template_went_wrong() -> None:
    source = (
        "{{ range .Messages }}{{ if eq .Content `bad` }}{{ .Nope }}{{ end }}{{ .Content }}{{ end }}"
    )
    with rendering(source) as made:
        bad, good = ({"messages": [{"role": "user", "content": word}]} for word in ("bad", "good"))
        with pytest.raises(TemplateFailed, match="field Nope"):
            made.render(bad)
        assert made.render(good) == "good"


@pytest.mark.slow
@pytest.mark.parametrize("opening", ["{{ (", "{{ if 1 }}", "{{/*", "{{ `", "{{ $x := ", "{{ .a"])
def test_long_hostile_sources_are_refused_soon(opening: str) -> None:
    with pytest.raises(Fault):
        Conversational(opening * 40_000)
