"""Jobs with Go templates and contexts through a runner with the real engine."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.engine.test_prompts import CRIA, TOOLS

from puna.deltas import Delta, PromptDelta, TextDelta, ToolCallDelta
from puna.errors import PunaError, ReportedError
from puna.jobs import ChatJob, CompleteJob, Limits, Sampling, message
from puna.protocol import Load, Placement
from puna.runners.runner import Runner

PLACEMENT = Placement(context=1024, sequences=4, batch=128, threads=1)
ALARM = message("user", "Set an alarm for 7:30.")


@pytest.fixture
async def runner(pocket_model: Path) -> AsyncGenerator[Runner]:
    runner = await Runner.start(lambda event: None)
    try:
        await runner.load(Load((str(pocket_model),), placement=PLACEMENT))
    except PunaError:
        await runner.kill()
        raise
    yield runner
    await runner.kill()


def chat(text: str, **fields: Any) -> ChatJob:
    job = ChatJob("job", "cria", (message("user", text),), limits=Limits(max_tokens=48))
    return replace(replace(job, sampling=Sampling(temperature=0, seed=1)), **fields)


async def said(runner: Runner, job: ChatJob | CompleteJob) -> list[Delta]:
    return [delta async for batch in runner.submit(job) for delta in batch]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def calls_of(deltas: list[Delta]) -> list[tuple[str, str]]:
    """Each call's name and arguments, however they were cut on their way."""
    grown: dict[int, tuple[str, str]] = {}
    for each in deltas:
        if isinstance(each, ToolCallDelta):
            name, arguments = grown.get(each.index, (each.name, ""))
            grown[each.index] = (name, arguments + each.arguments)
    return list(grown.values())


def prompt_of(deltas: list[Delta]) -> PromptDelta:
    (prompt,) = [delta for delta in deltas if isinstance(delta, PromptDelta)]
    return prompt


async def test_tools_are_called_through_a_go_template_as_through_the_models_own(
    runner: Runner,
) -> None:
    job = chat("Set an alarm for 7:30.", tools=TOOLS)
    own = await said(runner, job)
    brought = await said(runner, replace(job, template=CRIA))
    assert calls_of(own)[0][0] == "set_alarm"
    assert calls_of(brought) == calls_of(own)


async def test_a_prompt_is_told_where_that_was_asked_and_goes_on_as_context(
    runner: Runner,
) -> None:
    first = chat("Hello, little one.", template=CRIA, tell_prompt=True)
    deltas = await said(runner, first)
    ids = prompt_of(deltas).ids
    assert ids == (await runner.tokenize(job=first)).tokens
    assert prompt_of(await said(runner, replace(first, tell_prompt=False))).ids == ()
    answer = tuple(token for each in deltas if isinstance(each, TextDelta) for token in each.tokens)
    second = chat("And then?", template=CRIA, before=(*ids, *answer), tell_prompt=True)
    told = prompt_of(await said(runner, second)).ids
    assert told[: len(ids) + len(answer)] == (*ids, *answer)
    assert told == (await runner.tokenize(job=second)).tokens


async def test_a_completion_tells_its_prompt_as_well(runner: Runner) -> None:
    job = CompleteJob("job", "cria", "Once", limits=Limits(max_tokens=1), tell_prompt=True)
    assert prompt_of(await said(runner, job)).ids == (await runner.tokenize("Once")).tokens


async def test_a_broken_template_fails_its_own_job_only(runner: Runner) -> None:
    whole = text_of(await said(runner, chat("Hello.")))
    with pytest.raises(ReportedError, match=r"cannot be read: line 1, column 4: function .nope."):
        await said(runner, chat("Hello.", template="{{ nope }}"))
    assert text_of(await said(runner, chat("Hello."))) == whole
