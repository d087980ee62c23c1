"""A loaded model as others may see it, and what the scheduler keeps beside a runner."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from puna.hosts.host import Share, Wish
from puna.models.model import Model
from puna.protocol import Load, Placement, State
from puna.runners.runner import Runner

RATE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Resident:
    """A loaded model and its runner, as they stand. `expires_at` of None is never."""

    model: Model
    runner: Runner
    placement: Placement
    bytes: Mapping[str, int]
    shares: Mapping[str, Share]
    expires_at: datetime | None
    running: int
    waiting: int
    rate: float

    @property
    def state(self) -> State:
        """The runner's state."""
        return self.runner.state


class Rate:
    """Tokens a second, over the last few seconds."""

    def __init__(self) -> None:
        self._value = 0.0
        self._then = 0.0

    def add(self, tokens: int, now: float) -> None:
        """So many more. What comes within a moment counts as if it came at its beginning."""
        if now - self._then > RATE_SECONDS / 100:
            self._value, self._then = self.at(now), now
        self._value += tokens / RATE_SECONDS

    def at(self, now: float) -> float:
        """The rate at this time."""
        return self._value * math.exp((self._then - now) / RATE_SECONDS)


@dataclass(slots=True, eq=False)
class Berth:
    """What belongs to one of the table's runners: what is loaded, and its process.

    `fits_alone`: there would be room for it if nothing else were on the machine, as was found.
    """

    wish: Wish
    model: Model
    fits_alone: bool = False
    load: Load | None = None
    shares: Mapping[str, Share] = field(default_factory=dict[str, Share])
    runner: Runner | None = None
    began: float = 0.0
    ready: float = 0.0
    rate: Rate = field(default_factory=Rate)

    def loading(self, now: float, waited: float) -> float:
        """How much of a wait that ends now was for the loading of this runner."""
        began = now - waited
        return max(0.0, min(self.ready, now) - max(self.began, began))
