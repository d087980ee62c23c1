"""Writes models of several hundred megabytes within a second: most of each file is a hole.

What a hole holds is zeros, so a layer adds nothing; the vectors of the vocabulary and the norms
are real, so that the output is one. Pages of holes count in memory like any others.
"""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from benchmarks import make_model
from benchmarks.make_model import Shape
from gguf import GGMLQuantizationType as Type

# Most of their bytes are the vocabulary's, which takes little time to compute with.
SHAPES = {
    "llama": Shape("llama", 4, 1024, 16, 8, 64, 4096, 128_256, 5e5, False),
    "qwen3": Shape("qwen3", 4, 2048, 16, 8, 128, 2048, 131_072, 1e6, True),
    "gemma3": Shape("gemma3", 6, 1536, 8, 4, 128, 3072, 163_840, 1e6, True),
}
WINDOW = 1024
# The same random rows over and over.
ROWS = 512


def write(path: Path, architecture: str) -> Path:
    """Write the model of this architecture."""
    shape = SHAPES[architecture]
    writer = gguf.GGUFWriter(str(path), architecture)
    make_model.describe(writer, shape)
    if architecture == "gemma3":
        writer.add_sliding_window(WINDOW)
    make_model.add_vocabulary(writer, shape.vocabulary)
    filled: list[tuple[int, tuple[int, ...], Type]] = []
    total = 0
    for name, size, kind in tensors(shape):
        rows = size if kind is Type.F32 else gguf.quant_shape_to_byte_shape(size, kind)
        dtype = np.dtype(np.float32 if kind is Type.F32 else np.uint8)
        bytes = int(np.prod(rows)) * dtype.itemsize
        writer.add_tensor_info(name, rows, dtype, bytes, None if kind is Type.F32 else kind)
        if kind is Type.F32 or (len(size) == 2 and size[0] == shape.vocabulary):
            filled.append((total, size, kind))
        total += gguf.GGUFWriter.ggml_pad(bytes, writer.data_alignment)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        start = gguf.GGUFWriter.ggml_pad(path.stat().st_size, writer.data_alignment)
        file.truncate(start + total)
        for offset, size, kind in filled:
            file.seek(start + offset)
            file.writelines(contents(size, kind))
    return path


def tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...], Type]]:
    """Every tensor's name, size and type."""
    for name, size, kind in make_model.all_tensors(shape, Type.Q8_0, Type.Q8_0):
        yield name, size, kind
        if shape.architecture == "gemma3" and name.endswith("attn_q.weight"):
            block = name.removesuffix("attn_q.weight")
            for norm, width in (
                ("attn_q_norm", shape.head),
                ("attn_k_norm", shape.head),
                ("post_attention_norm", shape.width),
                ("post_ffw_norm", shape.width),
            ):
                yield f"{block}{norm}.weight", (width,), Type.F32


def contents(size: tuple[int, ...], kind: Type) -> Iterator[bytes]:
    """Ones for a norm, random rows for a matrix."""
    if kind is Type.F32:
        yield np.ones(size, np.float32).tobytes()
        return
    rows = make_model.blocks(np.random.default_rng(7), (ROWS, size[1]), kind)
    for begin in range(0, size[0], ROWS):
        yield rows[: size[0] - begin].tobytes()
