"""When the scheduler looks at what is to be done: soon after anything happened, and when due."""

import asyncio
import time
from collections.abc import Callable


class Turns:
    """Calls `turn` once for all that happened in one round of the loop, and at the time it says.

    `turn` gives back when something will be due although nothing happens, or None.
    """

    def __init__(self, turn: Callable[[float], float | None]) -> None:
        self._turn = turn
        self._soon: asyncio.Handle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._closed = False

    def touch(self) -> None:
        """Something has happened."""
        if self._soon is None and not self._closed:
            self._soon = asyncio.get_running_loop().call_soon(self._take)

    def close(self) -> None:
        """Nothing is to be done any more."""
        self._closed = True
        for handle in (self._soon, self._alarm):
            if handle is not None:
                handle.cancel()

    def _take(self) -> None:
        self._soon = None
        due = self._turn(time.monotonic())
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due is not None:
            delay = max(0.0, due - time.monotonic())
            self._alarm = asyncio.get_running_loop().call_later(delay, self.touch)
