"""Calls whose arguments are elements within elements, as MiniMax M3 writes them."""

import json
from typing import Any

import llguidance
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.jobs import Tool
from puna.text.markup.format import Calls, Elements, Markup, NamedCall
from puna.text.markup.grammar import calls_grammar
from puna.text.markup.writing import calls_as_text

from .answers import Answer, answer_in, cut, cuts, parsed, words
from .collection import ANSWER

NAMESPACE = "]<]minimax[>["
FORM = Elements(f"{NAMESPACE}<", ">", f"{NAMESPACE}</", ">")
CALLS = Calls(
    f'{NAMESPACE}<tool_call>\n{NAMESPACE}<invoke name="',
    f'{NAMESPACE}</invoke>\n{NAMESPACE}<invoke name="',
    f"{NAMESPACE}</invoke>\n{NAMESPACE}</tool_call>",
    NamedCall('">', FORM),
)
MARKUP = Markup(tools=True, calls=CALLS, learnt=True)
STRING = {"type": "string"}
TREE = {
    "type": "object",
    "properties": {
        "name": STRING,
        "count": {"type": "integer"},
        "tags": {"type": "array", "items": STRING},
    },
    "required": ["name"],
}
SCHEMA = {
    "type": "object",
    "properties": {
        "text": STRING,
        "tree": TREE,
        "trees": {"type": "array", "items": TREE},
        "rows": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "exact": {"type": "boolean"},
    },
    "required": ["text"],
}
ORDER = (*SCHEMA["properties"], *TREE["properties"])
TOOLS = (Tool("plan", "", SCHEMA), Tool("go", "", {"type": "object", "properties": {}}))

numbers = st.integers(-1000, 1000) | st.floats(-100, 100).filter(lambda each: each != int(each))
trees = st.fixed_dictionaries(
    {"name": words},
    optional={"count": st.integers(-9, 9), "tags": st.lists(words, max_size=3)},
)
arguments = st.fixed_dictionaries(
    {"text": words},
    optional={
        "tree": trees,
        "trees": st.lists(trees, max_size=3),
        "rows": st.lists(st.lists(numbers, max_size=3), max_size=3),
        "exact": st.booleans(),
    },
)
call_lists = st.lists(
    st.tuples(st.just("plan"), arguments) | st.just(("go", dict[str, Any]())),
    min_size=1,
    max_size=3,
)


def element(name: str, value: Any) -> str:
    match value:
        case dict():
            inner = "".join(element(key, each) for key, each in value.items())
        case list():
            inner = "".join(element("item", each) for each in value)
        case str():
            inner = value
        case _:
            inner = json.dumps(value)
    return f"{NAMESPACE}<{name}>{inner}{NAMESPACE}</{name}>"


def written(calls: list[tuple[str, dict[str, Any]]]) -> str:
    each = [
        f'{name}">' + "".join(element(key, value) for key, value in made.items())
        for name, made in calls
    ]
    return CALLS.open + CALLS.between.join(each) + CALLS.close


@given(calls=call_lists, places=cuts)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_however_it_is_cut(
    calls: list[tuple[str, dict[str, Any]]], places: list[int]
) -> None:
    text = "Well." + written(calls)
    whole = parsed(MARKUP, [text], tools=TOOLS)
    assert answer_in(whole) == Answer("", "Well.", tuple(calls), len(calls))
    assert parsed(MARKUP, cut(text, places), tools=TOOLS) == whole
    assert parsed(MARKUP, list(text), tools=TOOLS) == whole


@given(calls=call_lists, end=st.integers(0, 2000), places=cuts)
@settings(max_examples=100, deadline=None)
def test_what_is_cut_off_is_neither_lost_nor_taken_for_whole(
    calls: list[tuple[str, dict[str, Any]]], end: int, places: list[int]
) -> None:
    text = written(calls)[:end]
    found = parsed(MARKUP, [text], tools=TOOLS)
    assert parsed(MARKUP, cut(text, places), tools=TOOLS) == found
    answer = answer_in(found)
    for (name, read), (wanted, wanted_read) in zip(answer.calls, calls, strict=False):
        assert name == wanted
        if not isinstance(read, str):
            assert read.items() <= wanted_read.items()


def in_order(value: Any) -> Any:
    """The value with all keys in the schema's order, to which a model is held."""
    match value:
        case dict():
            return {key: in_order(value[key]) for key in ORDER if key in value}
        case list():
            return [in_order(each) for each in value]
        case _:
            return value


@given(calls=call_lists)
@settings(max_examples=50, deadline=None)
def test_the_grammar_lets_through_what_is_read(calls: list[tuple[str, dict[str, Any]]]) -> None:
    lark = calls_grammar(
        MARKUP, CALLS, TOOLS, parallel=True, begun="", may_think=True, token_of=lambda word: None
    )
    matcher = llguidance.LLMatcher(
        llguidance.LLTokenizer("byte"), llguidance.grammar_from("lark", lark)
    )
    tokens = list(written([(name, in_order(made)) for name, made in calls]).encode())
    assert matcher.try_consume_tokens(tokens) == len(tokens)
    assert matcher.is_accepting()


@pytest.mark.parametrize(
    ("inner", "arguments"),
    [
        (element("text", 3), {"text": "3"}),
        (element("other", 3), {"other": 3}),
        (element("other", "b > a </other>"), {"other": "b > a </other>"}),
        (f"\n{element('tree', {})}\n", {"tree": {}}),
        (element("rows", []), {"rows": []}),
        (element("other", {"item": [1], "more": 2}), None),
        (element("other", {"a": 1, "item": 2}), {"other": {"a": 1, "item": 2}}),
        (element("text", "a") + element("text", "b"), None),
        (element("text", "a") + "and so on", None),
    ],
)
def test_odd_elements(inner: str, arguments: dict[str, Any] | None) -> None:
    text = f'{CALLS.open}plan">{inner}{CALLS.close}'
    found = answer_in(parsed(MARKUP, list(text), tools=TOOLS))
    assert found.ended == (arguments is not None)
    if arguments is not None:
        assert found.calls == (("plan", arguments),)
    else:
        assert CALLS.close.strip()[-20:] in found.text


def test_calls_are_written_in_this_form() -> None:
    (said,) = calls_as_text([ANSWER], CALLS)
    assert "<list>" in said.text
    assert not said.tool_calls
