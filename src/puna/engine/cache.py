"""Who has which slot of the KV cache, what is kept for later, and what goes first when it is full.

A slot is empty, live (a sequence runs in it) or kept (what a finished sequence left, for the next
prompt that begins the same way).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import count

from puna.engine.cells import Cells
from puna.engine.context import Context
from puna.engine.pictures import cut_before
from puna.engine.prefixes import Prefixes, shared_length

# To compute a token takes longer than to copy so many.
WORTH_COPYING = 16


@dataclass(frozen=True, slots=True)
class Seat:
    """A slot for a sequence, and how many of its tokens the cache holds already."""

    slot: int
    cached: int


class Cache:
    """The slots and cells of one context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.cells = Cells(context.layout.total, pooled=context.layout.pooled)
        self._prefixes = Prefixes()
        self._empty = list(range(context.slots))
        self._live: dict[int, Hashable] = {}
        self._kept: dict[int, int] = {}
        self._clock = count()

    @property
    def slots_free(self) -> int:
        """How many more sequences could run, for slots alone."""
        return len(self._empty) + len(self._kept)

    def admit(
        self, space: Hashable, tokens: Sequence[int], spare: int, saved: int = 0
    ) -> Seat | None:
        """A slot for these tokens with room for `spare` more, or None while there is none.

        The longest beginning that any slot of the same space holds is taken over or copied, where
        it is longer than what has been `saved`, and worth a copy. One token is always left to
        compute, since its logits are what the sequence needs.
        """
        if not self.slots_free:
            return None
        source, length = self._source(space, tuple(tokens[:-1]))
        length = cut_before(tokens, length)
        if length <= saved:
            source, length = None, 0
        if source is not None and source in self._kept and self._may_take(source, length):
            return self._take(source, space, length, len(tokens) + spare)
        if source is not None and not self.pays(length, self.cells.length(source)):
            source, length = None, 0
        if not self._make_room(len(tokens) - length + spare, source):
            if source is None or source not in self._kept:
                return None
            # What else the source holds is in the way.
            return self._take(source, space, length, len(tokens) + spare)
        if not self._empty and not self._evict(source):
            # The only slot left is the one with the prefix itself.
            assert source is not None
            return self._take(source, space, length, len(tokens) + spare)
        slot = self._vacant()
        self._live[slot] = space
        if source is None or not self._context.copy(source, slot, length):
            return Seat(slot, 0)
        self.cells.share(source, slot, length)
        return Seat(slot, length)

    def pays(self, length: int, held: int) -> bool:
        """Whether to copy so much from who holds that many costs less than to compute it."""
        return length * WORTH_COPYING >= self._context.moved(held)

    def room_to_guess(self, sequences: int) -> int:
        """How many tokens may be guessed for so many, so that nobody's place is lost for them."""
        return self.cells.free - 2 * sequences if self.cells.pooled else self._context.batch

    def forget_one(self) -> bool:
        """Let go of a kept slot that was long unused; False where there is none."""
        return self._evict(None)

    def grow(self, slot: int, tokens: int) -> bool:
        """Take cells for what a step will compute; False when the pool has none left."""
        if not self._make_room(tokens, None):
            return False
        self.cells.grow(slot, tokens)
        return True

    def cut(self, slot: int, length: int) -> bool:
        """Keep only the first tokens; False, and the slot holds nothing, where that cannot be."""
        if self.cells.length(slot) == length and self._context.span(slot)[1] <= self._context.end(
            slot, length
        ):
            return True
        kept = length > 0 and self._context.keep(slot, length)
        if not kept:
            self._context.clear(slot)
        left = length if kept else 0
        self.cells.cut(slot, left)
        if len(held := self._prefixes.held(slot)) > left:
            self._prefixes.put(self._live[slot], slot, held[:left])
        return left == length

    def hold(self, slot: int, tokens: Sequence[int]) -> None:
        """The live slot has computed these tokens: others may copy them from now on."""
        self._prefixes.put(self._live[slot], slot, tokens)

    def keep(self, slot: int, tokens: Sequence[int]) -> None:
        """The sequence has ended; what it computed stays for who comes next."""
        self._prefixes.put(self._live.pop(slot), slot, tokens)
        self._kept[slot] = next(self._clock)

    def drop(self, slot: int) -> None:
        """The sequence leaves and nothing of it stays."""
        self._live.pop(slot, None)
        self._kept.pop(slot, None)
        self._forget(slot)

    def save(self, slot: int) -> bytes:
        """A sequence's cache as bytes."""
        return self._context.save(slot)

    def restore(self, slot: int, state: bytes, length: int) -> bool:
        """Put saved bytes into a slot that was just admitted and holds nothing."""
        if not (self._context.restore(slot, state) and self._context.keep(slot, length)):
            return False
        self.cells.grow(slot, length)
        return True

    def _source(self, space: Hashable, tokens: tuple[int, ...]) -> tuple[int | None, int]:
        if self._context.model.recurrent:
            return self._whole(space, tokens)
        length, slots = self._prefixes.longest(space, tokens)
        if not length:
            return None, 0
        # A kept slot that ends right there can be taken over without losing anything.
        return min(
            slots, key=lambda slot: (slot not in self._kept, self._rest(slot, length))
        ), length

    def _whole(self, space: Hashable, tokens: tuple[int, ...]) -> tuple[int | None, int]:
        """The kept slot whose tokens all are the beginning: a state cannot be cut back."""
        best, longest = None, 0
        for slot in self._kept:
            held = self._prefixes.held(slot)
            fits = longest < len(held) <= len(tokens) and self._prefixes.space(slot) == space
            if fits and shared_length(held, tokens) == len(held):
                best, longest = slot, len(held)
        return best, longest

    def _vacant(self) -> int:
        slot = self._beside_live(self._empty)
        self._empty.remove(slot)
        return slot

    def _beside_live(self, slots: Sequence[int]) -> int:
        """The one with most live neighbours: in streams, those are computed together."""
        stream = self._context.stream
        live = {stream(slot) for slot in self._live}
        return max(slots, key=lambda slot: (stream(slot) - 1 in live) + (stream(slot) + 1 in live))

    def _rest(self, slot: int, length: int) -> int:
        return len(self._prefixes.held(slot)) - length

    def _may_take(self, source: int, length: int) -> bool:
        """Whether taking over loses little: all of it is used, or copying costs real time."""
        rest = self._rest(source, length)
        return rest == 0 or (not self.cells.pooled and rest <= length)

    def _take(self, slot: int, space: Hashable, length: int, room: int) -> Seat | None:
        stamp = self._kept.pop(slot)
        if not self._make_room(room - length - self.cells.alone(slot, length), slot):
            self._kept[slot] = stamp
            return None
        self._live[slot] = space
        self._prefixes.drop(slot)
        return Seat(slot, length if self.cut(slot, length) else 0)

    def _make_room(self, tokens: int, spared: int | None) -> bool:
        """Let go of kept slots, the longest unused first, until the pool has this much room."""
        if not self.cells.pooled:
            return True
        if self.cells.free >= tokens:
            return True
        if self.cells.free + self._evictable(spared) < tokens:
            return False
        while self.cells.free < tokens:
            if not self._evict(spared):
                return False
        return True

    def _evictable(self, spared: int | None) -> int:
        """At most how many cells the kept slots would give back."""
        return sum(self.cells.length(slot) for slot in self._kept if slot != spared)

    def _evict(self, spared: int | None) -> bool:
        slots = [slot for slot in self._kept if slot != spared]
        if not slots:
            return False
        slots.sort(key=self._kept.__getitem__)
        old = 1 if self.cells.pooled else (len(slots) + 1) // 2
        gone = self._beside_live(slots[:old])
        del self._kept[gone]
        self._forget(gone)
        return True

    def _forget(self, slot: int) -> None:
        self._context.clear(slot)
        self.cells.cut(slot, 0)
        self._prefixes.drop(slot)
        self._empty.append(slot)
