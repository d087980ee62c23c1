"""What steps bring goes out together where they are quick, and never later than it should."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from puna.deltas import Delta, DoneDelta, FinishDelta, PromptDelta, TextDelta, Usage
from puna.engine.frames import Frames
from puna.engine.libllama import Library
from puna.engine.loaded import Loaded
from puna.engine.opening import opened
from puna.engine.work import Work
from puna.jobs import CompleteJob, Limits, Sampling
from puna.protocol import Cancel, Frame, Load, Pace, Placement, Submit, ToServer

LONG = 3600.0
FIRST: Delta = PromptDelta(1, 0)
LAST: Delta = DoneDelta(Usage())

Told = list[tuple[str, list[Delta]]]


def text(*words: str) -> list[Delta]:
    return [TextDelta(word) for word in words]


def frames(most: float = LONG) -> tuple[Frames, list[Told]]:
    told = list[Told]()
    return Frames(told.append, most), told


def test_what_lies_between_is_gathered_by_jobs() -> None:
    its, told = frames()
    for word in ("a", "b"):
        its.add("one", text(word))
        its.add("two", text(word.upper()))
        its.step()
    its.ahead(LONG / 2)
    assert not told
    its.ahead(math.inf)
    assert told == [[("one", text("a", "b")), ("two", text("A", "B"))]]
    its.ahead(math.inf)
    assert len(told) == 1


@pytest.mark.parametrize("deltas", [[FIRST, *text("a")], [*text("a"), FinishDelta("stop"), LAST]])
def test_beginnings_and_ends_go_out_at_once_with_all_that_waits(deltas: list[Delta]) -> None:
    its, told = frames()
    its.add("other", text("b"))
    its.step()
    its.add("one", deltas)
    its.step()
    assert told == [[("other", text("b")), ("one", deltas)]]
    its.add("one", text("c"))
    its.step()
    assert len(told) == 1


def test_each_step_goes_out_at_once_if_so_wished() -> None:
    its, told = frames(0.0)
    for word in ("a", "b"):
        its.add("one", text(word))
        its.step()
    assert told == [[("one", text("a"))], [("one", text("b"))]]


def test_what_would_get_too_old_goes_out_before() -> None:
    its, told = frames(0.05)
    its.add("one", text("a"))
    its.step()
    its.ahead(0.06)
    assert told == [[("one", text("a"))]]


def test_of_a_job_that_is_dropped_nothing_more_is_told() -> None:
    its, told = frames()
    its.add("one", text("a"))
    its.drop("one")
    its.add("two", text("b"))
    its.send()
    assert told == [[("two", text("b"))]]


class Runner:
    """The jobs of a real model, and what is said of them."""

    def __init__(self, library: Library, path: Path, gather: float) -> None:
        placement = Placement(context=512, sequences=4, batch=128, threads=1)
        load = Load((str(path),), placement=placement, pace=Pace(speculate=False, gather=gather))
        self.said: asyncio.Queue[ToServer] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def send(message: ToServer) -> None:
            loop.call_soon_threadsafe(self.said.put_nowait, message)

        self.loaded = Loaded(
            opened(library, load),
            load,
            lambda outputs: self.work.take(outputs),
            lambda error: pytest.fail(str(error)),
            self._ahead,
        )
        self.work = Work(self.loaded, send, lambda: None)

    def _ahead(self, seconds: float) -> None:
        # The engine waits for its first order before there is anybody to tell.
        if hasattr(self, "work"):
            self.work.ahead(seconds)

    async def frame(self) -> dict[str, list[Delta]]:
        async with asyncio.timeout(60):
            said = await self.said.get()
        assert isinstance(said, Frame)
        return dict(said.deltas)

    async def run(self, tasks: asyncio.TaskGroup, id: str, tokens: int) -> list[list[Delta]]:
        """Run a job by itself: its deltas as they came."""
        self.work.submit(submit(id, tokens), tasks)
        told = [(await self.frame())[id]]
        while not isinstance(told[-1][-1], DoneDelta):
            told.append((await self.frame())[id])
        return told

    def close(self) -> None:
        self.work.close()
        self.loaded.close()


def submit(id: str, tokens: int) -> Submit:
    limits = Limits(max_tokens=tokens, ignore_eos=True)
    job = CompleteJob(id, "model", "The herd", limits=limits, sampling=Sampling(temperature=0))
    return Submit(job)


def joined(told: list[list[Delta]]) -> tuple[str, list[int]]:
    said = [delta for deltas in told for delta in deltas if isinstance(delta, TextDelta)]
    return "".join(one.text for one in said), [token for one in said for token in one.tokens]


async def test_an_answer_is_the_same_in_fewer_frames(
    library: Library, shape: Callable[[str], Path]
) -> None:
    told = dict[float, list[list[Delta]]]()
    for gather in (0.0, LONG):
        its = Runner(library, shape("llama"), gather)
        try:
            async with asyncio.TaskGroup() as tasks:
                # What a step takes is known only when there have been some.
                await its.run(tasks, "before", 8)
                told[gather] = await its.run(tasks, "job", 40)
        finally:
            its.close()
    assert joined(told[0.0]) == joined(told[LONG])
    assert len(joined(told[LONG])[1]) == 40
    # Its first token, what lay between, and the last.
    assert len(told[LONG]) < 5 < 30 < len(told[0.0])
    assert any(isinstance(delta, PromptDelta) for delta in told[LONG][0])


async def test_nothing_waits_while_a_prompt_is_computed_nor_where_nothing_more_comes(
    library: Library, shape: Callable[[str], Path]
) -> None:
    its = Runner(library, shape("llama"), LONG)
    try:
        async with asyncio.TaskGroup() as tasks:
            await its.run(tasks, "before", 8)
            its.work.submit(submit("old", 400), tasks)
            assert "old" in await its.frame()
            its.work.submit(submit("new", 2), tasks)
            # Before the newcomer's own: what had come of the other until then.
            assert (await its.frame()).keys() == {"old"}
            assert "new" in await its.frame()
            its.work.cancel(Cancel("old"))
    finally:
        its.close()
