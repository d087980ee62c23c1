"""Jobs that lose their runner, or are taken off it, go on: with the real engine."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.scheduling.fakes import FakeHost, collect, joined, scheduler

from puna.deltas import (
    Delta,
    DoneDelta,
    FinishDelta,
    PromptDelta,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from puna.jobs import ChatJob, CompleteJob, Limits, Sampling, message
from puna.runners.runner import Runner
from puna.runners.stream import Stream
from puna.scheduling.scheduler import Scheduler

# So many that a runner has not put them all out before the first is seen here.
LONG = 700
GREEDY = Sampling(temperature=0, seed=1)
# What comes again and again is gone on with, whatever the model has learnt.
SURE = ("abcdefghijklmnopqrstuvwxyz " * 8, "kroutfiogot flesgeax thalwas " * 10)


def completion(id: str, model: Path, count: int = LONG, **fields: Any) -> CompleteJob:
    limits = Limits(max_tokens=count, ignore_eos=True)
    job = CompleteJob(id, str(model), SURE[0], sampling=GREEDY)
    return replace(replace(job, limits=limits), **fields)


def told(deltas: list[Delta], choice: int = 0) -> tuple[list[int], list[int]]:
    """The tokens of a choice, and those that have a log-probability."""
    mine = [
        one for one in deltas if isinstance(one, TextDelta | ThinkingDelta) and one.choice == choice
    ]
    tokens = [token for one in mine for token in one.tokens]
    return tokens, [score.token for one in mine for score in one.logprobs]


def parts(usage: Usage) -> float:
    """The seconds of everything that a job's time went to."""
    generating = usage.prompt_seconds + usage.output_seconds
    return usage.queue_seconds + usage.load_seconds + generating


async def surest(server: Scheduler, model: Path) -> tuple[str, str]:
    """A prompt whose answer no rounding can change, since its tokens are likelier by far."""
    found: list[tuple[float, str, str]] = []
    for prompt in SURE:
        job = completion(f"sure {len(found)}", model, prompt=prompt, logprobs=2)
        deltas = await collect(server.run(job))
        scores = [score for one in deltas if isinstance(one, TextDelta) for score in one.logprobs]
        margins = [score.top[0][2] - score.top[1][2] for score in scores]
        found.append((min(margins), prompt, joined(deltas)))
    margin, prompt, answer = max(found)
    assert margin > 1, found
    return prompt, answer


async def killed_at(server: Scheduler, host: FakeHost, job: Any, *places: int) -> list[Delta]:
    """A job's deltas; its runner is killed whenever so many tokens have come.

    A runner may have put out all that is left before it is killed, if the server was held up:
    then nobody saw a kill, and the job is asked for again.
    """
    while True:
        waiting, deltas, killed = list(places), list[Delta](), len(host.runners) - 1
        async for batch in server.run(job):
            deltas += batch
            # What a dead one had put out may still be on its way here.
            if waiting and len(told(deltas)[0]) >= waiting[0] and len(host.runners) > killed:
                del waiting[0]
                killed = len(host.runners)
                host.kill_one()
        record = server.job(job.id)
        assert record is not None
        ended_before = len(told(deltas)[0]) < places[-1]
        if record.resumed >= len(places) or ended_before:
            return deltas


async def test_a_killed_runner_costs_its_client_nothing(
    server: Scheduler, host: FakeHost, pocket_model: Path
) -> None:
    whole = await collect(server.run(completion("whole", pocket_model, logprobs=1)))
    asked = completion("killed", pocket_model, logprobs=1)
    deltas = await killed_at(server, host, asked, 10, 50, 90)
    assert len(host.loads) == 1 + host.kills
    assert joined(deltas) == joined(whole)
    assert told(deltas) == told(whole)
    assert sum(isinstance(delta, PromptDelta) for delta in deltas) == 1
    done, undisturbed = deltas[-1], whole[-1]
    assert isinstance(done, DoneDelta)
    assert isinstance(undisturbed, DoneDelta)
    assert done.usage.output_tokens == undisturbed.usage.output_tokens
    assert done.usage.prompt_tokens == undisturbed.usage.prompt_tokens
    assert done.usage.output_seconds > 0
    assert done.usage.prompt_seconds > 0
    assert parts(done.usage) <= done.usage.total_seconds + 0.001
    record = server.job("killed")
    assert record is not None
    assert record.resumed == 3


async def test_no_time_is_counted_twice_where_the_server_is_held_up_after_a_submit(
    server: Scheduler, host: FakeHost, pocket_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Runner.submit

    def held_up(*what: Any) -> Stream:
        stream = submit(*what)
        time.sleep(0.3)
        return stream

    monkeypatch.setattr(Runner, "submit", held_up)
    deltas = await killed_at(server, host, completion("killed", pocket_model), 10)
    done = deltas[-1]
    assert isinstance(done, DoneDelta)
    assert parts(done.usage) <= done.usage.total_seconds + 0.001


async def test_text_that_was_held_back_is_neither_lost_nor_told_twice(
    server: Scheduler, host: FakeHost, pocket_model: Path
) -> None:
    prompt, whole = await surest(server, pocket_model)
    # Each begins like something in the text and never ends as it does, so that much is held back.
    stops = tuple(whole[at : at + 12] + "~" for at in range(0, len(whole) - 12, 6))
    limits = Limits(max_tokens=LONG, ignore_eos=True, stop=stops[:64])
    for place in (5, 11, 23):
        asked = completion(f"killed {place}", pocket_model, prompt=prompt, logprobs=1)
        asked = replace(asked, limits=limits)
        deltas = await killed_at(server, host, asked, place)
        assert joined(deltas) == whole
        tokens, scored = told(deltas)
        assert len(tokens) == LONG
        assert tokens == scored


async def test_a_job_without_a_seed_keeps_the_one_that_it_was_given(
    server: Scheduler, host: FakeHost, pocket_model: Path
) -> None:
    hot = Sampling(temperature=1.0)
    deltas = await killed_at(
        server, host, completion("hot", pocket_model, sampling=hot, choices=2), 20, 40
    )
    done = deltas[-1]
    assert isinstance(done, DoneDelta)
    again = completion("again", pocket_model, sampling=replace(hot, seed=done.seed), choices=2)
    whole = await collect(server.run(again))
    for choice in range(2):
        tokens, expected = told(deltas, choice)[0], told(whole, choice)[0]
        assert len(tokens) == len(expected) == LONG
        # What is computed anew may round differently, and one choice is ahead of the other, so only
        # what both had put out before the first kill is sure to be alike.
        assert tokens[:10] == expected[:10]
    assert sorted(one.choice for one in deltas if isinstance(one, FinishDelta)) == [0, 1]


async def test_a_chat_goes_on_too(server: Scheduler, host: FakeHost, pocket_model: Path) -> None:
    job = ChatJob(
        "chat",
        str(pocket_model),
        (message("user", "Tell me a story about a llama."),),
        sampling=GREEDY,
        limits=Limits(max_tokens=80),
    )
    whole = await collect(server.run(job))
    deltas = await killed_at(server, host, replace(job, id="killed"), 5, 20)
    assert joined(deltas) == joined(whole)
    assert deltas[-2] == whole[-2]


async def test_a_batch_job_makes_way_for_an_interactive_one_and_goes_on(
    host: FakeHost, pocket_model: Path
) -> None:
    async with scheduler(host, threads=1, context=1024, sequences=1, speculate=False) as server:
        asked = completion("batch", pocket_model, logprobs=1)
        whole = await collect(server.run(asked))
        owner = replace(asked.owner, priority="batch")
        stream = server.run(replace(asked, id="again", owner=owner))
        deltas: list[Delta] = []
        while len(told(deltas)[0]) < 10:
            deltas += await anext(stream)
        rest = asyncio.create_task(collect(stream))
        await collect(server.run(completion("urgent", pocket_model, 5)))
        assert not rest.done()
        deltas += await rest
        record = server.job("again")
        assert record is not None
        assert record.resumed >= 1
        assert joined(deltas) == joined(whole)
        assert told(deltas) == told(whole)
        assert len(host.loads) == 1


async def test_a_longer_context_takes_over_the_running_jobs(
    server: Scheduler, host: FakeHost, pocket_model: Path
) -> None:
    whole = await collect(server.run(completion("whole", pocket_model)))
    stream = server.run(completion("moved", pocket_model))
    deltas = await anext(stream)
    rest = asyncio.create_task(collect(stream))
    asked = completion("long", pocket_model, 5)
    await collect(server.run(replace(asked, fit=replace(asked.fit, context=2048))))
    assert joined(deltas + await rest) == joined(whole)
    assert [load.placement.context for load in host.loads] == [1024, 2048]
    # A shorter one is content with it.
    await collect(server.run(replace(asked, id="short", fit=replace(asked.fit, context=512))))
    assert len(host.loads) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_thirty_kills_in_mid_stream_are_seen_by_no_client(
    server: Scheduler, host: FakeHost, pocket_model: Path
) -> None:
    dice = random.Random(30)
    prompt, expected = await surest(server, pocket_model)
    # Each kill brings a load, but for one that meets a runner that is dead already.
    while (killed := len(host.loads) - 1) < 30:
        jobs = [
            completion(f"{killed}/{number}", pocket_model, prompt=prompt) for number in range(4)
        ]
        places = sorted(dice.sample(range(1, 110), 3))
        answers = await asyncio.gather(
            killed_at(server, host, jobs[0], *places),
            *(collect(server.run(job)) for job in jobs[1:]),
        )
        for answer in answers:
            assert isinstance(answer[-1], DoneDelta)
            assert len(told(answer)[0]) == LONG
            assert joined(answer) == expected
        assert len(host.loads) - 1 > killed
