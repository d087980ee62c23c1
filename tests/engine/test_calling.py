"""Required tool calls: what is drawn is a call of a tool, written as the model's markup has it."""

import json
from collections.abc import Callable, Iterator

import pytest

from puna.engine.calling import (
    GAP,
    Frame,
    Part,
    named_call,
    object_call,
    parameters_call,
    required_calls,
    tool_calls,
)
from puna.engine.constraints import Grammars
from puna.engine.vocabulary import Vocabulary
from puna.jobs import Tool
from puna.text.markup.format import (
    Assignments,
    Calls,
    JsonArguments,
    NamedCall,
    ObjectCall,
    Parameters,
)
from puna.text.tokens import Specials

Vocabularies = Callable[[str], Vocabulary]

WEATHER = Tool(
    "weather",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "days": {"type": "integer"},
        },
        "required": ["city", "unit"],
        "uniqueItems": True,
    },
)
CLOCK = Tool("clock")


@pytest.fixture(scope="module")
def grammars(vocabularies: Vocabularies) -> Iterator[Grammars]:
    vocabulary = vocabularies("qwen2")
    made = Grammars(vocabulary, Specials(vocabulary))
    yield made
    made.close()


def accepts(
    grammars: Grammars, frame: Frame, calls: list[tuple[Part, ...]], text: str, *, parallel: bool
) -> bool:
    specials = grammars._specials
    constraint = tool_calls(frame, calls, specials, parallel=parallel)
    matcher = grammars.compile(constraint).matcher()
    tokens = grammars._vocabulary.tokenize(text, special=True)
    return all(matcher.accept(token) for token in tokens) and matcher.done


TAGS = Frame("<tool_call>\n", "", "\n</tool_call>")
HERMES = [object_call(WEATHER), object_call(CLOCK)]
ONE = '<tool_call>\n{"name": "weather", "arguments": {"city": "Puno", "unit": "C"}}\n</tool_call>'
TWO = '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>'


def test_a_call_as_one_object_has_a_known_name_and_fitting_arguments(grammars: Grammars) -> None:
    assert accepts(grammars, TAGS, HERMES, ONE, parallel=False)
    assert accepts(grammars, TAGS, HERMES, TWO, parallel=False)
    for wrong in (
        ONE.replace("weather", "forecast"),
        ONE.replace('"C"', '"K"'),
        ONE.replace(', "unit": "C"', ""),
        "Sure! " + ONE,
        ONE + "done",
        "",
    ):
        assert not accepts(grammars, TAGS, HERMES, wrong, parallel=False), wrong


def test_several_calls_come_only_in_parallel(grammars: Grammars) -> None:
    assert accepts(grammars, TAGS, HERMES, ONE + TWO, parallel=True)
    assert not accepts(grammars, TAGS, HERMES, ONE + TWO, parallel=False)


def test_calls_in_a_list_are_parted_as_the_markup_says(grammars: Grammars) -> None:
    frame = Frame("[TOOL_CALLS] [", ", ", "]")
    objects = [text.split("\n")[1] for text in (ONE, TWO)]
    text = "[TOOL_CALLS] [" + ", ".join(objects) + "]"
    assert accepts(grammars, frame, HERMES, text, parallel=True)
    assert not accepts(grammars, frame, HERMES, text.replace("}, {", "} {"), parallel=True)


def test_a_named_call_has_its_literal_and_its_gaps(grammars: Grammars) -> None:
    frame = Frame("<function=", "", f"</function>#{GAP};")
    calls = [named_call(WEATHER, ">"), named_call(CLOCK, ">")]
    text = '<function=weather>{"city": "Puno", "unit": "F", "days": 3}</function>#call-7;'
    assert accepts(grammars, frame, calls, text, parallel=False)
    assert not accepts(grammars, frame, calls, text.replace("call-7", ""), parallel=False)


def test_parameters_are_written_between_their_literals(grammars: Grammars) -> None:
    frame = Frame("<tool_call>\n<function=", "", "</function>\n</tool_call>")
    calls = [parameters_call(WEATHER, ">\n", "<parameter=", ">\n", "\n</parameter>\n")]
    text = (
        '<tool_call>\n<function=weather>\n<parameter=city>\nPuno, "the" city/of <silver>\n'
        "</parameter>\n<parameter=unit>\nC\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
        "</function>\n</tool_call>"
    )
    assert accepts(grammars, frame, calls, text, parallel=False)
    without_days = text[: text.index("<parameter=days>")] + text[text.index("</function>") :]
    assert accepts(grammars, frame, calls, without_days, parallel=False)
    for wrong in (text.replace("\nC\n", "\nK\n"), text.replace("\n3\n", "\nthree\n")):
        assert not accepts(grammars, frame, calls, wrong, parallel=False)


def test_special_tokens_in_literals_must_be_those_tokens(grammars: Grammars) -> None:
    frame = Frame("<|im_start|>call ", "", "<|im_end|>")
    constraint = tool_calls(frame, [object_call(CLOCK)], grammars._specials, parallel=False)
    matcher = grammars.compile(constraint).matcher()
    vocabulary = grammars._vocabulary
    assert matcher.allowed(vocabulary.tokenize("<|im_start|>call", special=False)) == 0
    assert matcher.allowed(vocabulary.tokenize("<|im_start|>call", special=True)) == 2


def test_references_in_a_tools_schema_still_lead_somewhere(grammars: Grammars) -> None:
    tool = Tool(
        "paint",
        parameters={
            "type": "object",
            "properties": {"colour": {"$ref": "#/$defs/colour"}},
            "required": ["colour"],
            "$defs": {"colour": {"enum": ["red"]}},
        },
    )
    text = '<tool_call>\n{"name": "paint", "arguments": {"colour": "red"}}\n</tool_call>'
    assert accepts(grammars, TAGS, [object_call(tool)], text, parallel=False)
    assert not accepts(
        grammars, TAGS, [object_call(tool)], text.replace("red", "blue"), parallel=False
    )
    assert json.loads(text.split("\n")[1])["name"] == "paint"


def test_a_models_own_markup_gives_the_constraint(grammars: Grammars) -> None:
    specials = grammars._specials
    tools = [WEATHER, CLOCK]
    hermes = Calls("<tool_call>\n", "", "\n</tool_call>", ObjectCall())
    assert required_calls(hermes, tools, specials, parallel=False) == tool_calls(
        TAGS, HERMES, specials, parallel=False
    )
    for call in (
        NamedCall(">", JsonArguments()),
        NamedCall(">\n", Parameters("<parameter=", ">\n", "\n</parameter>\n")),
    ):
        found = required_calls(
            Calls("<function=", "", "</function>", call), tools, specials, parallel=True
        )
        assert found is not None
        assert grammars.compile(found)
    python = Calls("", "", "", NamedCall("", Assignments()))
    assert required_calls(python, tools, specials, parallel=True) is None
