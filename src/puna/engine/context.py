"""A context: the KV cache of one model, the batch that feeds it, and what comes out of a step.

It knows sequences only by their numbers. Who runs when is no matter of this room.
"""

import ctypes as C
from collections.abc import Collection
from enum import IntEnum

import numpy as np

from puna.engine import abi
from puna.engine.batches import Batch, Floats, Span, VectorBatch
from puna.engine.carrying import Carrier
from puna.engine.layout import laid_out, placed
from puna.engine.model import Model
from puna.engine.pictures import Picture
from puna.engine.positions import Positions, Stretch
from puna.engine.streams import Streams
from puna.engine.threads import Threads
from puna.errors import EngineFailed, LoadFailed
from puna.protocol import Placement

# Rows of logits that one step may ask for beyond one for each sequence.
EXTRA_OUTPUTS = 64
# So many places of the library's are remembered at once.
VIEWS = 512


class Outcome(IntEnum):
    """What came of a step."""

    DONE = 0
    NO_ROOM = 1
    ABORTED = 2


class Context:
    """One KV cache over a model's weights.

    With `pooling` it is for embedding: its outputs are one vector for each sequence.
    """

    def __init__(
        self,
        model: Model,
        placement: Placement,
        *,
        pooling: abi.LlamaPoolingType | None = None,
        adapters: tuple[tuple[int, float], ...] = (),
    ) -> None:
        self.model = model
        self._call = model.library.call
        self.outputs_max = min(placement.step, placement.sequences + EXTRA_OUTPUTS)
        self.layout = placed(model, placement)
        self.length = min(self.layout.cells, model.context_train or self.layout.cells)
        self.slots = placement.sequences
        self.batch = placement.step
        self._slides = model.window > 0
        # Bytes lack what a window has slid over. So there the library itself copies, whole streams,
        # used or not; and what is recurrent is moved as bytes, but takes no copying.
        self._moves = model.has_cells and not (self.layout.pooled or self._slides)
        self._copies_bytes = self._moves and not model.recurrent
        self._batch = Batch(self.batch)
        # A C function that reads one byte: libc's strlen, so that no step waits for the GIL.
        self._abort = C.create_string_buffer(2)
        self._adapters: tuple[tuple[int, float], ...] = ()
        outputs = self.outputs_max if pooling is None else 0
        params = laid_out(model, placement, self.layout, outputs=outputs, pooling=pooling)
        params.abort_callback = C.cast(C.CDLL(None).strlen, C.c_void_p).value
        params.abort_callback_data = C.addressof(self._abort)
        model.library.complaints()
        self._pointer: int | None = self._call.llama_init_from_model(model.pointer, params)
        if not self._pointer:
            reason = "; ".join(model.library.complaints()) or "it does not say why"
            raise LoadFailed(
                f"The engine could not make a context: {reason}.",
                "If it is memory that is missing, ask for a shorter context.",
            )
        self._threads = Threads(model.library, self._pointer, params.n_threads)
        self._memory: int | None = self._call.llama_get_memory(self._pointer)
        self._carrier = Carrier(
            model,
            self._pointer,
            self._memory,
            self.layout.streams,
            by_bus=placement.gpu_layers != 0,
        )
        self._streams = Streams(self.slots, self._carrier)
        self._rows: list[int] = []
        self._views: dict[tuple[int, int], Floats] = {}
        self._positions = Positions()
        # Between streams the library copies at the next step only, so until then the target's
        # cells are not there to be read, nor may the source's be written by hand.
        self._copying: set[int] = set()
        self.adapters(adapters)

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
            self._pointer = self._memory = None
            self._threads.close()

    def adapters(self, adapters: tuple[tuple[int, float], ...]) -> None:
        """Apply these LoRA adapters from now on; they hold for all sequences of a step."""
        if adapters == self._adapters:
            return
        pointers = (C.c_void_p * max(len(adapters), 1))(*(pointer for pointer, _ in adapters))
        scales = (C.c_float * max(len(adapters), 1))(*(scale for _, scale in adapters))
        if self._call.llama_set_adapters_lora(
            self.pointer, C.addressof(pointers), len(adapters), C.addressof(scales)
        ):
            raise EngineFailed("The engine could not apply the adapters.")
        self._adapters = adapters

    @property
    def autoregressive(self) -> bool:
        """Whether it remembers, and each token sees only those before it: what generating needs."""
        return bool(self._memory) and self._call.llama_get_causal_attn(self.pointer)

    # Streams

    def stream(self, slot: int) -> int:
        """Where a slot lies, for the library: in streams, neighbours share a pass."""
        return self._streams.of(slot)

    def line_up(self, slots: Collection[int]) -> None:
        """Lay these side by side, if they are apart and moving pays, for the steps to come."""
        if self._moves and not self._copying:
            self._streams.line_up(slots)

    # Steps

    def step(self, spans: list[Span]) -> Outcome:
        """Run the model over these spans. Their rows of logits then lie in their order."""
        of, position = self._streams.of, self._positions.of
        places = [(of(span.slot), position(span.slot, span.position)) for span in spans]
        self._rows = self._batch.fill(spans, places)
        return self._decode(self._batch.struct)

    def step_picture(
        self, slot: int, place: int, picture: Picture, vectors: Floats, *, causal: bool
    ) -> Outcome:
        """Run the model over an image's vectors; the last one's logits are row 0."""
        start = self._positions.of(slot, place)
        positions = picture.positions(start)
        if len(positions) > 1:
            last = int(positions[0].max())
            self._positions.add(slot, Stretch(place, picture.cells, picture.length, last))
        self._call.llama_set_causal_attn(self.pointer, causal)
        outcome = Outcome.DONE
        for begin in range(0, picture.cells, self.batch):
            part = slice(begin, begin + self.batch)
            batch = VectorBatch(self.stream(slot), positions[:, part], vectors[part])
            outcome = self._decode(batch.struct)
            self._rows = [len(batch) - 1]
            if outcome is not Outcome.DONE:
                break
        self._call.llama_set_causal_attn(self.pointer, True)
        return outcome

    def _decode(self, batch: abi.LlamaBatch) -> Outcome:
        self._copying.clear()
        result = self._call.llama_decode(self.pointer, batch)
        if result < 0 or result > Outcome.ABORTED:
            raise EngineFailed(f"The engine failed in a step ({result}).")
        return Outcome(result)

    def logits(self, row: int) -> Floats:
        """Row `row` of the last step's logits: the library's own memory until the next step."""
        address = self._call.llama_get_logits_ith(self.pointer, self._rows[row])
        return self._view(address, self.model.vocabulary.size)

    def pooled_vector(self, slot: int) -> Floats:
        """The pooled output of a sequence."""
        address = self._call.llama_get_embeddings_seq(self.pointer, self.stream(slot))
        width = self.model.width
        if self._call.llama_pooling_type(self.pointer) == abi.LlamaPoolingType.RANK:
            width = max(1, self._call.llama_model_n_cls_out(self.model.pointer))
        return self._view(address, width)

    def _view(self, address: int | None, count: int) -> Floats:
        if not address:
            raise EngineFailed("The engine has no output where one was asked for.")
        # The library writes to the same few places again and again.
        view = self._views.get((address, count))
        if view is None:
            if len(self._views) > VIEWS:
                self._views.clear()
            view = np.ctypeslib.as_array((C.c_float * count).from_address(address))
            self._views[address, count] = view
        return view

    def abort(self) -> None:
        """Stop the step that runs now; may be called from any thread."""
        self._abort[0] = b"\1"

    def ready(self) -> None:
        """Take back an abort."""
        self._abort[0] = b"\0"

    # The cache

    def clear(self, slot: int) -> None:
        """Forget a sequence."""
        self._positions.cut(slot, 0)
        self._call.llama_memory_seq_rm(self._memory, self.stream(slot), -1, -1)

    def trim(self, slot: int, length: int) -> bool:
        """Keep only the first tokens of a sequence; False where the cache cannot be cut."""
        position = self._positions.of(slot, length)
        if not self._call.llama_memory_seq_rm(self._memory, self.stream(slot), position, -1):
            return False
        self._positions.cut(slot, length)
        return True

    def moved(self, tokens: int) -> int:
        """How many tokens to copy from a sequence of so many moves."""
        if self.layout.pooled or not self.model.has_cells:
            return 0
        return tokens if self._copies_bytes else self.layout.cells

    def copy(self, source: int, target: int, length: int) -> bool:
        """Give `target`, which must be empty, the first tokens of `source`.

        False where the library cannot, and then `target` is empty.
        """
        self._positions.copy(source, target, length)
        streams = self.stream(source), self.stream(target)
        if self._copies_bytes:
            copied = self._carrier.copy(*streams)
        else:
            # Between streams only whole sequences can be copied, so the rest is cut off afterwards.
            whole = not self.layout.pooled or self.model.recurrent
            end = -1 if whole else self._positions.of(source, length)
            self._call.llama_memory_seq_cp(self._memory, *streams, -1, end)
            # It is copied even where the target is emptied again, over whatever is there by then.
            if not self.layout.pooled:
                self._copying |= {source, target}
            copied = True
        if copied and self._holds(target, length):
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
        last = self.end(slot, length)
        if self.span(slot)[1] > last and not self.trim(slot, length):
            return False
        least, most = self.span(slot)
        if most != last:
            return False
        # A recurrent model's state stands at its last token only; a sliding window's cache may
        # have lost the beginning, which it does not need.
        needed = max(0, last + 2 - self.model.window) * self._slides
        return self.model.recurrent or least <= needed

    def end(self, slot: int, length: int) -> int:
        """The last position that the first tokens of a sequence have, -1 if none."""
        return self._positions.last(slot, length)

    def span(self, slot: int) -> tuple[int, int]:
        """The first and the last position that the cache holds of a sequence, -1 if none."""
        return (
            self._call.llama_memory_seq_pos_min(self._memory, self.stream(slot)),
            self._call.llama_memory_seq_pos_max(self._memory, self.stream(slot)),
        )

    def save(self, slot: int) -> bytes:
        """The cache of a sequence as bytes, for any layout; empty while it cannot be read."""
        if slot in self._copying:
            return b""
        free = self._carrier.save(self.stream(slot))
        return self._positions.pack(slot) + free if free else b""

    def restore(self, slot: int, state: bytes) -> bool:
        """Bring back what `save` gave, into an empty sequence; False where that cannot be."""
        if slot in self._copying or not state:
            return False
        if self._carrier.restore(self.stream(slot), self._positions.unpack(slot, state)):
            return True
        self.clear(slot)
        return False
