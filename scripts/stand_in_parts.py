"""Writes what small models may have beside their weights: LoRA adapters and vision projectors.

Random weights, like those of stand_in.py, whose models they fit.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from stand_in import FORWARD, HEAD, HEADS, KV_HEADS, LAYERS, WIDTH

RANK = 4
# What an adapter changes in each layer: name, inputs, outputs.
ADAPTED = (
    ("attn_q", WIDTH, HEADS * HEAD),
    ("attn_v", WIDTH, KV_HEADS * HEAD),
    ("ffn_down", FORWARD, WIDTH),
)
SIGHT, SIGHT_FORWARD, SIGHT_LAYERS, SIGHT_HEADS = 32, 64, 2, 2
IMAGE, PATCH = 48, 8
PATCHES = (IMAGE // PATCH) ** 2
# The projector that fits a model's architecture, and how many patches become one token.
PROJECTORS = {"llama": ("mlp", 1), "gemma3": ("gemma3", 4), "qwen2vl": ("qwen2vl_merger", 4)}


def write_adapter(path: Path | str, architecture: str = "llama", seed: int = 1) -> Path:
    """Write a LoRA adapter for a stand-in model; another seed is another adapter."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0 * RANK)
    for layer in range(LAYERS):
        for name, inputs, outputs in ADAPTED:
            tensor = f"blk.{layer}.{name}.weight"
            down = random.normal(0, inputs**-0.5, (RANK, inputs))
            up = random.normal(0, 0.5, (outputs, RANK))
            writer.add_tensor(f"{tensor}.lora_a", down.astype(np.float32))
            writer.add_tensor(f"{tensor}.lora_b", up.astype(np.float32))
    return _finish(writer, path)


def write_projector(path: Path | str, architecture: str = "llama", seed: int = 1) -> Path:
    """Write a projector that turns images into vectors for a stand-in model."""
    kind, _ = PROJECTORS[architecture]
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", kind)
    writer.add_bool("clip.use_gelu", True)
    for key, value in {
        "image_size": IMAGE,
        "patch_size": PATCH,
        "embedding_length": SIGHT,
        "feed_forward_length": SIGHT_FORWARD,
        "block_count": SIGHT_LAYERS,
        "projection_dim": WIDTH,
        "attention.head_count": SIGHT_HEADS,
        "projector.scale_factor": 2,
    }.items():
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    for name, size in _tensors(kind):
        if len(size) == 1:
            values = np.zeros(size) if name.endswith("bias") else np.ones(size)
        else:
            values = random.normal(0, np.prod(size[1:]) ** -0.5, size)
        writer.add_tensor(name, values.astype(np.float32))
    return _finish(writer, path)


def _tensors(kind: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "v.patch_embd.weight", (SIGHT, 3, PATCH, PATCH)
    if kind == "qwen2vl_merger":
        yield "v.patch_embd.weight.1", (SIGHT, 3, PATCH, PATCH)
    else:
        yield "v.position_embd.weight", (PATCHES, SIGHT)
    for layer in range(SIGHT_LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            yield f"v.blk.{layer}.{name}.weight", (SIGHT, SIGHT)
            yield f"v.blk.{layer}.{name}.bias", (SIGHT,)
        for name in ("ln1", "ln2"):
            yield f"v.blk.{layer}.{name}.weight", (SIGHT,)
            yield f"v.blk.{layer}.{name}.bias", (SIGHT,)
        yield f"v.blk.{layer}.ffn_up.weight", (SIGHT_FORWARD, SIGHT)
        yield f"v.blk.{layer}.ffn_down.weight", (SIGHT, SIGHT_FORWARD)
    yield "v.post_ln.weight", (SIGHT,)
    yield "v.post_ln.bias", (SIGHT,)
    if kind == "gemma3":
        yield "mm.input_projection.weight", (SIGHT, WIDTH)
        yield "mm.soft_emb_norm.weight", (SIGHT,)
        return
    width = SIGHT * 4 if kind == "qwen2vl_merger" else SIGHT
    yield "mm.0.weight", (WIDTH, width)
    yield "mm.0.bias", (WIDTH,)
    yield "mm.2.weight", (WIDTH, WIDTH)
    yield "mm.2.bias", (WIDTH,)


def _finish(writer: gguf.GGUFWriter, path: Path | str) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)


def png(width: int, height: int, seed: int = 0) -> bytes:
    """A PNG of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    chunks = ((b"IHDR", size + b"\x08\x02\0\0\0"), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    body = kind + data
    return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
