"""The engine's loop: takes requests, steps, draws, and tells what came of it.

Tokens in, tokens out. Everything here belongs to one thread; other threads only put commands into
its queue and raise the flag that aborts a step.
"""

import struct
import threading
import time
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue

from puna.engine.cache import Cache
from puna.engine.context import Context, Outcome, Span
from puna.engine.drawing import Drawing
from puna.engine.prefixes import shared_length
from puna.engine.sequence import Finish, Output, Paused, Request, Sequence
from puna.engine.steps import Share, Tempo, plan
from puna.errors import EngineFailed, PunaError
from puna.protocol import Busyness, Pace

# What paused sequences' caches may take in memory; beyond it they are computed anew.
SAVED_BYTES = 1 << 30
# Waiting for another's prefill pays from so many shared tokens on.
WORTH_WAITING = 64

_Command = Callable[[], None]
_saved_header = struct.Struct("<I")


class Engine:
    """Runs the sequences of one context, all together, step by step."""

    def __init__(
        self,
        context: Context,
        drawing: Drawing,
        pace: Pace,
        emit: Callable[[list[Output]], None],
        failed: Callable[[PunaError], None],
    ) -> None:
        self._context = context
        self._drawing = drawing
        self._emit = emit
        self._failed = failed
        self._pace = pace
        self._cache = Cache(context)
        self._tempo = Tempo(pace, context.batch)
        self._waiting: dict[str, Sequence] = {}
        self._running: dict[str, Sequence] = {}
        self._outputs: dict[str, Output] = {}
        self._arrivals = count()
        self._turns = count()
        self._saved = 0
        self._commands: SimpleQueue[_Command] = SimpleQueue()
        self._stepping: frozenset[str] = frozenset()
        self._abortable = not context.model.recurrent
        self._closing = False
        self.steps = 0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # From any thread

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Let go of all sequences and end the thread."""
        self._commands.put(self._close)
        self._abort_for(None)
        self._thread.join()

    def submit(self, request: Request) -> None:
        """Run this request; what comes of it is emitted."""
        self._commands.put(lambda: self._accept(request))

    def cancel(self, key: str) -> None:
        """Let go of a request, in the middle of a step too; nothing is emitted for it."""
        self._commands.put(lambda: self._let_go(key))
        self._abort_for(key)

    def pause(self, key: str, *, memory: bool) -> None:
        """Take a request off; an output with `paused` is emitted, None where it is not here."""
        self._commands.put(lambda: self._hand_back(key, memory=memory))
        self._abort_for(key)

    @property
    def busyness(self) -> Busyness:
        """How busy the engine is just now."""
        return Busyness(
            running=len(self._running),
            waiting=len(self._waiting),
            cells_used=self._cache.cells.used,
            cells_total=self._cache.cells.total,
            steps=self.steps,
        )

    def _abort_for(self, key: str | None) -> None:
        if self._abortable and (key is None or key in self._stepping):
            self._context.abort()

    # The thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self._take_commands()
                self._admit()
                self._step()
                self._flush()
        except PunaError as error:
            self._fail_all(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the runner must say so
            self._fail_all(EngineFailed(f"The engine's loop ended: {error!r}."))

    def _take_commands(self) -> None:
        if not self._running and not self._waiting:
            self._commands.get()()
        while True:
            try:
                self._commands.get_nowait()()
            except Empty:
                break

    def _accept(self, request: Request) -> None:
        try:
            sequence = self._drawing.sequence(request, next(self._arrivals))
        except PunaError as error:
            self._output(request.key).error = error.report()
            self._flush()
            return
        if request.memory:
            (length,) = _saved_header.unpack_from(request.memory)
            sequence.saved = (request.memory[_saved_header.size :], length)
            self._saved += len(sequence.saved[0])
        self._waiting[request.key] = sequence

    def _let_go(self, key: str) -> None:
        sequence = self._waiting.pop(key, None) or self._running.get(key)
        self._outputs.pop(key, None)
        if sequence is not None:
            self._leave(sequence)

    def _hand_back(self, key: str, *, memory: bool) -> None:
        output = self._output(key)
        sequence = self._waiting.pop(key, None) or self._running.get(key)
        if sequence is None:
            output.finish = Finish("cancelled")
        else:
            state = b""
            if memory and sequence.slot >= 0 and sequence.computed:
                header = _saved_header.pack(sequence.computed)
                state = header + self._cache.save(sequence.slot)
            emitted = tuple(sequence.tokens[sequence.prompt :])
            output.paused = Paused(emitted, sequence.sampler.state(), state)
            self._leave(sequence)
        self._flush()

    def _close(self) -> None:
        self._closing = True

    def _fail_all(self, error: PunaError) -> None:
        for key in [*self._waiting, *self._running]:
            self._output(key).error = error.report()
        self._flush()
        self._failed(error)

    # Who runs

    def _admit(self) -> None:
        for sequence in sorted(self._waiting.values(), key=lambda one: one.entitlement):
            if not self._cache.slots_free:
                return
            if self._should_wait(sequence):
                continue
            spare = min(16 * (1 + len(self._running)), self._cache.cells.total // 4)
            request = sequence.request
            seat = self._cache.admit(
                self._space(request), sequence.tokens, spare if self._running else 0
            )
            if seat is None:
                return
            del self._waiting[request.key]
            self._running[request.key] = sequence
            sequence.slot, sequence.computed = seat.slot, seat.cached
            sequence.cached = max(sequence.cached, min(seat.cached, sequence.prompt))
            sequence.turn = next(self._turns)
            if request.prompt_logprobs is not None and not sequence.emitted:
                self._cache.cut(seat.slot, 0)
                sequence.computed = sequence.cached = 0
            self._restore(sequence)
            sequence.long = sequence.pending > self._pace.whole_prompt

    @staticmethod
    def _space(request: Request) -> tuple[object, ...]:
        return (request.space, request.adapters)

    def _should_wait(self, sequence: Sequence) -> bool:
        """Whether another one is just computing the same beginning, so that it can be copied."""
        request = sequence.request
        if request.after in self._waiting:
            return True
        space, tokens = self._space(request), sequence.tokens
        for other in self._running.values():
            if other.started or self._space(other.request) != space:
                continue
            if other.request.key == request.after:
                return True
            if shared_length(other.tokens, tokens) - other.computed >= WORTH_WAITING:
                return not self._context.model.recurrent
        return False

    def _restore(self, sequence: Sequence) -> None:
        state, length = sequence.saved
        sequence.saved = (b"", 0)
        self._saved -= len(state)
        if length > sequence.computed:
            self._cache.cut(sequence.slot, 0)
            restored = self._cache.restore(sequence.slot, state, length)
            sequence.computed = length if restored else 0

    def _make_way(self) -> Sequence:
        """Pause the running sequence least entitled to the cache; it goes on when there is room."""
        sequence = max(self._running.values(), key=lambda one: one.entitlement)
        if self._saved < SAVED_BYTES and sequence.computed:
            sequence.saved = (self._cache.save(sequence.slot), sequence.computed)
            self._saved += len(sequence.saved[0])
        self._cache.drop(sequence.slot)
        del self._running[sequence.request.key]
        sequence.slot, sequence.computed, sequence.started = -1, 0, False
        self._waiting[sequence.request.key] = sequence
        return sequence

    def _leave(self, sequence: Sequence) -> None:
        """Take a sequence out; what it computed stays in the cache for others."""
        self._saved -= len(sequence.saved[0])
        self._running.pop(sequence.request.key, None)
        if sequence.slot >= 0 and sequence.computed:
            self._cache.keep(sequence.slot, sequence.tokens[: sequence.computed])
        elif sequence.slot >= 0:
            self._cache.drop(sequence.slot)
        sequence.slot = -1

    # Steps

    def _step(self) -> None:
        shares = self._shares()
        if not shares:
            return
        spans = [self._span(share) for share in shares]
        self._context.ready()
        self._stepping = frozenset(share.sequence.request.key for share in shares)
        began = time.perf_counter()
        outcome = self._context.step(spans)
        seconds = time.perf_counter() - began
        self._stepping = frozenset()
        self.steps += 1
        match outcome:
            case Outcome.DONE:
                self._abortable = not self._context.model.recurrent
                self._harvest(shares, seconds)
            case Outcome.ABORTED:
                # The next step runs to its end, so that cancels can never starve the others.
                self._abortable = False
                self._undo(shares)
            case Outcome.NO_ROOM:
                self._undo(shares)
                if len(self._running) > 1:
                    self._make_way()
                else:
                    self._end(shares[0].sequence, Finish("length"))

    def _shares(self) -> list[Share]:
        """The next step's shares, with cells for all of them; some may have to make way."""
        running = sorted(self._running.values(), key=lambda one: one.turn)
        shares = plan(running, self._tempo, self._context.batch, self._context.outputs_max)
        self._drawing.draft(shares, self._context.outputs_max, self._context.batch)
        ready: list[Share] = []
        for share in sorted(shares, key=lambda one: one.sequence.entitlement):
            sequence = share.sequence
            while sequence.slot >= 0:
                if self._cache.grow(sequence.slot, share.tokens + len(share.drafts)):
                    ready.append(share)
                    break
                if len(self._running) == 1:
                    self._end(sequence, Finish("length"))
                else:
                    self._make_way()
        return [share for share in ready if share.sequence.slot >= 0]

    def _span(self, share: Share) -> Span:
        sequence = share.sequence
        begin = sequence.computed
        tokens = sequence.tokens[begin : begin + share.tokens]
        outputs = 1 + len(share.drafts) if share.complete else 0
        if sequence.request.prompt_logprobs is not None and not sequence.started:
            outputs = len(tokens)
        return Span(sequence.slot, begin, tokens + share.drafts, outputs)

    def _undo(self, shares: list[Share]) -> None:
        for share in shares:
            sequence = share.sequence
            if not self._cache.cut(sequence.slot, sequence.computed):
                sequence.computed, sequence.started = 0, False

    def _harvest(self, shares: list[Share], seconds: float) -> None:
        prefill = sum(share.tokens for share in shares if not share.sequence.started)
        decodes = sum(share.sequence.started for share in shares)
        self._tempo.record(decodes, prefill, seconds)
        row = 0
        for share in shares:
            sequence = share.sequence
            outputs = self._span_outputs(share)
            rows = range(row, row + outputs)
            row += outputs
            try:
                self._collect(share, rows)
            except PunaError as error:
                self._output(sequence.request.key).error = error.report()
                self._leave(sequence)

    def _span_outputs(self, share: Share) -> int:
        if share.sequence.request.prompt_logprobs is not None and not share.sequence.started:
            return share.tokens
        return 1 + len(share.drafts) if share.complete else 0

    def _collect(self, share: Share, rows: range) -> None:
        """Take what a step computed for one sequence: its progress, or its next tokens."""
        sequence, output = share.sequence, self._output(share.sequence.request.key)
        complete, began = share.complete, sequence.computed
        if not sequence.started and sequence.request.prompt_logprobs is not None:
            self._drawing.prompt_logprobs(sequence, self._context, began, rows)
        sequence.computed += share.tokens
        if not sequence.started:
            sequence.turn = next(self._turns)
            output.progress = min(sequence.computed, sequence.prompt)
            self._cache.hold(sequence.slot, sequence.tokens[: sequence.computed])
        if not complete:
            return
        if not sequence.started:
            sequence.started = True
            if sequence.emitted == len(sequence.request.emitted):
                output.cached = sequence.cached
                output.prompt_logprobs = sequence.prompt_logprobs
        finish = self._drawing.draw(sequence, self._context, rows, share.drafts, output)
        computed = min(began + share.tokens + len(share.drafts), len(sequence.tokens) - 1)
        if finish is not None:
            computed = min(computed + 1, began + share.tokens + len(share.drafts))
        sequence.computed = max(sequence.computed, computed)
        if share.drafts:
            self._cache.cut(sequence.slot, sequence.computed)
        if finish is None and len(sequence.tokens) >= sequence.request.length:
            finish = self._shift(sequence)
        if finish is not None:
            self._end(sequence, finish)

    def _shift(self, sequence: Sequence) -> Finish | None:
        """Drop the older half behind what is kept, and compute the rest anew."""
        request = sequence.request
        keep = min(request.keep, request.length // 2)
        drop = (len(sequence.tokens) - keep) // 2
        if not request.shift or drop < 1:
            return Finish("length")
        del sequence.tokens[keep : keep + drop]
        kept = self._cache.cut(sequence.slot, min(keep, sequence.computed))
        sequence.computed = min(keep, sequence.computed) if kept else 0
        sequence.prompt = max(keep, sequence.prompt - drop)
        sequence.started, sequence.long = False, True
        return None

    def _end(self, sequence: Sequence, finish: Finish) -> None:
        self._output(sequence.request.key).finish = finish
        self._leave(sequence)

    def _output(self, key: str) -> Output:
        output = self._outputs.get(key)
        if output is None:
            output = self._outputs[key] = Output(key)
        return output

    def _flush(self) -> None:
        if self._outputs:
            outputs, self._outputs = list(self._outputs.values()), {}
            self._emit(outputs)
