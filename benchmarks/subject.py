"""A model opened for measuring: an engine whose steps are timed, and a bare loop beside it."""

import queue
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from puna.engine.context import Context, Outcome, Span
from puna.engine.engine import Engine
from puna.engine.libllama import open_library
from puna.engine.model import Model
from puna.engine.sequence import Output, Request
from puna.errors import PunaError
from puna.jobs import Limits, Sampling
from puna.protocol import Pace, Placement

GREEDY = Sampling(temperature=0)
SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Step:
    """When a step of the library began and ended, and what was in it."""

    began: float
    ended: float
    tokens: list[int]

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class TimedContext(Context):
    """A context that remembers its steps."""

    timeline: list[Step]

    def step(self, spans: list[Span]) -> Outcome:
        began = time.perf_counter()
        outcome = super().step(spans)
        self.timeline.append(Step(began, time.perf_counter(), [len(span.tokens) for span in spans]))
        return outcome


@dataclass
class Subject:
    """An engine over a context, and what it emits with the time at which it did.

    `between` is called on the engine's thread after each step that emitted something.
    """

    context: TimedContext
    pace: Pace
    between: Callable[[list[Output]], None] = lambda _: None
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.emitted: queue.SimpleQueue[tuple[float, list[Output]]] = queue.SimpleQueue()
        self._errors: list[PunaError] = []
        self._ended: set[str] = set()
        self.engine = Engine(self.context, self.pace, self._take, self._errors.append)
        self.engine.start()

    def _take(self, outputs: list[Output]) -> None:
        at = time.perf_counter()
        self.between(outputs)
        self.emitted.put((at, outputs))

    def next(self) -> tuple[float, list[Output]]:
        """What the next step emitted, and when."""
        at, outputs = self.emitted.get(timeout=SECONDS)
        for output in outputs:
            if output.error is not None:
                raise RuntimeError(output.error.message)
            if output.finish is not None:
                self._ended.add(output.key)
        return at, outputs

    def finish(self, *keys: str) -> None:
        """Wait until these requests have ended."""
        while not self._ended.issuperset(keys):
            self.next()

    def until(self, met: Callable[[Output], bool], *keys: str) -> None:
        """Wait until each of these requests has emitted something that meets the condition."""
        waiting = set(keys)
        while waiting:
            waiting -= {output.key for output in self.next()[1] if met(output)}


@contextmanager
def opened(path: Path, placement: Placement) -> Iterator[Model]:
    """A model's weights."""
    model = Model(open_library(lambda *_: None), (str(path),), placement)
    try:
        yield model
    finally:
        model.close()


@contextmanager
def context(model: Model, placement: Placement) -> Iterator[TimedContext]:
    """A context over them."""
    made = TimedContext(model, placement)
    made.timeline = []
    try:
        yield made
    finally:
        made.close()


@contextmanager
def engine(timed: TimedContext, pace: Pace | None = None) -> Iterator[Subject]:
    """An engine over a context. It does not guess tokens unless asked to."""
    subject = Subject(timed, pace or Pace(speculate=False))
    try:
        yield subject
    finally:
        subject.engine.close()


def prompt(seed: int, count: int) -> list[int]:
    """Random tokens."""
    return [int(token) for token in np.random.default_rng(seed).integers(0, 400, count)]


def prefilled(timed: TimedContext, tokens: list[int]) -> bytes:
    """The cache of these tokens, as a request carries it, so that nobody computes it again."""
    for slot in range(timed.slots):
        timed.clear(slot)
    batch = timed.batch
    for begin in range(0, len(tokens), batch):
        timed.step([Span(0, begin, tokens[begin : begin + batch], 1)])
    state = timed.save(0)
    timed.clear(0)
    return struct.pack("<I", len(tokens)) + state


def request(
    key: str, tokens: list[int], most: int, sampling: Sampling = GREEDY, memory: bytes = b""
) -> Request:
    """A request for exactly so many tokens, which shares its cache with nobody."""
    limits = Limits(max_tokens=most, ignore_eos=True)
    length = len(tokens) + most + 1
    return Request(
        key, tuple(tokens), length, 1, space=key, sampling=sampling, limits=limits, memory=memory
    )


class Bare:
    """The library's own decoding over a context: the likeliest token, again and again."""

    def __init__(self, timed: TimedContext) -> None:
        self._context = timed
        self._tokens: dict[int, int] = {}
        self._position = 0

    def begin(self, sequences: int, tokens: list[int], memory: bytes) -> None:
        """Sequences that all have these tokens, of which `memory` holds all but the last."""
        for slot in range(self._context.slots):
            self._context.clear(slot)
        for slot in range(sequences):
            assert self._context.restore(slot, memory[4:])
        self._tokens = dict.fromkeys(range(sequences), tokens[-1])
        self._position = len(tokens) - 1

    def step(self) -> float:
        """One token for each; the answer is the seconds that it took."""
        began = time.perf_counter()
        spans = [Span(slot, self._position, [last], 1) for slot, last in self._tokens.items()]
        assert self._context.step(spans) is Outcome.DONE
        for row, slot in enumerate(self._tokens):
            self._tokens[slot] = int(self._context.logits(row).argmax())
        self._position += 1
        return time.perf_counter() - began

    def prefill(self, chunks: list[list[int]]) -> float:
        """Compute a prompt in these chunks; the answer is the seconds that it took."""
        self._context.clear(0)
        position = 0
        began = time.perf_counter()
        for chunk in chunks:
            last = chunk is chunks[-1]
            assert self._context.step([Span(0, position, chunk, int(last))]) is Outcome.DONE
            position += len(chunk)
        self._context.logits(0).argmax()
        return time.perf_counter() - began
