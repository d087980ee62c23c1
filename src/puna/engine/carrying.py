"""What a context holds of a sequence, as bytes: moved between its streams, or to other contexts."""

import math

import numpy as np
from numpy.typing import NDArray

from puna.engine.model import Model
from puna.engine.states import HEAD, Parts, freed, laid
from puna.errors import EngineFailed

Bytes = NDArray[np.uint8]
# Memory that is new costs far more than the copying, so as much is kept for the next time.
KEPT_BYTES = 32 << 20
# What is longer stays where it is: nobody planned for more memory.
MOVED_BYTES = 128 << 20
# To carry a byte of the cache takes as long as so many of the weights take in a step. A GPU reads
# its memory some fifty times as fast as the bus to it, over which all is carried, there and back.
CARRYING, CARRYING_BY_BUS = 4, 200
# Of a state, only what comes second: a sliding window's cache, or recurrent states.
PARTIAL_ONLY = 1


class Carrier:
    """Carries what the library has of a sequence: within its context whole and as it is."""

    def __init__(
        self, model: Model, context: int, memory: int | None, streams: int, *, by_bus: bool
    ) -> None:
        self._call = model.library.call
        self._pass = model.size / (CARRYING_BY_BUS if by_bus else CARRYING)
        self._context = context
        self._memory = memory
        self._streams = streams
        self._parts = Parts(first=model.has_cells, second=not model.recurrent)
        self._kept: dict[int, Bytes] = {}

    def size(self, stream: int) -> int:
        """How many bytes there are to carry."""
        if self._call.llama_memory_seq_pos_max(self._memory, stream) < 0:
            return 0
        return self._call.llama_state_seq_get_size(self._context, stream)

    def price(self, stream: int) -> float:
        """How many passes through the weights it costs to move what is in a stream."""
        size = self.size(stream)
        return size / self._pass if size <= MOVED_BYTES else math.inf

    def copy(self, source: int, target: int) -> bool:
        """Give `target`, which must be empty, all that `source` has."""
        return self._put(target, self._taken(source, 0))

    def swap(self, one: int, other: int) -> None:
        """Give each what the other has."""
        first, second = self._taken(one, 0), self._taken(other, 1)
        for stream in (one, other):
            self._call.llama_memory_seq_rm(self._memory, stream, -1, -1)
        if not (self._put(other, first) and self._put(one, second)):
            raise EngineFailed("A sequence was lost while it was moved.")

    def save(self, stream: int) -> bytes:
        """The cache of a sequence for any layout; empty where it looks like nothing known."""
        state = self._taken(stream, 0).data
        part = self._call.llama_state_seq_get_size_ext(self._context, stream, PARTIAL_ONLY)
        second = part - HEAD if part < len(state) else 0
        return freed(state, second, self._parts, self._streams, stream)

    def restore(self, stream: int, state: memoryview) -> bool:
        """Bring back what `save` gave, into an empty stream; False where that cannot be."""
        found = np.frombuffer(laid(state, self._parts, self._streams), np.uint8)
        return self._put(stream, found)

    def _taken(self, stream: int, hand: int) -> Bytes:
        size = self.size(stream)
        place = self._place(size, hand)[:size]
        if size:
            self._call.llama_state_seq_get_data(self._context, place.ctypes.data, size, stream)
        return place

    def _put(self, stream: int, state: Bytes) -> bool:
        if not state.size:
            return True
        data = state.ctypes.data
        return self._call.llama_state_seq_set_data(self._context, data, state.size, stream) > 0

    def _place(self, size: int, hand: int) -> Bytes:
        """Memory for so many bytes; each of the two hands has its own."""
        if size > KEPT_BYTES:
            return np.empty(size, np.uint8)
        if hand not in self._kept or self._kept[hand].size < size:
            self._kept[hand] = np.empty(1 << size.bit_length(), np.uint8)
        return self._kept[hand]
