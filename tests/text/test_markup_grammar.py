"""A grammar made of a model's markup forces calls in the very form that its parser reads."""

from collections.abc import Sequence
from typing import Any

import llguidance
import pytest

from puna.jobs import Tool
from puna.text.markup.format import Calls, Markup
from puna.text.markup.grammar import calls_grammar
from puna.text.markup.lark import TokenOf

from .answers import KINDS, TOOLS, Answer, Kind, answer_in, parsed

LOOK_UP = (
    "look_up",
    {"text": "A b. <é>", "count": -3, "flag": True, "tree": {"a": [1, None]}, "list": ["x"]},
)
GO = ("go", {})

kinds = pytest.mark.parametrize(
    "kind",
    [kind for name, kind in KINDS.items() if name != "an object, name last"],
    ids=[name for name in KINDS if name != "an object, name last"],
)


def forced(
    calls: Calls | None,
    tools: Sequence[Tool] = TOOLS,
    *,
    parallel: bool = True,
    token_of: TokenOf = lambda word: None,
) -> str:
    assert calls is not None
    return calls_grammar(
        Markup(), calls, tools, parallel=parallel, begun="", may_think=True, token_of=token_of
    )


def accepts(calls: Calls | None, text: str, *, parallel: bool = True) -> bool:
    return matched(forced(calls, parallel=parallel), list(text.encode()))


def matched(grammar: str, tokens: list[int]) -> bool:
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, llguidance.grammar_from("lark", grammar))
    assert not matcher.get_error(), matcher.get_error()
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


def _flat(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key in ("text", "count")}


@kinds
@pytest.mark.parametrize("calls", [(LOOK_UP,), (GO,), (LOOK_UP, GO, ("look_up", {"count": 1}))])
def test_it_accepts_what_the_parser_reads(
    kind: Kind, calls: tuple[tuple[str, dict[str, Any]], ...]
) -> None:
    if "Assignments" in str(kind.markup.calls):
        # Inner values are forced in JSON there, which the parser reads as well.
        calls = tuple((name, _flat(arguments)) for name, arguments in calls)
    written = kind.written(Answer(calls=calls))
    assert accepts(kind.markup.calls, written)
    assert answer_in(parsed(kind.markup, [written])).calls == calls


@kinds
def test_it_refuses_other_tools_other_types_and_mere_text(kind: Kind) -> None:
    for call in [("stay", {}), ("look_up", {"count": "many"})]:
        assert not accepts(kind.markup.calls, kind.written(Answer(calls=(call,))))
    assert not accepts(kind.markup.calls, "Hello.")
    assert not accepts(kind.markup.calls, "")


@kinds
def test_it_allows_one_call_where_one_is_wanted(kind: Kind) -> None:
    calls = kind.markup.calls
    assert accepts(calls, kind.written(Answer(calls=(GO,))), parallel=False)
    assert not accepts(calls, kind.written(Answer(calls=(GO, GO))), parallel=False)


@kinds
def test_arguments_that_are_needed_cannot_be_left_out(kind: Kind) -> None:
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["text"],
    }
    grammar = forced(kind.markup.calls, [Tool("look_up", "", schema)])

    def allowed(arguments: dict[str, Any]) -> bool:
        written = kind.written(Answer(calls=(("look_up", arguments),)))
        return matched(grammar, list(written.encode()))

    assert allowed({"text": "a"})
    assert allowed({"text": "a", "count": 1})
    assert not allowed({"count": 1})
    assert not allowed({})


@kinds
def test_references_in_a_schema_are_followed(kind: Kind) -> None:
    schema = {
        "type": "object",
        "properties": {"count": {"$ref": "#/$defs/number"}},
        "$defs": {"number": {"type": "integer"}},
    }
    tools = [Tool("look_up", "", schema)]
    grammar = forced(kind.markup.calls, tools, parallel=False)
    for count, allowed in ((3, True), ("three", False)):
        written = kind.written(Answer(calls=(("look_up", {"count": count}),)))
        assert matched(grammar, list(written.encode())) == allowed


UNTYPED: dict[str, tuple[dict[str, Any], Any]] = {
    "a choice": ({"enum": ["river", "valley"]}, "river"),
    "a constant": ({"const": "river"}, "river"),
    "a choice that is referred to": ({"$ref": "#/$defs/place"}, "river"),
    "a text or nothing": ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "river"),
    "a choice of numbers": ({"enum": [1, 2]}, 2),
}


@pytest.mark.parametrize(
    "kind", ["parameters", "parameters with their kind", "keys and values", "an object in tags"]
)
@pytest.mark.parametrize("what", UNTYPED)
def test_a_text_has_quotes_only_where_the_markup_has_them(kind: str, what: str) -> None:
    markup = KINDS[kind].markup
    schema, value = UNTYPED[what]
    parameters = {
        "type": "object",
        "properties": {"text": schema},
        "$defs": {"place": {"enum": ["river", "valley"]}},
    }
    tools = (Tool("look_up", "", parameters),)
    calls = (("look_up", {"text": value}),)
    written = KINDS[kind].written(Answer(calls=calls))
    assert matched(forced(markup.calls, tools), list(written.encode()))
    assert answer_in(parsed(markup, [written], tools=tools)).calls == calls


def test_words_that_are_tokens_are_asked_for_as_tokens() -> None:
    calls = KINDS["the name apart"].markup.calls
    known = {"<|calls|>": 7, "<|sep|>": 8}
    grammar = forced(calls, TOOLS, parallel=False, token_of=known.get)
    assert grammar.startswith('start: <[7]> "<|call|>" calls')
    assert '"go" <[8]> %json' in grammar
