"""How a context lies in memory: the library's parameters for a placement."""

from puna.engine import abi
from puna.engine.model import Model
from puna.errors import BadRequest
from puna.protocol import Placement

# Of the free memory, what streams may take before a pool is the better choice.
STREAMS_PART = 0.25
# The types that a KV cache may have; the library takes others too, and ends the process over them.
CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")

FLASH = {"auto": -1, "off": 0, "on": 1}


def laid_out(
    model: Model,
    placement: Placement,
    *,
    pooled: bool,
    outputs: int,
    pooling: abi.LlamaPoolingType | None,
) -> abi.LlamaContextParams:
    """The parameters of a context with so many rows of logits a step; `pooling` is to embed."""
    params: abi.LlamaContextParams = model.library.call.llama_context_default_params()
    shares = 1 if pooled else placement.sequences
    # A stream longer than what the model was trained on would only be memory.
    longest = model.context_train or placement.context
    context = placement.context if pooled else min(placement.context, longest)
    params.n_ctx = context * shares
    params.n_batch = params.n_ubatch = placement.batch
    params.n_seq_max = placement.sequences
    params.n_outputs_max = outputs
    params.n_threads = params.n_threads_batch = placement.threads or cores()
    params.kv_unified = pooled
    params.flash_attn_type = FLASH[placement.flash_attention]
    params.type_k = _cache_type(placement.cache_type_k)
    params.type_v = _cache_type(placement.cache_type_v)
    if pooling is not None:
        params.embeddings = True
        params.pooling_type = pooling
    params.no_perf = True
    return params


def is_pooled(model: Model, placement: Placement) -> bool:
    """Whether sequences share one pool: as asked, else unless all fit with a whole context each."""
    if placement.pooled is not None or placement.sequences == 1:
        return placement.pooled is not False
    import psutil

    cells = placement.context * placement.sequences
    return model.cell_bytes * cells > psutil.virtual_memory().available * STREAMS_PART


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
