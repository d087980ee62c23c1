"""Writes what small models may have beside their weights: LoRA adapters and vision projectors.

Random weights, like those of stand_in.py, whose models they fit.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Sight:
    """A projector's shape: its encoder's, sides of images and patches, and the model's width."""

    width: int = 32
    forward: int = 64
    layers: int = 2
    heads: int = 2
    image: int = 48
    patch: int = 8
    model: int = WIDTH

    @property
    def patches(self) -> int:
        """How many patches an image has."""
        return (self.image // self.patch) ** 2


SIGHT = Sight()
PATCHES = SIGHT.patches
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


def write_projector(
    path: Path | str, architecture: str = "llama", seed: int = 1, sight: Sight = SIGHT
) -> Path:
    """Write a projector that turns images into vectors for a stand-in model."""
    kind, _ = PROJECTORS[architecture]
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", kind)
    writer.add_bool("clip.use_gelu", True)
    for key, value in {
        "image_size": sight.image,
        "patch_size": sight.patch,
        "embedding_length": sight.width,
        "feed_forward_length": sight.forward,
        "block_count": sight.layers,
        "projection_dim": sight.model,
        "attention.head_count": sight.heads,
        "projector.scale_factor": 2,
    }.items():
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    for name, size in _tensors(kind, sight):
        if len(size) == 1:
            values = np.zeros(size) if name.endswith("bias") else np.ones(size)
        else:
            values = random.normal(0, np.prod(size[1:]) ** -0.5, size)
        writer.add_tensor(name, values.astype(np.float32))
    return _finish(writer, path)


def _tensors(kind: str, sight: Sight) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "v.patch_embd.weight", (sight.width, 3, sight.patch, sight.patch)
    if kind == "qwen2vl_merger":
        yield "v.patch_embd.weight.1", (sight.width, 3, sight.patch, sight.patch)
    else:
        yield "v.position_embd.weight", (sight.patches, sight.width)
    for layer in range(sight.layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            yield f"v.blk.{layer}.{name}.weight", (sight.width, sight.width)
            yield f"v.blk.{layer}.{name}.bias", (sight.width,)
        for name in ("ln1", "ln2"):
            yield f"v.blk.{layer}.{name}.weight", (sight.width,)
            yield f"v.blk.{layer}.{name}.bias", (sight.width,)
        yield f"v.blk.{layer}.ffn_up.weight", (sight.forward, sight.width)
        yield f"v.blk.{layer}.ffn_down.weight", (sight.width, sight.forward)
    yield "v.post_ln.weight", (sight.width,)
    yield "v.post_ln.bias", (sight.width,)
    if kind == "gemma3":
        yield "mm.input_projection.weight", (sight.width, sight.model)
        yield "mm.soft_emb_norm.weight", (sight.width,)
        return
    width = sight.width * 4 if kind == "qwen2vl_merger" else sight.width
    yield "mm.0.weight", (sight.model, width)
    yield "mm.0.bias", (sight.model,)
    yield "mm.2.weight", (sight.model, sight.model)
    yield "mm.2.bias", (sight.model,)


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
