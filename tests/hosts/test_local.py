"""This machine as a host: real plans, real runners."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace
from tests.hosts.survey import recorded

from puna.deltas import Delta
from puna.engine.survey import Survey
from puna.errors import BadModelFile, LoadFailed, NoRoom, PunaError
from puna.events import Event, Unheeded
from puna.hosts import local
from puna.hosts.host import Wish
from puna.hosts.local import LocalHost
from puna.hosts.watch import Watch
from puna.jobs import CompleteJob, Limits
from puna.models import gguf
from puna.protocol import Load

GIB = 1 << 30


@pytest.fixture
def host() -> LocalHost:
    return LocalHost(lambda _: None)


async def test_a_planned_model_runs(host: LocalHost, pocket_model: Path) -> None:
    wish = Wish((str(pocket_model),), context=2000, sequences=2, threads=1)
    (processor,) = await host.devices()
    plan = await host.plan(wish, {"CPU": processor.free})
    assert plan.load.weights == wish.weights
    assert "on the processor; 2,000 tokens for each of up to 2 jobs" in plan.why
    runner = await host.start(plan.load, 60)
    try:
        assert runner.facts is not None
        assert runner.facts.sequences == 2
        measured = runner.facts.memory["CPU"]
        (process,) = psutil.Process().children()
        assert 0.8 < measured / process.memory_info().rss < 1.2
        assert measured < plan.bytes["CPU"]
        job = CompleteJob("a", "m", "Once", limits=Limits(3))
        deltas: list[Delta] = []
        with closing(runner.submit(job)) as stream:
            async for batch in stream:
                deltas += batch
        assert deltas
    finally:
        await runner.kill()


async def test_weights_that_a_runner_has_mapped_are_not_free(
    host: LocalHost, pocket_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    async def devices(in_use: int) -> tuple[()]:
        seen.append(in_use)
        return ()

    wish = Wish((str(pocket_model),), sequences=1, threads=1)
    plan = await host.plan(wish, {"CPU": GIB})
    runner = await host.start(plan.load, 60)
    monkeypatch.setattr(host._watch, "devices", devices)  # pyright: ignore[reportPrivateUsage]
    await host.devices()
    await runner.kill()
    await host.devices()
    assert seen[0] == pytest.approx(gguf.read(pocket_model).tensor_bytes)
    assert seen[1] == 0


async def test_gpus_are_looked_at_again_when_a_runner_has_given_its_memory_back(
    host: LocalHost, pocket_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Survey] = []

    async def look() -> Survey:
        looks.append(recorded("one_gpu"))
        return looks[-1]

    plan = await host.plan(Wish((str(pocket_model),), sequences=1, threads=1), {"CPU": GIB})
    runner = await host.start(plan.load, 60)
    monkeypatch.setattr(host, "_watch", Watch(look))
    monkeypatch.setattr("puna.hosts.watch.FRESH_SECONDS", 1e9)
    for _ in range(2):
        await host.devices()
    assert len(looks) == 1
    await runner.kill()
    for _ in range(2):
        await host.devices()
    assert len(looks) == 2


async def test_a_split_between_gpus_that_are_not_there_is_told_once(pocket_model: Path) -> None:
    told: list[Event] = []
    host = LocalHost(told.append)
    wish = Wish((str(pocket_model),), tensor_split=(3.0, 1.0), threads=1)
    for sequences in (1, 2):
        plan = await host.plan(replace(wish, sequences=sequences), {"CPU": GIB})
        assert plan.load.placement.tensor_split == ()
        assert plan.why.endswith("tensor_split (3,1) has no effect, since the engine sees no GPU.")
    assert told == [Unheeded("tensor_split (3,1) has no effect, since the engine sees no GPU.")]
    await host.plan(Wish(wish.weights, threads=1), {"CPU": GIB})
    assert len(told) == 1


async def test_what_does_not_fit_is_refused_before_anything_starts(
    host: LocalHost, pocket_model: Path
) -> None:
    with pytest.raises(NoRoom, match=r"needs \d+ MiB on the processor, where 30 MiB are free"):
        await host.plan(Wish((str(pocket_model),)), {"CPU": 30 << 20})
    assert psutil.Process().children() == []


async def test_a_broken_file_is_refused_when_it_is_planned(host: LocalHost, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and no more")
    with pytest.raises(PunaError, match=r"broken\.gguf"):
        await host.plan(Wish((str(broken),)), {"CPU": GIB})


async def test_a_file_that_is_not_there_is_named(host: LocalHost) -> None:
    with pytest.raises(BadModelFile, match="/nowhere cannot be read: No such file"):
        await host.plan(Wish(("/nowhere",)), {"CPU": GIB})


DYING = """
import os, signal, socket, sys
caller = socket.socket(socket.AF_UNIX)
caller.connect(sys.argv[-1])
caller.recv(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def dying() -> LocalHost:
    """A host whose runners are killed as soon as they are told to load."""
    return LocalHost(lambda _: None, command=(sys.executable, "-c", DYING))


async def test_a_runner_that_dies_while_loading_is_told_with_its_signal(
    dying: LocalHost, pocket_model: Path
) -> None:
    with pytest.raises(LoadFailed, match=r"SIGKILL.*memory runs out"):
        await dying.start(Load((str(pocket_model),)), 60)
    assert psutil.Process().children() == []


async def test_where_the_system_tells_of_a_kill_for_memory_so_does_the_error(
    dying: LocalHost, pocket_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = iter((4, 5))
    monkeypatch.setattr(local, "memory_kills", lambda: next(kills))
    with pytest.raises(LoadFailed, match="memory ran out") as caught:
        await dying.start(Load((str(pocket_model),)), 60)
    assert "shorter context" in caught.value.mend


async def test_a_load_that_takes_too_long_leaves_nothing_over(
    host: LocalHost, shape: Callable[[str], Path]
) -> None:
    with pytest.raises(LoadFailed, match="PUNA_LOAD_TIMEOUT"):
        await host.start(Load((str(shape("llama")),)), 0.0)
    assert psutil.Process().children() == []
