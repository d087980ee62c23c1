"""A host whose runners are fake engines, and a library of models that are only names."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psutil

from puna.deltas import Delta, TextDelta
from puna.errors import ModelNotFound, NoRoom
from puna.hosts.host import Device, Plan, Wish
from puna.jobs import ChatJob, Demand, Fit, Owner, message
from puna.models.library import Library
from puna.models.model import Model
from puna.models.names import Name
from puna.protocol import Load, Placement
from puna.records import JobRecord
from puna.runners.runner import Runner
from puna.scheduling.scheduler import Scheduler
from puna.settings import Settings

FAKE = (sys.executable, str(Path(__file__).parents[1] / "fake_engine.py"))
GIB = 1 << 30


class FakeHost:
    """One device; a model takes as many GiB as its name's last character says, or one."""

    def __init__(self, memory: int = 2 * GIB, command: tuple[str, ...] = FAKE) -> None:
        self.memory = memory
        self.taken_by_others = 0
        self.kills = 0
        self.loads: list[Load] = []
        self.runners: list[tuple[str, Runner, int]] = []
        self._command = command

    @property
    def used(self) -> int:
        return sum(size for _, runner, size in self.runners if runner._process.alive)

    async def devices(self) -> tuple[Device, ...]:
        free = self.memory - self.used - self.taken_by_others
        return (Device("CPU", "cpu", "a processor", self.memory, free),)

    def size(self, wish: Wish) -> int:
        name = Path(wish.weights[0]).stem
        scale = _context(wish) / 4096
        return int((int(name[-1]) if name[-1].isdigit() else 1) * GIB * max(1.0, scale))

    async def plan(self, wish: Wish, free: Mapping[str, int]) -> Plan:
        size = self.size(wish)
        if size > free["CPU"]:
            raise NoRoom(f"{size} bytes, where {free['CPU']} are free")
        placement = Placement(
            context=_context(wish),
            sequences=wish.sequences or 2,
            batch=wish.batch,
            threads=wish.threads,
        )
        return Plan(Load(wish.weights, placement=placement, pace=wish.pace), {"CPU": size})

    async def suppose(self, wish: Wish, devices: Sequence[Device]) -> Plan:
        return await self.plan(wish, {device.name: device.free for device in devices})

    async def start(self, load: Load, seconds: float) -> Runner:
        runner = await Runner.start(lambda event: None, self._command)
        try:
            size = self.size(Wish(load.weights, context=load.placement.context))
            self.loads.append(load)
            await runner.load(load, seconds)
        except BaseException:
            await runner.kill()
            raise
        self.runners.append((load.weights[0], runner, size))
        taken = self.used + self.taken_by_others
        assert taken <= self.memory, "more was loaded than there is memory"
        return runner

    def processes(self) -> list[psutil.Process]:
        """The processes of the runners that live."""
        living = [runner._process._process.pid for _, runner, _ in self.runners if runner.alive]
        # One may have gone without anybody having been told yet.
        return [psutil.Process(pid) for pid in living if psutil.pid_exists(pid)]

    def kill_one(self) -> None:
        """Kill the runner that was started last, as the system would."""
        self.processes()[-1].kill()
        self.kills += 1

    @property
    def alive(self) -> list[str]:
        """The models whose runners live."""
        return [name for name, runner, _ in self.runners if runner.alive]


class Gate:
    """What a fake engine's job waits for before its last word, so that it cannot be over before."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def held(self, count: int) -> str:
        """What to ask for: so many numbers, the last of them behind the gate."""
        return f"hold {count} {self._file}"

    def open(self) -> None:
        self._file.touch()


class Names:
    """A library in which every name is a model, except `none`."""

    def find(self, name: str) -> Model:
        if name == "none":
            raise ModelNotFound("There is no such model.")
        return Model(Name(Path(name).stem), name, (Path(name),), 1, datetime.now(UTC))


def scheduler(
    host: Any, remember: Callable[[JobRecord], None] = lambda _: None, **settings: Any
) -> Scheduler:
    settings = {"reserve": 0} | settings
    return Scheduler(cast(Library, Names()), host, Settings(**settings), remember=remember)


def _context(wish: Wish) -> int:
    return max(wish.context or 4096, wish.least_context)


def job(text: str, id: str, model: str = "a", context: int | None = None, **fields: Any) -> ChatJob:
    owner = Owner(fields.pop("principal", "local"), priority=fields.pop("priority", "interactive"))
    return ChatJob(
        id=id,
        model=model,
        messages=(message("user", text),),
        owner=owner,
        fit=Fit(context=context),
        demand=Demand(**fields),
    )


async def collect(stream: Any, into: list[Delta] | None = None) -> list[Delta]:
    deltas: list[Delta] = [] if into is None else into
    async for batch in stream:
        deltas += batch
    return deltas


def joined(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def numbers(count: int) -> str:
    return "".join(f"{number} " for number in range(count))
