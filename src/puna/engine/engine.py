"""The engine's loop: takes requests, steps, draws, and tells what came of it.

Tokens in, tokens out. All belongs to one thread; others give it orders and raise an abort's flag.
"""

import threading
import time
from collections.abc import Callable
from itertools import count
from math import inf

from puna.engine.aborts import Aborts
from puna.engine.cache import Cache
from puna.engine.context import Context, Outcome
from puna.engine.drawing import Drawing
from puna.engine.orders import Orders
from puna.engine.outputs import Outputs
from puna.engine.roster import Roster
from puna.engine.sequence import Finish, Output, Request, Sequence
from puna.engine.sight import Sight
from puna.engine.steps import Share, Tempo, Work, plan
from puna.engine.vision import Projector
from puna.errors import EngineFailed, PunaError
from puna.protocol import Busyness, Pace


class Engine:
    """Runs the sequences of one context, all together, step by step.

    `emit` gets what each step brought, `ahead` how long it will be until more may come, `failed`
    the error that ended the loop; all are called from the engine's own thread.
    """

    def __init__(
        self,
        context: Context,
        pace: Pace,
        emit: Callable[[list[Output]], None],
        failed: Callable[[PunaError], None],
        *,
        ahead: Callable[[float], None] = lambda _: None,
        projector: Projector | None = None,
    ) -> None:
        self.orders = Orders()
        self._ahead = ahead
        self._context = context
        self._failed = failed
        self._drawing = Drawing(context)
        self._recurrent = context.model.recurrent
        cache = self._cache = Cache(context)
        # Half a step at most, so that what goes in whole always finds the room for it.
        whole_prompt = min(pace.whole_prompt, context.batch // 2)
        self.roster = Roster(cache, whole_prompt, recurrent=self._recurrent)
        self._tempo = Tempo(pace, context.batch)
        self._outputs = Outputs(emit)
        self._arrivals = count()
        self._aborts = Aborts(never=self._recurrent)
        self._sight = Sight(projector, lambda: self.orders.put(lambda: None))
        # Whether nothing can be done before an order comes.
        self._waits = True
        self._closing = False
        self.steps = 0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # From any thread

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Let go of all sequences and end the thread."""
        self.orders.put(self._close)
        if not self._recurrent:
            self._context.abort()
        self._thread.join()

    def submit(self, request: Request) -> None:
        """Run this request; what comes of it is emitted."""
        self.orders.put(lambda: self._accept(request))

    def cancel(self, key: str) -> None:
        """Let go of a request, in the middle of a step too; nothing is emitted for it."""
        self.orders.put(lambda: self._let_go(key))
        self._abort_for(key)

    def pause(self, key: str, *, memory: bool) -> None:
        """Take a request off: an output with `paused` comes, or one that it finished before."""
        self.orders.put(lambda: self._hand_back(key, memory=memory))
        self._abort_for(key)

    @property
    def busyness(self) -> Busyness:
        """How busy the engine is just now."""
        cells = self._cache.cells
        return Busyness(
            running=len(self.roster.running),
            waiting=len(self.roster.waiting),
            cells_used=cells.used,
            cells_total=cells.total,
            steps=self.steps,
        )

    def _abort_for(self, key: str) -> None:
        sequence = self.roster.running.get(key)
        takes_part = sequence is not None and not sequence.blind
        if takes_part and self._aborts.allowed(key):
            self._context.abort()

    # Orders, on the engine's thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self.turn()
        except PunaError as error:
            self._fail_all(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the runner must say so
            self._fail_all(EngineFailed(f"The engine's loop ended: {error!r}."))

    def turn(self) -> None:
        """Once round: what others want, who comes in, a step, and word of what it brought."""
        # Before the orders are taken, so that no abort is lost that comes after that.
        self._context.ready()
        if self._waits:
            self._ahead(inf)
            self.orders.wait()
        self.orders.take()
        self.roster.admit()
        self._await_others()
        self.orders.take()  # A cancel that came meanwhile could not see yet who was let in.
        self._step()
        self._outputs.flush()

    def _await_others(self) -> None:
        """Where nobody's next token waits, let who is at the door come along in the same step."""
        running = self.roster.running.values()
        if self.orders.coming and not any(one.started for one in running):
            patience = self._tempo.patience(sum(one.pending for one in running))
            self.orders.welcome(patience, self.roster.admit)

    def _accept(self, request: Request) -> None:
        try:
            self.roster.add(self._drawing.sequence(request, next(self._arrivals)))
        except PunaError as error:
            self._outputs.of(request.key).error = error.report()
            self._outputs.flush()

    def _let_go(self, key: str) -> None:
        self._outputs.drop(key)
        if (sequence := self.roster.find(key)) is not None:
            self.roster.leave(sequence)

    def _hand_back(self, key: str, *, memory: bool) -> None:
        sequence = self.roster.find(key)
        if sequence is None:
            self._outputs.of(key).finish = Finish("cancelled")
        else:
            self._outputs.of(key).paused = self.roster.hand_back(sequence, memory=memory)
        self._outputs.flush()

    def _close(self) -> None:
        self._closing = True

    def _fail_all(self, error: PunaError) -> None:
        for key in [*self.roster.waiting, *self.roster.running]:
            self._outputs.of(key).error = error.report()
        self._outputs.flush()
        self._failed(error)

    # Steps

    def _step(self) -> None:
        began = time.perf_counter()
        shares = self._shares()
        if not shares:
            return
        self._context.adapters(shares[0].sequence.request.adapters)
        self._aborts.begin(share.sequence.request.key for share in shares)
        work = Work.of(shares)
        self._ahead(self._tempo.expected(work))
        started = time.perf_counter()
        outcome = self._compute(shares)
        if outcome is None:
            return
        seconds = time.perf_counter() - started
        self.steps += 1
        match outcome:
            case Outcome.DONE:
                self._aborts.earn(seconds)
                accepted = self._harvest(shares)
                self._tempo.record(work, time.perf_counter() - began, accepted)
            case Outcome.ABORTED:
                self._aborts.pay(seconds)
                self._undo(shares)
            case Outcome.NO_ROOM:
                self._undo(shares)
                if not self._cache.forget_one():
                    self._make_way(shares[0].sequence)

    def _compute(self, shares: list[Share]) -> Outcome | None:
        """Run the model over text, or over an image; None if that cannot be seen."""
        sequence, picture = shares[0].sequence, shares[0].picture
        if picture is None:
            return self._context.step([share.span for share in shares])
        try:
            return self._sight.see(self._context, sequence, picture)
        except PunaError as error:
            self._undo(shares)
            self._outputs.of(sequence.request.key).error = error.report()
            self.roster.leave(sequence)
            return None

    def _shares(self) -> list[Share]:
        """The next step's shares, with cells for all of them; some may have to make way."""
        running = sorted(self.roster.running.values(), key=lambda one: one.turn)
        able = [one for one in running if self._sight.clear(one)]
        self._waits = not able and (bool(running) or not self.roster.waiting)
        self._tempo.hurried = self._aborts.spent
        shares = plan(able, self._tempo, self._context.batch, self._context.outputs_max)
        only_decodes = all(share.sequence.started for share in shares)
        if only_decodes and not self._recurrent and self._tempo.may_guess(len(shares)):
            room = self._context.batch - sum(share.tokens for share in shares)
            room = min(room, self._cache.room_to_guess(len(shares)))
            shares = self._drawing.drafted(shares, room)
        shares.sort(key=lambda share: share.sequence.entitlement)
        for share in shares:
            sequence = share.sequence
            need = share.tokens + len(share.drafts)
            while sequence.slot >= 0 and not self._cache.grow(sequence.slot, need):
                self._make_way(sequence)
        shares = [share for share in shares if share.sequence.slot >= 0]
        self._context.line_up([share.sequence.slot for share in shares])
        # Only neighbours in this order share a pass through the weights where there are streams.
        return sorted(shares, key=lambda share: self._context.stream(share.sequence.slot))

    def _make_way(self, sequence: Sequence) -> None:
        if len(self.roster.running) > 1:
            self.roster.make_way()
        else:
            self._end(sequence, Finish("length"))

    def _undo(self, shares: list[Share]) -> None:
        for share in shares:
            sequence = share.sequence
            if not self._cache.cut(sequence.slot, sequence.computed):
                sequence.computed, sequence.started = 0, False

    def _harvest(self, shares: list[Share]) -> int:
        """Take what a step computed; how many guesses were right."""
        row = accepted = 0
        for share in shares:
            rows = range(row, row + share.outputs)
            row = rows.stop
            sequence = share.sequence
            try:
                right, finish = self._collect(share, rows)
            except PunaError as error:
                self._outputs.of(sequence.request.key).error = error.report()
                self.roster.leave(sequence)
            else:
                accepted += right
                if finish is not None:
                    self._end(sequence, finish)
        return accepted

    def _collect(self, share: Share, rows: range) -> tuple[int, Finish | None]:
        """Take what a step computed for one sequence: its progress, then its next tokens."""
        sequence, complete = share.sequence, share.complete
        output = self._outputs.of(sequence.request.key)
        if not sequence.started:
            self._drawing.prompt_logprobs(sequence, rows)
        sequence.computed += share.tokens
        if share.picture is not None:
            sequence.look_away()
        if not sequence.started:
            output.progress = min(sequence.computed, sequence.prompt)
            self._cache.hold(sequence.slot, sequence.tokens[: sequence.computed])
        self.roster.next_turn(sequence)
        if not complete:
            return 0, None
        if not sequence.started:
            sequence.started = True
            if not sequence.announced:
                sequence.announced = True
                output.cached, output.seated = sequence.cached, sequence.seated
                output.prompt_logprobs = sequence.prompt_logprobs
        accepted, finish = self._drawing.draw(sequence, rows, share.drafts, output)
        output.sampler = sequence.sampler.state()
        if share.drafts:
            sequence.computed += accepted
            self._cache.cut(sequence.slot, sequence.computed)
        if finish is None and len(sequence.tokens) >= sequence.request.length:
            finish = None if self.roster.shift(sequence) else Finish("length")
        return accepted, finish

    def _end(self, sequence: Sequence, finish: Finish) -> None:
        self._outputs.of(sequence.request.key).finish = finish
        self.roster.leave(sequence)
