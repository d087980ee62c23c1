"""Who runs and who waits: admission to the cache, making way, and leaving.

The order is by rank, then arrival. An accepted sequence never fails because others filled the
cache: when the cache runs out, the one least entitled to it is paused, and goes on later.
"""

import struct
import time
from itertools import count

from puna.engine.cache import Cache
from puna.engine.prefixes import shared_length
from puna.engine.sequence import Paused, Request, Sequence

# What paused sequences' caches may take in memory; beyond it they are computed anew.
SAVED_BYTES = 1 << 30
# Waiting for another's prefill pays from so many shared tokens on.
WORTH_WAITING = 64

_saved_header = struct.Struct("<I")


class Roster:
    """The sequences of one cache."""

    def __init__(self, cache: Cache, whole_prompt: int, *, recurrent: bool) -> None:
        self.cache = cache
        self.waiting: dict[str, Sequence] = {}
        self.running: dict[str, Sequence] = {}
        self._whole_prompt = whole_prompt
        self._recurrent = recurrent
        self._turns = count()
        self._saved = 0

    def add(self, sequence: Sequence) -> None:
        """A new sequence, which waits until it is admitted."""
        memory = sequence.request.memory
        if len(memory) > _saved_header.size:
            (length,) = _saved_header.unpack_from(memory)
            self._put_aside(sequence, memory[_saved_header.size :], length)
        self.waiting[sequence.request.key] = sequence

    def admit(self) -> None:
        """Let in who is entitled and fits, strictly in order, so that nobody is overtaken."""
        for sequence in sorted(self.waiting.values(), key=lambda one: one.entitlement):
            if not self.cache.slots_free:
                return
            if self._should_wait(sequence):
                continue
            if not self._seat(sequence):
                return

    def find(self, key: str) -> Sequence | None:
        """The sequence of this key, whether it runs or waits."""
        return self.running.get(key) or self.waiting.get(key)

    def next_turn(self, sequence: Sequence) -> None:
        """Put a sequence behind the others that prefill."""
        sequence.turn = next(self._turns)

    def leave(self, sequence: Sequence) -> None:
        """Take a sequence out; what it computed stays in the cache for others."""
        self._take_back(sequence)
        self.waiting.pop(sequence.request.key, None)
        self.running.pop(sequence.request.key, None)
        sequence.look_away()
        if sequence.slot >= 0 and sequence.computed:
            self.cache.keep(sequence.slot, sequence.tokens[: sequence.computed])
        elif sequence.slot >= 0:
            self.cache.drop(sequence.slot)
        sequence.slot = -1

    def make_way(self) -> None:
        """Pause the running sequence that is least entitled to the cache."""
        sequence = max(self.running.values(), key=lambda one: one.entitlement)
        if self._saved < SAVED_BYTES and sequence.computed:
            self._put_aside(sequence, self.cache.save(sequence.slot), sequence.computed)
        self.cache.drop(sequence.slot)
        sequence.look_away()
        del self.running[sequence.request.key]
        sequence.slot, sequence.computed, sequence.started = -1, 0, False
        self.waiting[sequence.request.key] = sequence

    def shift(self, sequence: Sequence) -> bool:
        """Drop older tokens, and compute anew what stood behind them; False where none may go."""
        keep = sequence.shift()
        if keep is None:
            return False
        keep = min(keep, sequence.computed)
        sequence.computed = keep if self.cache.cut(sequence.slot, keep) else 0
        return True

    def hand_back(self, sequence: Sequence, *, memory: bool) -> Paused:
        """Take a sequence out for somebody else to go on with."""
        state = b""
        if memory and sequence.slot >= 0 and sequence.computed:
            state = self.cache.save(sequence.slot)
            state = _saved_header.pack(sequence.computed) + state if state else b""
        paused = Paused(tuple(sequence.emitted), sequence.sampler.state(), state)
        self.leave(sequence)
        return paused

    def _seat(self, sequence: Sequence) -> bool:
        request = sequence.request
        # Room for some growth of all, so that who comes in is not asked to make way at once.
        spare = min(16 * (1 + len(self.running)), self.cache.cells.total // 4)
        if not self.running:
            spare = 0
        saved = sequence.saved[1]
        seat = self.cache.admit(_space(request), sequence.tokens, spare, saved)
        if seat is None:
            return False
        del self.waiting[request.key]
        self.running[request.key] = sequence
        sequence.slot, sequence.computed = seat.slot, seat.cached
        sequence.seated = sequence.seated or time.perf_counter()
        sequence.cached = max(sequence.cached, min(sequence.computed, sequence.prompt))
        self._restore(sequence)
        if sequence.computed > sequence.scored:
            self.cache.cut(seat.slot, 0)
            sequence.computed = sequence.cached = 0
        sequence.long = sequence.pending > self._whole_prompt
        self.next_turn(sequence)
        return True

    def _should_wait(self, sequence: Sequence) -> bool:
        """Whether another one is just computing the same beginning, so that it can be copied."""
        request = sequence.request
        if request.after in self.waiting:
            return True
        space = _space(request)
        for other in self.running.values():
            if other.started or _space(other.request) != space:
                continue
            if other.request.key == request.after:
                return True
            shared = shared_length(other.tokens, sequence.tokens)
            to_come = shared - other.computed >= WORTH_WAITING and not self._recurrent
            if to_come and self.cache.pays(shared, len(other.tokens)):
                return True
        return False

    def _put_aside(self, sequence: Sequence, state: bytes, length: int) -> None:
        if state:
            sequence.saved = (state, length)
            self._saved += len(state)

    def _take_back(self, sequence: Sequence) -> tuple[bytes, int]:
        saved, sequence.saved = sequence.saved, (b"", 0)
        self._saved -= len(saved[0])
        return saved

    def _restore(self, sequence: Sequence) -> None:
        state, length = self._take_back(sequence)
        if sequence.computed < length < len(sequence.tokens):
            self.cache.cut(sequence.slot, 0)
            restored = self.cache.restore(sequence.slot, state, length)
            sequence.computed = length if restored else 0


def _space(request: Request) -> tuple[object, ...]:
    return (request.space, request.adapters)
