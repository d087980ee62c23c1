"""What is known of a job while it runs and for a while after: its record."""

from typing import Literal

import msgspec

from puna.errors import ErrorReport
from puna.jobs import Priority

Phase = Literal[
    "queued", "loading", "prompt", "generating", "paused", "done", "failed", "cancelled"
]
ENDED: frozenset[Phase] = frozenset({"done", "failed", "cancelled"})


class JobRecord(msgspec.Struct, frozen=True):
    """One job as it stands. Times are seconds since 1970, rates are tokens a second.

    `position` counts the jobs that are before it in the queue; it is None once it is out of it.
    """

    id: str
    principal: str
    model: str
    dialect: str
    kind: str
    priority: Priority
    phase: Phase
    arrived: float
    position: int | None = None
    started: float | None = None
    ended: float | None = None
    runner: str = ""
    prompt_tokens: int = 0
    prompt_done: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    prompt_rate: float = 0.0
    output_rate: float = 0.0
    queue_seconds: float = 0.0
    load_seconds: float = 0.0
    total_seconds: float = 0.0
    resumed: int = 0
    error: ErrorReport | None = None
