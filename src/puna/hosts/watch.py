"""This machine's devices and how much of them is free, told cheaply however often it is asked."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from puna.engine.survey import Survey, Surveyed
from puna.hosts.host import CPU, Device
from puna.hosts.memory import main_memory
from puna.hosts.nvidia import Gauge, gauges

# For so long what a GPU had free is taken to be true; each look costs a process.
FRESH_SECONDS = 2.0


class Watch:
    """Knows the devices. `ask` has the engine look at them; without GPUs that is done once."""

    def __init__(self, ask: Callable[[], Awaitable[Survey]]) -> None:
        self._ask = ask
        self._survey: Survey | None = None
        self._looked = 0.0
        self._looking = asyncio.Lock()

    async def devices(self, in_use: int) -> tuple[Device, ...]:
        """All devices, the processor first.

        `in_use` are bytes of files that runners have mapped, which the system counts as free.
        """
        survey = await self._fresh()
        graphics = [device for device in survey.devices if device.kind != "cpu"]
        known = await asyncio.to_thread(gauges) if graphics else {}
        processor = next((one for one in survey.devices if one.kind == "cpu"), None)
        memory = main_memory()
        return (
            Device(
                name=CPU,
                kind="cpu",
                description=processor.description if processor else "the processor",
                total=memory.total,
                free=max(0, memory.free - in_use),
                features=survey.features,
            ),
            *(_device(device, known.get(device.id)) for device in graphics),
        )

    def forget(self) -> None:
        """What GPUs have free is known no more: somebody has given memory back."""
        self._looked = -math.inf

    async def _fresh(self) -> Survey:
        async with self._looking:
            known = self._survey
            alone = known is not None and all(one.kind == "cpu" for one in known.devices)
            if known is None or (not alone and time.monotonic() - self._looked > FRESH_SECONDS):
                known = self._survey = await self._ask()
                self._looked = time.monotonic()
            return known


def _device(found: Surveyed, gauge: Gauge | None) -> Device:
    return Device(
        name=found.name,
        kind=found.kind,
        description=found.description,
        total=found.total,
        free=gauge.free if gauge else found.free,
        utilisation=gauge.utilisation if gauge else None,
    )
