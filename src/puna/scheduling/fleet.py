"""The processes behind the table's runners: planned, started, watched, unloaded, buried."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from puna.errors import LoadFailed, NeverRoom, NoRoom, PunaError
from puna.hosts.host import Host, Plan, Wish
from puna.models.builtin_model import builtin_model
from puna.models.model import Model
from puna.runners.runner import Runner
from puna.scheduling.budgets import Room, budgets, utmost
from puna.scheduling.pulse import Pulse
from puna.scheduling.register import Residency
from puna.scheduling.resident import Berth, Rate, Resident
from puna.scheduling.table import Table
from puna.scheduling.wishes import blobs_of
from puna.settings import Settings

LOOK_SECONDS = 1.0
MEASURE_SECONDS = 5.0
# So long a server that has just started is left to its first requests.
EASE_SECONDS = 0.2
_OTHERS = "Other programs hold memory that it would fit in."


class Fleet:
    """Every runner that there is, or that is on its way."""

    def __init__(
        self, host: Host, settings: Settings, table: Table, touch: Callable[[], None]
    ) -> None:
        self.settings = settings
        self._host = host
        self._table = table
        self._touch = touch
        self._berths: dict[int, Berth] = {}
        self._models: dict[Wish, Model] = {}
        self._room = Room()
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to watch; the devices are looked at before the first job needs to know them."""
        self._spawn(self._look_around())
        self._spawn(self._watch())
        self._spawn(self._measure_now_and_then())

    async def close(self) -> None:
        """End every runner, and leave nothing behind."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        runners = [one.runner for one in self._berths.values() if one.runner is not None]
        await asyncio.gather(*(runner.unload() for runner in runners))
        self._berths.clear()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": "A task of the scheduler failed.", "exception": error, "task": task}
            )

    # What the jobs need to know

    def name(self, wish: Wish, model: Model) -> None:
        """This is what is loaded for that wish, by the name that was asked for last."""
        self._models[wish] = model
        for berth in self._berths.values():
            if berth.wish == wish:
                berth.model = model

    def find(self, id: int) -> Berth | None:
        """What belongs to one of the table's runners, until it is buried."""
        return self._berths.get(id)

    def runner(self, id: int) -> Runner:
        """The process of one that is ready."""
        runner = self._berths[id].runner
        assert runner is not None
        return runner

    def rate(self, id: int) -> Rate:
        """Where tokens of a runner are counted."""
        berth = self._berths.get(id)
        return Rate() if berth is None else berth.rate

    @property
    def residents(self) -> list[Resident]:
        """Every loaded model."""
        register, now = self._table.register, time.monotonic()
        found: list[Resident] = []
        for id, berth in self._berths.items():
            residency, runner = self._table.residency(id), berth.runner
            if residency is None or runner is None or berth.load is None or not runner.alive:
                continue
            if residency.phase != "ready":
                continue
            found.append(
                Resident(
                    model=berth.model,
                    runner=runner,
                    placement=berth.load.placement,
                    bytes=dict(residency.bytes),
                    shares=berth.shares,
                    expires_at=_expiry(residency, now),
                    running=len(residency.jobs),
                    waiting=len(register.wanting(residency)),
                    rate=berth.rate.at(now),
                )
            )
        return found

    @property
    def in_use(self) -> set[str]:
        """The digests of the blobs that runners hold, or that jobs wait for."""
        register = self._table.register
        keys = {one.key for one in register.residencies.values()}
        keys |= {one.claim.key for one in register.entries.values()}
        return {blob for key in keys if isinstance(key, Wish) for blob in blobs_of(key)}

    # What the table decides

    def plan(self, id: int) -> None:
        """Have the host say where a runner would go."""
        residency = self._table.residency(id)
        assert residency is not None
        assert isinstance(residency.key, Wish)
        self._berths = {
            one: berth
            for one, berth in self._berths.items()
            if berth.runner is not None or self._table.residency(one) is not None
        }
        self._berths.setdefault(id, Berth(residency.key, self._models[residency.key]))
        self._spawn(self._plan(id, residency))

    async def _plan(self, id: int, residency: Residency) -> None:
        berth = self._berths[id]
        usual = self.settings.context
        wish = replace(
            berth.wish,
            context=None if usual is None else max(residency.context, usual),
            least_context=residency.context,
        )
        try:
            await self._measure()
            offer = self._table.offer(id)
            if offer is None:
                return
            plan = await self._placed(berth, wish, offer)
        except PunaError as error:
            self._table.unplanned(id, error, time.monotonic())
        except Exception as error:  # noqa: BLE001 - the jobs that wait for it must hear of it
            failure = LoadFailed(f"The model could not be placed: {error!r}.")
            self._table.unplanned(id, failure, time.monotonic())
        else:
            self._take(id, plan)
        self._touch()

    async def _placed(self, berth: Berth, wish: Wish, offer: Mapping[str, int]) -> Plan:
        """Where a runner goes; a refusal says whether there could ever be room."""
        name = str(berth.model.name)
        try:
            return await self._host.plan(wish, offer)
        except NoRoom as error:
            refused = NoRoom(error.needs, f"{error.mend} {_OTHERS}".strip(), name)
        if not berth.fits_alone:
            try:
                await self._host.plan(wish, utmost(await self._host.devices(), self.settings))
            except NoRoom as error:
                raise NeverRoom(f"{error.needs} at best", error.mend, name) from None
            berth.fits_alone = True
        raise refused

    def _take(self, id: int, plan: Plan) -> None:
        self._berths[id].load, self._berths[id].shares = plan.load, plan.shares
        self._table.planned(id, plan.bytes, time.monotonic())

    def start(self, id: int) -> None:
        """Start a runner in the room that was set aside for it."""
        self._berths[id].began = time.monotonic()
        self._spawn(self._start(id))

    async def _start(self, id: int) -> None:
        berth = self._berths[id]
        assert berth.load is not None
        try:
            runner = await self._host.start(berth.load, self.settings.load_timeout)
        except PunaError as error:
            self._table.failed(id, error, time.monotonic())
        except Exception as error:  # noqa: BLE001 - the jobs that wait for it must hear of it
            failure = LoadFailed(f"The runner could not be started: {error!r}.")
            self._table.failed(id, failure, time.monotonic())
        else:
            self._welcome(id, berth, runner)
        self._touch()

    def _welcome(self, id: int, berth: Berth, runner: Runner) -> None:
        facts, placement = runner.facts, berth.load.placement if berth.load else None
        assert facts is not None
        assert placement is not None
        berth.runner, berth.ready = runner, time.monotonic()
        self._table.loaded(id, placement.sequences, facts.context, facts.context_train, berth.ready)
        self._spawn(self._follow(id, runner))

    async def _follow(self, id: int, runner: Runner) -> None:
        await runner.over()
        self.bury(id)

    def bury(self, id: int) -> None:
        """A runner has died, or ended as it was told to; saying it twice does no harm."""
        berth = self._berths.pop(id, None)
        residency = self._table.residency(id)
        if berth is None or berth.runner is None or residency is None:
            return
        if residency.phase == "leaving":
            self._table.gone(id)
        else:
            self._table.lost(id, berth.runner.last_words, time.monotonic())
        self._touch()

    def unload(self, id: int) -> None:
        """Let a runner go."""
        self._spawn(self.runner(id).unload())

    # What is seen of them

    async def _watch(self) -> None:
        """End runners that make no progress."""
        pulses: dict[int, Pulse] = {}
        while True:
            await asyncio.sleep(seconds := min(LOOK_SECONDS, self.settings.stall_timeout / 4))
            pulses = {id: pulses.get(id, Pulse()) for id in self._berths}
            for id, pulse in pulses.items():
                runner = self._berths[id].runner
                if runner is None or not runner.alive:
                    continue
                if pulse.look(runner, seconds) >= self.settings.stall_timeout:
                    runner.give_up(f"made no progress for {self.settings.stall_timeout:g} s")

    async def _look_around(self) -> None:
        await asyncio.sleep(EASE_SECONDS)
        # Every wish asks what its file's digest is, which takes a while only once.
        await asyncio.to_thread(builtin_model)
        with suppress(PunaError):
            await self._measure()

    async def _measure_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(MEASURE_SECONDS)
            if self._berths:
                with suppress(PunaError):
                    await self._measure()
                self._table.retry()
                self._touch()

    async def _measure(self) -> None:
        register = self._table.register
        before = register.loaded("loading", "ready", "leaving")
        devices = await self._host.devices()
        free = {device.name: device.free for device in devices}
        # What one that comes or goes has of its memory just now, nobody knows.
        if before == register.loaded("loading", "ready", "leaving") == register.loaded("ready"):
            self._room.see(free, register.taken("ready"))
        self._table.measure(budgets(devices, self._room.bytes, self.settings), free)


def _expiry(residency: Residency, now: float) -> datetime | None:
    if residency.keep_alive < 0:
        return None
    since = now if residency.jobs else residency.used
    # What is kept for longer than a calendar goes is kept for ever.
    left = min(since - now + residency.keep_alive, timedelta(days=36_500).total_seconds())
    return datetime.now(UTC) + timedelta(seconds=left)
