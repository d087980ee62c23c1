"""Writes models of a given shape with random weights: speed does not depend on their values.

Usage: python benchmarks/make_model.py [SHAPE [TYPE]]    by default, qwen3-0.6b in Q4_0

Q4_0 and Q8_0 are written as they are; what they do not name is as llama.cpp's own quantizer has
it: in Q4_0 the output matrix is Q6_K. Any other type that the library knows (q4_K_M) is made from
Q8_0 by the native engine, which `peer.py` builds. The vocabulary has the built-in model's tokens,
padded with made-up words to its full size.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
import stand_in
from stand_in_parts import Sight, write_projector

MODELS = Path(__file__).with_name("models")
CONTEXT = 40_960
# Each block's bytes before and behind its 16-bit scale, and the spread of its random values.
BLOCKS = {
    Type.Q4_0: (0, 16, 4.6),
    Type.Q8_0: (0, 32, 73.9),
    Type.Q6_K: (208, 0, 18.5 * 74),
}


@dataclass(frozen=True)
class Shape:
    """What decides how fast a model is."""

    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head: int
    forward: int
    vocabulary: int
    rope_base: float
    tied: bool


SHAPES = {
    "qwen3-0.6b": Shape("qwen3", 28, 1024, 16, 8, 128, 3072, 151_936, 1e6, True),
    "llama-1b": Shape("llama", 16, 2048, 32, 8, 64, 8192, 128_256, 5e5, True),
}
TYPES = {"Q4_0": (Type.Q4_0, Type.Q6_K), "Q8_0": (Type.Q8_0, Type.Q8_0)}


def model(shape: str = "qwen3-0.6b", quantization: str = "Q4_0") -> Path:
    """The file of a model, written if it is not there yet."""
    path = MODELS / f"{shape}-{quantization.lower()}.gguf"
    if not path.exists():
        MODELS.mkdir(exist_ok=True)
        beside = path.with_suffix(".part")
        if quantization in TYPES:
            write(beside, SHAPES[shape], *TYPES[quantization])
        else:
            quantize(model(shape, "Q8_0"), beside, quantization)
        beside.rename(path)
    return path


def quantize(source: Path, target: Path, kind: str) -> None:
    """Store a model another way, by the native engine."""
    # What has its type already needs no engine.
    import peer

    from puna.builds.quantizing import quantized_by

    for tensor in quantized_by(peer.library(), (source,), target, kind):
        print(tensor, file=sys.stderr)


def projector(shape: str = "qwen3-0.6b") -> Path:
    """The file of a projector of CLIP's base size for a model, written if it is not there yet."""
    path = MODELS / f"{shape}-projector.gguf"
    if not path.exists():
        MODELS.mkdir(exist_ok=True)
        sight = Sight(768, 3072, 12, 12, image=336, patch=14, model=SHAPES[shape].width)
        write_projector(path.with_suffix(".part"), sight=sight).rename(path)
    return path


def write(path: Path, shape: Shape, layers: Type, output: Type) -> None:
    """Write a model tensor by tensor, so that it takes no more memory than its largest one."""
    writer = gguf.GGUFWriter(str(path), shape.architecture)
    describe(writer, shape)
    add_vocabulary(writer, shape.vocabulary)
    tensors = {name: (size, kind) for name, size, kind in all_tensors(shape, layers, output)}
    for name, (size, kind) in tensors.items():
        if kind is Type.F32:
            writer.add_tensor_info(name, size, np.dtype(np.float32), 4 * size[0])
        else:
            rows = gguf.quant_shape_to_byte_shape(size, kind)
            writer.add_tensor_info(name, rows, np.dtype(np.uint8), int(np.prod(rows)), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(7)
    for size, kind in tensors.values():
        if kind is Type.F32:
            writer.write_tensor_data(np.ones(size, np.float32))
        else:
            writer.write_tensor_data(blocks(random, size, kind))
    writer.close()


def describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """The metadata of a shape."""
    writer.add_description("Random weights, for measuring speed")
    writer.add_block_count(shape.layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(shape.vocabulary)


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """The built-in model's vocabulary and template, padded with words that no text has."""
    for name, field in gguf.GGUFReader(stand_in.BUILTIN).fields.items():
        if name.startswith("tokenizer."):
            kind, *inner = field.types
            value = field.contents()
            if name == gguf.Keys.Tokenizer.LIST:
                value += [f"Ġ~{word:x}" for word in range(size - len(value))]
            elif name == gguf.Keys.Tokenizer.TOKEN_TYPE:
                value += [int(gguf.TokenType.NORMAL)] * (size - len(value))
            writer.add_key_value(name, value, kind, inner[-1] if inner else None)


def all_tensors(
    shape: Shape, layers: Type, output: Type
) -> Iterator[tuple[str, tuple[int, ...], Type]]:
    """Every tensor's name, size and type."""
    width, queries, keys = shape.width, shape.heads * shape.head, shape.kv_heads * shape.head
    yield "token_embd.weight", (shape.vocabulary, width), output
    yield "output_norm.weight", (width,), Type.F32
    if not shape.tied:
        yield "output.weight", (shape.vocabulary, width), output
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        yield f"{block}.attn_norm.weight", (width,), Type.F32
        yield f"{block}.attn_q.weight", (queries, width), layers
        yield f"{block}.attn_k.weight", (keys, width), layers
        yield f"{block}.attn_v.weight", (keys, width), layers
        yield f"{block}.attn_output.weight", (width, queries), layers
        if shape.architecture == "qwen3":
            yield f"{block}.attn_q_norm.weight", (shape.head,), Type.F32
            yield f"{block}.attn_k_norm.weight", (shape.head,), Type.F32
        yield f"{block}.ffn_norm.weight", (width,), Type.F32
        yield f"{block}.ffn_gate.weight", (shape.forward, width), layers
        yield f"{block}.ffn_up.weight", (shape.forward, width), layers
        yield f"{block}.ffn_down.weight", (width, shape.forward), layers


def blocks(random: np.random.Generator, size: tuple[int, ...], kind: Type) -> np.ndarray:
    """Random blocks, scaled so that a signal neither dies nor explodes."""
    before, behind, spread = BLOCKS[kind]
    rows = gguf.quant_shape_to_byte_shape(size, kind)
    length = before + 2 + behind
    data = np.frombuffer(random.bytes(int(np.prod(rows))), np.uint8).reshape(-1, length).copy()
    scale = np.float16(size[-1] ** -0.5 / spread)
    data[:, before : before + 2] = np.frombuffer(scale.tobytes(), np.uint8)
    return data.reshape(rows)


if __name__ == "__main__":
    print(model(*sys.argv[1:3]))
