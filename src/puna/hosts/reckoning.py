"""Plans: a placement is found by estimate, then held against the engine's own simulation of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial

import msgspec
from msgspec.structs import replace

from puna.engine.survey import Simulation
from puna.errors import EngineFailed
from puna.hosts.anatomy import Anatomy
from puna.hosts.contents import REMEMBERED, Contents, stamp_of
from puna.hosts.estimate import GPU_CONTEXT, Extras, Need, estimate, shares
from puna.hosts.host import CPU, Device, Plan, Wish
from puna.hosts.measured import Measured
from puna.hosts.placement import Placing
from puna.hosts.words import no_room, why
from puna.protocol import Load, Placement

# Each round knows better what the estimate misses.
ROUNDS = 5
# Where the engine cannot simulate a load, so much more than the estimate is set aside.
DOUBT = 1.25


class Missed(msgspec.Struct, frozen=True):
    """What estimates were found to miss: of the cache a part of it, of the rest so many bytes."""

    cache: float = 1.0
    rest: Mapping[str, int] = {}

    def totals(
        self, model: Anatomy, extras: Extras, devices: Sequence[Device], placement: Placement
    ) -> Mapping[str, int]:
        """An estimate with what it would miss."""
        need = estimate(model, placement, devices, extras).times(cache=self.cache)
        return {
            device: size + self.rest.get(device, 0) for device, size in need.totals(devices).items()
        }

    def and_of(
        self, estimated: Need, exact: Need, need: Mapping[str, int], devices: Sequence[Device]
    ) -> "Missed":
        """With what another estimate missed."""
        known = sum(estimated.cache.values())
        factor = max(self.cache, sum(exact.cache.values()) / known if known else 1.0)
        totals = estimated.times(cache=factor).totals(devices)
        rest = {
            device: max(self.rest.get(device, 0), size - totals.get(device, 0))
            for device, size in need.items()
        }
        return Missed(factor, rest)


class Reckoning:
    """How much memory loads take, as far as it is known; `simulate` asks the engine."""

    def __init__(self, simulate: Callable[[Load], Awaitable[Simulation]]) -> None:
        self._simulate = simulate
        self._contents = Contents()
        self._simulated: dict[object, Simulation | None] = {}
        self._measured = Measured()

    async def plan(self, wish: Wish, devices: Sequence[Device], free: Mapping[str, int]) -> Plan:
        """The best placement in so many free bytes of each device, or `NoRoom`."""
        model, extras = await asyncio.to_thread(self._contents.of, wish)
        missed = Missed()
        for _ in range(ROUNDS):
            weigh = partial(missed.totals, model, extras, devices)
            placing = Placing(model, wish, devices, free, cache(weigh))
            placement = placing.best()
            if placement is None:
                break
            load = _load(wish, placement)
            estimated = estimate(model, placement, devices, extras)
            exact = await self._need(load, estimated)
            need = self._measured.correct(load, exact.totals(devices))
            if all(size <= free.get(device, 0) for device, size in need.items()):
                reason = why(model, wish, placement, devices, need, free)
                return Plan(load, need, reason, shares(model, placement, devices, exact))
            missed = missed.and_of(estimated, exact, need, devices)
        weigh = partial(missed.totals, model, extras, devices)
        raise no_room(Placing(model, wish, devices, free, cache(weigh)))

    async def suppose(self, wish: Wish, devices: Sequence[Device]) -> Plan:
        """The best placement by the header alone, since the engine cannot see such devices."""
        model, extras = await asyncio.to_thread(self._contents.of, wish)
        free = {device.name: device.free for device in devices}
        weigh = partial(Missed().totals, model, extras, devices)
        placing = Placing(model, wish, devices, free, cache(weigh))
        placement = placing.best()
        if placement is None:
            raise no_room(placing)
        need = estimate(model, placement, devices, extras)
        bytes = need.totals(devices)
        reason = why(model, wish, placement, devices, bytes, free)
        return Plan(_load(wish, placement), bytes, reason, shares(model, placement, devices, need))

    def remember(self, load: Load, memory: Mapping[str, int]) -> None:
        """A runner has measured what this load takes."""
        own = {device: GPU_CONTEXT for device in memory if device != CPU}
        self._measured.remember(
            load, {device: size + own.get(device, 0) for device, size in memory.items()}
        )

    async def mapped(self, load: Load, devices: Sequence[Device]) -> int:
        """Bytes of files that a runner with this load keeps mapped in main memory."""
        if not load.placement.mmap:
            return 0
        model, _ = await asyncio.to_thread(self._contents.of, _wish(load))
        return estimate(model, load.placement, devices).weights[CPU]

    async def _need(self, load: Load, estimated: Need) -> Need:
        simulated = await self._simulation(load)
        if simulated is None:
            return estimated.times(DOUBT)
        return replace(estimated, cache=simulated.cache, work=simulated.work)

    async def _simulation(self, load: Load) -> Simulation | None:
        """What the engine says, once for each load; None where its simulation does not get by."""
        # What a tensor split puts where is not in the library's log.
        if load.placement.split_mode == "tensor" and load.placement.gpu_layers:
            return None
        known = (stamp_of(_wish(load)), load.placement)
        if known not in self._simulated:
            while len(self._simulated) >= REMEMBERED:
                del self._simulated[next(iter(self._simulated))]
            try:
                self._simulated[known] = await self._simulate(load)
            except EngineFailed:
                self._simulated[known] = None
        return self._simulated[known]


def _load(wish: Wish, placement: Placement) -> Load:
    return Load(
        weights=wish.weights,
        projector=wish.projector,
        adapters=wish.adapters,
        placement=placement,
        pace=wish.pace,
    )


def _wish(load: Load) -> Wish:
    return Wish(load.weights, load.projector, load.adapters)
