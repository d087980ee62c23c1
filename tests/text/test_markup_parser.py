"""The parser reads every kind of markup, however the text is cut, and loses nothing."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from puna.jobs import Tool
from puna.text.markup.format import (
    Begun,
    Calls,
    Elements,
    JsonArguments,
    Markup,
    NamedCall,
    ObjectCall,
    Tags,
)
from puna.text.markup.known import HARMONY
from puna.text.markup.parser import Parser
from puna.text.markup.pieces import CallArguments, CallEnd, CallStart, Text, Thinking

from .answers import KINDS, THINK, TOOLS, Answer, Kind, answer_in, answers, cut, cuts, parsed

TAGGED = KINDS["an object in tags"].markup
BARE = Markup(calls=Calls("", "", "", ObjectCall("name", "parameters")))
BARE_NAME = Markup(calls=Calls("", "", "", NamedCall("\n", JsonArguments())))
ELEMENTS = Markup(
    think=THINK,
    calls=Calls(
        "]<]ns[>[<tool_call>]<]ns[>[",
        "",
        "]<]ns[>[</tool_call>",
        NamedCall("]<]ns[>[<is>", Elements("]<]ns[>[<", ">", "]<]ns[>[</", ">")),
    ),
)
SECTION = KINDS["the name apart"].markup
PARAMETERS = KINDS["parameters"].markup

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


@kinds
@given(answer=answers, places=cuts)
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_however_it_is_cut(
    kind: Kind, answer: Answer, places: list[int]
) -> None:
    written = kind.written(answer)
    whole = parsed(kind.markup, [written])
    assert answer_in(whole) == answer
    assert parsed(kind.markup, cut(written, places)) == whole
    assert parsed(kind.markup, list(written)) == whole


FRAGMENTS = [
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<calls>", "</calls>", "[CALLS]",
    "[CALL]", "[ID]", "[ARGS]", "<|calls|>", "<|call|>", "<|sep|>", "<|end|>", "<|/calls|>",
    "<|start|>",
    "<function=", "</function>", "<parameter=", "</parameter>", '<invoke name="', "</invoke>",
    '<p name="', '" string="', '">', "</p>", "<arg_key>", "</arg_key>", "<arg_value>",
    "</arg_value>", "<|call>", "call:", "<call|>", '<|"|>', "{", "}", "[", "]", "(", ")", '"', "'",
    ",", ":", "=", ">", "\n", " ", '"name"', '"arguments"', '"look_up"', "look_up", "text", "tree",
    '{"name": "look_up", "arguments": {', "1", "true", "None", "\\", "é", "🦙", "<", "<t",
    "]<]ns[>[", "<is>", "<item>", "<text>", "</text>", "</item>", "</",
    "<|channel|>", "<|message|>", "analysis", "to=functions.go", "final", " w1 ", " w2 ", " w3 ",
]  # fmt: skip
noise = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)
ALL_MARKUPS = {name: kind.markup for name, kind in KINDS.items()} | {
    "bare": BARE,
    "a bare name": BARE_NAME,
    "Harmony": HARMONY,
    "elements": ELEMENTS,
}


@pytest.mark.parametrize("markup", ALL_MARKUPS.values(), ids=ALL_MARKUPS.keys())
@given(text=noise, places=cuts, thinking=st.booleans())
@settings(max_examples=50, deadline=None)
@example(text='<tool_call>{"name": "look_up", "arguments": {"text": "', places=[14], thinking=False)
def test_broken_markup_is_read_alike_however_it_is_cut_and_no_word_is_lost(
    markup: Markup, text: str, places: list[int], thinking: bool
) -> None:
    begun: Begun = "thinking" if thinking else ""
    whole = parsed(markup, [text], begun=begun)
    assert parsed(markup, cut(text, places), begun=begun) == whole
    assert parsed(markup, list(text), begun=begun) == whole
    said = "".join(
        piece.name if isinstance(piece, CallStart) else piece.text
        for piece in whole
        if not isinstance(piece, CallEnd)
    )
    if markup is not HARMONY:
        assert sorted(re.findall(r"w\d", said)) == sorted(re.findall(r"w\d", text))


@pytest.mark.parametrize("markup", ALL_MARKUPS.values(), ids=ALL_MARKUPS.keys())
@given(
    text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="<[{")), places=cuts
)
@settings(max_examples=25, deadline=None)
def test_plain_text_passes_unchanged(markup: Markup, text: str, places: list[int]) -> None:
    assert answer_in(parsed(markup, cut(text, places))) == Answer(text=text)


def test_text_streams_at_once_but_for_what_may_become_markup() -> None:
    parser = Parser(TAGGED, tools=TOOLS)
    assert parser.push("Hello") == [Text("Hello")]
    assert parser.push(" you <tool") == [Text(" you")]
    assert parser.push("box>") == [Text(" <toolbox>")]
    assert parser.push("\n\n") == []
    assert parser.finish() == [Text("\n\n")]


def test_arguments_stream_while_they_grow() -> None:
    parser = Parser(TAGGED, tools=TOOLS)
    assert parser.push('<tool_call>{"name": "look_') == []
    assert parser.push('up", "arguments": {"te') == [
        CallStart(0, "look_up"),
        CallArguments(0, '{"te'),
    ]
    assert parser.push('xt": "so') == [CallArguments(0, 'xt": "so')]
    assert parser.push(' long"}') == [CallArguments(0, ' long"}')]
    assert parser.push("}\n</tool_call>") == [CallEnd(0)]


def test_strings_in_parameters_stream_while_they_grow() -> None:
    parser = Parser(PARAMETERS, tools=TOOLS)
    assert parser.push("<tool_call>\n<function=look_up>\n<parameter=text>\nSo") == [
        CallStart(0, "look_up"),
        CallArguments(0, '{"text": "So'),
    ]
    assert parser.push(' "long"\n') == [CallArguments(0, ' \\"long\\"')]
    assert parser.push("lines\n</para") == [CallArguments(0, "\\nlines")]
    assert parser.push("meter>\n</function>\n</tool_call>") == [
        CallArguments(0, '"}'),
        CallEnd(0),
    ]


def test_thinking_that_the_prompt_has_opened_ends_at_its_closing() -> None:
    pieces = parsed(TAGGED, ["Hm, well.\n</think>\n\nYes."], begun="thinking")
    assert pieces == [Thinking("Hm, well."), Text("Yes.")]


def test_thinking_is_only_opened_before_anything_is_said() -> None:
    text = "The tag <think> opens thinking."
    assert parsed(TAGGED, [text]) == [Text(text)]


def test_an_answer_cut_off_in_a_call_keeps_what_came() -> None:
    pieces = parsed(SECTION, ['<|calls|><|call|>look_up<|sep|>{"text": "ab'])
    assert pieces == [CallStart(0, "look_up"), CallArguments(0, '{"text": "ab')]


def test_an_answer_cut_off_before_the_name_is_text() -> None:
    text = '<tool_call>\n{"name": "loo'
    assert parsed(TAGGED, [text]) == [Text(text)]


def test_closing_markup_cut_off_after_a_whole_call_is_not_text() -> None:
    pieces = parsed(SECTION, ["<|calls|><|call|>go<|sep|>{}<|end|><|/ca"])
    assert pieces == [CallStart(0, "go"), CallArguments(0, "{}"), CallEnd(0)]


def test_a_call_without_tools_is_text() -> None:
    text = '<tool_call>\n{"name": "go", "arguments": {}}\n</tool_call>'
    assert parsed(TAGGED, [text], tools=()) == [Text(text)]


def test_a_bare_object_is_a_call_only_if_it_names_a_tool() -> None:
    assert answer_in(parsed(BARE, ['{"name": "go", "parameters": {}}'])).calls == (("go", {}),)
    text = '{"name": "Ada", "parameters": {"born": 1815}}'
    assert parsed(BARE, [text]) == [Text(text)]


def test_a_bare_name_is_a_call_only_if_it_is_a_tools() -> None:
    assert answer_in(parsed(BARE_NAME, ["go\n{}"])).calls == (("go", {}),)
    assert parsed(BARE_NAME, ["stay\n{}"]) == [Text("stay\n{}")]


def test_arguments_that_are_a_string_of_json_are_read() -> None:
    text = '<tool_call>{"name": "look_up", "arguments": "{\\"count\\": 3}"}</tool_call>'
    assert answer_in(parsed(TAGGED, [text])).calls == (("look_up", {"count": 3}),)


def test_raw_line_breaks_in_json_strings_are_escaped() -> None:
    text = '<tool_call>{"name": "look_up", "arguments": {"text": "a\nb\tc"}}</tool_call>'
    assert answer_in(parsed(TAGGED, [text])).calls == (("look_up", {"text": "a\nb\tc"}),)


def test_a_value_may_speak_of_the_tag_that_closes_it() -> None:
    text = (
        "<tool_call>\n<function=look_up>\n<parameter=text>\nWrite </parameter> here.\n"
        "</parameter>\n</function>\n</tool_call>"
    )
    calls = answer_in(parsed(PARAMETERS, [text])).calls
    assert calls == (("look_up", {"text": "Write </parameter> here."}),)


def test_values_get_the_type_that_the_schema_wants() -> None:
    def value(key: str, text: str) -> object:
        written = (
            f"<tool_call>\n<function=look_up>\n<parameter={key}>\n{text}\n</parameter>\n"
            "</function>\n</tool_call>"
        )
        return answer_in(parsed(PARAMETERS, [written])).calls[0][1][key]

    assert value("text", "42") == "42"
    assert value("count", "42") == 42
    assert value("flag", "True") is True
    assert value("tree", "{'a': [1, None]}") == {"a": [1, None]}
    assert value("unknown", "null") is None
    assert value("unknown", "a b") == "a b"


def test_nesting_without_end_is_given_up() -> None:
    text = '<tool_call>{"name": "look_up", "arguments": {"tree": ' + "[" * 100_000
    found = answer_in(parsed(TAGGED, [text]))
    assert found.ended == 0
    assert found.calls[0][1] + found.text == text.partition('"arguments": ')[2]


def test_an_answer_that_begins_by_the_end_of_thinking_has_none() -> None:
    for text in ("</think>\n\nYes.", "</think>Yes."):
        assert parsed(TAGGED, list(text)) == [Text("Yes.")]
    assert parsed(TAGGED, list("</thinking>")) == [Text("</thinking>")]
    assert parsed(TAGGED, ["Yes. </think> is a word."]) == [Text("Yes. </think> is a word.")]


def test_a_word_that_begins_within_a_longer_one_does_not_hide_it() -> None:
    markup = replace(ELEMENTS, ending="[stop[")
    text = "Yes.]<]ns[>[<tool_call>]<]ns[>[go]<]ns[>[<is>]<]ns[>[</tool_call>"
    for pieces in ([text], list(text)):
        assert answer_in(parsed(markup, pieces)) == Answer("", "Yes.", (("go", {}),), 1)
    assert parsed(markup, list("Yes.[stop[")) == [Text("Yes.")]


def test_words_that_end_a_turn_are_not_text() -> None:
    markup = Markup(think=THINK, text=Tags("<|text|>", "<|/text|>"), ending="<|/turn|><|stop|>")
    assert parsed(markup, ["<|text|>Yes.<|/text|><|/turn|>"]) == [Text("Yes.")]


def test_what_the_prompt_has_begun_is_taken_up() -> None:
    call = NamedCall("<|sep|>", JsonArguments())
    markup = Markup(text=Tags(">>>all", ""), calls=Calls(">>>", "", "", call), lead=">>>")
    assert parsed(markup, ["all\nHello."]) == [Text("Hello.")]
    assert answer_in(parsed(markup, ["go<|sep|>{}"])).calls == (("go", {}),)


def test_harmony_is_read() -> None:
    text = (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary"
        "<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.look_up"
        ' <|constrain|>json<|message|>{"count": 1}<|call|>'
    )
    for pieces in ([text], list(text)):
        found = answer_in(parsed(HARMONY, pieces))
        assert found == Answer("Hm.", "I look.", (("look_up", {"count": 1}),), 1)


def test_harmony_goes_on_thinking_where_the_prompt_ends_in_it() -> None:
    text = "Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes."
    for pieces in ([text], list(text)):
        assert answer_in(parsed(HARMONY, pieces, begun="thinking")) == Answer("Hm.", "Yes.")


def test_harmony_knows_a_recipient_before_the_channel() -> None:
    text = " to=functions.go<|channel|>commentary json<|message|>{}<|call|>"
    assert answer_in(parsed(HARMONY, [text])).calls == (("go", {}),)


@pytest.mark.parametrize(
    "call",
    [
        r'{"arguments": {"a": "\ud83d"}, "name": "f"}',
        r'{"name": "f\ud83d", "arguments": {}}',
        r'{"arguments": "{\"a\": \"\\ud83d\"}", "name": "f"}',
    ],
)
def test_half_a_character_in_a_call_is_told_as_text_that_can_be_sent(call: str) -> None:
    markup = Markup(calls=Calls("<call>", "", "</call>", ObjectCall()))
    parser = Parser(markup, tools=[Tool("f")])
    pieces = parser.push(f"<call>{call}</call>") + parser.finish()
    assert any(isinstance(piece, CallStart) for piece in pieces)
    assert "?" in repr(pieces)
    told = [piece.name for piece in pieces if isinstance(piece, CallStart)]
    told += [piece.text for piece in pieces if isinstance(piece, CallArguments)]
    assert "".join(told).encode()
