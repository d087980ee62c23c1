"""The server's half of a runner, against a fake engine in a real process."""

import asyncio
import os
import select
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from puna.deltas import Delta, DoneDelta, FinishDelta, PromptDelta, TextDelta
from puna.errors import LoadFailed, LoadLost, PunaError, ReportedError, RunnerLost
from puna.events import Event, RunnerMoved
from puna.jobs import ChatJob, message
from puna.protocol import Load, Resume
from puna.runners import runner as module
from puna.runners.runner import Runner
from puna.runners.stream import END_AT, PAUSE_AT, Stream
from puna.runners.wire import Doorstep, Wire

FAKE = (sys.executable, str(Path(__file__).parents[1] / "fake_engine.py"))


@pytest.fixture
async def events() -> list[Event]:
    return []


@pytest.fixture
async def runner(events: list[Event]) -> AsyncGenerator[Runner]:
    runner = await Runner.start(events.append, FAKE)
    yield runner
    await runner.kill()


@pytest.fixture
async def ready(runner: Runner) -> Runner:
    await runner.load(Load(("good",)))
    return runner


def job(text: str, id: str = "job") -> ChatJob:
    return ChatJob(id=id, model="fake", messages=(message("user", text),))


async def collect(stream: Stream, into: list[Delta] | None = None) -> list[Delta]:
    into = [] if into is None else into
    async for batch in stream:
        into += batch
    return into


def joined(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def states(events: list[Event]) -> list[str]:
    return [event.after for event in events if isinstance(event, RunnerMoved)]


async def test_a_runner_goes_through_its_states_and_each_is_an_event(
    ready: Runner, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ready.state == "ready"
    assert ready.facts is not None
    assert ready.facts.architecture == "fake"
    # However long its process takes to end.
    monkeypatch.setattr(module, "LEAVE_SECONDS", 60.0)
    await ready.unload()
    assert states(events) == ["loading", "ready", "unloading", "idle"]
    assert ready.exit_reason == "ended with code 0"


SLOW_TO_END = """
import asyncio, runpy, sys, time
sys.argv = sys.argv[1:]
run = asyncio.run
def slowly(main):
    run(main)
    time.sleep(2)
asyncio.run = slowly
runpy.run_path(sys.argv[0], run_name="__main__")
"""


async def test_one_that_was_told_to_leave_and_has_hung_up_is_given_the_time_to_end() -> None:
    python, fake = FAKE
    runner = await Runner.start(lambda event: None, (python, "-c", SLOW_TO_END, fake))
    await runner.load(Load(("good",)))
    await runner.unload()
    assert runner.exit_reason == "ended with code 0"


async def test_the_time_that_the_server_itself_is_held_up_is_not_the_runners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wait = Doorstep.wait

    def stand_still(doorstep: Doorstep) -> None:
        """Until the runner has called, and for long after that."""
        select.select([doorstep._listener], [], [], 60)
        time.sleep(1.2)

    async def held_up(doorstep: Doorstep, wire: Wire) -> None:
        stand_still(doorstep)
        await wait(doorstep, wire)

    monkeypatch.setattr(Doorstep, "wait", held_up)
    monkeypatch.setattr(module, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    runner = await Runner.start(lambda event: None, FAKE)
    assert runner.alive
    await runner.kill()


async def test_deltas_arrive_in_order_and_end_with_done(ready: Runner) -> None:
    deltas = await collect(ready.submit(job("echo one two three")))
    assert joined(deltas) == "one two three "
    assert isinstance(deltas[0], PromptDelta)
    assert isinstance(deltas[-2], FinishDelta)
    assert isinstance(deltas[-1], DoneDelta)


async def test_jobs_run_beside_each_other(ready: Runner) -> None:
    streams = [ready.submit(job(f"echo {number}", str(number))) for number in range(20)]
    answers = await asyncio.gather(*(collect(stream) for stream in streams))
    assert [joined(answer) for answer in answers] == [f"{number} " for number in range(20)]


async def test_closing_a_stream_cancels_its_job_in_the_engine(ready: Runner) -> None:
    with closing(ready.submit(job("hang"))) as stream:
        await anext(stream)
    assert joined(await collect(ready.submit(job("cancelled", "next")))) == "1"


async def test_a_job_that_ended_is_not_cancelled_when_its_stream_is_closed(ready: Runner) -> None:
    with closing(ready.submit(job("echo all of it"))) as stream:
        await collect(stream)
    assert joined(await collect(ready.submit(job("cancelled", "next")))) == "0"


async def test_an_answer_that_nobody_reads_is_laid_down_and_can_go_on_when_it_is_read(
    ready: Runner,
) -> None:
    count = 20 * PAUSE_AT
    left: list[str] = []
    unread = ready.submit(job(f"flood {count}"), left=left.append)
    # Others are answered all the while, and it is off the runner before anybody reads it.
    for number in range(20):
        assert joined(await collect(ready.submit(job("echo beside", str(number))))) == "beside "
    while not left:
        await ready.tokenize("x")
    deltas = await collect(unread)
    assert unread.resume is not None
    # What was on its way when it was asked to stop came too: as much as the socket and its writer
    # hold, but never so much that the stream would have ended the job.
    assert PAUSE_AT < sum(isinstance(delta, TextDelta) for delta in deltas) <= END_AT
    resume: Resume | None = unread.resume
    while resume is not None:
        again = ready.submit(job(f"flood {count}", "again"), resume)
        deltas += await collect(again)
        resume = again.resume
    assert joined(deltas) == "".join(f"{number} " for number in range(count))


async def test_a_paused_job_is_handed_back_and_goes_on_where_it_was(
    ready: Runner, tmp_path: Path
) -> None:
    held = f"hold 500 {tmp_path / 'open'}"
    stream = ready.submit(job(held))
    first = await anext(stream)
    while not joined(first):
        first += await anext(stream)
    resume, rest = await asyncio.gather(ready.pause("job"), collect(stream))
    assert resume is not None
    (tmp_path / "open").touch()
    again = await collect(ready.submit(job(held, "again"), resume))
    assert joined(first + rest + again) == "".join(f"{number} " for number in range(500))


async def test_a_job_that_has_ended_cannot_be_paused(ready: Runner) -> None:
    await collect(ready.submit(job("echo")))
    assert await ready.pause("job") is None


async def test_an_error_of_one_job_is_met_by_its_reader_after_what_came_before(
    ready: Runner,
) -> None:
    got: list[Delta] = []
    with pytest.raises(ReportedError, match="arithmetic") as caught:
        await collect(ready.submit(job("fail late")), got)
    assert joined(got) == "so far"
    assert caught.value.kind == "failed"
    assert joined(await collect(ready.submit(job("echo still here")))) == "still here "


async def test_a_runner_that_dies_fails_its_jobs_with_the_reason(
    ready: Runner, events: list[Event]
) -> None:
    waiting = ready.submit(job("hang", "other"))
    got: list[Delta] = []
    with pytest.raises(RunnerLost, match="SIGKILL"):
        await collect(ready.submit(job("die")), got)
    assert joined(got) == "last words"
    with pytest.raises(RunnerLost):
        await collect(waiting)
    assert states(events)[-1] == "failed"
    assert not ready.alive
    with pytest.raises(RunnerLost, match="takes no jobs"):
        ready.submit(job("echo"))


async def test_a_runner_that_sends_garbage_is_ended(ready: Runner) -> None:
    with pytest.raises(RunnerLost, match="no message"):
        await collect(ready.submit(job("garble")))
    assert not ready.alive


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ("broken", ReportedError, "The file is broken"),
        ("dies", LoadFailed, "about to die"),
        ("skips", LoadFailed, "went from loading to busy"),
    ],
)
async def test_a_model_that_cannot_be_loaded_is_an_error_that_says_why(
    runner: Runner, events: list[Event], weights: str, error: type[PunaError], words: str
) -> None:
    with pytest.raises(error, match=words):
        await runner.load(Load((weights,)))
    assert states(events)[-1] == "failed"


async def test_loading_has_a_deadline(runner: Runner) -> None:
    with pytest.raises(LoadFailed, match="not loaded in"):
        await runner.load(Load(("hangs",)), seconds=0.05)


async def test_a_command_that_ends_at_once_is_an_error_with_its_log() -> None:
    with pytest.raises(LoadLost, match="no such thing"):
        await Runner.start(print, (sys.executable, "-c", "raise SystemExit('no such thing')"))


async def test_text_and_tokens_are_asked_of_the_runner(ready: Runner) -> None:
    tokens = await ready.tokenize("llama")
    assert tokens.tokens == tuple(b"llama")
    assert (await ready.detokenize(tokens.tokens)).text == "llama"


async def test_nothing_is_left_of_a_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runner = await Runner.start(print, FAKE)
    # The socket has served its purpose once the runner has called.
    assert os.listdir(tmp_path) == []
    children = psutil.Process().children(recursive=True)
    await runner.kill()
    assert [child for child in children if child.is_running()] == []


async def test_its_socket_lies_where_nobody_else_may_look() -> None:
    before = os.umask(0)
    try:
        doorstep = Doorstep()
    finally:
        os.umask(before)
    try:
        assert doorstep.path.parent.stat().st_mode & 0o777 == 0o700
    finally:
        doorstep.close()
    assert not doorstep.path.parent.exists()


async def test_a_runner_sees_only_what_is_allowed_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUNA_SECRET", "hush")
    monkeypatch.setenv("HF_TOKEN", "hush")
    monkeypatch.setenv("GGML_ANY", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    runner = await Runner.start(print, FAKE, {"PUNA_ENGINE": "/an/engine"})
    await runner.load(Load(("good",)))
    seen = joined(await collect(runner.submit(job("env")))).split()
    await runner.kill()
    assert {"GGML_ANY", "CUDA_VISIBLE_DEVICES", "PUNA_ENGINE", "PATH"} <= set(seen)
    assert not {"PUNA_SECRET", "HF_TOKEN"} & set(seen)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can kill a child with its parent")
@pytest.mark.parametrize("stopped", [False, True])
async def test_a_runner_dies_with_its_parent_even_when_both_are_beyond_help(
    tmp_path: Path, stopped: bool
) -> None:
    program = f"""
import asyncio, sys
from puna.runners.runner import Runner
async def main():
    runner = await Runner.start(lambda event: None, {FAKE!r})
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"up\n"
    (child,) = psutil.Process(parent.pid).children()
    if stopped:
        child.suspend()
    parent.kill()
    await parent.wait()
    child.wait(timeout=60)
    assert not child.is_running()


async def test_whoever_is_told_to_stop_waiting_for_an_end_does_not_end_it_for_others(
    ready: Runner, events: list[Event]
) -> None:
    stream = ready.submit(job("hang"))
    psutil.Process(ready._process._process.pid).kill()
    await ready._process.ended()
    impatient = asyncio.create_task(ready.kill())
    await asyncio.sleep(0)
    impatient.cancel()
    await ready.kill()
    assert states(events)[-1] == "failed"
    with pytest.raises(RunnerLost):
        await collect(stream)
