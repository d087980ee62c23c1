"""Plans: the estimate finds a placement, simulation and measurement have the last word."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stand_in_parts
from msgspec.structs import replace
from tests.hosts.survey import devices

from puna.engine.survey import Simulation
from puna.errors import EngineFailed, NoRoom
from puna.hosts.estimate import GPU_CONTEXT
from puna.hosts.host import Wish
from puna.hosts.reckoning import DOUBT, Reckoning
from puna.jobs import Demand
from puna.models import gguf
from puna.models.model import Model
from puna.models.names import Name
from puna.protocol import Adapter, Load, Placement
from puna.scheduling.wishes import wish_for
from puna.settings import Settings

GIB = 1 << 30
ALONE = devices("one_gpu")[1:]
FREE = {"CPU": 4 * GIB}


class Simulated:
    """Stands for an engine whose loads take so much beside their weights, for each token."""

    def __init__(self, work: int, per_token: int) -> None:
        self.work = work
        self.per_token = per_token
        self.asked: list[Load] = []

    async def __call__(self, load: Load) -> Simulation:
        self.asked.append(load)
        cache = self.per_token * load.placement.context
        return Simulation({"CPU": cache}, {"CPU": self.work})


@pytest.fixture
def wish(shape: Callable[[str], Path]) -> Wish:
    return Wish((str(shape("llama")),), sequences=1)


async def test_a_plan_takes_what_the_engine_simulates(wish: Wish) -> None:
    small, large = Reckoning(Simulated(1 << 20, 0)), Reckoning(Simulated(1 << 30, 0))
    less, more = [(await one.plan(wish, ALONE, FREE)).bytes["CPU"] for one in (small, large)]
    assert more - less == (1 << 30) - (1 << 20)


async def test_what_the_estimate_missed_makes_the_context_shorter(wish: Wish) -> None:
    wish = replace(wish, context=4000)
    plain = await Reckoning(Simulated(0, 0)).plan(wish, ALONE, FREE)
    assert plain.load.placement.context == 4000
    # Half a kibibyte is what the header promises for each token.
    hungry = Reckoning(Simulated(0, 1 << 20))
    with pytest.raises(NoRoom, match="would fit with a context of") as caught:
        await hungry.plan(replace(wish, context=10_000), ALONE, {"CPU": 3 * GIB})
    (shorter,) = re.findall(r"context of ([\d,]+) tokens", caught.value.mend)
    tokens = int(shorter.replace(",", ""))
    assert tokens > 2000
    plan = await hungry.plan(replace(wish, context=tokens), ALONE, {"CPU": 3 * GIB})
    assert plan.bytes["CPU"] <= 3 * GIB
    with pytest.raises(NoRoom, match="smaller model"):
        await Reckoning(Simulated(8 * GIB, 0)).plan(wish, ALONE, FREE)


async def test_each_placement_of_a_file_is_simulated_once(wish: Wish) -> None:
    simulated = Simulated(0, 0)
    reckoning = Reckoning(simulated)
    for _ in range(3):
        await reckoning.plan(wish, ALONE, FREE)
    assert len(simulated.asked) == 1
    await asyncio.to_thread(Path(wish.weights[0]).touch)
    await reckoning.plan(wish, ALONE, FREE)
    assert len(simulated.asked) == 2


async def test_where_the_engine_cannot_simulate_more_is_set_aside(wish: Wish) -> None:
    async def fails(load: Load) -> Simulation:
        raise EngineFailed(f"It was asked for {load.weights} and was ended by SIGABRT.")

    doubted = await Reckoning(fails).plan(wish, ALONE, FREE)
    sure = await Reckoning(Simulated(0, 0)).plan(wish, ALONE, FREE)
    assert doubted.bytes["CPU"] > DOUBT * sure.bytes["CPU"]


async def test_what_was_measured_at_the_last_load_counts_from_then_on(wish: Wish) -> None:
    reckoning = Reckoning(Simulated(0, 0))
    before = await reckoning.plan(wish, ALONE, FREE)
    reckoning.remember(before.load, {"CPU": 3 * GIB})
    after = await reckoning.plan(wish, ALONE, FREE)
    assert (after.load, after.bytes) == (before.load, {"CPU": 3 * GIB})
    # A runner that has just loaded has touched little of its buffers.
    reckoning.remember(before.load, {"CPU": 1})
    assert (await reckoning.plan(wish, ALONE, FREE)).bytes == before.bytes
    # Another placement was not measured.
    other = await reckoning.plan(replace(wish, batch=64), ALONE, FREE)
    assert other.bytes["CPU"] < 1 * GIB


async def test_what_was_measured_and_does_not_fit_any_more_is_refused(wish: Wish) -> None:
    reckoning = Reckoning(Simulated(0, 0))
    plan = await reckoning.plan(wish, ALONE, FREE)
    reckoning.remember(plan.load, {"CPU": 5 * GIB})
    again = await reckoning.plan(replace(wish, context=1024), ALONE, FREE)
    assert again.load.placement.context == 1024
    with pytest.raises(NoRoom, match=r"needs 5\.\d GiB on the processor, where 4\.0 GiB are free"):
        await reckoning.plan(replace(wish, least_context=4096), ALONE, FREE)


async def test_a_gpus_driver_counts_with_what_a_runner_measured_there(wish: Wish) -> None:
    async def nothing(_: Load) -> Simulation:
        return Simulation({}, {})

    machine = devices("one_gpu")
    free = {"CPU": 4 * GIB, "CUDA0": 4 * GIB}
    reckoning = Reckoning(nothing)
    plan = await reckoning.plan(wish, machine, free)
    assert plan.bytes["CUDA0"] > GPU_CONTEXT
    reckoning.remember(plan.load, {"CPU": 1, "CUDA0": 2 * GIB})
    plan = await reckoning.plan(wish, machine, free)
    assert plan.bytes["CUDA0"] == 2 * GIB + GPU_CONTEXT


async def test_a_projector_takes_its_weights_and_room_to_see(wish: Wish, tmp_path: Path) -> None:
    path = stand_in_parts.write_projector(tmp_path / "projector.gguf")
    reckoning = Reckoning(Simulated(0, 0))
    without = await reckoning.plan(wish, ALONE, FREE)
    with_it = await reckoning.plan(replace(wish, projector=str(path)), ALONE, FREE)
    taken = with_it.bytes["CPU"] - without.bytes["CPU"]
    assert taken > gguf.read(path).tensor_bytes
    assert with_it.load.projector == str(path)


async def test_adapters_take_their_files_sizes(wish: Wish, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.gguf"
    adapter.write_bytes(bytes(10 << 20))
    reckoning = Reckoning(Simulated(0, 0))
    without = await reckoning.plan(wish, ALONE, FREE)
    with_it = await reckoning.plan(replace(wish, adapters=(Adapter(str(adapter)),)), ALONE, FREE)
    assert with_it.bytes["CPU"] - without.bytes["CPU"] == pytest.approx(10 << 20, abs=100)


@pytest.mark.parametrize("mode", ["layer", "row", "tensor"])
async def test_what_the_settings_say_of_several_gpus_reaches_the_runner(
    shape: Callable[[str], Path], mode: str
) -> None:
    file = Model(Name("m"), "m", (shape("llama"),), 1, datetime.now(UTC))
    two = devices("two_gpus")
    free = {device.name: device.free for device in two}

    async def placed(**said: Any) -> Placement:
        wish = wish_for(file, Demand(), Settings(**{"split_mode": mode, **said}))
        return (await Reckoning(Simulated(0, 0)).plan(wish, two, free)).load.placement

    given = await placed(tensor_split="3,1")
    assert (given.split_mode, given.tensor_split, given.gpu_layers) == (mode, (3.0, 1.0), 5)
    spread = await placed(spread=True)
    assert (spread.split_mode, len(spread.tensor_split)) == (mode, 2)
    assert min(spread.tensor_split) > 0
    alone = await placed(split_mode="none", spread=True)
    assert (alone.split_mode, alone.main_gpu, alone.tensor_split) == ("none", 0, ())
