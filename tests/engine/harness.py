"""A real engine over a real model, driven from a test, and the library alone as its oracle."""

import queue
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from puna.engine.cache import Cache
from puna.engine.cells import Cells
from puna.engine.context import Context, Floats, Outcome, Span
from puna.engine.engine import Engine
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.pictures import check_whole, inside
from puna.engine.sequence import Finish, Output, Paused, Request, Sequence
from puna.engine.vision import Projector
from puna.errors import BadRequest, ErrorReport, PunaError
from puna.jobs import Limits, Sampling
from puna.protocol import Pace, Placement

SECONDS = 60.0
GREEDY = Sampling(temperature=0)


@dataclass
class Result:
    """All that came of one request."""

    tokens: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])
    progress: list[int] = field(default_factory=list[int])
    prompt_logprobs: list[float | None] = field(default_factory=list[float | None])
    count: int = 0
    cached: int | None = None
    finish: Finish | None = None
    paused: Paused | None = None
    error: ErrorReport | None = None

    @property
    def ended(self) -> bool:
        return bool(self.finish or self.paused or self.error)

    def add(self, output: Output) -> None:
        self.tokens += [drawn.token for drawn in output.drawn]
        self.logprobs += [d.logprob for d in output.drawn if d.logprob is not None]
        self.prompt_logprobs += [s.logprob if s else None for s in output.prompt_logprobs]
        self.count += output.count
        if output.progress is not None:
            self.progress.append(output.progress)
        if output.cached is not None:
            self.cached = output.cached
        self.finish = self.finish or output.finish
        self.paused = self.paused or output.paused
        self.error = self.error or output.error


class Driver:
    """An engine whose invariants are checked at each step, and what it has emitted."""

    def __init__(self, context: Context, pace: Pace, projector: Projector | None = None) -> None:
        self.context = context
        self.results: dict[str, Result] = {}
        self.broken: list[BaseException] = []
        self._outputs: queue.SimpleQueue[list[Output] | PunaError] = queue.SimpleQueue()
        emitted, failed = self._emitted, self._outputs.put
        self.engine = Engine(context, pace, emitted, failed, projector=projector)
        self._come: Counter[str] = Counter()
        self._due: list[tuple[str, int, Callable[[], None]]] = []
        self.engine.start()

    def _emitted(self, outputs: list[Output]) -> None:
        # This is the engine's own thread, so what it owns may be looked at.
        try:
            check(self.engine, self.context)
        except AssertionError as error:
            self.broken.append(error)
        for output in outputs:
            self._come[output.key] += len(output.drawn)
        due, self._due = self._due, []
        for key, count, act in due:
            if self._come[key] >= count:
                act()
            else:
                self._due.append((key, count, act))
        self._outputs.put(outputs)

    def when(self, key: str, count: int, act: Callable[[], None]) -> None:
        """Have this done between two steps, once so many tokens of a request have come.

        Whatever this thread waits for, the engine takes no step meanwhile. Say it beforehand.
        """
        self._due.append((key, count, act))

    def submit_when(self, key: str, count: int, request: Request) -> None:
        """Submit this in another one's midst."""
        self.results[request.key] = Result()
        self.when(key, count, lambda: self.engine.submit(request))

    def submit(self, request: Request) -> None:
        self.results[request.key] = Result()
        self.engine.submit(request)

    def collect(self, seconds: float = SECONDS) -> list[Output]:
        """The outputs of the next step."""
        outputs = self._outputs.get(timeout=seconds)
        if isinstance(outputs, PunaError):
            raise outputs
        for output in outputs:
            if output.key in self.results:
                self.results[output.key].add(output)
        return outputs

    def finish(self, *keys: str) -> list[Result]:
        """Wait until these requests (or all) have ended."""
        wanted = keys or tuple(self.results)
        while not all(self.results[key].ended for key in wanted):
            self.collect()
        return [self.results[key] for key in wanted]

    def run(self, request: Request) -> Result:
        self.submit(request)
        return self.finish(request.key)[0]


def check(engine: Engine, context: Context) -> None:
    """What must hold between any two steps."""
    roster, cache = engine.roster, engine.roster.cache
    running = {sequence.slot: sequence for sequence in roster.running.values()}
    assert len(running) == len(roster.running), "two sequences in one slot"
    assert not roster.running.keys() & roster.waiting.keys()
    assert cache._live.keys() == running.keys()
    slots = [*cache._empty, *cache._live, *cache._kept]
    assert sorted(slots) == list(range(context.slots)), "a slot is lost, or in two hands"
    for slot, sequence in running.items():
        key, tokens = sequence.request.key, sequence.tokens
        assert 0 <= sequence.computed <= len(tokens) <= sequence.request.length
        assert not inside(tokens, sequence.computed), "an image half computed"
        assert images_are_whole(sequence), key
        assert cache.cells.length(slot) == sequence.computed, key
        assert context.end(slot, sequence.computed) == context.span(slot)[1], key
        held = cache._prefixes.held(slot)
        assert held == tuple(tokens[: len(held)]), key
        assert cache._live[slot] == (sequence.request.space, sequence.request.adapters)
    for slot in cache._empty:
        assert cache.cells.length(slot) == 0
    for slot in slots:
        check_slot(cache, context, slot)
    check_cells(cache.cells, context)
    waiting = list(roster.waiting.values())
    assert all(one.slot == -1 and one.computed == 0 for one in waiting)
    saved = [one.saved for one in (*waiting, *roster.running.values())]
    assert roster._saved == sum(len(state) for state, _ in saved)


def check_slot(cache: Cache, context: Context, slot: int) -> None:
    """What is said of a slot is what the library says."""
    least, most = context.span(slot)
    assert most == context.end(slot, cache.cells.length(slot)), f"slot {slot}"
    held, space = cache._prefixes.held(slot), cache._prefixes.space(slot)
    assert len(held) <= cache.cells.length(slot), f"slot {slot} is said to hold more than it does"
    if held:
        length, slots = cache._prefixes.longest(space, held)
        assert length == len(held)
        assert slot in slots
        assert least >= 0
    if slot in cache._live and held:
        assert space == cache._live[slot]


def check_cells(cells: Cells, context: Context) -> None:
    """Every cell that is held is counted once, and as often owned as it is held."""
    owned = Counter(cell for slot in range(context.slots) for cell in cells._held.get(slot, []))
    assert cells.used == len(owned)
    assert all(cells._owners[cell] == count for cell, count in owned.items())
    assert len(cells._spare) == len(cells._owners) - len(owned)
    assert cells.used <= cells.total


def images_are_whole(sequence: Sequence) -> bool:
    try:
        check_whole(sequence.tokens, sequence.request.pictures)
    except BadRequest:
        return False
    return True


@contextmanager
def driver(
    library: Library, path: Path, placement: Placement, pace: Pace | None = None
) -> Iterator[Driver]:
    """An engine over a model file, closed at the end; broken invariants fail the test."""
    model = Model(library, (str(path),), placement)
    context = Context(model, placement)
    made = Driver(context, pace or Pace())
    try:
        yield made
        made.engine.close()
        assert not made.broken, made.broken
    finally:
        made.engine.close()
        context.close()
        model.close()


def request(key: str, tokens: list[int], **fields: Any) -> Request:
    """A greedy request for 16 tokens that does not stop by itself."""
    limits = Limits(max_tokens=16, ignore_eos=True)
    return replace(Request(key, tuple(tokens), 512, 1, sampling=GREEDY, limits=limits), **fields)


def prompt(seed: int, count: int, most: int = 250) -> list[int]:
    """Random tokens that are plain text in the test models' vocabularies."""
    return [int(token) for token in np.random.default_rng(seed).integers(0, most, count)]


class Oracle:
    """The library alone: one sequence, no engine."""

    def __init__(
        self, model: Model, placement: Placement, adapters: tuple[tuple[int, float], ...] = ()
    ) -> None:
        self._context = Context(model, placement, adapters=adapters)

    def close(self) -> None:
        self._context.close()

    def logits(self, tokens: list[int], last: int, *, ends: bool = False) -> Floats:
        """The rows of logits after each of the last tokens; `ends`: those of end tokens too."""
        self._context.clear(0)
        rows: list[Floats] = []
        at, batch = 0, self._context.outputs_max
        while at < len(tokens):
            part = tokens[at : at + batch]
            assert self._context.step([Span(0, at, part, len(part))]) is Outcome.DONE
            rows += [self._context.logits(row).copy() for row in range(len(part))]
            at += len(part)
        logits = np.stack(rows[len(tokens) - last :])
        if not ends:
            logits[:, list(self._context.model.vocabulary.end_tokens)] = -np.inf
        return logits


def regret(oracle: Oracle, tokens: list[int], emitted: list[int]) -> float:
    """By how much an emitted token's logit was under the best one's, at worst.

    Greedy decoding has a regret of zero but for rounding, whatever batches it ran in.
    """
    rows = oracle.logits([*tokens, *emitted[:-1]], len(emitted))
    chosen = rows[np.arange(len(emitted)), emitted]
    return float((rows.max(axis=1) - chosen).max())
