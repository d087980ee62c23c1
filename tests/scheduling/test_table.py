"""The scheduler's rules alone: whatever happens in whatever order, they hold."""

from dataclasses import dataclass

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from puna.errors import (
    EngineFailed,
    LoadFailed,
    LoadLost,
    NeverRoom,
    NoRoom,
    PunaError,
    QueueFull,
    RunnerKeepsDying,
    TimedOut,
)
from puna.scheduling.claims import Claim, Lane, Pause, Plan, Refuse, Rules, Start, Submit, Unload
from puna.scheduling.register import AGING, PATIENCE
from puna.scheduling.table import Table

LOADED = ("loading", "ready", "leaving")
KEYS = ("a1", "b1", "c2", "d9")
BUDGET = 3
RULES = Rules(max_queue=6, max_loaded=2, queue_timeout=600.0, keep_alive=60.0)
# By then a job has been seated or refused, if the runners do their part.
BOUND = 120.0


@dataclass
class Runner:
    """What the world knows of a runner."""

    key: str
    size: int
    length: int
    state: str = "planning"


class World(RuleBasedStateMachine):
    """A world that does what the table decides, as slowly and as badly as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table(RULES)
        self.table.measure({"CPU": BUDGET}, {"CPU": BUDGET})
        self.now = 0.0
        self.count = 0
        self.runners: dict[int, Runner] = {}
        self.claims: dict[str, Claim] = {}
        self.where: dict[str, int | str] = {}
        self.pausing: set[str] = set()
        self.refused: dict[str, PunaError] = {}
        self.keep: dict[int, float] = {}
        self.used: dict[int, float] = {}

    # What the table decides

    def decide(self) -> None:
        for decision in self.table.decide(self.now):
            match decision:
                case Plan(id):
                    residency = self.table.residency(id)
                    assert residency is not None
                    key = str(residency.key)
                    assert self.runners.get(id, Runner(key, 0, 0)).state == "planning"
                    scale = 2 if residency.context > 1 else 1
                    size = int(key[-1]) * scale
                    self.runners[id] = Runner(key, size, max(1, residency.context))
                case Start(id):
                    assert self.runners[id].state == "planned"
                    self.runners[id].state = "loading"
                    self.keep[id] = RULES.keep_alive
                case Unload(id, why):
                    self.unload(id, why)
                case Submit(job, id):
                    assert self.where[job] == "queue"
                    self.submit(job, id)
                case Pause(job):
                    assert isinstance(self.where[job], int)
                    assert job not in self.pausing, "a job is paused once"
                    self.pausing.add(job)
                case Refuse(job, error):
                    assert self.where.pop(job) == "queue"
                    self.refused[job] = error
        self.look()

    def unload(self, id: int, why: str) -> None:
        assert self.runners[id].state == "ready"
        assert id not in self.where.values(), "a busy runner is never evicted"
        if "another model" in why or "as many models" in why:
            idle = [one for one in self.those("ready") if one not in self.where.values()]
            assert self.used[id] == min(self.used[one] for one in idle)
        self.runners[id].state = "leaving"

    def submit(self, job: str, id: int) -> None:
        claim, runner = self.claims[job], self.runners[id]
        assert runner.state == "ready"
        assert runner.key == claim.key
        assert runner.length >= claim.context
        self.where[job] = id
        if claim.keep_alive is not None:
            self.keep[id] = claim.keep_alive
        seated = [self.claims[one] for one in self.jobs(id)]
        sizes = [one.size for one in seated if one.lane == "generate"]
        assert sum(sizes) <= 2 or len(sizes) == 1, "a runner takes no more than it has seats"

    def look(self) -> None:
        held = [one for one in self.runners.values() if one.state in LOADED]
        assert sum(one.size for one in held) <= BUDGET, "memory is never over-committed"
        assert len(held) <= (RULES.max_loaded or 0)

    # What happens in the world

    @rule(
        key=st.sampled_from(KEYS),
        principal=st.sampled_from("xyz"),
        priority=st.integers(0, 2),
        lane=st.sampled_from(["generate", "generate", "generate", "vectors", "errand"]),
        size=st.integers(1, 3),
        context=st.sampled_from([0, 0, 0, 2]),
        keep_alive=st.sampled_from([None, 0.0, 5.0, 60.0, -1.0]),
    )
    def arrive(
        self,
        key: str,
        principal: str,
        priority: int,
        lane: Lane,
        size: int,
        context: int,
        keep_alive: float | None,
    ) -> None:
        self.count += 1
        claim = Claim(f"{self.count}", key, principal, priority, lane, size, context, keep_alive)
        waiting = sum(place == "queue" for place in self.where.values())
        try:
            self.table.arrive(claim, self.now)
        except QueueFull as error:
            self.note_refusal(waiting, error)
            return
        self.claims[claim.job] = claim
        self.where[claim.job] = "queue"
        self.decide()

    def note_refusal(self, waiting: int, error: QueueFull) -> None:
        assert waiting >= RULES.max_queue
        assert (error.retry_after or 0) >= 1

    @precondition(lambda self: self.where)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.where)))
        self.drop(job)
        self.table.leave(job, self.now)
        self.decide()

    def drop(self, job: str) -> None:
        place = self.where.pop(job)
        self.pausing.discard(job)
        if isinstance(place, int):
            self.used[place] = self.now

    def jobs(self, *places: object) -> list[str]:
        return [job for job, place in self.where.items() if place in places]

    @property
    def running(self) -> list[str]:
        return [job for job, place in self.where.items() if isinstance(place, int)]

    @precondition(lambda self: self.running)
    @rule(data=st.data(), tokens=st.integers(1, 500))
    def finish(self, data: st.DataObject, tokens: int) -> None:
        job = data.draw(st.sampled_from(self.running))
        self.drop(job)
        self.table.work(job, tokens)
        self.table.vacate(job, self.now)
        self.table.finish(job, self.now)
        self.decide()

    @precondition(lambda self: self.pausing)
    @rule(data=st.data())
    def rise(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.pausing)))
        self.drop(job)
        self.where[job] = "away"
        self.table.vacate(job, self.now)
        self.decide()

    @precondition(lambda self: self.jobs("away"))
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.jobs("away")))
        self.where[job] = "queue"
        self.table.requeue(job, self.now)
        self.decide()

    def those(self, *states: str) -> list[int]:
        return [id for id, one in self.runners.items() if one.state in states]

    @precondition(lambda self: self.those("planning"))
    @rule(broken=st.integers(0, 9))
    def answer_plan(self, broken: int) -> None:
        (id,) = self.those("planning")
        runner = self.runners[id]
        offer = self.table.offer(id)
        assert offer is not None
        if broken == 0:
            del self.runners[id]
            self.table.unplanned(id, LoadFailed("no such file"), self.now)
        elif runner.size > offer["CPU"]:
            del self.runners[id]
            never = runner.size > BUDGET
            self.table.unplanned(id, (NeverRoom if never else NoRoom)("too much"), self.now)
        else:
            runner.state = "planned"
            self.table.planned(id, {"CPU": runner.size}, self.now)
        self.decide()
        self.forget_the_dropped()

    def forget_the_dropped(self) -> None:
        for id in self.those("planned", "planning"):
            if self.table.residency(id) is None:
                del self.runners[id]

    @precondition(lambda self: self.those("loading"))
    @rule(data=st.data(), luck=st.integers(0, 9))
    def end_load(self, data: st.DataObject, luck: int) -> None:
        id = data.draw(st.sampled_from(self.those("loading")))
        runner = self.runners[id]
        if luck == 0:
            del self.runners[id]
            self.table.failed(id, EngineFailed("a broken file"), self.now)
        elif luck == 1:
            del self.runners[id]
            self.table.failed(id, LoadLost("it died"), self.now)
        else:
            runner.state = "ready"
            self.used[id] = self.now
            self.table.loaded(id, 2, runner.length, 9, self.now)
        self.decide()

    @precondition(lambda self: self.those("leaving"))
    @rule(data=st.data())
    def end_unload(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.those("leaving")))
        del self.runners[id]
        self.table.gone(id)
        self.decide()

    @precondition(lambda self: self.those("ready"))
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.those("ready")))
        for job in self.jobs(id):
            self.drop(job)
            self.where[job] = "away"
        del self.runners[id]
        self.table.lost(id, "killed", self.now)
        self.decide()

    @rule(seconds=st.sampled_from([0.1, 1.0, PATIENCE, 10.0, AGING]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.decide()
        self.forget_the_dropped()

    @rule(key=st.sampled_from(KEYS))
    def expire(self, key: str) -> None:
        self.table.expire(lambda one: one == key)
        for id, runner in self.runners.items():
            if runner.key == key:
                self.keep[id] = 0.0
        self.decide()

    # What always holds

    @invariant()
    def nobody_is_lost(self) -> None:
        register = self.table.register
        assert set(register.entries) == set(self.where)
        assert set(register.waiting) == set(self.jobs("queue"))
        for job in self.running:
            seat = register.entries[job].seat
            assert seat is not None
            assert seat.id == self.where[job]

    @invariant()
    def what_waits_is_looked_at_again(self) -> None:
        if self.jobs("queue"):
            due = self.table.wake(self.now)
            assert due is not None
            assert due <= self.now + 1

    @invariant()
    def idleness_ends(self) -> None:
        wanted = {self.claims[job].key for job in self.jobs("queue")}
        for id in self.those("ready"):
            keep = self.keep[id]
            idle = id not in self.where.values() and self.runners[id].key not in wanted
            if idle and keep >= 0:
                assert self.now < self.used[id] + keep, "what is idle for too long is unloaded"

    def teardown(self) -> None:
        """When the world does its part at last, everything that waits gets its turn."""
        begun = self.now
        while self.where:
            assert self.now - begun < BOUND, f"starving: {self.where} {self.runners}"
            self.step_forward()
        assert all(
            isinstance(error, NoRoom | LoadFailed | EngineFailed | TimedOut | RunnerKeepsDying)
            for error in self.refused.values()
        )
        for job, error in self.refused.items():
            if isinstance(error, NoRoom):
                assert int(str(self.claims[job].key)[-1]) * 2 > BUDGET

    def step_forward(self) -> None:
        for job in self.jobs("away"):
            self.where[job] = "queue"
            self.table.requeue(job, self.now)
        for id in self.those("planning"):
            self.answer(id)
        for id in self.those("loading"):
            self.runners[id].state = "ready"
            self.used[id] = self.now
            self.table.loaded(id, 2, self.runners[id].length, 9, self.now)
        for id in self.those("leaving"):
            del self.runners[id]
            self.table.gone(id)
        self.now += 1.0
        self.decide()
        self.forget_the_dropped()
        for job in self.running:
            self.drop(job)
            self.table.work(job, 10)
            self.table.vacate(job, self.now)
            self.table.finish(job, self.now)
        self.decide()

    def answer(self, id: int) -> None:
        runner, offer = self.runners[id], self.table.offer(id)
        assert offer is not None
        if runner.size > offer["CPU"]:
            del self.runners[id]
            self.table.unplanned(id, NoRoom("too much"), self.now)
        else:
            runner.state = "planned"
            self.table.planned(id, {"CPU": runner.size}, self.now)


TestWorld = World.TestCase
TestWorld.settings = settings(phases=[Phase.generate], max_examples=100, stateful_step_count=40)
