"""What can start runners: this machine, or any other that keeps the same promise."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from puna.events import Event
from puna.protocol import Load
from puna.runners.runner import COMMAND, Runner


class Host(Protocol):
    """A machine that can start runners."""

    async def start(self, load: Load, seconds: float) -> Runner:
        """A runner that has loaded this, ready for jobs; or an error, and nothing left over."""
        ...


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

    async def start(self, load: Load, seconds: float) -> Runner:
        """Start a process here and load into it."""
        runner = await Runner.start(self._emit, self._command, self._environment)
        try:
            await runner.load(load, seconds)
        except BaseException:
            await runner.kill()
            raise
        return runner
