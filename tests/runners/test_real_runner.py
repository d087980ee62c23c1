"""A runner with the real engine, over the protocol: what a fake engine cannot prove."""

import asyncio
import json
import math
import os
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import stand_in
from gguf import GGUFWriter
from msgspec.structs import replace
from numpy.typing import NDArray

from puna.deltas import Delta, DoneDelta, FinishDelta, PromptDelta, TextDelta, VectorsDelta
from puna.errors import BadRequest, PunaError, ReportedError, RunnerLost
from puna.events import Event, RunnerMoved
from puna.jobs import CompleteJob, Constraint, EmbedJob, Fit, Limits, Sampling
from puna.protocol import Load, Pace, Placement, Resume
from puna.runners import runner as module
from puna.runners.runner import Runner
from puna.runners.stream import Stream

PLACEMENT = Placement(context=1024, sequences=4, batch=128, threads=1)
GREEDY = Sampling(temperature=0, seed=1)


@pytest.fixture
async def runner(pocket_model: Path) -> AsyncGenerator[Runner]:
    runner = await started(pocket_model)
    yield runner
    await runner.kill()


@pytest.fixture
async def roomy(pocket_model: Path) -> AsyncGenerator[Runner]:
    """A runner with room for answers that are not over before a pause has come."""
    runner = await started(pocket_model, replace(PLACEMENT, context=2048))
    yield runner
    await runner.kill()


async def started(model: Path, placement: Placement = PLACEMENT) -> Runner:
    runner = await Runner.start(lambda event: None)
    try:
        # Nothing is guessed, so that an answer takes a while and can be met in its midst.
        pace = Pace(speculate=False)
        await runner.load(Load((str(model),), placement=placement, pace=pace))
    except PunaError:
        await runner.kill()
        raise
    return runner


def job(id: str = "job", count: int = 40, **fields: Any) -> CompleteJob:
    limits = Limits(max_tokens=count, ignore_eos=True)
    whole = CompleteJob(id, "cria", "What is that sound, she asked.", sampling=GREEDY)
    return replace(replace(whole, limits=limits), **fields)


def endless(id: str) -> CompleteJob:
    """A job that goes on until somebody ends it."""
    return job(id, 1_000_000, fit=Fit(shift=True))


async def collect(stream: Stream, into: list[Delta] | None = None) -> list[Delta]:
    into = [] if into is None else into
    async for batch in stream:
        into += batch
    return into


def joined(deltas: list[Delta], choice: int = 0) -> str:
    return "".join(
        delta.text for delta in deltas if isinstance(delta, TextDelta) and delta.choice == choice
    )


def tokens(deltas: list[Delta]) -> list[int]:
    return [token for delta in deltas if isinstance(delta, TextDelta) for token in delta.tokens]


async def begun(stream: Stream, count: int = 1) -> list[Delta]:
    """What has come once there are so many tokens of the answer."""
    deltas: list[Delta] = []
    while len(tokens(deltas)) < count:
        deltas += await anext(stream)
    return deltas


async def paused(
    runner: Runner, asked: CompleteJob, count: int = 1, memory: bool = False
) -> tuple[list[Delta], Resume]:
    """What had come of a job, and how it goes on, once it was paused in its midst.

    One that was over before the pause came to it is asked for again.
    """
    while True:
        stream = runner.submit(asked)
        first = await begun(stream, count)
        resume, rest = await asyncio.gather(runner.pause(asked.id, memory), collect(stream))
        if resume is not None:
            return first + rest, resume


async def settled(runner: Runner) -> None:
    """The runner has heard all that was said to it before, and has nothing left to do."""
    await collect(runner.submit(job("after", 1)))
    while runner.state != "ready":
        await runner.tokenize("x")


async def test_an_answer_is_told_in_full(runner: Runner) -> None:
    deltas = await collect(runner.submit(job(logprobs=2)))
    assert isinstance(deltas[-1], DoneDelta)
    assert isinstance(deltas[-2], FinishDelta)
    usage = deltas[-1].usage
    (prompt,) = [delta for delta in deltas if isinstance(delta, PromptDelta)]
    assert (prompt.tokens, usage.output_tokens) == (usage.prompt_tokens, 40)
    scores = [score for one in deltas if isinstance(one, TextDelta) for score in one.logprobs]
    assert [score.token for score in scores] == tokens(deltas)
    # A control token has a piece, but is no text.
    pieces = [one.piece for one in scores if not re.fullmatch(rb"<\|\w+\|>", one.piece)]
    assert b"".join(pieces).decode("utf-8", "replace") == joined(deltas)
    for score in scores:
        assert len(score.top) == 2
        # The likeliest may be the end, which this job does not want.
        likely = {token: logprob for token, _, logprob in score.top}
        assert score.logprob == pytest.approx(likely[score.token], abs=1e-5)
        assert score.top[0][2] >= score.top[1][2]


async def test_what_shifts_and_has_no_limit_ends_after_ten_contexts(runner: Runner) -> None:
    endless = job(limits=Limits(ignore_eos=True), fit=Fit(context=64, shift=True))
    deltas = await collect(runner.submit(endless))
    assert isinstance(deltas[-2], FinishDelta)
    assert isinstance(deltas[-1], DoneDelta)
    assert (deltas[-2].reason, deltas[-1].usage.output_tokens) == ("length", 640)
    # Taken off in the middle, it ends where it would have ended.
    first, resume = await paused(runner, endless, 100)
    last = await collect(runner.submit(endless, resume))
    assert len(tokens([*first, *last])) == 640


async def test_a_step_has_room_for_everybody_however_few_tokens_were_asked_for(
    pocket_model: Path,
) -> None:
    runner = await started(pocket_model, replace(PLACEMENT, sequences=6, batch=1))
    try:
        jobs = [collect(runner.submit(job(f"{number}", 10))) for number in range(6)]
        answers = await asyncio.gather(*jobs)
        vectors = await collect(runner.submit(EmbedJob("vectors", "cria", ("One", "Two"))))
    finally:
        await runner.kill()
    assert {len(tokens(deltas)) for deltas in answers} == {10}
    assert isinstance(vectors[0], VectorsDelta)


async def test_a_pool_serves_its_whole_length(
    pocket_model: Path,
) -> None:
    """A long prompt comes in the midst of others, and one goes on to the end of the context."""
    runner = await started(pocket_model, replace(PLACEMENT, context=2048, pooled=True))
    try:
        assert runner.facts is not None
        assert runner.facts.context == 2048
        others = [runner.submit(job(f"{number}", 400)) for number in range(2)]
        told = [await begun(stream) for stream in others]
        whole = runner.submit(job("whole", 10_000))
        long = runner.submit(job("long", 8, prompt=tuple(range(100, 200)) * 6))
        told = [await collect(stream, sofar) for stream, sofar in zip(others, told, strict=True)]
        told += [await collect(whole), await collect(long)]
    finally:
        await runner.kill()
    usages = [deltas[-1].usage for deltas in told if isinstance(deltas[-1], DoneDelta)]
    assert [usage.output_tokens for usage in usages[:2]] == [400, 400]
    assert usages[2].prompt_tokens + usages[2].output_tokens == 2048
    assert (usages[3].prompt_tokens, usages[3].output_tokens) == (600, 8)


async def test_text_and_tokens_go_both_ways(runner: Runner) -> None:
    text = "The young one lifted her head – ¿what is that? 🦙"
    found = await runner.tokenize(text)
    assert b"".join(found.pieces).decode() == text
    assert (await runner.detokenize(found.tokens)).text == text
    shown = await runner.tokenize(job=job())
    assert (await runner.detokenize(shown.tokens)).text == job().prompt


async def test_a_stop_string_ends_the_answer_before_it(runner: Runner) -> None:
    whole = joined(await collect(runner.submit(job())))
    stop = whole[20:23]
    limits = Limits(max_tokens=40, ignore_eos=True, stop=(stop,))
    deltas = await collect(runner.submit(job(limits=limits)))
    assert joined(deltas) == whole[: whole.index(stop)]
    (finish,) = [delta for delta in deltas if isinstance(delta, FinishDelta)]
    assert (finish.reason, finish.stop) == ("stop", stop)
    await settled(runner)


async def test_who_has_met_a_stop_string_takes_no_part_in_the_next_step(runner: Runner) -> None:
    whole = joined(await collect(runner.submit(job())))
    limits = Limits(max_tokens=40, ignore_eos=True, stop=(whole[20:23],))
    await collect(runner.submit(job(limits=limits)))
    steps = runner.busyness.steps
    while runner.busyness.running:
        await runner.tokenize("x")
    assert runner.busyness.steps == steps


async def test_choices_share_a_prompt_and_differ(runner: Runner) -> None:
    hot = Sampling(temperature=1.5, top_k=0, top_p=1.0, seed=3)
    deltas = await collect(runner.submit(job(choices=3, sampling=hot)))
    answers = {joined(deltas, choice) for choice in range(3)}
    assert len(answers) == 3
    finishes = [delta.choice for delta in deltas if isinstance(delta, FinishDelta)]
    assert sorted(finishes) == [0, 1, 2]
    assert isinstance(deltas[-1], DoneDelta)
    assert deltas[-1].usage.output_tokens == 120
    assert joined(await collect(runner.submit(job(sampling=hot)))) == joined(deltas)


async def test_an_answer_belongs_to_its_schema(runner: Runner) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"enum": ["wind", "river"]}, "tall": {"type": "boolean"}},
        "required": ["name", "tall"],
        "additionalProperties": False,
    }
    asked = job(constraint=Constraint("json_schema", json.dumps(schema)), limits=Limits(200))
    told = json.loads(joined(await collect(runner.submit(asked))))
    assert told["name"] in ("wind", "river")
    assert isinstance(told["tall"], bool)


@pytest.mark.parametrize("memory", [True, False], ids=["memory moves", "computed anew"])
async def test_a_paused_answer_goes_on_in_another_runner(
    roomy: Runner, pocket_model: Path, memory: bool
) -> None:
    whole = await collect(roomy.submit(job("whole", 1900)))
    first, resume = await paused(roomy, job("part", 1900), memory=memory)
    assert bool(resume.emitted[0].memory) == memory
    assert list(resume.emitted[0].tokens) == tokens(whole)[: len(resume.emitted[0].tokens)]
    other = await started(pocket_model, replace(PLACEMENT, context=2048))
    again = await collect(other.submit(job("again", 1900), resume))
    await other.kill()
    assert whole[-1] is not None
    if memory:
        assert joined(first) + joined(again) == joined(whole)
    else:
        told = joined(first)
        assert joined(whole).startswith(told)
        assert isinstance(again[-1], DoneDelta)
        assert again[-1].usage.output_tokens == 1900


async def test_what_is_held_back_at_a_pause_is_told_with_all_its_tokens_and_times(
    roomy: Runner,
) -> None:
    whole = joined(await collect(roomy.submit(job("whole", 1900))))
    # Each begins like something in the text and never ends as it does, so that much is held back.
    stops = tuple(whole[at : at + 12] + "~" for at in range(0, len(whole) - 12, 6))[:64]
    limits = Limits(max_tokens=1900, ignore_eos=True, stop=stops)
    got: list[Delta] = []
    spent = 0.0
    asked = job("held", logprobs=0, limits=limits)
    stream = roomy.submit(asked)
    for _ in range(4):
        # A job that is taken off before its next token has spent nothing here.
        more = len(tokens(got)) + 9
        while len(tokens(got)) < more:
            got += await anext(stream)
        resume, rest = await asyncio.gather(roomy.pause("held"), collect(stream))
        assert resume is not None
        got += rest
        # Exactly what was told is what it goes on from.
        assert list(resume.emitted[0].tokens) == tokens(got)
        assert resume.usage is not None
        assert resume.usage.output_tokens == len(tokens(got))
        assert resume.usage.output_seconds > spent
        spent = resume.usage.output_seconds
        stream = roomy.submit(asked, resume)
    got += await collect(stream)
    assert joined(got) == whole
    scores = [score.token for one in got if isinstance(one, TextDelta) for score in one.logprobs]
    assert scores == tokens(got)
    done = got[-1]
    assert isinstance(done, DoneDelta)
    assert done.usage.output_seconds > spent > 0
    assert done.usage.output_tokens == 1900


async def test_choices_are_paused_together_whatever_has_become_of_each(runner: Runner) -> None:
    for turn, count in enumerate((1, 2, 3, 5, 8, 13)):
        hot = Sampling(temperature=1.5, seed=turn)
        asked = job(f"{turn}", 400, choices=3, sampling=hot, limits=Limits(max_tokens=count))
        stream = runner.submit(asked)
        got = await anext(stream)
        resume, rest = await asyncio.gather(runner.pause(asked.id), collect(stream))
        got += rest
        if resume is not None:
            assert len(resume.emitted) == 3
            got += await collect(runner.submit(replace(asked, id=f"{turn}'"), resume))
        assert isinstance(got[-1], DoneDelta)
        assert sorted(one.choice for one in got if isinstance(one, FinishDelta)) == [0, 1, 2]
    await settled(runner)


async def test_a_job_is_cancelled_before_it_has_begun(runner: Runner) -> None:
    for number in range(5):
        runner.submit(endless(f"{number}")).close()
    # The same id may be used again at once.
    again = await collect(runner.submit(job("0", 3)))
    assert isinstance(again[-1], DoneDelta)
    await settled(runner)
    assert runner.busyness.running == 0


async def test_a_job_is_paused_before_it_has_begun(roomy: Runner) -> None:
    whole = joined(await collect(roomy.submit(job("whole", 1900))))
    stream = roomy.submit(job("early", 1900))
    resume, said = await asyncio.gather(roomy.pause("early"), collect(stream))
    # It may have begun after all, if the runner read one message well before the other.
    assert resume is not None
    rest = await collect(roomy.submit(job("late", 1900), resume))
    assert isinstance(rest[-1], DoneDelta)
    assert said or joined(rest) == whole
    await settled(roomy)


async def test_two_jobs_of_one_id_are_not_mixed(runner: Runner) -> None:
    first = runner.submit(job())
    with pytest.raises(BadRequest, match="running already"):
        runner.submit(job())
    assert len(tokens(await collect(first))) == 40


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ((), "empty"),
        ((5, 1 << 40), "from 0 to 2047"),
        ((-7,), "from 0 to 2047"),
        ((1,) * 1024, "1024 tokens"),
    ],
)
async def test_a_prompt_that_cannot_be_is_refused_and_harms_nobody(
    runner: Runner, prompt: tuple[int, ...], words: str
) -> None:
    stream = runner.submit(endless("other"))
    await begun(stream)
    with pytest.raises(ReportedError, match=words):
        await collect(runner.submit(job(prompt=prompt, fit=Fit(truncate=False))))
    await begun(stream)
    stream.close()
    await settled(runner)


@pytest.mark.parametrize(
    ("beyond", "words"),
    [
        ({"logprobs": 21}, "from 0 to 20"),
        ({"logprobs": -1}, "from 0 to 20"),
        ({"prompt_logprobs": 21}, "from 0 to 20"),
        ({"choices": 0}, "from 1 to 128"),
        ({"choices": 129}, "from 1 to 128"),
    ],
    ids=str,
)
async def test_more_than_may_be_asked_for_is_refused(
    runner: Runner, beyond: dict[str, Any], words: str
) -> None:
    with pytest.raises(ReportedError, match=words):
        await collect(runner.submit(job(**beyond)))


@pytest.mark.parametrize("token", [-1, 1 << 40])
async def test_tokens_that_there_are_not_have_no_text(runner: Runner, token: int) -> None:
    with pytest.raises(ReportedError, match="from 0 to 2047"):
        await runner.detokenize((5, token))


async def test_a_job_that_no_longer_fits_cannot_go_on(runner: Runner) -> None:
    resume = Resume((1,) * 2000, ())
    with pytest.raises(ReportedError, match="2000 tokens"):
        await collect(runner.submit(job(), resume))
    await settled(runner)


async def all_read(
    runner: Runner, count: int
) -> tuple[list[asyncio.Task[list[Delta]]], psutil.Process]:
    """Jobs without an end, of which the first has begun, and the process that works at them."""
    told: list[Delta] = []
    streams = [runner.submit(endless(f"{number}")) for number in range(count)]
    ends = [asyncio.create_task(collect(stream)) for stream in streams[1:]]
    ends.append(asyncio.create_task(collect(streams[0], told)))
    while not tokens(told):
        await runner.tokenize("x")
    return ends, psutil.Process(runner._process._process.pid)


async def test_unloading_in_the_middle_of_work_tells_everybody(runner: Runner) -> None:
    # All are read all the while, since those that are not would be taken off.
    ends, process = await all_read(runner, 6)
    await runner.unload()
    told = await asyncio.gather(*ends, return_exceptions=True)
    assert [type(error) for error in told] == [RunnerLost] * 6
    assert not process.is_running()


async def test_a_runner_that_is_killed_tells_every_reader_why(runner: Runner) -> None:
    ends, process = await all_read(runner, 3)
    process.kill()
    for end in ends:
        with pytest.raises(RunnerLost, match="SIGKILL"):
            await end


def states(events: list[Event]) -> list[str]:
    return [event.after for event in events if isinstance(event, RunnerMoved)]


async def test_its_states_are_those_of_its_work(
    pocket_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    runner = await Runner.start(events.append)
    try:
        assert runner.state == "idle"
        await runner.load(Load((str(pocket_model),), placement=PLACEMENT))
        stream = runner.submit(endless("job"))
        await begun(stream)
        assert states(events) == ["loading", "ready", "busy"]
        stream.close()
        await settled(runner)
        # However long its process takes to end.
        monkeypatch.setattr(module, "LEAVE_SECONDS", 60.0)
        await runner.unload()
    finally:
        await runner.kill()
    told = states(events)
    assert told[:3] == ["loading", "ready", "busy"]
    # It need not have been idle between the one job and the next.
    assert set(told[3:-2]) <= {"ready", "busy"}
    assert told[-3:] == ["ready", "unloading", "idle"]


@pytest.mark.parametrize("factor", [0.0, math.inf, math.nan])
async def test_a_model_that_computes_nonsense_never_gets_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    add = stand_in.add_tensor

    def damaged(writer: GGUFWriter, name: str, values: NDArray[np.float32]) -> None:
        add(writer, name, values * factor if name == "output_norm.weight" else values)

    monkeypatch.setattr(stand_in, "add_tensor", damaged)
    file = stand_in.write(tmp_path / "damaged.gguf")
    events: list[Event] = []
    runner = await Runner.start(events.append)
    try:
        with pytest.raises(ReportedError, match="not a number"):
            await runner.load(Load((str(file),), placement=PLACEMENT))
    finally:
        await runner.kill()
    assert states(events) == ["loading", "failed"]


async def test_a_file_that_is_no_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "novel.gguf"
    file.write_text("It was a dark and stormy night.")
    with pytest.raises(ReportedError, match=r"cannot load .*novel\.gguf"):
        await started(file)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can kill a child with its parent")
async def test_a_killed_server_leaves_no_runner_at_work(pocket_model: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from tests.runners.test_real_runner import begun, endless, started
async def main():
    runner = await started(Path({str(pocket_model)!r}))
    stream = runner.submit(endless("job"))
    await begun(stream)
    print("at work", flush=True)
    async for _ in stream:
        pass
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"at work\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.kill()
    await parent.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
