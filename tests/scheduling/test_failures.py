"""What the scheduler does when runners die, stop, or others take the memory."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace
from tests.scheduling.fakes import (
    FAKE,
    GIB,
    FakeHost,
    Gate,
    collect,
    job,
    joined,
    numbers,
    scheduler,
)
from tests.scheduling.test_scheduler import begun, until

from puna.deltas import Delta, VectorsDelta
from puna.errors import LoadFailed, RunnerKeepsDying, RunnerLost
from puna.jobs import EmbedJob
from puna.scheduling.scheduler import Scheduler
from puna.settings import Settings


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
async def server(host: FakeHost) -> AsyncGenerator[Scheduler]:
    async with scheduler(host) as server:
        yield server
    assert host.alive == []


async def test_every_job_of_a_killed_runner_goes_on_with_the_next(
    server: Scheduler, host: FakeHost, gate: Gate
) -> None:
    streams = [server.run(job(gate.held(60), f"{number}")) for number in range(2)]
    firsts = [await begun(stream) for stream in streams]
    queued = asyncio.create_task(collect(server.run(job("echo queued", "queued"))))
    host.kill_one()
    gate.open()
    rests = await asyncio.gather(*(collect(stream) for stream in streams))
    for first, rest in zip(firsts, rests, strict=True):
        assert joined(first + rest) == numbers(60)
    assert joined(await queued) == "queued "
    assert len(host.loads) == 2


async def test_what_is_heard_counts_as_what_is_read_also_where_it_goes_on(
    server: Scheduler, host: FakeHost, gate: Gate
) -> None:
    deltas: list[Delta] = []
    heard = 0

    def hear(batch: list[Delta]) -> bool:
        nonlocal heard
        deltas.extend(batch)
        if not heard:
            host.kill_one()
            gate.open()
        heard += len(batch)
        return True

    async for batch in server.run(job(gate.held(200), "1"), hear=hear):
        deltas += batch
    assert joined(deltas) == numbers(200)
    assert heard
    record = server.job("1")
    assert record is not None
    assert (record.output_tokens, record.resumed) == (200, 1)


async def test_a_stopped_runner_is_noticed_and_its_jobs_go_on(host: FakeHost, gate: Gate) -> None:
    # Impatient only with the one that is stopped: others may come late on a busy machine.
    patient, impatient = Settings(reserve=0), Settings(reserve=0, stall_timeout=0.5)
    async with scheduler(host) as server:
        stream = server.run(job(gate.held(200), "1"))
        first = await begun(stream)
        rest = asyncio.create_task(collect(stream))
        (process,) = host.processes()
        process.suspend()
        server.heed(impatient)
        await until(lambda: host.alive == [])
        server.heed(patient)
        gate.open()
        assert joined(first + await rest) == numbers(200)
        assert not process.is_running()
        assert len(host.loads) == 2


async def test_an_idle_runner_that_is_stopped_is_replaced(host: FakeHost) -> None:
    patient, impatient = Settings(reserve=0), Settings(reserve=0, stall_timeout=0.5)
    async with scheduler(host) as server:
        await server.load("a")
        (process,) = host.processes()
        process.suspend()
        server.heed(impatient)
        await until(lambda: server.residents == [])
        server.heed(patient)
        assert joined(await collect(server.run(job("echo again", "1")))) == "again "


async def test_a_runner_that_lives_but_takes_no_steps_is_replaced(host: FakeHost) -> None:
    async with scheduler(host, stall_timeout=0.5) as server:
        with pytest.raises(RunnerLost, match=r"3 times.*no progress for 0\.5 s"):
            await collect(server.run(job("hang", "1")))
        assert len(host.loads) == 3


async def test_a_job_that_kills_its_runners_ends_with_the_reason_and_the_log(
    server: Scheduler, host: FakeHost
) -> None:
    with pytest.raises(RunnerLost, match=r"3 times.*SIGABRT.*the fake starts"):
        await collect(server.run(job("choke", "1")))
    assert len(host.loads) == 3
    record = server.job("1")
    assert record is not None
    assert record.error is not None


async def test_a_model_that_keeps_dying_is_refused_for_a_growing_while(
    server: Scheduler, host: FakeHost
) -> None:
    with pytest.raises((RunnerLost, RunnerKeepsDying)):
        await collect(server.run(job("choke", "1")))
    with pytest.raises(RunnerKeepsDying, match=r"4 times in a row.*SIGABRT") as first:
        await collect(server.run(job("choke", "2")))
    assert len(host.loads) == 4
    assert 0 < (first.value.report().retry_after or 0) <= 5
    # Other models are not to blame.
    assert joined(await collect(server.run(job("echo b", "3", "b")))) == "b "


async def test_a_model_whose_runner_dies_while_it_loads_is_tried_again_and_then_refused(
    server: Scheduler, host: FakeHost
) -> None:
    with pytest.raises(RunnerKeepsDying, match="about to die"):
        await collect(server.run(job("echo", "1", "dies")))
    assert len(host.loads) == 4


async def test_a_runner_that_is_killed_before_it_has_called_is_started_again(
    tmp_path: Path,
) -> None:
    once = f"""
import os, pathlib, runpy, signal
died = pathlib.Path({str(tmp_path / "died")!r})
if not died.exists():
    died.touch()
    os.kill(os.getpid(), signal.SIGKILL)
runpy.run_path({FAKE[1]!r}, run_name="__main__")
"""
    async with scheduler(FakeHost(command=(sys.executable, "-c", once))) as server:
        assert joined(await collect(server.run(job("echo llama", "1")))) == "llama "
    assert (tmp_path / "died").exists()


async def test_loading_has_a_deadline(host: FakeHost) -> None:
    before = psutil.Process().children()
    async with scheduler(host, load_timeout=0.3) as server:
        with pytest.raises(LoadFailed, match=r"0\.3 s"):
            await collect(server.run(job("echo", "1", "hangs")))
    assert psutil.Process().children() == before


async def test_idle_runners_go_when_others_take_the_memory(
    host: FakeHost, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puna.scheduling.fleet.MEASURE_SECONDS", 0.05)
    host.memory = 4 * GIB
    async with scheduler(host, reserve=GIB) as server:
        for name in "ab":
            await collect(server.run(job("echo", name, name)))
        stream = server.run(job(gate.held(100), "busy", "b"))
        first = await begun(stream)
        host.taken_by_others = GIB + 1
        await until(lambda: host.alive == ["b"])
        gate.open()
        # What is busy stays.
        assert joined(first + await collect(stream)) == numbers(100)


async def test_idle_runners_go_for_a_load_where_others_have_taken_the_memory(
    host: FakeHost,
) -> None:
    host.memory = 4 * GIB
    async with scheduler(host) as server:
        await collect(server.run(job("echo", "first", "a")))
        host.taken_by_others = 2 * GIB
        await collect(server.run(job("echo", "second", "b2")))
        assert host.alive == ["b2"]
        host.taken_by_others = 0
        await collect(server.run(job("echo", "third", "a")))
        assert sorted(host.alive) == ["a", "b2"]


async def test_a_batch_job_makes_way_where_memory_is_short(host: FakeHost, gate: Gate) -> None:
    host.memory = GIB
    async with scheduler(host) as server:
        stream = server.run(job(gate.held(600), "batch", "a", priority="batch"))
        first = await begun(stream)
        rest = asyncio.create_task(collect(stream))
        assert joined(await collect(server.run(job("echo b", "urgent", "b")))) == "b "
        assert not rest.done()
        gate.open()
        assert joined(first + await rest) == numbers(600)


async def test_a_longer_context_moves_the_running_jobs_when_there_is_room_for_one_only(
    host: FakeHost, gate: Gate
) -> None:
    host.memory = 2 * GIB
    async with scheduler(host) as server:
        stream = server.run(job(gate.held(100), "moved"))
        first = await begun(stream)
        rest = asyncio.create_task(collect(stream))
        await collect(server.run(job("echo", "long", context=8192)))
        gate.open()
        assert joined(first + await rest) == numbers(100)
        assert [load.placement.context for load in host.loads] == [4096, 8192]
        assert len(server.residents) == 1


async def test_one_who_asks_for_more_context_than_fits_harms_nobody_else(
    server: Scheduler, host: FakeHost
) -> None:
    stream = server.run(job("pace 30", "1"))
    first = await begun(stream)
    with pytest.raises(Exception, match="needs"):
        await collect(server.run(job("echo", "2", context=65_536)))
    assert joined(first + await collect(stream)) == numbers(30)
    assert len(host.loads) == 1


async def test_vectors_are_made_beside_those_who_generate(server: Scheduler, gate: Gate) -> None:
    streams = [server.run(job(gate.held(300), f"{number}")) for number in range(2)]
    for stream in streams:
        await begun(stream)
    (vectors, _) = await collect(server.run(EmbedJob("vectors", "a", ("x", "y"))))
    assert isinstance(vectors, VectorsDelta)
    assert server.residents[0].running == 2
    for stream in streams:
        await stream.aclose()


async def test_two_jobs_of_one_id_are_not_mixed(server: Scheduler, gate: Gate) -> None:
    stream = server.run(job(gate.held(30), "1"))
    first = await begun(stream)
    with pytest.raises(Exception, match="running already"):
        await collect(server.run(replace(job("echo", "1"), model="b")))
    gate.open()
    assert joined(first + await collect(stream)) == numbers(30)


async def test_a_reader_who_falls_behind_holds_no_seat(host: FakeHost) -> None:
    async with scheduler(host, sequences=1) as server:
        slow = server.run(job("flood 20000", "slow"))
        first = await begun(slow)
        for number in range(3):
            assert joined(await collect(server.run(job("echo on", f"{number}")))) == "on "
        assert joined(first + await collect(slow)) == numbers(20_000)
