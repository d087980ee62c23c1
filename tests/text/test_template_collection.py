"""Every template of llama.cpp's collection renders a conversation, or says that it cannot.

And what a template makes of an answer, the parser for its markup reads back.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from puna.engine.grammar_trial import translated, within
from puna.errors import TemplateFailed
from puna.jobs import Message, ToolCall, message
from puna.text.markup import words
from puna.text.markup.format import Begun, Markup
from puna.text.markup.grammar import calls_grammar
from puna.text.markup.learning import learn
from puna.text.markup.opening import answer_way
from puna.text.markup.parser import Parser
from puna.text.markup.pieces import CallArguments, CallEnd, CallStart, Text, Thinking
from puna.text.templates import Template

from .answers import answer_in, cut, parsed
from .collection import ANSWER, CONVERSATION, SPOKEN, THOUGHT, TIME, TOOLS, WEATHER, left_out
from .drawn import closings_of, drawn

# Templates that refuse the conversation, and the words in which they do.
REFUSING = {
    "google-gemma-2-2b-it": "Conversation roles must alternate",
    "google-translategemma-4b-it": "User role must provide `content`",
}

# What a template leaves out of the conversation: it has no words for it.
LEAVING_OUT = {
    "Apertus-8B-Instruct": {"thinking"},
    "Apriel-1.6-15b-Thinker-fixed": {"thinking"},
    "Cohere2MoE": {"text"},
    "CohereForAI-c4ai-command-r-plus-tool_use": {"thinking"},
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": {"text"},
    "GigaChat3-10B-A1.8B": {"thinking"},
    "GigaChat3.1-10B-A1.8B": {"thinking"},
    "HuggingFaceTB-SmolLM3-3B": {"calls", "thinking", "tools"},
    "Kimi-K2-Instruct": {"thinking"},
    "LFM2-8B-A1B": {"thinking"},
    "LFM2.5-Instruct": {"thinking"},
    "MiMo-VL": {"thinking"},
    "MiniMax-M1": {"text", "thinking"},
    "Mistral-Small-3.2-24B-Instruct-2506": {"text", "thinking"},
    "NVIDIA-Nemotron-Nano-v2": {"thinking"},
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": {"text", "thinking"},
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": {"text", "thinking"},
    "Qwen-QwQ-32B": {"thinking"},
    "Qwen-Qwen2.5-7B-Instruct": {"thinking"},
    "Qwen3-Coder": {"thinking"},
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B": {"text", "thinking", "tools"},
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": {"thinking", "tools"},
    "deepseek-ai-DeepSeek-V3.1": {"thinking", "tools"},
    "fireworks-ai-llama-3-firefunction-v2": {"thinking"},
    "ibm-granite-granite-3.3-2B-Instruct": {"thinking"},
    "ibm-granite-granite-4.0": {"thinking"},
    "ibm-granite-granite-4.1": {"thinking"},
    "llama-cpp-deepseek-r1": {"text", "thinking"},
    "llama-cpp-rwkv-world": {"calls", "results", "thinking", "tools"},
    "llm-jp-llm-jp-4.1-8b-thinking": {"text", "thinking"},
    "meetkai-functionary-medium-v3.1": {"thinking"},
    "meetkai-functionary-medium-v3.2": {"thinking"},
    "meta-llama-Llama-3.1-8B-Instruct": {"text", "thinking"},
    "meta-llama-Llama-3.2-3B-Instruct": {"text", "thinking"},
    "meta-llama-Llama-3.3-70B-Instruct": {"text", "thinking"},
    "microsoft-Phi-3.5-mini-instruct": {"calls", "results", "thinking", "tools"},
    "mistralai-Ministral-3-14B-Reasoning-2512": {"thinking"},
    "mistralai-Mistral-Nemo-Instruct-2407": {"system", "text", "thinking"},
    "moonshotai-Kimi-K2": {"thinking"},
    "muse-glimmer": {"text"},
    "openai-gpt-oss-120b": {"text"},
    "unsloth-Apriel-1.5": {"thinking"},
    "unsloth-mistral-Devstral-Small-2507": {"thinking"},
    "upstage-Solar-Open-100B": {"text"},
}

# Templates whose own answer cannot be read back: they write no calls, or in a way of their own.
NOT_READ_BACK = {
    "HuggingFaceTB-SmolLM3-3B": "writes no calls",
    "google-gemma-2-2b-it": "writes no calls",
    "google-translategemma-4b-it": "writes no calls",
    "llama-cpp-rwkv-world": "writes no calls",
    "microsoft-Phi-3.5-mini-instruct": "writes no calls",
}

# Templates whose answers have to be smaller than the test's.
TWO_CALLS_AT_MOST = {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B"}
NO_NULL = {"MiniMax-M3"}
TEXT_IN_A_TURN_OF_ITS_OWN = {"NVIDIA-Nemotron-Nano-v2"}

# Tokens that end a model's answer: an engine stops there, so a parser never sees what follows.
ENDS = (
    "<|im_end|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|START_OF_TURN_TOKEN|>",
    "<eos>",
    "<｜end▁of▁sentence｜>",
    "<|end_of_text|>",
    "<|end_of_msg|>",
    "<|call|>",
    "<|calls|>",
    "<|tool_response>",
    "<SPECIAL_12>",
    "[e~[",
    "<end_of_sentence>",
    "<|eot|>",
    "<turn|>",
    "<seed:eos>",
)


def collection() -> list[str]:
    import sdist  # pyright: ignore[reportMissingImports]

    folder = sdist.llama_source() / "models" / "templates"
    return sorted(path.stem for path in folder.glob("*.jinja"))


class Subject:
    """One template of the collection, and what has been learnt from it."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.template = Template(path.read_text(), bos="<bos>", eos="<eos>")
        self.markup: Markup = learn(self.template)

    @cached_property
    def written(self) -> tuple[str, Begun]:
        """What its model would write: thinking, text and two calls; and what the prompt began."""
        written, begun = answer_of(self, ANSWER)
        return written, "thinking" if begun else ""


@pytest.fixture(scope="module", params=collection())
def subject(request: pytest.FixtureRequest, llama_source: Path) -> Iterator[Subject]:
    name: str = request.param
    subject = Subject(name, llama_source / "models" / "templates" / f"{name}.jinja")
    yield subject
    subject.template.close()


def test_it_renders_the_conversation_or_says_that_it_cannot(subject: Subject) -> None:
    reason = REFUSING.get(subject.name)
    if reason is not None:
        with pytest.raises(TemplateFailed, match=reason):
            subject.template.render(CONVERSATION, TOOLS, think=True)
        return
    rendered = subject.template.render(CONVERSATION, TOOLS, think=True)
    assert left_out(rendered) == LEAVING_OUT.get(subject.name, set())


def test_it_says_that_it_supports_tools_only_where_the_model_is_told_of_them(
    subject: Subject,
) -> None:
    deaf = subject.name in REFUSING or "tools" in LEAVING_OUT.get(subject.name, set())
    assert subject.markup.tools == (not deaf)


def answer_of(subject: Subject, answer: Message) -> tuple[str, bool]:
    """What the model would have had to write for this answer, and whether it began by thinking."""
    question = message("user", "What is the weather, and what the time?")
    asked = subject.template.render((question,), TOOLS, think=True)
    said = subject.template.render(
        (question, answer), TOOLS, think=True, add_generation_prompt=False
    )
    written = said[len(words.common_start(asked, said)) :]
    for end in ENDS:
        written = written.partition(end)[0]
    written = written.removeprefix("<|CHATBOT_TOKEN|>")
    lead = subject.markup.lead
    if lead and asked.endswith(lead) and written.startswith(lead):
        written = written.removeprefix(lead)
    markup = subject.markup
    think = markup.think
    begun = think is not None and think.open not in written and think.close in written
    return written, begun and markup.begun(asked) == "thinking"


def without_null(value: Any) -> Any:
    """The value with a word in place of each null."""
    match value:
        case dict():
            return {key: without_null(each) for key, each in value.items()}
        case list():
            return [without_null(each) for each in value]
        case _:
            return "none" if value is None else value


@pytest.mark.parametrize("spoken", [True, False], ids=["with-text", "without-text"])
@pytest.mark.parametrize(
    "calls",
    [(WEATHER,), (TIME,), (WEATHER, TIME), (TIME, WEATHER, TIME)],
    ids=["nested", "flat", "two", "three"],
)
def test_the_parser_reads_back_what_it_wrote(
    subject: Subject, calls: tuple[ToolCall, ...], spoken: bool
) -> None:
    if subject.name in NOT_READ_BACK:
        assert not subject.markup.learnt
        return
    if subject.template.shape.calls and not subject.template.shape.parallel_calls:
        calls = calls[:1]
    if subject.name in TWO_CALLS_AT_MOST:
        calls = calls[:2]
    if subject.name in NO_NULL:
        calls = tuple(replace(call, arguments=without_null(call.arguments)) for call in calls)
    spoken = spoken and subject.name not in TEXT_IN_A_TURN_OF_ITS_OWN
    numbered = tuple(replace(call, id=f"call{number:05d}") for number, call in enumerate(calls, 1))
    answer = replace(ANSWER, tool_calls=numbered, parts=ANSWER.parts if spoken else ())
    written, begun = answer_of(subject, answer)
    parser = Parser(subject.markup, tools=TOOLS, begun="thinking" if begun else "")
    pieces = [*parser.push(written), *parser.finish()]
    text = "".join(piece.text for piece in pieces if isinstance(piece, Text))
    thinking = "".join(piece.text for piece in pieces if isinstance(piece, Thinking))
    names = [piece.name for piece in pieces if isinstance(piece, CallStart)]
    arguments = [
        json.loads(
            "".join(p.text for p in pieces if isinstance(p, CallArguments) and p.index == index)
        )
        for index in range(len(names))
    ]
    assert text == (SPOKEN if SPOKEN in written else "")
    assert thinking == (THOUGHT if THOUGHT in written else "")
    assert names == [call.name for call in calls]
    assert arguments == [call.arguments for call in calls]
    assert sum(isinstance(piece, CallEnd) for piece in pieces) == len(calls)


@given(places=st.lists(st.integers(0, 3000), max_size=30), end=st.integers(0, 3000))
@settings(max_examples=10, deadline=None)
def test_what_it_wrote_is_read_alike_however_it_is_cut_and_wherever_it_ends(
    subject: Subject, places: list[int], end: int
) -> None:
    if not subject.markup.learnt:
        return
    written, begun = subject.written
    for text in (written, written[:end]):
        whole = parsed(subject.markup, [text], tools=TOOLS, begun=begun)
        assert parsed(subject.markup, cut(text, places), tools=TOOLS, begun=begun) == whole
        assert parsed(subject.markup, list(text), tools=TOOLS, begun=begun) == whole


SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "name": {"type": "string"}},
    "required": ["count"],
    "additionalProperties": False,
}
MOST_DRAWN = 60


def test_what_is_drawn_where_it_may_call_or_answer_is_read_back_as_one_of_both(
    subject: Subject,
) -> None:
    markup = subject.markup
    if subject.name in NOT_READ_BACK:
        return
    assert markup.calls is not None
    asked = subject.template.render((message("user", "What is the time?"),), TOOLS, think=True)
    around = calls_grammar(
        markup,
        markup.calls,
        TOOLS,
        parallel=True,
        begun=markup.begun(asked),
        may_think=True,
        token_of=lambda word: None,
        otherwise=[answer_way(markup)],
    )
    grammar = within(translated("json_schema", json.dumps(SCHEMA)), around)
    called = answered = False
    for seed in range(MOST_DRAWN):
        written = drawn(grammar, seed, closings_of(markup, TOOLS))
        if written is None:
            continue
        found = answer_in(parsed(markup, [written], tools=TOOLS, begun=markup.begun(asked)))
        assert found.ended == len(found.calls)
        assert {name for name, _ in found.calls} <= {tool.name for tool in TOOLS}
        assert bool(found.calls) != bool(found.text) or markup.calls.said is not None
        if not found.calls:
            assert isinstance(json.loads(found.text)["count"], int)
        called, answered = called or bool(found.calls), answered or not found.calls
        if called and answered and seed >= 3:
            return
    raise AssertionError("It always does the same.")


def test_at_least_fifty_templates_are_read_back() -> None:
    assert len(set(collection()) - set(NOT_READ_BACK)) >= 50
    assert set(NOT_READ_BACK) <= set(collection())
