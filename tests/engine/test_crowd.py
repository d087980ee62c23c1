"""Crowds: many sequences that join, leave, pause and come back, step by step, against a model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.engine.harness import Oracle, Result, check, prompt, regret, request

from puna.engine.batches import Span
from puna.engine.constraints import Compiled, Grammars
from puna.engine.context import Context, Outcome
from puna.engine.engine import Engine
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.sequence import Output, Request
from puna.engine.steps import Tempo, Work
from puna.errors import PunaError
from puna.jobs import Constraint, Limits, Sampling
from puna.protocol import Pace, Placement
from puna.text.tokens import Specials

Shape = Callable[[str], Path]
# As in test_engine.py: what another batch shape moves a logit by, with a margin.
ROUNDING = 0.6
DOMAINS = ("me", "you", "them")
SAMPLINGS = (
    Sampling(temperature=0),
    Sampling(temperature=0),
    Sampling(temperature=1.2, top_k=0, top_p=1.0),
    Sampling(mirostat=2, temperature=1.0),
    Sampling(temperature=0.9, repeat_penalty=1.3, dry_multiplier=0.8, xtc_probability=0.5),
)
WORDS = "(wind|stone|river|herd)( (wind|stone|river|herd))*"


class Interrupted(Context):
    """A context whose next step is aborted where `interrupt` says so, as by a cancel within it."""

    interrupt = False

    def step(self, spans: list[Span]) -> Outcome:
        if self.interrupt:
            self.abort()
        self.interrupt = False
        return super().step(spans)


class Steady(Tempo):
    """A tempo that heeds no clock, so that a crowd goes the same way each time."""

    def beside(self, decodes: int) -> int:
        return 24

    def record(self, work: Work, seconds: float, accepted: int) -> None:
        pass


@dataclass
class Guest:
    """A request as the test knows it, and what has come of it over all its stays."""

    request: Request
    tokens: list[int] = field(default_factory=list[int])
    stay: Result = field(default_factory=Result)

    @property
    def due(self) -> int:
        """How many tokens it must get in all."""
        asked, limit = self.request, self.request.limits.max_tokens
        assert limit is not None
        return limit if asked.shift else min(limit, asked.length - len(asked.tokens))


class Stage:
    """One engine, taken step by step on the test's own thread."""

    def __init__(self, model: Model, placement: Placement, words: Compiled) -> None:
        self.context = Interrupted(model, placement)
        self.words = words
        self.ended: PunaError | None = None
        pace = Pace(whole_prompt=24)
        self.engine = Engine(self.context, pace, self._emitted, self._failed)
        self.engine._tempo = Steady(pace, placement.batch)
        self.still = 0
        self.guests: dict[str, Guest] = {}
        self.paused: list[Guest] = []
        self.done: list[Guest] = []

    def _emitted(self, outputs: list[Output]) -> None:
        for output in outputs:
            assert output.key in self.guests, "an output for somebody who is gone"
            self.guests[output.key].stay.add(output)

    def _failed(self, error: PunaError) -> None:
        self.ended = error

    @property
    def busy(self) -> bool:
        return bool(self.engine.roster.running or self.engine.roster.waiting)

    def join(self, request: Request) -> None:
        self.guests[request.key] = Guest(request)
        self.engine.submit(request)

    def turn(self) -> None:
        """One turn of the engine, and who has ended by it."""
        before = self.engine.steps
        if not self.busy and self.engine.orders.none:
            return
        self.engine.turn()
        check(self.engine, self.context)
        ended = {key: guest for key, guest in self.guests.items() if guest.stay.ended}
        # Who makes way for others may have been the only one in a step, but each only once.
        moved = ended or self.engine.steps > before
        self.still = 0 if moved or not self.busy else self.still + 1
        assert self.still <= self.context.slots, "the engine stands still"
        for key, guest in ended.items():
            del self.guests[key]
            self._leave(guest)

    def _leave(self, guest: Guest) -> None:
        stay = guest.stay
        assert stay.error is None, stay.error
        guest.tokens += stay.tokens
        if stay.paused is not None:
            assert list(stay.paused.emitted) == guest.tokens
            self.paused.append(guest)
            return
        self.done.append(guest)
        assert stay.finish is not None
        if guest.request.constraint is None:
            assert len(guest.tokens) == guest.due
            assert stay.finish.reason == "length"
        if guest.request.prompt_logprobs is not None and not guest.request.emitted:
            assert len(stay.prompt_logprobs) == len(guest.request.tokens)

    def come_back(self, guest: Guest, memory: bool) -> None:
        """Go on with a request that was paused."""
        paused = guest.stay.paused
        assert paused is not None
        guest.stay = Result()
        guest.request = replace(
            guest.request,
            key=guest.request.key + "'",
            emitted=paused.emitted,
            sampler=paused.sampler,
            memory=paused.memory if memory else b"",
            after="",
        )
        self.guests[guest.request.key] = guest
        self.engine.submit(guest.request)

    def let_all_end(self) -> None:
        while self.guests or self.paused:
            for guest in self.paused:
                self.come_back(guest, memory=True)
            self.paused.clear()
            assert self.busy or not self.engine.orders.none, f"forgotten: {[*self.guests]}"
            self.turn()
        assert not self.busy


class Crowd(RuleBasedStateMachine):
    """What may happen to an engine, in any order."""

    model: Model
    oracle: Oracle
    words: Compiled
    placement: Placement

    @initialize()
    def begin(self) -> None:
        self.stage = Stage(self.model, self.placement, self.words)
        self.count = 0

    @rule(
        heads=st.integers(1, 10),
        family=st.integers(0, 2),
        shared=st.sampled_from([0, 5, 40, 90]),
        own=st.integers(1, 60),
        most=st.sampled_from([0, 1, 5, 25, 60]),
        domain=st.sampled_from(DOMAINS),
        sampling=st.sampled_from(SAMPLINGS),
        kind=st.sampled_from(["plain", "plain", "plain", "shift", "scored", "words", "short"]),
        rank=st.integers(0, 2),
    )
    def join(
        self,
        heads: int,
        family: int,
        shared: int,
        own: int,
        most: int,
        domain: str,
        sampling: Sampling,
        kind: str,
        rank: int,
    ) -> None:
        """A group comes, whose prompts begin alike; some are choices of one prompt."""
        heads = min(heads, 64 - len(self.stage.guests))
        beginning, first = prompt(family, 90)[:shared], ""
        for head in range(heads):
            self.count += 1
            choices = head % 3 == 1
            tokens = [*beginning, *prompt(1000 + self.count - choices, own)]
            length = len(tokens) + 20 if kind in ("shift", "short") else 240
            asked = request(
                f"{self.count}",
                tokens,
                length=length,
                limits=Limits(max_tokens=most, ignore_eos=kind != "words"),
                space=domain,
                sampling=sampling,
                seed=self.count,
                rank=rank,
                shift=kind == "shift",
                keep=4,
                prompt_logprobs=1 if kind == "scored" else None,
                constraint=self.words if kind == "words" else None,
                after=first if choices else "",
            )
            self.stage.join(asked)
            first = asked.key

    @precondition(lambda self: self.stage.guests)
    @rule(which=st.integers(0, 63))
    def cancel(self, which: int) -> None:
        key = list(self.stage.guests)[which % len(self.stage.guests)]
        self.stage.engine.cancel(key)
        del self.stage.guests[key]
        self.stage.turn()

    @precondition(lambda self: self.stage.guests)
    @rule(which=st.integers(0, 63), count=st.integers(1, 5), memory=st.booleans())
    def pause(self, which: int, count: int, memory: bool) -> None:
        keys = list(self.stage.guests)
        for key in {keys[(which + one) % len(keys)] for one in range(count)}:
            self.stage.engine.pause(key, memory=memory)
        self.stage.turn()

    @precondition(lambda self: self.stage.paused)
    @rule(memory=st.booleans())
    def come_back(self, memory: bool) -> None:
        self.stage.come_back(self.stage.paused.pop(0), memory)

    @precondition(lambda self: self.stage.guests)
    @rule(turns=st.integers(1, 8))
    def go_on(self, turns: int) -> None:
        for _ in range(turns):
            self.stage.turn()

    @precondition(lambda self: self.stage.guests and not self.model.recurrent)
    @rule()
    def interrupt(self) -> None:
        self.stage.context.interrupt = True
        self.stage.turn()

    @invariant()
    def nothing_is_amiss(self) -> None:
        if hasattr(self, "stage"):
            check(self.stage.engine, self.stage.context)
            assert self.stage.ended is None

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        try:
            self.stage.let_all_end()
            for guest in self.stage.done:
                self.verify(guest)
        finally:
            self.stage.context.close()

    def verify(self, guest: Guest) -> None:
        """A greedy output is the library's own; one under a constraint belongs to it."""
        asked, tokens = guest.request, guest.tokens
        if asked.constraint is not None:
            asked.constraint.matcher(tokens)
        elif asked.sampling == Sampling(temperature=0) and tokens and not asked.shift:
            assert regret(self.oracle, list(asked.tokens), tokens) < ROUNDING


@contextmanager
def crowds(library: Library, path: Path, placement: Placement) -> Iterator[type[Crowd]]:
    """A crowd over this model, as often as it is wanted."""
    alone = Placement(context=512, sequences=1, batch=128, threads=1)
    model = Model(library, (str(path),), alone)
    oracle = Oracle(model, alone)
    grammars = Grammars(model.vocabulary, Specials(model.vocabulary))
    words = grammars.compile(Constraint("regex", WORDS))
    fixed = {"model": model, "oracle": oracle, "words": words, "placement": placement}
    try:
        yield type("Crowd", (Crowd,), fixed)
    finally:
        grammars.close()
        oracle.close()
        model.close()


POOL = Placement(context=1024, sequences=24, pooled=True, batch=128, threads=1)
SMALL = Placement(context=256, sequences=6, pooled=True, batch=64, threads=1)
STREAMS = Placement(context=256, sequences=8, pooled=False, batch=64, threads=1)
PLACEMENTS = {"pool": POOL, "small pool": SMALL, "streams": STREAMS}
ARCHITECTURES = ["llama", "gemma3", "lfm2", "mamba"]


def play(library: Library, path: Path, placement: Placement, games: int, moves: int) -> None:
    with crowds(library, path, placement) as crowd:
        run_state_machine_as_test(
            crowd,
            settings=settings(
                max_examples=games,
                stateful_step_count=moves,
                derandomize=True,
                database=None,
                deadline=None,
                # A crowd shrinks slowly, and says which move went wrong as it is.
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )


@pytest.mark.parametrize(
    ("architecture", "placement"),
    [("llama", "small pool"), ("gemma3", "streams"), ("lfm2", "pool")],
)
def test_a_small_crowd_gets_all_it_asked_for(
    library: Library, shape: Shape, architecture: str, placement: str
) -> None:
    play(library, shape(architecture), PLACEMENTS[placement], games=3, moves=12)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_crowd_gets_all_it_asked_for(
    library: Library, shape: Shape, architecture: str, placement: str
) -> None:
    play(library, shape(architecture), PLACEMENTS[placement], games=15, moves=50)
