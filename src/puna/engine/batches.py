"""What goes into a step, laid out as the library wants it, over arrays of our own."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from puna.engine import abi

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens that one sequence brings to a step, and which of them want logits.

    `position` is the first one's place in the sequence. `outputs` counts from the end: 1 is the
    last token only.
    """

    slot: int
    position: int
    tokens: list[int]
    outputs: int


class Batch:
    """The library's batch over arrays of our own, filled without a loop over tokens."""

    def __init__(self, room: int) -> None:
        self._token = np.zeros(room, np.int32)
        self._position = np.zeros(room, np.int32)
        self._counts = np.ones(room, np.int32)
        self._slot = np.zeros(room, np.int32)
        addresses = self._slot.ctypes.data + np.arange(room, dtype=np.uint64) * 4
        self._slots = addresses.astype(np.uint64)
        self._wanted = np.zeros(room, np.int8)
        self.struct = abi.LlamaBatch(
            0,
            self._token.ctypes.data,
            None,
            self._position.ctypes.data,
            self._counts.ctypes.data,
            self._slots.ctypes.data,
            self._wanted.ctypes.data,
        )

    def fill(self, spans: list[Span], places: list[tuple[int, int]]) -> list[int]:
        """Lay the spans one behind another; the indexes of those that want logits.

        `places` are their streams and the positions of their first tokens.
        """
        at = 0
        rows: list[int] = []
        for span, (stream, position) in zip(spans, places, strict=True):
            count = len(span.tokens)
            end = at + count
            if count == 1:
                self._token[at] = span.tokens[0]
                self._position[at] = position
                self._slot[at] = stream
                self._wanted[at] = span.outputs
            else:
                self._token[at:end] = span.tokens
                self._position[at:end] = np.arange(position, position + count)
                self._slot[at:end] = stream
                self._wanted[at:end] = 0
                self._wanted[end - span.outputs : end] = 1
            rows.extend(range(end - span.outputs, end))
            at = end
        self.struct.n_tokens = at
        return rows


class VectorBatch:
    """A batch of vectors; the last one wants logits. Positions may have several rows (M-RoPE)."""

    def __init__(self, slot: int, positions: Ints, vectors: Floats) -> None:
        count = len(vectors)
        self._vectors = np.ascontiguousarray(vectors)
        self._positions = np.ascontiguousarray(positions, dtype=np.int32)
        self._counts = np.ones(count, np.int32)
        self._slot = np.full(count, slot, np.int32)
        self._slots = self._slot.ctypes.data + np.arange(count, dtype=np.uint64) * 4
        self._wanted = np.zeros(count, np.int8)
        self._wanted[-1] = 1
        self.struct = abi.LlamaBatch(
            count,
            None,
            self._vectors.ctypes.data,
            self._positions.ctypes.data,
            self._counts.ctypes.data,
            self._slots.ctypes.data,
            self._wanted.ctypes.data,
        )

    def __len__(self) -> int:
        return self.struct.n_tokens
