"""This machine as a host."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from puna.errors import LoadFailed
from puna.events import Event, Unheeded
from puna.hosts import questions
from puna.hosts.host import Device, Plan, Wish
from puna.hosts.memory import memory_kills
from puna.hosts.reckoning import Reckoning
from puna.hosts.watch import Watch
from puna.hosts.words import unheeded
from puna.protocol import Load
from puna.runners.runner import COMMAND, Runner


class LocalHost:
    """This machine."""

    def __init__(
        self,
        emit: Callable[[Event], None],
        engine: Path | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._emit = emit
        self._command = command
        # A choice made by flag or file reaches the runner like one made in the environment.
        self._environment = {"PUNA_ENGINE": str(engine)} if engine is not None else {}
        self._watch = Watch(partial(questions.survey, self._environment))
        self._reckoning = Reckoning(partial(questions.simulation, environment=self._environment))
        self._mapped: dict[Runner, int] = {}
        self._told: set[str] = set()

    async def devices(self) -> tuple[Device, ...]:
        """The processor with its memory, and the GPUs that the engine sees."""
        living = {runner: size for runner, size in self._mapped.items() if runner.alive}
        if len(living) < len(self._mapped):
            self._watch.forget()
        self._mapped = living
        return await self._watch.devices(sum(self._mapped.values()))

    async def plan(self, wish: Wish, free: Mapping[str, int]) -> Plan:
        """The best placement in so many free bytes of each device, or `NoRoom`."""
        devices = await self.devices()
        if (what := unheeded(wish, devices)) and what not in self._told:
            self._told.add(what)
            self._emit(Unheeded(what))
        return await self._reckoning.plan(wish, devices, free)

    async def suppose(self, wish: Wish, devices: Sequence[Device]) -> Plan:
        """The best placement on devices that need not be there, or `NoRoom`."""
        return await self._reckoning.suppose(wish, devices)

    async def start(self, load: Load, seconds: float) -> Runner:
        """Start a process here and load into it."""
        kills = memory_kills()
        runner = await Runner.start(self._emit, self._command, self._environment)
        try:
            facts = await runner.load(load, seconds)
            self._mapped[runner] = await self._reckoning.mapped(load, await self.devices())
        except LoadFailed as error:
            await runner.kill()
            if memory_kills() > kills:
                raise out_of_memory(error) from error
            raise
        except BaseException:
            await runner.kill()
            raise
        self._reckoning.remember(load, facts.memory)
        return runner


def out_of_memory(error: LoadFailed) -> LoadFailed:
    """The same error, now that its cause is known."""
    return type(error)(
        f"The system ended the runner while it loaded: memory ran out. {error.message}",
        "Ask for a shorter context or fewer sequences, or set PUNA_MEMORY to what may be used.",
    )
