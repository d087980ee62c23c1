"""What is thought stays free, and what comes after it is held to: a schema, or a call."""

import json
import re
from collections.abc import Sequence

import llguidance
import pytest

from puna.engine.grammar_trial import translated, within
from puna.engine.guidance import Table
from puna.text.markup.format import (
    Begun,
    Calls,
    JsonArguments,
    Markup,
    NamedCall,
    ObjectCall,
    Tags,
)
from puna.text.markup.grammar import calls_grammar
from puna.text.markup.known import HARMONY
from puna.text.markup.opening import Way, answer_grammar, answer_way

from .answers import TOOLS, Answer, answer_in, parsed

SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer"}},
    "required": ["count"],
    "additionalProperties": False,
}
CONTROL = (
    *("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|call|>"),
    *("<think>", "</think>", "<|content|>"),
)
TOKENS = {name: 256 + place for place, name in enumerate(CONTROL)}
END = TOKENS["<|call|>"]

CALLS = Calls("\n<tool_call>\n", "", "\n</tool_call>", ObjectCall())
QWEN = Markup(think=Tags("<think>", "</think>"), calls=CALLS)
IN_WORDS = Markup(think=Tags("[THINK]", "[/THINK]"), calls=CALLS)
AROUND_TEXT = Markup(
    think=Tags("<think>", "</think>"), text=Tags("<response>", "</response>"), calls=CALLS
)
IN_PARTS = Markup(
    think=Tags("assistant<think>", "<|end|><|start|>"),
    text=Tags("assistant<|content|>", "<|end|>"),
    calls=Calls("assistant<|tool|>", "", "", NamedCall("<|message|>", JsonArguments())),
    lead="assistant",
)
GOOD, BAD = '{"count": 3}', '{"count": "many"}'


def tokens_of(text: str) -> list[int]:
    """The tokens of a text where each byte is one, and control tokens are others."""
    parts = re.split(f"({'|'.join(map(re.escape, CONTROL))})", text)
    return [
        token for part in parts for token in ([TOKENS[part]] if part in TOKENS else part.encode())
    ]


def follows(grammar: str, tokens: list[int]) -> bool:
    """Whether an output of these tokens follows the grammar, and may end there."""
    pieces = [bytes([byte]) for byte in range(256)] + [b"\xff" + name.encode() for name in CONTROL]
    table = Table(pieces, [END], lambda text: list(text.encode()))
    automaton = table.compile(grammar)
    if automaton.allowed(tokens) != len(tokens):
        return False
    automaton.consume(tokens)
    return automaton.accepting


def answers(
    markup: Markup, text: str | list[int], begun: Begun = "", *, may_think: bool = True
) -> bool:
    """Whether a model that is held to the schema may say this."""
    grammar = translated("json_schema", json.dumps(SCHEMA))
    around = answer_grammar(markup, begun, may_think=may_think, token_of=TOKENS.get)
    grammar = within(grammar, around) if around else grammar
    return follows(grammar, tokens_of(text) if isinstance(text, str) else text)


def calls(
    markup: Markup,
    text: str,
    begun: Begun = "",
    *,
    may_think: bool = True,
    parallel: bool = True,
    otherwise: Sequence[Way] = (),
) -> bool:
    """Whether a model that has to call a tool may say this."""
    assert markup.calls is not None
    lark = calls_grammar(
        markup,
        markup.calls,
        TOOLS,
        parallel=parallel,
        begun=begun,
        may_think=may_think,
        token_of=TOKENS.get,
        otherwise=otherwise,
    )
    if otherwise:
        return follows(within(translated("json_schema", json.dumps(SCHEMA)), lark), tokens_of(text))
    return follows(llguidance.grammar_from("lark", lark), tokens_of(text))


def answers_or_calls(
    markup: Markup, text: str, begun: Begun = "", *, may_think: bool = True, parallel: bool = True
) -> bool:
    """Whether a model may say this that may call tools, and is held to the schema otherwise."""
    way = [answer_way(markup)]
    return calls(markup, text, begun, may_think=may_think, parallel=parallel, otherwise=way)


@pytest.mark.parametrize(
    ("markup", "thought"),
    [
        (QWEN, "<think>\nHm, <b>{\n</think>\n\n"),
        (QWEN, "<think></think>"),
        (IN_WORDS, "[THINK]Hm, [/THIN[/THINK]"),
        (AROUND_TEXT, "<think>Hm.</think>\n<response>"),
        (IN_PARTS, "<think>Hm.<|end|><|start|>assistant<|content|>"),
        (HARMONY, "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"),
    ],
    ids=["qwen", "nothing", "in words", "around text", "in parts", "harmony"],
)
def test_an_answer_is_thought_about_freely_and_then_held_to(markup: Markup, thought: str) -> None:
    if markup is HARMONY:
        thought += "<|channel|>final<|message|>"
    assert answers(markup, thought + GOOD)
    assert not answers(markup, thought + BAD)
    assert not answers(markup, thought)
    assert not answers(markup, thought + thought + GOOD)
    found = answer_in(parsed(markup, [thought + GOOD]))
    assert found.text == GOOD
    assert found.thinking in thought


@pytest.mark.parametrize(
    ("markup", "opening"),
    [
        (QWEN, ""),
        (IN_WORDS, ""),
        (AROUND_TEXT, "<response>"),
        (IN_PARTS, "<|content|>"),
        (HARMONY, "<|channel|>final<|message|>"),
        (Markup(), ""),
    ],
    ids=["qwen", "in words", "around text", "in parts", "harmony", "no markup"],
)
@pytest.mark.parametrize("may_think", [True, False])
def test_an_answer_may_come_at_once(markup: Markup, opening: str, may_think: bool) -> None:
    assert answers(markup, opening + GOOD, may_think=may_think)
    assert not answers(markup, opening + BAD, may_think=may_think)
    assert not answers(markup, opening + "Well, " + GOOD, may_think=may_think)
    assert answer_in(parsed(markup, [opening + GOOD])) == Answer("", GOOD)


def test_what_the_prompt_has_begun_is_gone_on_with() -> None:
    assert answers(QWEN, f"Hm.\n</think>\n\n{GOOD}", "thinking")
    assert not answers(QWEN, GOOD, "thinking")
    assert not answers(QWEN, f"Hm.</think>{BAD}", "thinking")
    assert answers(QWEN, GOOD, "thought")
    assert not answers(QWEN, f"<think>Hm.</think>{GOOD}", "thought")
    assert answers(AROUND_TEXT, f"<response>{GOOD}", "thought")
    assert not answers(AROUND_TEXT, GOOD, "thought")
    for markup in (QWEN, AROUND_TEXT, IN_PARTS, HARMONY):
        assert answers(markup, GOOD, "answer")
        assert not answers(markup, f"<think>Hm.</think>{GOOD}", "answer")


def test_who_is_not_to_think_does_not() -> None:
    assert not answers(QWEN, f"<think>Hm.</think>{GOOD}", may_think=False)
    # What the prompt has opened is to be closed all the same.
    assert answers(QWEN, f"Hm.</think>{GOOD}", "thinking", may_think=False)


def test_the_end_of_thinking_is_no_text_of_it_in_whatever_tokens() -> None:
    spelled = [*b"Hm. </think> Or:", TOKENS["</think>"], *GOOD.encode()]
    assert not answers(QWEN, spelled, "thinking")
    assert answers(QWEN, f"Hm. </thin Or:</think>{GOOD}", "thinking")


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize(
    ("thought", "begun"),
    [("", ""), ("<think>Hm.</think>\n", ""), ("Hm.</think>\n", "thinking"), ("", "thought")],
)
def test_a_call_is_thought_about_freely(thought: str, begun: Begun, parallel: bool) -> None:
    call = '\n<tool_call>\n{"name": "go", "arguments": {}}\n</tool_call>'
    first = call if not begun and not thought else call.lstrip()
    assert calls(QWEN, thought + first, begun, parallel=parallel)
    assert calls(QWEN, thought + first + call, begun, parallel=parallel) == parallel
    assert not calls(QWEN, thought, begun, parallel=parallel)
    assert not calls(QWEN, thought + "Well." + first, begun, parallel=parallel)


def test_calls_whose_beginning_the_prompt_has_written_are_thought_about_too() -> None:
    call = "<|tool|>go<|message|>{}"
    thought = "<think>Hm.<|end|><|start|>"
    assert calls(IN_PARTS, call)
    assert calls(IN_PARTS, f"{thought}assistant{call}")
    assert not calls(IN_PARTS, f"assistant{call}")
    assert not calls(IN_PARTS, thought + call)
    assert not calls(IN_PARTS, f"{thought}assistant{call}", may_think=False)


THOUGHT = "<|channel|>analysis<|message|>Hm, <b>.<|end|><|start|>assistant"
SPOKEN = "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant"
CALLED = '<|channel|>commentary to=functions.look_up <|constrain|>json<|message|>{"count": 1}'


@pytest.mark.parametrize("before", ["", THOUGHT, SPOKEN, THOUGHT + SPOKEN])
@pytest.mark.parametrize("parallel", [True, False])
def test_harmony_is_forced_to_call_after_what_it_thinks_and_says(
    before: str, parallel: bool
) -> None:
    assert calls(HARMONY, before + CALLED, parallel=parallel)
    found = answer_in(parsed(HARMONY, [before + CALLED]))
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
        THOUGHT.replace("Hm", "H<|constrain|>m") + CALLED,
    ],
)
def test_harmony_cannot_do_but_call_once(text: str) -> None:
    assert not calls(HARMONY, text)


CALL = '<tool_call>\n{"name": "go", "arguments": {}}\n</tool_call>'
BARE = Markup(calls=Calls("", "", "", ObjectCall("name", "parameters")))
BARE_CALL = '{"name": "go", "parameters": {}}'


@pytest.mark.parametrize(
    ("markup", "thought", "answer", "call"),
    [
        (QWEN, "<think>Hm.</think>\n\n", "", CALL),
        (IN_WORDS, "[THINK]Hm.[/THINK]", "", CALL),
        (AROUND_TEXT, "<think>Hm.</think>", "<response>", CALL),
        (
            IN_PARTS,
            "<think>Hm.<|end|><|start|>assistant",
            "<|content|>",
            "<|tool|>go<|message|>{}",
        ),
        (HARMONY, THOUGHT, "<|channel|>final<|message|>", CALLED),
        (BARE, "", "", BARE_CALL),
    ],
    ids=["qwen", "in words", "around text", "in parts", "harmony", "bare"],
)
def test_who_may_call_tools_calls_or_keeps_to_the_schema(
    markup: Markup, thought: str, answer: str, call: str
) -> None:
    for before in {"", thought}:
        assert answers_or_calls(markup, before + answer + GOOD)
        assert answers_or_calls(markup, before + call)
        assert not answers_or_calls(markup, before + answer + BAD)
        assert not answers_or_calls(markup, before + "Well, " + call)
        assert not answers_or_calls(markup, before + answer + GOOD + call)
        assert not answers_or_calls(markup, before + call + answer + GOOD)
        assert answer_in(parsed(markup, [before + answer + GOOD])).text == GOOD
        assert answer_in(parsed(markup, [before + call])).ended == 1
    if thought:
        assert not answers_or_calls(markup, thought)
        assert not answers_or_calls(markup, thought + answer + GOOD, may_think=False)
        assert not answers_or_calls(markup, thought + call, may_think=False)


def test_several_calls_take_the_place_of_an_answer_where_that_may_be() -> None:
    assert answers_or_calls(QWEN, CALL + "\n" + CALL)
    assert not answers_or_calls(QWEN, CALL + "\n" + CALL, parallel=False)
    # The parser could not tell a second one from a text.
    assert not calls(BARE, BARE_CALL + BARE_CALL)


def test_harmony_says_something_before_a_call_and_not_before_an_answer() -> None:
    assert answers_or_calls(HARMONY, THOUGHT + SPOKEN + CALLED)
    assert not answers_or_calls(HARMONY, SPOKEN + "<|channel|>final<|message|>" + GOOD)


def test_what_sets_a_call_off_from_a_text_is_left_out_where_there_is_none() -> None:
    assert calls(QWEN, CALL)
    assert calls(QWEN, "\n" + CALL)
