"""The loop that embeds: inputs of all jobs in batches, on a thread and a context of their own.

Token rows in, pooled vectors out. The context is made at the first need.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import numpy as np

from puna.engine.context import Context, Floats, Outcome, Span
from puna.errors import Cancelled, EngineFailed, PunaError


@dataclass(slots=True, eq=False)
class _Job:
    inputs: Sequence[Sequence[int]]
    future: Future[Floats] = field(default_factory=Future[Floats])
    vectors: dict[int, Floats] = field(default_factory=dict[int, Floats])
    waiting: deque[int] = field(default_factory=deque[int])

    def next_input(self) -> Sequence[int]:
        return self.inputs[self.waiting[0]]


@dataclass(frozen=True, slots=True)
class _Share:
    """One input's part of a batch; its slot is its place in it."""

    job: _Job
    index: int
    slot: int

    @property
    def tokens(self) -> Sequence[int]:
        return self.job.inputs[self.index]


class Embedder:
    """Embeds for many jobs at once.

    A batch holds whole inputs, up to `room` tokens. A longer input has a step for itself, or as
    many as it takes where the context's batch is shorter still.
    """

    def __init__(self, make: Callable[[], Context], room: int) -> None:
        self._make = make
        self._room = room
        self._context: Context | None = None
        self._jobs: deque[_Job] = deque()
        self._new: SimpleQueue[_Job | None] = SimpleQueue()
        self._computing: frozenset[_Job] = frozenset()
        self._abortable = True
        self._closing = False
        self.steps = 0
        self._thread = threading.Thread(target=self._run, name="embedder", daemon=True)
        self._thread.start()

    # From any thread

    def submit(self, inputs: Sequence[Sequence[int]]) -> Future[Floats]:
        """Embed these rows of tokens, none of them empty; to cancel the future stops the work."""
        job = _Job(inputs, waiting=deque(range(len(inputs))))
        job.future.add_done_callback(lambda _: self._abort_for(job))
        self._new.put(job)
        return job.future

    def close(self) -> None:
        """Let go of all jobs, end the thread and free the context."""
        self._closing = True
        self._new.put(None)
        if (context := self._context) is not None:
            context.abort()
        self._thread.join()

    @property
    def load(self) -> tuple[int, int]:
        """How many jobs are in the batch just now, and how many wait."""
        return len(self._computing), max(0, len(self._jobs) - len(self._computing))

    def _abort_for(self, job: _Job) -> None:
        """Stop a batch that was cancelled; one that others are in too only every other time."""
        computing, context = self._computing, self._context
        if job not in computing or context is None or not job.future.cancelled():
            return
        if self._abortable or len(computing) == 1:
            context.abort()

    # On the embedder's thread

    def _run(self) -> None:
        while True:
            self._take_new()
            if self._closing:
                break
            self._jobs = deque(job for job in self._jobs if not job.future.done())
            if self._jobs:
                self._serve()
        for job in self._jobs:
            _fail(job, Cancelled("The model was unloaded."))
        if self._context is not None:
            self._context.close()

    def _take_new(self) -> None:
        try:
            job = self._new.get(block=not self._jobs)
            while True:
                if job is not None:
                    self._jobs.append(job)
                job = self._new.get_nowait()
        except Empty:
            return

    def _serve(self) -> None:
        """Compute one batch; an error ends the jobs that were in it, and the context."""
        batch: list[_Share] = []
        try:
            if self._context is None:
                self._context = self._make()
            batch = self._batch(self._context)
            self._compute(self._context, batch)
        except PunaError as error:
            self._give_up(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the jobs must not wait for ever
            self._give_up(batch, EngineFailed(f"Embedding failed: {error!r}."))

    def _give_up(self, batch: list[_Share], error: PunaError) -> None:
        self._computing = frozenset()
        for job in {share.job for share in batch} or self._jobs:
            _fail(job, error)
        if self._context is not None:
            self._context.close()
            self._context = None

    def _batch(self, context: Context) -> list[_Share]:
        """Whole inputs, one of each job in turn, so that small jobs don't wait for large ones."""
        batch: list[_Share] = []
        room = self._room
        turns = deque(job for job in self._jobs if job.waiting)
        while turns and len(batch) < context.slots:
            job = turns.popleft()
            size = len(job.next_input())
            if size > room and batch:
                continue
            batch.append(_Share(job, job.waiting.popleft(), len(batch)))
            room -= size
            if job.waiting:
                turns.append(job)
        # Whoever had no turn this time is first the next time.
        served = {share.job for share in batch}
        self._jobs = deque(sorted(self._jobs, key=lambda job: job in served))
        return batch

    def _compute(self, context: Context, batch: list[_Share]) -> None:
        jobs = frozenset(share.job for share in batch)
        context.ready()
        self._computing = jobs
        done = all(self._step(context, spans, jobs) for spans in _steps(batch, context.batch))
        self._computing = frozenset()
        self._abortable = done
        for share in batch:
            if done:
                self._harvest(context, share)
            else:
                share.job.waiting.appendleft(share.index)
            context.clear(share.slot)

    def _step(self, context: Context, spans: list[Span], jobs: frozenset[_Job]) -> bool:
        if self._closing or all(job.future.cancelled() for job in jobs):
            return False
        outcome = context.step(spans)
        self.steps += 1
        if outcome is Outcome.NO_ROOM:
            raise EngineFailed("The engine found no room for a batch of inputs.")
        return outcome is Outcome.DONE

    def _harvest(self, context: Context, share: _Share) -> None:
        vector, job = context.pooled_vector(share.slot).copy(), share.job
        if not np.isfinite(vector).all():
            raise EngineFailed(
                "The model's output is not a number.",
                "Its file may be damaged, or the engine's build broken: try another of either.",
            )
        job.vectors[share.index] = vector
        if len(job.vectors) == len(job.inputs) and job.future.set_running_or_notify_cancel():
            job.future.set_result(np.stack([job.vectors[i] for i in range(len(job.inputs))]))


def _steps(batch: list[_Share], longest: int) -> Iterator[list[Span]]:
    """The batch as one step, or its only input in several that the context can take."""
    first = batch[0]
    if len(batch) > 1 or len(first.tokens) <= longest:
        yield [Span(one.slot, 0, list(one.tokens), len(one.tokens)) for one in batch]
        return
    for begin in range(0, len(first.tokens), longest):
        piece = list(first.tokens[begin : begin + longest])
        yield [Span(first.slot, begin, piece, len(piece))]


def _fail(job: _Job, error: PunaError) -> None:
    if not job.future.done() and job.future.set_running_or_notify_cancel():
        job.future.set_exception(error)
