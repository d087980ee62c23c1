"""The scheduler's rules as a state machine: what happened goes in, what is to be done comes out.

There is no clock here but the time that is passed, and nothing waits. The state is in
`register.py`, who gets a seat in `seating.py`, what is loaded and what goes in `placing.py`.
"""

from collections.abc import Callable, Hashable, Mapping

from puna.errors import LoadLost, NoRoom, PunaError, QueueFull
from puna.scheduling import placing, seating
from puna.scheduling.claims import Claim, Decision, Rules
from puna.scheduling.register import AGING, Deaths, Entry, Register, Residency

# So many deaths in a row, and a model is refused for a while, which doubles with each more.
DEATHS_BORNE = 3
FIRST_REFUSAL = 5.0
LONGEST_REFUSAL = 300.0
# While any job waits, the rules are looked at so often.
HEARTBEAT = 1.0
LONGEST_SLEEP = 3600.0


class Table:
    """All jobs, all runners, and what is to be done next."""

    def __init__(self, rules: Rules) -> None:
        self.register = Register(rules)
        self._arrivals = 0
        self._seated_at: float | None = None
        self._pace = 1.0

    # Jobs

    def arrive(self, claim: Claim, now: float) -> None:
        """A job has come; `QueueFull` if too many wait already."""
        register = self.register
        register.now = now
        runner = register.ready_for(claim)
        at_once = runner is not None and runner.has_room(claim) and not register.waiting
        if not at_once and len(register.waiting) >= max(1, register.rules.max_queue):
            error = QueueFull(f"{len(register.waiting)} jobs are waiting, which is the most.")
            error.retry_after = max(1.0, self._pace)
            raise error
        self._arrivals += 1
        entry = Entry(claim, self._arrivals, now)
        register.entries[claim.job] = register.waiting[claim.job] = entry
        register.shares.enter(claim.principal)

    def requeue(self, job: str, now: float) -> None:
        """A job that was away is to go on; it keeps its place in the order of arrival."""
        entry = self.register.entries.get(job)
        if entry is not None:
            entry.since = now
            self.register.waiting[job] = entry

    def vacate(self, job: str, now: float) -> None:
        """A job is off its runner: it ended, rose, or nobody reads it."""
        entry = self.register.entries.get(job)
        if entry is not None and entry.seat is not None:
            self._rise(entry, now)

    def leave(self, job: str, now: float) -> None:
        """A job has ended, however that came."""
        entry = self.register.entries.get(job)
        if entry is None:
            return
        if entry.seat is not None:
            self._rise(entry, now)
        self.register.forget(entry)

    def finish(self, job: str, now: float) -> None:
        """A job has ended well, which speaks for its model."""
        entry = self.register.entries.get(job)
        if entry is None:
            return
        self.register.deaths.pop(entry.claim.key, None)
        if entry.claim.lane == "generate":
            self.register.typical += 0.1 * (entry.work - self.register.typical)
        self.leave(job, now)

    def work(self, job: str, tokens: int) -> None:
        """So many tokens were worked for a job."""
        entry = self.register.entries.get(job)
        if entry is not None:
            entry.work += tokens
            self.register.shares.work(entry.claim.principal, tokens)

    def _rise(self, entry: Entry, now: float) -> None:
        residency = entry.seat
        assert residency is not None
        del residency.jobs[entry.claim.job]
        entry.seat, entry.since, entry.pausing = None, now, False
        residency.used = now
        if not residency.jobs:
            self.register.version += 1

    def positions(self) -> dict[str, int]:
        """For each job that waits, how many are before it."""
        return {entry.claim.job: place for place, entry in enumerate(self.register.order())}

    def awaiting_a_load(self) -> set[str]:
        """The jobs that wait for their runner to be there."""
        return {
            entry.claim.job
            for one in self.register.loaded("planning", "short", "planned", "loading")
            for entry in self.register.wanting(one)
        }

    # Runners

    def residency(self, runner: int) -> Residency | None:
        """A runner, unless it is not to be any more."""
        return self.register.residencies.get(runner)

    def measure(self, budget: Mapping[str, int], free: Mapping[str, int]) -> None:
        """What runners may take of each device in all, and what is free just now."""
        self.register.memory.measure(budget, free)

    def retry(self) -> None:
        """There may be more room than before."""
        self.register.version += 1

    def offer(self, runner: int) -> dict[str, int] | None:
        """What a runner that is planned may take; None if it is not to be any more."""
        residency = self.residency(runner)
        return None if residency is None else placing.offer(self.register, residency)

    def planned(self, runner: int, takes: Mapping[str, int], now: float) -> None:
        """The host says what a runner takes."""
        self.register.now = now
        residency = self.register.residencies[runner]
        residency.bytes = dict(takes)
        over = {
            device: size
            for device, size in takes.items()
            if size > residency.offered.get(device, 0)
        }
        if over:
            device, size = next(iter(over.items()))
            given = residency.offered.get(device, 0)
            error = NoRoom(
                f"{size:,} bytes of {device}, of which {given:,} can be had",
                "Ask for a shorter context, fewer sequences or a smaller cache type.",
            )
            placing.find_no_room(self.register, residency, error)
        else:
            residency.phase = "planned"

    def unplanned(self, runner: int, error: PunaError, now: float) -> None:
        """The host has no place for a runner, or could not say."""
        self.register.now = now
        residency = self.register.residencies[runner]
        if isinstance(error, NoRoom):
            placing.find_no_room(self.register, residency, error)
        else:
            placing.give_up(self.register, residency, error)

    def loaded(self, runner: int, sequences: int, length: int, trained: int, now: float) -> None:
        """A runner is ready for jobs."""
        residency = self.register.residencies[runner]
        residency.phase = "ready"
        residency.sequences, residency.length, residency.trained = sequences, length, trained
        # What was asked for is what there is, or it would be asked for again and again.
        if residency.context > length:
            residency.trained = length
        residency.used = now
        for entry in self.register.wanting(residency):
            entry.waited, entry.since = entry.waited + now - entry.since, now
        before = residency.replaces
        if before is not None and before.phase == "ready":
            before.retiring = True
        residency.replaces = None
        self.register.version += 1

    def failed(self, runner: int, error: PunaError, now: float) -> None:
        """A runner could not be loaded."""
        register = self.register
        register.now = now
        residency = register.residencies[runner]
        register.version += 1
        if isinstance(error, LoadLost):
            del register.residencies[runner]
            self._count_death(residency, str(error), now)
        else:
            placing.give_up(register, residency, error)

    def lost(self, runner: int, reason: str, now: float) -> None:
        """A runner has died; its jobs are away until they say whether they go on."""
        residency = self.register.residencies.pop(runner, None)
        if residency is None:
            return
        if residency.jobs:
            self._count_death(residency, reason, now)
        for entry in list(residency.jobs.values()):
            self._rise(entry, now)
        self.register.version += 1

    def gone(self, runner: int) -> None:
        """A runner that was unloaded has ended, and its memory is free."""
        self.register.residencies.pop(runner, None)
        self.register.version += 1

    def _count_death(self, residency: Residency, reason: str, now: float) -> None:
        deaths = self.register.deaths.setdefault(residency.key, Deaths())
        deaths.count += 1
        deaths.reason = reason
        if deaths.count > DEATHS_BORNE:
            longer = 2.0 ** min(deaths.count - DEATHS_BORNE - 1, 10)
            deaths.until = now + min(FIRST_REFUSAL * longer, LONGEST_REFUSAL)

    def expire(self, matches: Callable[[Hashable], bool]) -> None:
        """Let what matches go as soon as its jobs have ended."""
        for residency in self.register.residencies.values():
            if matches(residency.key):
                residency.keep_alive = 0.0

    # What is to be done

    def decide(self, now: float) -> list[Decision]:
        """What is to be done now. It counts as done: nothing is said twice."""
        register = self.register
        register.now = now
        seating.refuse_the_late(register)
        waited = len(register.waiting)
        seating.seat_all(register)
        self._note_pace(waited - len(register.waiting), now)
        seating.pause_for_the_urgent(register)
        placing.retire(register)
        placing.plan_next(register)
        placing.place(register)
        placing.let_go(register)
        decided, register.decided = register.decided, []
        return decided

    def _note_pace(self, seated: int, now: float) -> None:
        """How long it takes until one more job gets a seat."""
        if not seated:
            return
        if self._seated_at is not None:
            self._pace += 0.2 * ((now - self._seated_at) / seated - self._pace)
        self._seated_at = now

    def wake(self, now: float) -> float | None:
        """When something will be due although nothing happens; None for never.

        What is due in a long time is looked at before that too, since clocks take no eternities.
        """
        register = self.register
        due = [
            one.used + one.keep_alive
            for one in register.residencies.values()
            if one.idle and one.keep_alive >= 0 and one.used + one.keep_alive > now
        ]
        if register.waiting:
            due.append(now + min(HEARTBEAT, AGING))
            first = min(entry.since for entry in register.waiting.values())
            due.append(first + register.rules.queue_timeout)
        return max(now, min(*due, now + LONGEST_SLEEP)) if due else None
