"""A context: the KV cache of one model, the batch that feeds it, and what comes out of a step.

It knows sequences only by their numbers. Who runs when is no matter of this room.
"""

import ctypes as C
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from puna.engine import abi
from puna.engine.model import Model
from puna.errors import EngineFailed, LoadFailed
from puna.protocol import Placement

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

MAX_SEQUENCES = 256
# Rows of logits that one step may ask for beyond one for each sequence.
EXTRA_OUTPUTS = 64

_FLASH = {"auto": -1, "off": 0, "on": 1}


class Outcome(IntEnum):
    """What came of a step."""

    DONE = 0
    NO_ROOM = 1
    ABORTED = 2


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens that one sequence brings to a step, and which of them want logits.

    `outputs` counts from the end: 1 is the last token only.
    """

    slot: int
    position: int
    tokens: list[int]
    outputs: int


class Context:
    """One KV cache over a model's weights."""

    def __init__(
        self,
        model: Model,
        placement: Placement,
        *,
        embeddings: bool = False,
        adapters: tuple[tuple[int, float], ...] = (),
    ) -> None:
        self.model = model
        self._call = model.library.call
        self.outputs_max = min(placement.batch, placement.sequences + EXTRA_OUTPUTS)
        params = self._params(placement, embeddings)
        # A C function that reads one byte: libc's strlen, so that no step waits for the GIL.
        self._abort = C.create_string_buffer(2)
        params.abort_callback = C.cast(C.CDLL(None).strlen, C.c_void_p).value
        params.abort_callback_data = C.addressof(self._abort)
        self._pointer: int | None = self._call.llama_init_from_model(model.pointer, params)
        if not self._pointer:
            raise LoadFailed(
                "The engine could not make a context.",
                "It may need more memory than there is; ask for a shorter context.",
            )
        self._memory = self._call.llama_get_memory(self._pointer)
        self.length: int = self._call.llama_n_ctx_seq(self._pointer)
        self.cells: int = self._call.llama_n_ctx(self._pointer)
        self.slots: int = self._call.llama_n_seq_max(self._pointer)
        self.pooled = placement.pooled
        self._slides = model.window > 0
        self._batch = _Batch(placement.batch)
        self._rows: list[int] = []
        # Between streams the library copies at the next step only, so until then the target's
        # cells are not there to be read, nor may the source's be written by hand.
        self._copying: set[int] = set()
        self.batch = placement.batch
        self.adapters(adapters)

    def _params(self, placement: Placement, embeddings: bool) -> abi.LlamaContextParams:
        params: abi.LlamaContextParams = self._call.llama_context_default_params()
        shares = 1 if placement.pooled else placement.sequences
        params.n_ctx = placement.context * shares
        params.n_batch = params.n_ubatch = placement.batch
        params.n_seq_max = placement.sequences
        params.n_outputs_max = 0 if embeddings else self.outputs_max
        params.n_threads = params.n_threads_batch = placement.threads or _cores()
        params.kv_unified = placement.pooled
        params.flash_attn_type = _FLASH[placement.flash_attention]
        params.type_k = abi.TENSOR_TYPES[placement.cache_type_k]
        params.type_v = abi.TENSOR_TYPES[placement.cache_type_v]
        params.embeddings = embeddings
        params.no_perf = True
        return params

    @property
    def pointer(self) -> int:
        """The library's own handle."""
        if self._pointer is None:
            raise EngineFailed("The context is already closed.")
        return self._pointer

    def close(self) -> None:
        """Free the cache."""
        if self._pointer is not None:
            self._call.llama_free(self._pointer)
            self._pointer = None

    def adapters(self, adapters: tuple[tuple[int, float], ...]) -> None:
        """Apply these LoRA adapters from now on; they hold for all sequences of a step."""
        pointers = (C.c_void_p * max(len(adapters), 1))(*(pointer for pointer, _ in adapters))
        scales = (C.c_float * max(len(adapters), 1))(*(scale for _, scale in adapters))
        if self._call.llama_set_adapters_lora(
            self.pointer, C.addressof(pointers), len(adapters), C.addressof(scales)
        ):
            raise EngineFailed("The engine could not apply the adapters.")

    # Steps

    def step(self, spans: list[Span]) -> Outcome:
        """Run the model over these spans. Their rows of logits then lie in their order."""
        self._rows = self._batch.fill(spans)
        self._copying.clear()
        result = self._call.llama_decode(self.pointer, self._batch.struct)
        if result < 0 or result > Outcome.ABORTED:
            raise EngineFailed(f"The engine failed in a step ({result}).")
        return Outcome(result)

    def step_vectors(self, slot: int, positions: Ints, vectors: Floats) -> Outcome:
        """Run the model over vectors (of an image) in the place of tokens."""
        batch = _VectorBatch(slot, positions, vectors)
        self._copying.clear()
        result = self._call.llama_decode(self.pointer, batch.struct)
        if result < 0 or result > Outcome.ABORTED:
            raise EngineFailed(f"The engine failed in a step over an image ({result}).")
        return Outcome(result)

    def causal(self, causal: bool) -> None:
        """Whether a token sees only what is before it."""
        self._call.llama_set_causal_attn(self.pointer, causal)

    def logits(self, row: int) -> Floats:
        """Row `row` of the last step's logits: the library's own memory until the next step."""
        address = self._call.llama_get_logits_ith(self.pointer, self._rows[row])
        return self._view(address, self.model.vocabulary.size)

    def pooled_vector(self, slot: int) -> Floats:
        """The pooled output of a sequence."""
        address = self._call.llama_get_embeddings_seq(self.pointer, slot)
        width = self.model.width
        if self._call.llama_pooling_type(self.pointer) == abi.LlamaPoolingType.RANK:
            width = max(1, self._call.llama_model_n_cls_out(self.model.pointer))
        return self._view(address, width)

    def _view(self, address: int | None, count: int) -> Floats:
        if not address:
            raise EngineFailed("The engine has no output where one was asked for.")
        return np.ctypeslib.as_array((C.c_float * count).from_address(address))

    def abort(self) -> None:
        """Stop the step that runs now; may be called from any thread."""
        self._abort[0] = b"\1"

    def ready(self) -> None:
        """Take back an abort."""
        self._abort[0] = b"\0"

    # The cache

    def clear(self, slot: int) -> None:
        """Forget a sequence."""
        self._call.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def trim(self, slot: int, length: int) -> bool:
        """Keep only the first tokens of a sequence; False where the cache cannot be cut."""
        return self._call.llama_memory_seq_rm(self._memory, slot, length, -1)

    def copy(self, source: int, target: int, length: int) -> bool:
        """Give `target`, which must be empty, the first tokens of `source`.

        False where the library cannot, and then `target` is empty.
        """
        # Between streams only whole sequences can be copied, so the rest is cut off afterwards.
        whole = not self.pooled or self.model.recurrent
        self._call.llama_memory_seq_cp(self._memory, source, target, -1, -1 if whole else length)
        if self._holds(target, length):
            if not self.pooled:
                self._copying |= {source, target}
            return True
        self.clear(target)
        return False

    def keep(self, slot: int, length: int) -> bool:
        """Cut a sequence back to its first tokens; False, and empty, where that cannot be."""
        if self._holds(slot, length):
            return True
        self.clear(slot)
        return False

    def _holds(self, slot: int, length: int) -> bool:
        """Cut to `length`, and say whether what attention needs of it is really there."""
        if self.span(slot)[1] > length - 1 and not self.trim(slot, length):
            return False
        least, most = self.span(slot)
        if most != length - 1:
            return False
        # A recurrent model's state stands at its last token only; a sliding window's cache may
        # have lost the beginning, which it does not need.
        return self.model.recurrent or least <= max(0, length - self.model.window) * self._slides

    def span(self, slot: int) -> tuple[int, int]:
        """The first and the last position that the cache holds of a sequence, -1 if none."""
        return (
            self._call.llama_memory_seq_pos_min(self._memory, slot),
            self._call.llama_memory_seq_pos_max(self._memory, slot),
        )

    def save(self, slot: int) -> bytes:
        """The cache of a sequence as bytes; empty while it cannot be read."""
        if slot in self._copying:
            return b""
        size = self._call.llama_state_seq_get_size(self.pointer, slot)
        buffer = (C.c_uint8 * size)()
        written = self._call.llama_state_seq_get_data(self.pointer, buffer, size, slot)
        return bytes(memoryview(buffer)[:written])

    def restore(self, slot: int, state: bytes) -> bool:
        """Bring back what `save` gave, into an empty sequence; False where that cannot be."""
        if slot in self._copying or not state:
            return False
        if self._call.llama_state_seq_set_data(self.pointer, state, len(state), slot):
            return True
        self.clear(slot)
        return False


class _Batch:
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

    def fill(self, spans: list[Span]) -> list[int]:
        """Lay the spans one behind another; the indexes of those that want logits."""
        at = 0
        rows: list[int] = []
        for span in spans:
            count = len(span.tokens)
            end = at + count
            if count == 1:
                self._token[at] = span.tokens[0]
                self._position[at] = span.position
                self._slot[at] = span.slot
                self._wanted[at] = span.outputs
            else:
                self._token[at:end] = span.tokens
                self._position[at:end] = np.arange(span.position, span.position + count)
                self._slot[at:end] = span.slot
                self._wanted[at:end] = 0
                self._wanted[end - span.outputs : end] = 1
            rows.extend(range(end - span.outputs, end))
            at = end
        self.struct.n_tokens = at
        return rows


class _VectorBatch:
    """A batch of vectors; positions may have several rows (M-RoPE)."""

    def __init__(self, slot: int, positions: Ints, vectors: Floats) -> None:
        count = len(vectors)
        self._vectors = np.ascontiguousarray(vectors)
        self._positions = np.ascontiguousarray(positions, dtype=np.int32)
        self._counts = np.ones(count, np.int32)
        self._slot = np.full(count, slot, np.int32)
        self._slots = self._slot.ctypes.data + np.arange(count, dtype=np.uint64) * 4
        self._wanted = np.zeros(count, np.int8)
        self.struct = abi.LlamaBatch(
            count,
            None,
            self._vectors.ctypes.data,
            self._positions.ctypes.data,
            self._counts.ctypes.data,
            self._slots.ctypes.data,
            self._wanted.ctypes.data,
        )


def _cores() -> int:
    import psutil

    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
