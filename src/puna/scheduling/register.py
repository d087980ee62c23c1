"""Who waits, who runs where, and what is loaded: the state that the table's rules work on."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from puna.errors import PunaError
from puna.scheduling.claims import Claim, Decision, Lane, Refuse, Rules
from puna.scheduling.memory import Memory, total
from puna.scheduling.shares import Shares

# After so many seconds of waiting a job counts as one class more urgent.
AGING = 30.0
# So many seconds a job waits for memory that others use before none that is behind it may run on
# what has to go for it.
PATIENCE = 2.0
# Batches of vectors that a runner takes at once: they wait beside those that generate.
VECTORS_AT_ONCE = 8

Phase = Literal["planning", "short", "planned", "loading", "ready", "leaving"]


@dataclass(slots=True, eq=False)
class Entry:
    """A job that has not ended. It waits, or has a seat, or is away: nobody knows yet how it is.

    `work` is what was worked for it in tokens since it was seated last.
    """

    claim: Claim
    arrival: int
    since: float
    waited: float = 0.0
    work: int = 0
    seat: "Residency | None" = None
    pausing: bool = False

    def level(self, now: float) -> int:
        """How urgent it is, its waiting counted in; 0 is the most."""
        waited = self.waited + (now - self.since if self.seat is None else 0.0)
        return max(0, self.claim.priority - int(waited / AGING))


@dataclass(slots=True, eq=False)
class Residency:
    """A runner: one that is there, or that is to be.

    It is planned, then perhaps short of memory, loading, ready, and leaving. `context` is what is
    wanted of it at least, `length` what it has, `trained` the most that its model can have.
    """

    id: int
    key: Hashable
    context: int
    phase: Phase = "planning"
    bytes: dict[str, int] = field(default_factory=dict[str, int])
    offered: dict[str, int] = field(default_factory=dict[str, int])
    offered_all: bool = False
    tried: int = 0
    blocked: float | None = None
    replaces: "Residency | None" = None
    retiring: bool = False
    sequences: int = 1
    length: int = 0
    trained: int = 0
    jobs: dict[str, Entry] = field(default_factory=dict[str, Entry])
    served: int = 0
    keep_alive: float = 0.0
    used: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether it may go."""
        return self.phase == "ready" and not self.jobs

    def long_enough(self, context: int) -> bool:
        """Whether a job that wants so much context is in good hands."""
        return context <= self.length or 0 < self.trained <= self.length

    def taken(self, lane: Lane) -> int:
        """How much of a lane is taken."""
        return sum(one.claim.size for one in self.jobs.values() if one.claim.lane == lane)

    def has_room(self, claim: Claim) -> bool:
        """Whether one more may come; one that is too large for any comes alone."""
        if claim.lane == "errand":
            return True
        most = self.sequences if claim.lane == "generate" else VECTORS_AT_ONCE
        taken = self.taken(claim.lane)
        return not taken or taken + claim.size <= most


@dataclass(slots=True)
class Deaths:
    """How often a model's runners died without having finished a job, and what comes of it."""

    count: int = 0
    until: float = 0.0
    reason: str = ""


class Register:
    """All jobs and all runners."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.now = 0.0
        self.memory = Memory()
        self.shares = Shares()
        self.entries: dict[str, Entry] = {}
        self.waiting: dict[str, Entry] = {}
        self.ids = count(1)
        self.residencies: dict[int, Residency] = {}
        self.deaths: dict[Hashable, Deaths] = {}
        self.decided: list[Decision] = []
        # Grows when there may be more room than before, so that a plan is worth another try.
        self.version = 0
        self.typical = 64.0

    def order(self) -> list[Entry]:
        """All that wait: by urgency, then by what their principals have had, then by arrival."""
        ahead = self._ahead()
        times = {
            name: self.shares.time(name) + ahead.get(name, 0.0)
            for name in {one.claim.principal for one in self.waiting.values()}
        }
        return sorted(
            self.waiting.values(),
            key=lambda one: (one.level(self.now), times[one.claim.principal], one.arrival),
        )

    def _ahead(self) -> dict[str, float]:
        """What each principal's running jobs will probably still take."""
        ahead: dict[str, float] = {}
        for residency in self.residencies.values():
            for entry in residency.jobs.values():
                if entry.claim.lane != "errand":
                    rest = max(0.0, self.typical * entry.claim.size - entry.work)
                    name = entry.claim.principal
                    ahead[name] = ahead.get(name, 0.0) + rest
        return ahead

    def of_key(self, key: Hashable) -> Iterator[Residency]:
        """The runners, there or to be, of what is to be loaded."""
        return (one for one in self.residencies.values() if one.key == key)

    def ready_for(self, claim: Claim) -> Residency | None:
        """The runner that could take this job, room apart."""
        for one in self.of_key(claim.key):
            if one.phase == "ready" and not one.retiring and one.long_enough(claim.context):
                return one
        return None

    def wanting(self, residency: Residency) -> list[Entry]:
        """The waiting jobs that this runner is, or is to be, there for."""
        return [
            entry
            for entry in self.waiting.values()
            if entry.claim.key == residency.key and self.ready_for(entry.claim) in (None, residency)
        ]

    @property
    def coming(self) -> Residency | None:
        """The one runner for which there is no memory set aside yet."""
        for one in self.residencies.values():
            if one.phase in ("planning", "short", "planned"):
                return one
        return None

    def loaded(self, *phases: Phase) -> list[Residency]:
        """The runners in these phases."""
        return [one for one in self.residencies.values() if one.phase in phases]

    def taken(self, *phases: Phase) -> dict[str, int]:
        """The bytes that runners in these phases take."""
        return total(one.bytes for one in self.loaded(*phases))

    def least_used(self) -> list[Residency]:
        """The runners that may go, the least recently used first."""
        idle = (one for one in self.residencies.values() if one.idle)
        return sorted(idle, key=lambda one: (one.used, one.id))

    def refuse(self, entry: Entry, error: PunaError) -> None:
        """End a waiting job with an error."""
        self.forget(entry)
        self.decided.append(Refuse(entry.claim.job, error))

    def forget(self, entry: Entry) -> None:
        """Strike a job off, wherever it is."""
        del self.entries[entry.claim.job]
        self.waiting.pop(entry.claim.job, None)
        self.shares.leave(entry.claim.principal)
