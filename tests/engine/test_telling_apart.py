"""What of a step cannot be told fails its own job, and neither the engine nor the others."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from puna.deltas import DoneDelta
from puna.engine.libllama import Library
from puna.engine.loaded import Loaded
from puna.engine.opening import opened
from puna.engine.work import Work
from puna.jobs import CompleteJob, Limits
from puna.protocol import Frame, JobFailed, Load, Placement, Submit, ToServer

LIMITS = Limits(max_tokens=12, ignore_eos=True)


async def test_a_job_that_cannot_be_packed_fails_alone(
    library: Library, shape: Callable[[str], Path]
) -> None:
    said: asyncio.Queue[ToServer] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def send(message: ToServer) -> None:
        if isinstance(message, Frame) and any(job == "bad" for job, _ in message.deltas):
            raise UnicodeError("No text may be half a character.")
        loop.call_soon_threadsafe(said.put_nowait, message)

    placement = Placement(context=512, sequences=4, batch=128, threads=1)
    load = Load((str(shape("llama")),), placement=placement)
    loaded = Loaded(
        opened(library, load),
        load,
        lambda outputs: work.take(outputs),
        lambda error: pytest.fail(str(error)),
    )
    work = Work(loaded, send, lambda: None)
    try:
        async with asyncio.TaskGroup() as tasks:
            for id in ("good", "bad", "better"):
                work.submit(Submit(CompleteJob(id, "model", "The herd", limits=LIMITS)), tasks)
        done, failed = set[str](), set[str]()
        async with asyncio.timeout(60):
            while done | failed != {"good", "bad", "better"}:
                match await said.get():
                    case Frame(deltas):
                        done |= {job for job, each in deltas if isinstance(each[-1], DoneDelta)}
                    case JobFailed(job, error):
                        assert "half a character" in error.message
                        failed.add(job)
        assert (done, failed) == ({"good", "better"}, {"bad"})
        assert not work.busy
    finally:
        work.close()
        loaded.close()
