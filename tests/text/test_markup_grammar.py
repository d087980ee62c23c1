"""A grammar made of a model's markup forces calls in the very form that its parser reads."""

import re
from typing import Any

import llguidance
import pytest

from puna.engine.guidance import Table
from puna.jobs import Tool
from puna.text.markup.format import Calls, Markup
from puna.text.markup.grammar import calls_grammar
from puna.text.markup.known import HARMONY_CALLS

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


def accepts(calls: Calls | None, text: str, *, parallel: bool = True) -> bool:
    assert calls is not None
    grammar = calls_grammar(calls, TOOLS, parallel=parallel, token_of=lambda word: None)
    return matched(grammar, list(text.encode()))


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
    calls = kind.markup.calls
    assert calls is not None
    grammar = calls_grammar(
        calls, [Tool("look_up", "", schema)], parallel=True, token_of=lambda word: None
    )

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
    assert kind.markup.calls is not None
    tools = [Tool("look_up", "", schema)]
    grammar = calls_grammar(kind.markup.calls, tools, parallel=False, token_of=lambda word: None)
    for count, allowed in ((3, True), ("three", False)):
        written = kind.written(Answer(calls=(("look_up", {"count": count}),)))
        assert matched(grammar, list(written.encode())) == allowed


def test_words_that_are_tokens_are_asked_for_as_tokens() -> None:
    calls = KINDS["the name apart"].markup.calls
    assert calls is not None
    known = {"<|calls|>": 7, "<|sep|>": 8}
    grammar = calls_grammar(calls, TOOLS, parallel=False, token_of=known.get)
    assert grammar.startswith('start: <[7]> "<|call|>" call')
    assert '"go" <[8]> %json' in grammar


THOUGHT = "<|channel|>analysis<|message|>Hm, <b>.<|end|><|start|>assistant"
SPOKEN = "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant"
CALLED = '<|channel|>commentary to=functions.look_up <|constrain|>json<|message|>{"count": 1}'
HARMONY = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|call|>")
HARMONY_TOKENS = {name: 256 + place for place, name in enumerate(HARMONY)}


def harmony_tokens(text: str) -> list[int]:
    """The tokens of a text where each byte is one, and Harmony's control tokens are others."""
    parts = re.split(f"({'|'.join(map(re.escape, HARMONY))})", text)
    return [
        token
        for part in parts
        for token in ([HARMONY_TOKENS[part]] if part in HARMONY_TOKENS else part.encode())
    ]


def harmony_accepts(text: str, *, parallel: bool = True) -> bool:
    """Whether a call is forced in that form, with the control tokens as tokens of their own."""
    grammar = calls_grammar(HARMONY_CALLS, TOOLS, parallel=parallel, token_of=HARMONY_TOKENS.get)
    pieces = [bytes([byte]) for byte in range(256)]
    pieces += [b"\xff" + name.encode() for name in HARMONY]
    table = Table(pieces, [HARMONY_TOKENS["<|call|>"]], lambda text: list(text.encode()))
    automaton = table.compile(llguidance.grammar_from("lark", grammar))
    tokens = harmony_tokens(text)
    if automaton.allowed(tokens) != len(tokens):
        return False
    automaton.consume(tokens)
    return automaton.accepting and automaton.stopped


@pytest.mark.parametrize("before", ["", THOUGHT, SPOKEN, THOUGHT + SPOKEN])
@pytest.mark.parametrize("parallel", [True, False])
def test_harmony_is_forced_to_call_after_what_it_thinks_and_says(
    before: str, parallel: bool
) -> None:
    assert harmony_accepts(before + CALLED, parallel=parallel)
    assert accepts(HARMONY_CALLS, before + CALLED, parallel=parallel)
    found = answer_in(parsed(Markup(named="harmony"), [before + CALLED]))
    assert found.calls == (("look_up", {"count": 1}),)
    assert bool(found.thinking) == (THOUGHT in before)
    assert bool(found.text) == (SPOKEN in before)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello.",
        THOUGHT,
        THOUGHT + THOUGHT + CALLED,
        "<|channel|>final<|message|>Hello.",
        SPOKEN.replace("commentary", "final") + CALLED,
        CALLED.replace("look_up", "stay"),
        CALLED.replace("1", '"many"'),
        CALLED + "<|start|>assistant" + CALLED,
        CALLED.replace("<|constrain|>", "<|end|>"),
    ],
)
def test_harmony_cannot_do_but_call_once(text: str) -> None:
    assert not harmony_accepts(text)


def test_what_is_thought_cannot_hold_a_control_token_of_harmony() -> None:
    assert not harmony_accepts(THOUGHT.replace("Hm", "H<|constrain|>m") + CALLED)
