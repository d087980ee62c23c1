"""How a context lies in memory: streams or a pool, and the library's parameters for a placement."""

from dataclasses import dataclass

from puna.engine import abi
from puna.engine.model import Model
from puna.errors import BadRequest
from puna.protocol import Placement

# The types that a KV cache may have; the library takes others too, and ends the process over them.
CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
# Those that do without flash attention.
WHOLE_TYPES = ("f32", "f16", "bf16")

FLASH = {"auto": -1, "off": 0, "on": 1}
# The library has cells by so many in each stream.
BLOCK = 256


@dataclass(frozen=True, slots=True)
class Layout:
    """How the cells of a cache lie: in a stream for each sequence, or in one pool for all."""

    streams: int
    cells: int

    @property
    def pooled(self) -> bool:
        """Whether sequences share their cells."""
        return self.streams == 1

    @property
    def total(self) -> int:
        """The cells of all streams."""
        return self.streams * self.cells


def placed(model: Model, placement: Placement) -> Layout:
    """As the placement has it: sequences may come to this length, and no more memory is taken."""
    if placement.pooled:
        return Layout(1, _whole(placement.context))
    # A stream longer than what the model was trained on would only be memory.
    longest = model.context_train or placement.context
    return Layout(placement.sequences, _whole(min(placement.context, longest)))


def laid_out(
    model: Model,
    placement: Placement,
    layout: Layout,
    *,
    outputs: int,
    pooling: abi.LlamaPoolingType | None,
) -> abi.LlamaContextParams:
    """The parameters of a context with so many rows of logits a step; `pooling` is to embed."""
    params: abi.LlamaContextParams = model.library.call.llama_context_default_params()
    params.n_ctx = layout.total
    params.n_batch = params.n_ubatch = placement.step
    params.n_seq_max = placement.sequences
    params.n_outputs_max = outputs
    params.n_threads = params.n_threads_batch = placement.threads or cores()
    params.kv_unified = layout.pooled
    params.flash_attn_type = FLASH[placement.flash_attention]
    params.type_k = _cache_type(placement.cache_type_k)
    params.type_v = _cache_type(placement.cache_type_v)
    if placement.flash_attention == "off" and placement.cache_type_v not in WHOLE_TYPES:
        raise BadRequest(
            f"A cache of the type {placement.cache_type_v} needs flash attention, which is off.",
            "Let flash_attention be auto, or cache_type f16.",
        )
    if pooling is not None:
        params.embeddings = True
        params.pooling_type = pooling
    params.no_perf = True
    return params


def _whole(cells: int) -> int:
    return -(-cells // BLOCK) * BLOCK


def cores() -> int:
    """How many threads a step is computed with where nobody says it."""
    import psutil

    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def _cache_type(name: str) -> int:
    if name not in CACHE_TYPES:
        raise BadRequest(
            f"There is no cache type {name}.", f"Choose one of {', '.join(CACHE_TYPES)}."
        )
    return abi.TENSOR_TYPES[name]
