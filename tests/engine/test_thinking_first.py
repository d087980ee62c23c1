"""Where a schema is asked for, thinking is free, and the answer is what the schema holds.

Where tools may be called as well, there is an answer or a call.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import stand_in
from msgspec.structs import replace
from tests.engine.test_harmony import CONTROL, TOOLS, run
from tests.engine.test_jobs_with_images import Runner

from puna.deltas import Delta, FinishDelta, TextDelta, ThinkingDelta, ToolCallDelta
from puna.engine.libllama import Library
from puna.jobs import ChatJob, Constraint, Limits, Message, Sampling, message
from puna.protocol import Load, Placement

SCHEMA = {
    "type": "object",
    "properties": {"place": {"enum": ["river", "valley"]}, "exact": {"type": "boolean"}},
    "required": ["place", "exact"],
    "additionalProperties": False,
}
MARKUP = (*CONTROL, "<think>", "</think>")


class Speaker(NamedTuple):
    """A template, and what opens and closes thinking in an answer of its model."""

    template: str
    opens: str
    closes: str


SPEAKERS = {
    "gpt-oss": Speaker("openai-gpt-oss-120b", "analysis", "<|end|>"),
    "LLM-jp": Speaker("llm-jp-llm-jp-4.1-8b-thinking", "analysis", "<|end|>"),
    "Qwen3": Speaker("Qwen-Qwen3-0.6B", "<think>", "</think>"),
    "Qwen3.5": Speaker("Qwen3.5-4B", "th", "</think>"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in, "CONTROL", (*stand_in.CONTROL, *CONTROL))
        return stand_in.write(tmp_path_factory.mktemp("thinking") / "thinking.gguf")


@pytest.fixture(params=SPEAKERS.values(), ids=list(SPEAKERS))
def speaker(request: pytest.FixtureRequest) -> Speaker:
    return request.param


@pytest.fixture
async def runner(
    library: Library, model: Path, speaker: Speaker, llama_source: Path
) -> AsyncIterator[Runner]:
    template = (llama_source / "models/templates" / f"{speaker.template}.jinja").read_text()
    placement = Placement(context=2048, sequences=4, batch=512, threads=1)
    made = Runner(library, Load((str(model),), template=template, placement=placement))
    yield made
    made.close()


def chat(runner: Runner, speaker: Speaker, seed: int) -> ChatJob:
    """A job whose model, which knows nothing, likes to begin thinking, and to end it."""
    tokens = runner.loaded.model.vocabulary.tokenize(speaker.opens + speaker.closes, special=True)
    bias = {tokens[0]: 12.0, tokens[-1]: 8.0}
    return ChatJob(
        f"{seed}",
        "m",
        (message("user", "What is the weather by the river?"),),
        constraint=Constraint("json_schema", json.dumps(SCHEMA)),
        sampling=Sampling(temperature=1.5, seed=seed, logit_bias=bias),
        limits=Limits(max_tokens=1200),
    )


def shown(deltas: list[Delta], kind: type[TextDelta | ThinkingDelta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


def is_held_to(text: str) -> bool:
    answer = json.loads(text)
    return answer["place"] in ("river", "valley") and isinstance(answer["exact"], bool)


async def test_the_answer_holds_whatever_was_thought(runner: Runner, speaker: Speaker) -> None:
    thoughts: list[str] = []
    for seed in range(6):
        deltas = await run(runner, chat(runner, speaker, seed))
        assert is_held_to(shown(deltas, TextDelta))
        thoughts.append(shown(deltas, ThinkingDelta))
        assert not any(name in thoughts[-1] for name in MARKUP)
        (finish,) = [delta for delta in deltas if isinstance(delta, FinishDelta)]
        assert finish.reason == "stop"
    assert any(thoughts)


async def test_who_is_told_not_to_think_answers_at_once(runner: Runner, speaker: Speaker) -> None:
    for seed in range(3):
        job = replace(chat(runner, speaker, seed), think=False)
        deltas = await run(runner, job)
        assert is_held_to(shown(deltas, TextDelta))
        assert not shown(deltas, ThinkingDelta)


async def test_an_answer_that_is_gone_on_with_has_no_thinking(
    runner: Runner, speaker: Speaker
) -> None:
    begun = message("assistant", "It is this: ")
    for seed in range(3):
        job = chat(runner, speaker, seed)
        job = replace(job, messages=(*job.messages, begun), continue_last=True)
        deltas = await run(runner, job)
        assert is_held_to(shown(deltas, TextDelta))
        assert not shown(deltas, ThinkingDelta)


async def test_thinking_that_is_gone_on_with_is_free_to_its_end(
    runner: Runner, speaker: Speaker
) -> None:
    begun = Message(role="assistant", thinking="The river")
    thoughts: list[str] = []
    for seed in range(3):
        job = chat(runner, speaker, seed)
        job = replace(job, messages=(*job.messages, begun), continue_last=True, think=True)
        deltas = await run(runner, job)
        assert is_held_to(shown(deltas, TextDelta))
        thoughts.append(shown(deltas, ThinkingDelta))
    assert any(thoughts)


async def test_a_call_that_is_forced_is_thought_about(runner: Runner, speaker: Speaker) -> None:
    thoughts: list[str] = []
    for seed in range(3):
        job = replace(
            chat(runner, speaker, seed),
            constraint=None,
            tools=TOOLS,
            tool_choice="required",
            parallel_tool_calls=False,
        )
        deltas = await run(runner, job)
        assert any(isinstance(delta, ToolCallDelta) for delta in deltas)
        thoughts.append(shown(deltas, ThinkingDelta))
    assert any(thoughts)


def made_of(deltas: list[Delta]) -> dict[str, str]:
    """The arguments of the calls, by their tools."""
    calls: dict[str, str] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            calls[delta.name] = calls.get(delta.name, "") + delta.arguments
    return calls


async def test_who_may_call_calls_or_is_held_to_the_schema(
    runner: Runner, speaker: Speaker
) -> None:
    kinds: set[str] = set()
    for seed in range(30):
        job = replace(chat(runner, speaker, seed), tools=TOOLS, parallel_tool_calls=False)
        deltas = await run(runner, job)
        (finish,) = [delta for delta in deltas if isinstance(delta, FinishDelta)]
        kinds.add(finish.reason)
        if finish.reason == "tool_calls":
            (arguments,) = made_of(deltas).values()
            assert is_held_to(arguments)
        else:
            assert finish.reason == "stop"
            assert not made_of(deltas)
            assert is_held_to(shown(deltas, TextDelta))
        if len(kinds) == 2:
            return
    raise AssertionError(f"It has always ended with {kinds}.")


async def test_who_may_not_call_is_held_to_the_schema(runner: Runner, speaker: Speaker) -> None:
    for seed in range(4):
        job = replace(chat(runner, speaker, seed), tools=TOOLS, tool_choice="none")
        deltas = await run(runner, job)
        assert not made_of(deltas)
        assert is_held_to(shown(deltas, TextDelta))
