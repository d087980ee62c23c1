"""What an engine is tested with besides the built-in model: an adapter for it, and a larger model.

Both are of random numbers, which are the same each time.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from puna.builds.writing import Tensor, Value, write_gguf
from puna.engine import abi
from puna.models.gguf import read

_RANK = 4
# Strong enough that an adapter that is not applied is noticed.
_STRENGTH = 0.5

# A model large enough to measure with: a quarter of the layers of one of 600 million parameters.
LAYERS, WIDTH, FORWARD, HEADS, KV_HEADS, HEAD, TOKENS = 7, 1024, 3072, 16, 8, 128, 32_000
NAMED = "130 million parameters in Q4_0"


def write_adapter(model: Path, path: Path) -> None:
    """Write a LoRA for all attention queries of a model and all that its layers put out."""
    random = np.random.default_rng(1)
    tensors: list[Tensor] = []
    header = read(model)
    for tensor in header.tensors:
        if tensor.name.endswith(("attn_q.weight", "ffn_down.weight")):
            inner, outer = tensor.shape
            tensors += [
                _dense(f"{tensor.name}.lora_a", random.normal(size=(_RANK, inner))),
                _dense(f"{tensor.name}.lora_b", random.normal(size=(outer, _RANK)) * inner**-0.5),
            ]
    metadata: dict[str, Value] = {
        "general.type": "adapter",
        "general.architecture": str(header.metadata["general.architecture"]),
        "adapter.type": "lora",
        "adapter.lora.alpha": _RANK * _STRENGTH,
    }
    write_gguf(path, metadata, tensors)


def write_yardstick(path: Path) -> None:
    """Write a model to measure with: speed does not depend on what its numbers are."""
    random = np.random.default_rng(2)

    def weights(name: str, inner: int, outer: int) -> Tensor:
        # A block of 32 weights is a scale and 16 bytes.
        blocks = random.integers(0, 256, (inner * outer // 32, 18), np.uint8)
        blocks[:, :2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
        return Tensor(f"{name}.weight", (inner, outer), abi.TENSOR_TYPES["q4_0"], blocks.tobytes())

    tensors = [
        weights("token_embd", WIDTH, TOKENS),
        _dense("output_norm.weight", np.ones(WIDTH)),
    ]
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        tensors += [
            _dense(f"{block}.attn_norm.weight", np.ones(WIDTH)),
            _dense(f"{block}.ffn_norm.weight", np.ones(WIDTH)),
            _dense(f"{block}.attn_q_norm.weight", np.ones(HEAD)),
            _dense(f"{block}.attn_k_norm.weight", np.ones(HEAD)),
            weights(f"{block}.attn_q", WIDTH, HEADS * HEAD),
            weights(f"{block}.attn_k", WIDTH, KV_HEADS * HEAD),
            weights(f"{block}.attn_v", WIDTH, KV_HEADS * HEAD),
            weights(f"{block}.attn_output", HEADS * HEAD, WIDTH),
            weights(f"{block}.ffn_gate", WIDTH, FORWARD),
            weights(f"{block}.ffn_up", WIDTH, FORWARD),
            weights(f"{block}.ffn_down", FORWARD, WIDTH),
        ]
    metadata: dict[str, Value] = {
        "general.architecture": "qwen3",
        "general.name": "yardstick",
        "qwen3.context_length": 4096,
        "qwen3.embedding_length": WIDTH,
        "qwen3.block_count": LAYERS,
        "qwen3.feed_forward_length": FORWARD,
        "qwen3.attention.head_count": HEADS,
        "qwen3.attention.head_count_kv": KV_HEADS,
        "qwen3.attention.key_length": HEAD,
        "qwen3.attention.value_length": HEAD,
        "qwen3.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen3.rope.freq_base": 1e6,
        "qwen3.vocab_size": TOKENS,
        "tokenizer.ggml.model": "no_vocab",
    }
    write_gguf(path, metadata, tensors)


def _dense(name: str, values: npt.NDArray[np.float64]) -> Tensor:
    shape = tuple(reversed(values.shape))
    return Tensor(name, shape, abi.TENSOR_TYPES["f32"], values.astype("<f4").tobytes())
