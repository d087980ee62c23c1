"""What the table is told of a job, and what it decides: plain data, no clocks, no processes."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

from puna.errors import PunaError

# Lanes of a runner, counted each for itself: sequences that generate, batches of vectors, and
# errands (a tokenizing, a preload), which take no room.
Lane = Literal["generate", "vectors", "errand"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a job asks for. `key` is all that its runner has to have loaded, and how.

    `priority` is 0 for interactive, 1 for normal, 2 for batch. `context` is how many tokens the
    runner must take at least; 0 is content with any. `keep_alive` is in seconds, negative is for
    ever, and None leaves it as it is.
    """

    job: str
    key: Hashable
    principal: str
    priority: int = 0
    lane: Lane = "generate"
    size: int = 1
    context: int = 0
    keep_alive: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Ask the host where this runner's model would go."""

    runner: int


@dataclass(frozen=True, slots=True)
class Start:
    """Start this runner: its memory is set aside."""

    runner: int


@dataclass(frozen=True, slots=True)
class Unload:
    """Let this idle runner go; its memory is free once it has gone."""

    runner: int
    why: str


@dataclass(frozen=True, slots=True)
class Submit:
    """Put this job to this runner."""

    job: str
    runner: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Take this job off its runner; it is to go on later."""

    job: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """End this waiting job with an error. The table has forgotten it."""

    job: str
    error: PunaError


Decision = Plan | Start | Unload | Submit | Pause | Refuse


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that the table heeds; they may change while it works."""

    max_queue: int = 512
    max_loaded: int | None = None
    queue_timeout: float = 600.0
    reserve: int = 0
    keep_alive: float = 300.0
