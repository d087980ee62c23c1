"""What steps have brought and is on its way out: of some quick steps together, else of each."""

import time
from collections.abc import Callable

from puna.deltas import Delta, DoneDelta, ProgressDelta, PromptDelta


class Frames:
    """Gathers each job's deltas for as long as nobody could see that they wait.

    Beginnings and ends go out at once. What lies between goes out before it gets older than so many
    seconds, which is known as soon as the next step is.
    """

    def __init__(self, send: Callable[[list[tuple[str, list[Delta]]]], None], most: float) -> None:
        self._send = send
        self._most = most
        self._deltas: dict[str, list[Delta]] = {}
        self._since = 0.0
        self._urgent = False

    def add(self, job: str, deltas: list[Delta]) -> None:
        """Tell these with whatever else there is to tell."""
        if not deltas:
            return
        if not self._deltas:
            self._since = time.perf_counter()
        if isinstance(deltas[0], ProgressDelta | PromptDelta) or isinstance(deltas[-1], DoneDelta):
            self._urgent = True
        if (gathered := self._deltas.get(job)) is None:
            self._deltas[job] = deltas
        else:
            gathered += deltas

    def drop(self, job: str) -> None:
        """Tell nothing of a job."""
        self._deltas.pop(job, None)

    def step(self) -> None:
        """A step has been told: send what can't wait."""
        if self._urgent or not self._most:
            self.send()

    def ahead(self, seconds: float) -> None:
        """Until more comes it will be so long: send what can't wait until then."""
        if self._deltas and time.perf_counter() - self._since + seconds > self._most:
            self.send()

    def send(self) -> None:
        """Send all that there is to tell."""
        deltas, self._deltas, self._urgent = [*self._deltas.items()], {}, False
        if deltas:
            self._send(deltas)
