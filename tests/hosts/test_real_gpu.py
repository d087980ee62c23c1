"""A real GPU: what the engine tells of it, and a model that is planned for it and loaded there."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.hosts import heavy

from puna.hosts.estimate import GPU_CONTEXT
from puna.hosts.host import Device, Wish
from puna.hosts.local import LocalHost
from puna.jobs import CompleteJob, Limits

pytestmark = pytest.mark.gpu


async def seen(host: LocalHost) -> tuple[Device, ...]:
    """The GPUs of this machine."""
    found = tuple(device for device in await host.devices() if device.kind != "cpu")
    assert found, "The engine sees no GPU: choose one built for it (PUNA_ENGINE)."
    return found


async def test_a_gpu_is_told_with_its_memory() -> None:
    for gpu in await seen(LocalHost(lambda _: None)):
        assert gpu.name
        assert gpu.description
        assert 0 < gpu.free <= gpu.total


async def test_a_model_is_planned_for_the_gpu_and_runs_there(
    shape: Callable[[str], Path],
) -> None:
    host = LocalHost(lambda _: None)
    await seen(host)
    free = {device.name: device.free for device in await host.devices()}
    plan = await host.plan(Wish((str(shape("llama")),), sequences=2), free)
    assert plan.load.placement.gpu_layers != 0
    runner = await host.start(plan.load, 120)
    try:
        job = CompleteJob("a", "m", "Once", limits=Limits(3))
        with closing(runner.submit(job)) as stream:
            assert [batch async for batch in stream]
    finally:
        await runner.kill()


async def test_what_a_model_takes_of_the_gpu_is_within_a_tenth_of_the_plan(tmp_path: Path) -> None:
    path = heavy.write(tmp_path / "model.gguf", "llama")
    host = LocalHost(lambda _: None)
    (gpu, *_) = await seen(host)
    free = {device.name: device.free for device in await host.devices()}
    plan = await host.plan(Wish((str(path),), context=8192, sequences=4), free)
    runner = await host.start(plan.load, 120)
    try:
        assert runner.facts is not None
        taken = runner.facts.memory[gpu.name]
    finally:
        await runner.kill()
    # A runner measures from when it has woken the driver, the plan counts that too.
    assert plan.bytes[gpu.name] - GPU_CONTEXT == pytest.approx(taken, rel=0.1)
