"""A cancel waits for no long step, however many come before it, and the others get on."""

import threading
import zlib
from collections.abc import Iterator

import pytest
from tests.engine.harness import Driver, prompt, request
from tests.engine.test_engine import ROUNDING, Shape, worst_regret

from puna.engine import aborts
from puna.engine.aborts import Aborts
from puna.engine.context import Context, Outcome, Span
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.sequence import Request
from puna.engine.steps import HURRIED_SECONDS, Tempo
from puna.jobs import Limits
from puna.protocol import Pace, Placement

DECODES = 4
LONG, MOST = 600, 400
PLACEMENT = Placement(context=1024, sequences=DECODES + 2, batch=256, threads=1)


class Watched(Context):
    """A context that remembers the size of its steps, and calls `within` as if in the midst."""

    def __init__(self, model: Model, placement: Placement) -> None:
        super().__init__(model, placement)
        self.sizes: list[tuple[int, Outcome]] = []
        self.within = lambda: None

    def step(self, spans: list[Span]) -> Outcome:
        self.within()
        outcome = super().step(spans)
        self.sizes.append((sum(len(span.tokens) for span in spans), outcome))
        return outcome


@pytest.fixture
def context(library: Library, shape: Shape) -> Iterator[Watched]:
    model = Model(library, (str(shape("llama")),), PLACEMENT)
    made = Watched(model, PLACEMENT)
    yield made
    made.close()
    model.close()


@pytest.fixture
def driver(context: Watched) -> Iterator[Driver]:
    made = Driver(context, Pace(speculate=False))
    yield made
    made.engine.close()
    assert not made.broken


def talk(key: str) -> Request:
    limits = Limits(max_tokens=MOST, ignore_eos=True)
    return request(key, prompt(zlib.crc32(key.encode()), 12), length=1000, limits=limits)


def long_prompt(key: str) -> Request:
    return request(key, prompt(zlib.crc32(key.encode()), LONG), length=1000)


def test_aborts_cost_what_they_may_and_no_more() -> None:
    made = Aborts(never=False)
    made.begin(["a", "b"])
    assert made.allowed("a")
    made.pay(aborts.MOST_SECONDS + 0.2)
    assert made.spent
    made.begin(["a", "b"])
    assert not made.allowed("a")
    # Once both have been let go, nobody loses by it.
    assert made.allowed("b")
    made.pay(10.0)
    made.earn(0.1)
    assert made.spent
    made.earn(0.2)
    assert not made.spent


def test_what_another_one_computes_alone_is_lost_as_well() -> None:
    made = Aborts(never=False)
    made.begin(["a"])
    assert made.allowed("b")
    made.pay(aborts.MOST_SECONDS)
    assert made.spent


def test_states_that_cannot_be_cut_back_are_neither_aborted_nor_hurried() -> None:
    made = Aborts(never=True)
    made.begin(["a"])
    assert not made.allowed("a")
    made.pay(5.0)
    assert not made.spent


def test_a_hurried_step_takes_what_is_known_to_be_fast() -> None:
    tempo = Tempo(Pace(), 512)
    assert tempo.hurried_tokens == 1
    tempo._decode |= {1: 0.3 * HURRIED_SECONDS, 4: 0.9 * HURRIED_SECONDS, 8: 2 * HURRIED_SECONDS}
    assert tempo.hurried_tokens == 4


def test_once_aborts_have_cost_enough_steps_are_short_and_all_get_on(
    driver: Driver,
    context: Watched,
    library: Library,
    shape: Shape,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talks = [talk(f"talk{number}") for number in range(DECODES)]
    keys = [one.key for one in talks]
    for one in talks:
        driver.submit(one)
    while not all(driver.results[key].tokens for key in keys):
        driver.collect()
    monkeypatch.setattr(Aborts, "spent", True)
    monkeypatch.setattr(Tempo, "hurried_tokens", 2)
    driver.submit(long_prompt("long"))
    while not driver.results["long"].progress:
        driver.collect()
    context.sizes.clear()
    driver.finish("long")
    # The first one may have begun before the patch was seen.
    assert max(size for size, _ in context.sizes) <= 2
    assert all(len(driver.results[key].tokens) > 20 for key in keys)
    monkeypatch.undo()
    emitted = [one.tokens for one in driver.finish(*keys)]
    assert {len(tokens) for tokens in emitted} == {MOST}
    pairs = [(list(one.tokens), tokens) for one, tokens in zip(talks, emitted, strict=True)]
    assert worst_regret(library, shape("llama"), pairs) < ROUNDING


def test_cancels_one_after_another_each_abort_a_step_until_that_costs_too_much(
    driver: Driver, context: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step is cancelled in its midst, at the price of a tenth of a second each."""
    monkeypatch.setattr(Aborts, "earn", lambda self, seconds: None)
    pay = Aborts.pay
    monkeypatch.setattr(Aborts, "pay", lambda self, seconds: pay(self, 0.1))
    driver.submit(talk("talk"))
    while not driver.results["talk"].tokens:
        driver.collect()
    victims = iter(range(1000))
    asked = threading.Event()

    def cancel_one() -> None:
        running = [key for key in driver.engine.roster.running if key.startswith("long")]
        for key in running:
            driver.engine.cancel(key)
        number = next(victims)
        if number < 40:
            driver.submit(long_prompt(f"long{number}"))
        else:
            asked.set()

    context.within = cancel_one
    assert asked.wait(60)
    context.within = lambda: None
    outcomes = [outcome for _, outcome in context.sizes]
    assert 10 <= outcomes.count(Outcome.ABORTED) <= 12
    # From then on nobody is aborted, and every step is a short one.
    last = len(outcomes) - 1 - outcomes[::-1].index(Outcome.ABORTED)
    most = driver.engine._tempo.hurried_tokens
    assert all(size <= most for size, _ in context.sizes[last + 1 : -1])
    driver.engine.cancel("talk")


def test_a_cancel_that_comes_while_it_is_let_in_is_heard_before_the_step(
    driver: Driver, context: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    roster = driver.engine.roster
    admit = roster.admit

    came = list[str]()

    def admit_and_cancel() -> None:
        # As from another thread that looks just before the sequence runs.
        if "long" in roster.waiting:
            came.append("long")
            driver.engine.cancel("long")
        admit()

    monkeypatch.setattr(roster, "admit", admit_and_cancel)
    driver.submit_when("talk", 1, long_prompt("long"))
    driver.run(talk("talk"))
    assert came == ["long"]
    assert roster.find("long") is None
    assert all(size == 1 for size, _ in context.sizes[1:])
