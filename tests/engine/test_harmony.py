"""Harmony's markup on a model whose vocabulary has its control tokens: calls that are forced."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import stand_in
from msgspec.structs import replace
from tests.engine.test_jobs_with_images import Runner

from puna.deltas import Delta, DoneDelta, FinishDelta, TextDelta, ThinkingDelta, ToolCallDelta
from puna.engine.libllama import Library
from puna.jobs import ChatJob, Limits, Sampling, Tool, ToolCall, message
from puna.protocol import Frame, JobFailed, Load, Placement, Submit

CONTROL = (
    *("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>"),
    *("<|return|>", "<|call|>"),
)
TOOLS = tuple(
    Tool(
        name,
        "Tells it.",
        {
            "type": "object",
            "properties": {"place": {"enum": ["river", "valley"]}, "exact": {"type": "boolean"}},
            "required": ["place", "exact"],
            "additionalProperties": False,
        },
    )
    for name in ("get_weather", "get_time")
)


@pytest.fixture(scope="module", params=["openai-gpt-oss-120b", "llm-jp-llm-jp-4.1-8b-thinking"])
def template(request: pytest.FixtureRequest, llama_source: Path) -> str:
    return (llama_source / "models/templates" / f"{request.param}.jinja").read_text()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in, "CONTROL", (*stand_in.CONTROL, *CONTROL))
        return stand_in.write(tmp_path_factory.mktemp("harmony") / "harmony.gguf")


@pytest.fixture
async def runner(library: Library, model: Path, template: str) -> AsyncIterator[Runner]:
    placement = Placement(context=2048, sequences=4, batch=512, threads=1)
    made = Runner(library, Load((str(model),), template=template, placement=placement))
    yield made
    made.close()


def chat(runner: Runner, seed: int) -> ChatJob:
    """A job whose model, which knows nothing, at least ends its messages soon."""
    specials = {one.text: one.token for one in runner.loaded.model.vocabulary.specials}
    sampling = Sampling(temperature=1.5, seed=seed, logit_bias={specials["<|end|>"]: 8.0})
    told = (message("user", "What is the weather by the river?"),)
    return ChatJob(
        f"{seed}",
        "m",
        told,
        tools=TOOLS,
        tool_choice="required",
        sampling=sampling,
        limits=Limits(max_tokens=1200),
    )


async def run(runner: Runner, job: ChatJob) -> list[Delta]:
    async with asyncio.TaskGroup() as tasks:
        runner.work.submit(Submit(job), tasks)
    found: list[Delta] = []
    while not found or not isinstance(found[-1], DoneDelta):
        said = await runner._said.get()
        assert not isinstance(said, JobFailed), said
        if isinstance(said, Frame):
            found += [delta for _, deltas in said.deltas for delta in deltas]
    return found


async def test_a_call_is_forced_whatever_was_thought_or_said_before(runner: Runner) -> None:
    thought = said = False
    for seed in range(8):
        deltas = await run(runner, chat(runner, seed))
        calls = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
        assert {call.name for call in calls} in ({"get_weather"}, {"get_time"})
        arguments = json.loads("".join(call.arguments for call in calls))
        assert arguments["place"] in ("river", "valley")
        assert isinstance(arguments["exact"], bool)
        (finish,) = [delta for delta in deltas if isinstance(delta, FinishDelta)]
        assert finish.reason == "tool_calls"
        shown = "".join(
            delta.text for delta in deltas if isinstance(delta, TextDelta | ThinkingDelta)
        )
        assert not any(name in shown for name in CONTROL)
        thought |= any(isinstance(delta, ThinkingDelta) and delta.text for delta in deltas)
        said |= any(isinstance(delta, TextDelta) and delta.text for delta in deltas)
    assert thought or said


async def test_the_named_tool_is_called(runner: Runner) -> None:
    for name in ("get_weather", "get_time"):
        job = replace(chat(runner, 1), id=name, tool_choice=ToolCall(name, {}))
        calls = [one for one in await run(runner, job) if isinstance(one, ToolCallDelta)]
        assert {call.name for call in calls} == {name}
