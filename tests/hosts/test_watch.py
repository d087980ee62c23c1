"""What devices there are, by the real engine and by recorded answers of engines with GPUs."""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest
from tests.hosts.survey import recorded

from puna.engine.survey import Survey
from puna.hosts import questions, watch
from puna.hosts.nvidia import pci_id
from puna.hosts.watch import Watch


class Asked:
    """Answers as recorded, and counts how often it was asked."""

    def __init__(self, name: str) -> None:
        self._answer = recorded(name)
        self.times = 0

    async def __call__(self) -> Survey:
        self.times += 1
        return self._answer


async def test_the_engine_names_the_processor_and_what_it_makes_use_of() -> None:
    (processor,) = await Watch(lambda: questions.survey({})).devices(0)
    assert (processor.name, processor.kind) == ("CPU", "cpu")
    assert processor.description
    assert processor.features
    assert 0 < processor.free <= processor.total <= psutil.virtual_memory().total


async def test_a_machine_without_gpus_asks_its_engine_once() -> None:
    asked = Asked("one_gpu")
    survey = await asked()

    async def alone() -> Survey:
        asked.times += 1
        return Survey(survey.devices[1:], survey.features)

    watched = Watch(alone)
    asked.times = 0
    for _ in range(5):
        assert [device.name for device in await watched.devices(0)] == ["CPU"]
    assert asked.times == 1


async def test_gpus_are_looked_at_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked("two_gpus")
    watched = Watch(asked)
    names = [device.name for device in await watched.devices(0)]
    assert names == ["CPU", "CUDA0", "CUDA1"]
    await watched.devices(0)
    assert asked.times == 1
    monkeypatch.setattr(watch, "FRESH_SECONDS", -1.0)
    await watched.devices(0)
    assert asked.times == 2


async def test_files_that_runners_have_mapped_are_not_free() -> None:
    watched = Watch(Asked("one_gpu"))
    (before, *_), (after, *_) = await watched.devices(0), await watched.devices(4 << 30)
    assert before.free - after.free > 3 << 30


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, tuple[int, int]]], None]:
    """Puts in place what NVIDIA's package would say: free bytes and percent by bus id."""

    def put(cards: dict[str, tuple[int, int]]) -> None:
        nvml = ModuleType("pynvml")
        ids = list(cards)
        functions: dict[str, Any] = {
            "NVMLError": OSError,
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlDeviceGetCount": lambda: len(cards),
            "nvmlDeviceGetHandleByIndex": ids.__getitem__,
            "nvmlDeviceGetPciInfo": lambda id: SimpleNamespace(busId=id),
            "nvmlDeviceGetMemoryInfo": lambda id: SimpleNamespace(free=cards[id][0]),
            "nvmlDeviceGetUtilizationRates": lambda id: SimpleNamespace(gpu=cards[id][1]),
        }
        for name, function in functions.items():
            setattr(nvml, name, function)
        monkeypatch.setitem(sys.modules, "pynvml", nvml)

    return put


async def test_a_driver_tells_how_busy_each_of_its_gpus_is(
    driver: Callable[[dict[str, tuple[int, int]]], None],
) -> None:
    # The driver's order is by bus, the engine's by speed.
    driver({"00000000:4B:00.0": (1 << 30, 75), "00000000:21:00.0": (2 << 30, 5)})
    _, first, second = await Watch(Asked("two_gpus")).devices(0)
    assert (first.free, first.utilisation) == (2 << 30, 0.05)
    assert (second.free, second.utilisation) == (1 << 30, 0.75)


async def test_without_the_driver_nothing_is_said_of_how_busy_a_gpu_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    _, gpu = await Watch(Asked("one_gpu")).devices(0)
    assert gpu.utilisation is None
    assert gpu.free == 24_962_596_864


def test_both_ways_to_write_a_bus_id_are_one() -> None:
    assert pci_id("00000000:4B:00.0") == pci_id("0000:4b:00.0") == "0000:4b:00.0"
