"""The scheduler over runners that are real processes with fake engines in them."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from tests.scheduling.fakes import GIB, FakeHost, Gate, collect, job, joined, numbers, scheduler

from puna.deltas import Delta, DoneDelta
from puna.errors import (
    Cancelled,
    ModelNotFound,
    NeverRoom,
    NoRoom,
    QueueFull,
    ReportedError,
    TimedOut,
)
from puna.hosts.host import Device
from puna.jobs import Demand
from puna.records import JobRecord
from puna.scheduling.scheduler import Scheduler


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
async def server(host: FakeHost) -> AsyncGenerator[Scheduler]:
    async with scheduler(host) as server:
        yield server
    assert host.alive == []


async def begun(stream: AsyncGenerator[list[Delta]]) -> list[Delta]:
    """What has come once there is some of the answer."""
    deltas: list[Delta] = []
    while not joined(deltas):
        deltas += await anext(stream)
    return deltas


async def until(holds: Any) -> None:
    """Let the others work until this holds; the test's own deadline bounds it."""
    while not holds():  # noqa: ASYNC110 - what is waited for is in many places, and not an event
        await asyncio.sleep(0.005)


async def test_a_job_causes_a_load_and_the_next_one_uses_it(
    server: Scheduler, host: FakeHost
) -> None:
    for number in range(3):
        assert joined(await collect(server.run(job("echo hello", f"{number}")))) == "hello "
    assert len(host.loads) == 1


async def test_the_usage_says_what_was_waited_for(server: Scheduler) -> None:
    (first,) = (await collect(server.run(job("echo", "1"))))[-1:]
    began = time.monotonic()
    (second,) = (await collect(server.run(job("echo", "2"))))[-1:]
    took = time.monotonic() - began
    assert isinstance(first, DoneDelta)
    assert isinstance(second, DoneDelta)
    assert first.usage.total_seconds >= first.usage.load_seconds > 0.01
    assert second.usage.load_seconds == 0
    assert 0 < second.usage.total_seconds <= took


async def test_when_memory_is_short_the_least_recently_used_idle_model_goes(
    server: Scheduler, host: FakeHost
) -> None:
    for name in ("a", "b", "a", "c"):
        await collect(server.run(job("echo", name, name)))
    await until(lambda: host.alive == ["a", "c"])


async def test_a_busy_model_is_never_evicted_and_who_waits_gets_its_room_when_it_is_done(
    server: Scheduler, host: FakeHost, gate: Gate
) -> None:
    host.memory = GIB
    busy = server.run(job(gate.held(50), "busy", "a"))
    first = await begun(busy)
    waiting = asyncio.create_task(collect(server.run(job("echo b", "waiting", "b"))))
    await until(lambda: len(server.jobs()) == 2)
    assert host.alive == ["a"]
    gate.open()
    assert joined(first + await collect(busy)) == numbers(50)
    assert joined(await waiting) == "b "
    assert host.alive == ["b"]


async def test_a_stream_of_jobs_for_a_loaded_model_does_not_keep_another_out(
    host: FakeHost,
) -> None:
    host.memory = GIB
    async with scheduler(host) as server, asyncio.TaskGroup() as group:
        ended = asyncio.Event()

        async def crowd(name: str) -> None:
            for number in range(1000):
                await collect(server.run(job("pace 40", f"{name}{number}", "a", principal=name)))
                if ended.is_set():
                    return

        members = [group.create_task(crowd(name)) for name in "xyz"]
        await until(lambda: len(server.residents) == 1)
        assert joined(await collect(server.run(job("echo b", "b", "b", principal="w")))) == "b "
        ended.set()
        await asyncio.wait(members)


async def test_a_model_that_fits_nowhere_is_an_error_with_both_numbers(server: Scheduler) -> None:
    refused = f"^large3:latest needs {3 * GIB}.*{2 * GIB} are free at best"
    with pytest.raises(NeverRoom, match=refused) as caught:
        await collect(server.run(job("echo", "1", "large3")))
    assert caught.value.report().kind == "no_room"
    with pytest.raises(NeverRoom, match=refused):
        await server.load("large3")
    assert joined(await collect(server.run(job("echo still", "2", "a")))) == "still "


async def test_a_model_that_never_fits_is_refused_while_another_is_busy(
    server: Scheduler, host: FakeHost
) -> None:
    busy = server.run(job("pace 50", "busy", "a"))
    first = await begun(busy)
    with pytest.raises(NeverRoom, match=f"{2 * GIB} are free at best"):
        await collect(server.run(job("echo", "1", "large3")))
    assert [one.phase for one in server.jobs() if one.id == "busy"] == ["generating"]
    assert joined(first + await collect(busy)) == numbers(50)


async def test_a_model_whose_memory_other_programs_hold_may_be_asked_for_again(
    server: Scheduler, host: FakeHost
) -> None:
    host.taken_by_others = GIB
    refused = f"^large2:latest needs {2 * GIB}.*{GIB} are free.*Other programs hold memory"
    with pytest.raises(NoRoom, match=refused) as caught:
        await collect(server.run(job("echo", "1", "large2")))
    assert caught.value.report().kind == "busy"
    host.taken_by_others = 0
    assert joined(await collect(server.run(job("echo now", "2", "large2")))) == "now "


async def test_what_cannot_be_loaded_is_an_error_for_all_who_wait_for_it(
    server: Scheduler,
) -> None:
    jobs = [collect(server.run(job("echo", f"{n}", "broken"))) for n in range(3)]
    told = await asyncio.gather(*jobs, return_exceptions=True)
    assert [str(error) for error in told] == ["The file is broken."] * 3
    assert all(isinstance(error, ReportedError) for error in told)
    with pytest.raises(ModelNotFound):
        await collect(server.run(job("echo", "1", "none")))


async def test_a_runner_takes_so_many_at_once_and_the_rest_wait_in_the_queue(
    server: Scheduler, gate: Gate
) -> None:
    streams = [server.run(job(gate.held(30), f"{number}")) for number in range(5)]
    tasks = [asyncio.create_task(collect(stream)) for stream in streams]
    await until(lambda: [one.phase for one in server.jobs()].count("generating") == 2)
    await until(lambda: len(server.jobs()) == 5)
    assert [one.position for one in server.jobs()] == [None, None, 0, 1, 2]
    (resident,) = server.residents
    assert (resident.running, resident.waiting) == (2, 3)
    gate.open()
    for answer in await asyncio.gather(*tasks):
        assert joined(answer) == numbers(30)
    assert resident.runner.alive


async def test_a_full_queue_refuses_and_says_when_to_try_again(host: FakeHost, gate: Gate) -> None:
    async with scheduler(host, max_queue=2) as server:
        tasks = [
            asyncio.create_task(collect(server.run(job(gate.held(100), f"{number}"))))
            for number in range(2)
        ]
        await until(lambda: [one.phase for one in server.jobs()] == ["generating"] * 2)
        tasks += [
            asyncio.create_task(collect(server.run(job("echo", f"more{number}"))))
            for number in range(2)
        ]
        await until(lambda: len(server.jobs()) == 4)
        with pytest.raises(QueueFull) as caught:
            await collect(server.run(job("echo", "one too many")))
        assert (caught.value.report().retry_after or 0) >= 1
        gate.open()
        await asyncio.gather(*tasks)


async def test_a_job_waits_no_longer_than_it_may(host: FakeHost) -> None:
    server = scheduler(host, queue_timeout=0.1, sequences=1)
    async with server, aclosing(server.run(job("pace 100000", "long"))) as stream:
        await begun(stream)
        with pytest.raises(TimedOut, match=r"0\.1 s"):
            await collect(server.run(job("echo", "late")))


async def test_a_job_takes_no_longer_than_it_may(host: FakeHost) -> None:
    async with scheduler(host, request_timeout=0.5) as server:
        await server.load("a")
        with pytest.raises(TimedOut, match=r"0\.5 s"):
            await collect(server.run(job("hang", "1")))
        assert [(one.id, one.phase) for one in server.jobs()] == [("1", "failed")]
        await until(lambda: server.residents[0].state == "ready")


async def test_closing_the_deltas_cancels_wherever_the_job_is(server: Scheduler) -> None:
    async with aclosing(server.run(job("pace 100000", "running"))) as stream:
        await begun(stream)
    waiting = asyncio.create_task(collect(server.run(job("pace 100000", "waiting"))))
    await until(lambda: len(server.jobs()) == 2)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert [one.phase for one in server.jobs()] == ["cancelled", "cancelled"]
    assert joined(await collect(server.run(job("echo on", "next")))) == "on "


async def test_a_job_can_be_cancelled_by_its_id(server: Scheduler) -> None:
    stream = server.run(job("pace 100000", "one"))
    await begun(stream)
    assert server.cancel("one")
    with pytest.raises(Cancelled):
        await collect(stream)
    assert not server.cancel("one")


async def test_a_model_is_kept_for_as_long_as_its_last_job_says(
    server: Scheduler, host: FakeHost
) -> None:
    await collect(server.run(job("echo", "1", "a", keep_alive=-1)))
    assert server.residents[0].expires_at is None
    await collect(server.run(job("echo", "2", "a", keep_alive=3600)))
    assert server.residents[0].expires_at is not None
    await collect(server.run(job("echo", "3", "a", keep_alive=0.05)))
    await until(lambda: host.alive == [])
    await collect(server.run(job("echo", "4", "a", keep_alive=0)))
    await until(lambda: host.alive == [])
    assert len(host.loads) == 2


async def test_unloading_lets_running_jobs_finish(
    server: Scheduler, host: FakeHost, gate: Gate
) -> None:
    assert await server.load("a", Demand(keep_alive=-1)) > 0
    stream = server.run(job(gate.held(30), "1", keep_alive=-1))
    first = await begun(stream)
    await server.unload("a")
    gate.open()
    assert joined(first + await collect(stream)) == numbers(30)
    await until(lambda: host.alive == [])


async def test_only_so_many_models_are_loaded_as_may_be(host: FakeHost) -> None:
    async with scheduler(host, max_loaded_models=1) as server:
        for name in ("a", "b"):
            await collect(server.run(job("echo", name, name)))
        await until(lambda: host.alive == ["b"])


async def test_text_and_tokens_go_both_ways(server: Scheduler) -> None:
    tokens = await server.tokenize("a", "llama")
    assert (await server.detokenize("a", tokens.tokens)).text == "llama"


async def test_every_job_has_a_record_and_the_ended_ones_are_remembered(host: FakeHost) -> None:
    told: list[JobRecord] = []
    async with scheduler(host, remember=told.append) as server:
        await collect(server.run(job("echo one two", "1", principal="ann")))
        with pytest.raises(ReportedError):
            await collect(server.run(job("fail", "2")))
    assert [(one.id, one.phase, one.principal) for one in told] == [
        ("1", "done", "ann"),
        ("2", "failed", "local"),
    ]
    assert told[0].output_tokens == 2
    assert told[0].kind == "chat"
    assert told[1].error is not None
    assert server.job("1") == told[0]


async def test_an_ending_server_lets_running_jobs_finish_and_refuses_others(
    host: FakeHost, gate: Gate
) -> None:
    async with scheduler(host) as server:
        stream = server.run(job(gate.held(30), "1"))
        first = await begun(stream)
        rest = asyncio.create_task(collect(stream))
        closing = asyncio.create_task(server.close(60))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="ending"):
            await collect(server.run(job("echo", "2")))
        gate.open()
        assert joined(first + await rest) == numbers(30)
        await closing
        assert host.alive == []


async def test_an_ending_server_cancels_what_has_not_finished_in_time(host: FakeHost) -> None:
    async with scheduler(host) as server:
        stream = server.run(job("hang", "1"))
        await anext(stream)
        await server.close(0.05)
        with pytest.raises(Cancelled, match="server ended"):
            await collect(stream)


async def test_the_devices_are_looked_at_before_any_job_asks(host: FakeHost) -> None:
    looks: list[int] = []
    look = host.devices

    async def devices() -> tuple[Device, ...]:
        looks.append(len(host.loads))
        return await look()

    host.devices = devices
    async with scheduler(host):
        await until(lambda: looks)
    assert looks[0] == 0
