"""Writes small GGUF models with random weights: stand-ins wherever only a model's shape matters.

Usage: python scripts/stand_in.py [PATH [ARCHITECTURE]]    by default, the built-in model

They speak ChatML with tools and thinking over a byte-level vocabulary. Their answers make no
sense, but are always printable, and end now and then.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

BUILTIN = Path(__file__).parents[1] / "src" / "puna" / "models" / "builtin" / "cria.gguf"
WIDTH, LAYERS, HEADS, KV_HEADS, HEAD, FORWARD, CONTEXT = 128, 4, 4, 2, 32, 384, 4096
Tensors = Iterator[tuple[str, tuple[int, ...]]]
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKUP = ("<think>", "</think>", "<tool_call>", "</tool_call>")

# What the merges are learnt from.
TEXT = """
The herd was resting on the high plain when the young one lifted her head. What is that sound, she
asked. It is the wind in the grass, said the oldest of them, and there is nothing in it to fear.
They had walked for three days from the valley, where the river runs between the stones, and each
night they had found a place to sleep. You are a helpful assistant, the people of the village say
to their animals, because they carry the wool and the water and never ask for more than they need.
In the morning the light came over the mountains, and they went on together, one after the other,
with the small ones in the middle. I will tell you the answer to your question when we get there.
"""

TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{% endif %}
{{- 'You may call these tools:\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{% endfor %}
{{- '\\n</tools>\\nA call is written as\\n<tool_call>\\n' }}
{{- '{"name": <name>, "arguments": <object>}\\n</tool_call><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages if message.role != 'system' or not loop.first %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content }}
{{- '\\n</tool_response><|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.reasoning_content %}
{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
{%- endif %}
{{- message.content or '' }}
{%- for call in message.tool_calls or [] %}
{%- if message.content or not loop.first %}{{- '\\n' }}{% endif %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- (call.function.arguments | tojson) + '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}
"""


@dataclass(frozen=True)
class Shape:
    """One architecture: its metadata beside what all share, and its tensors for each layer."""

    metadata: dict[str, int | float | list[int]]
    layer: Callable[[int], Tensors]
    last_norm: str = "output_norm"


def attention(_: int) -> Tensors:
    """Plain grouped-query attention."""
    yield "attn_norm.weight", (WIDTH,)
    yield "attn_q.weight", (HEADS * HEAD, WIDTH)
    yield "attn_k.weight", (KV_HEADS * HEAD, WIDTH)
    yield "attn_v.weight", (KV_HEADS * HEAD, WIDTH)
    yield "attn_output.weight", (WIDTH, HEADS * HEAD)


def normed_attention(layer: int) -> Tensors:
    """Attention with norms on queries and keys."""
    yield from attention(layer)
    yield "attn_q_norm.weight", (HEAD,)
    yield "attn_k_norm.weight", (HEAD,)


def feed_forward(_: int) -> Tensors:
    """A gated feed-forward block."""
    yield "ffn_norm.weight", (WIDTH,)
    yield "ffn_gate.weight", (FORWARD, WIDTH)
    yield "ffn_up.weight", (FORWARD, WIDTH)
    yield "ffn_down.weight", (WIDTH, FORWARD)


def llama_layer(layer: int) -> Tensors:
    """One layer of a llama."""
    yield from attention(layer)
    yield from feed_forward(layer)


def qwen3_layer(layer: int) -> Tensors:
    """One layer of a qwen3."""
    yield from normed_attention(layer)
    yield from feed_forward(layer)


def qwen2vl_layer(layer: int) -> Tensors:
    """One layer of a qwen2vl."""
    yield from llama_layer(layer)
    yield "attn_q.bias", (HEADS * HEAD,)
    yield "attn_k.bias", (KV_HEADS * HEAD,)
    yield "attn_v.bias", (KV_HEADS * HEAD,)


def gemma3_layer(layer: int) -> Tensors:
    """One layer of a gemma3."""
    yield from qwen3_layer(layer)
    yield "post_attention_norm.weight", (WIDTH,)
    yield "post_ffw_norm.weight", (WIDTH,)


def mamba_layer(_: int) -> Tensors:
    """One layer of a mamba, which has no attention at all."""
    inner, state, rank, window = 2 * WIDTH, 16, WIDTH // 16, 4
    yield "attn_norm.weight", (WIDTH,)
    yield "ssm_in.weight", (2 * inner, WIDTH)
    yield "ssm_conv1d.weight", (inner, window)
    yield "ssm_conv1d.bias", (inner,)
    yield "ssm_x.weight", (rank + 2 * state, inner)
    yield "ssm_dt.weight", (inner, rank)
    yield "ssm_dt.bias", (inner,)
    yield "ssm_a", (inner, state)
    yield "ssm_d", (inner,)
    yield "ssm_out.weight", (WIDTH, inner)


def lfm2_layer(layer: int) -> Tensors:
    """One layer of an lfm2: short convolutions and attention take turns."""
    if layer % 2:
        yield from normed_attention(layer)
    else:
        yield "attn_norm.weight", (WIDTH,)
        yield "shortconv.conv.weight", (WIDTH, 3)
        yield "shortconv.in_proj.weight", (3 * WIDTH, WIDTH)
        yield "shortconv.out_proj.weight", (WIDTH, WIDTH)
    yield from feed_forward(layer)


HEADS_ONLY: dict[str, int | float | list[int]] = {
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV_HEADS,
    "attention.key_length": HEAD,
    "attention.value_length": HEAD,
    "rope.dimension_count": HEAD,
    "rope.freq_base": 10_000.0,
}
SHAPES: dict[str, Shape] = {
    "llama": Shape(HEADS_ONLY, llama_layer),
    "qwen3": Shape(HEADS_ONLY, qwen3_layer),
    # Its positions have three parts, so an image takes fewer of them than it has tokens.
    "qwen2vl": Shape(HEADS_ONLY | {"rope.dimension_sections": [4, 6, 6, 0]}, qwen2vl_layer),
    # A window far shorter than the context, so that sliding shows.
    "gemma3": Shape(
        HEADS_ONLY | {"attention.sliding_window": 64, "attention.sliding_window_pattern": 2},
        gemma3_layer,
    ),
    "mamba": Shape(
        {
            "attention.head_count": 0,
            "ssm.conv_kernel": 4,
            "ssm.inner_size": 2 * WIDTH,
            "ssm.state_size": 16,
            "ssm.time_step_rank": WIDTH // 16,
        },
        mamba_layer,
    ),
    "lfm2": Shape(
        HEADS_ONLY
        | {
            "attention.head_count_kv": [KV_HEADS * (layer % 2) for layer in range(LAYERS)],
            "shortconv.l_cache": 3,
        },
        lfm2_layer,
        last_norm="token_embd_norm",
    ),
}


def byte_letters() -> list[str]:
    """The letter by which each byte is written in a byte-level vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def learn_merges(letters: list[str], count: int) -> list[tuple[str, str]]:
    """The pairs that are most frequent in the text, found one after the other."""
    words = [
        [letters[byte] for byte in f" {word}".encode()] for word in TEXT.replace(",", " ,").split()
    ]
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs = Counter(pair for word in words for pair in pairwise(word))
        first, second = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append((first, second))
        for word in words:
            at = 0
            while at < len(word) - 1:
                if word[at] == first and word[at + 1] == second:
                    word[at : at + 2] = [first + second]
                at += 1
    return merges


def write(
    path: Path | str,
    architecture: str = "llama",
    seed: int = 7,
    add: Callable[[gguf.GGUFWriter], None] = lambda _: None,
) -> Path:
    """Write a model of this architecture; the same arguments always give the same bytes.

    `add` may write more metadata and tensors.
    """
    if architecture not in SHAPES:
        import stand_in_embedding

        return stand_in_embedding.write(path, architecture, seed)
    shape = SHAPES[architecture]
    letters = byte_letters()
    merges = learn_merges(letters, 249)
    pieces = [*letters, *(first + second for first, second in merges)]
    tokens = [*pieces, *CONTROL, *MARKUP]
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name("cria" if architecture == "llama" else f"stand-in-{architecture}")
    writer.add_description("Random weights: a stand-in for a model")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(0 if architecture == "mamba" else FORWARD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    for key, value in shape.metadata.items():
        typed = {int: writer.add_uint32, float: writer.add_float32, list: writer.add_array}
        typed[type(value)](f"{architecture}.{key}", value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    normal, control, markup = (
        gguf.TokenType.NORMAL,
        gguf.TokenType.CONTROL,
        gguf.TokenType.USER_DEFINED,
    )
    writer.add_token_types(
        [normal] * len(pieces) + [control] * len(CONTROL) + [markup] * len(MARKUP)
    )
    writer.add_token_merges([f"{first} {second}" for first, second in merges])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)

    random = np.random.default_rng(seed)
    printable = {letters[byte] for byte in (*range(32, 127), ord("\n"))}
    likely = [piece <= printable for piece in map(set, pieces)]
    likely += [token == "<|im_end|>" for token in (*CONTROL, *MARKUP)]
    output = random.normal(0, 0.3, (len(tokens), WIDTH)) * np.array(likely)[:, None]
    add_tensor(writer, "token_embd.weight", random.normal(0, 1, (len(tokens), WIDTH)))
    add_tensor(writer, "output.weight", output)
    add_tensor(writer, f"{shape.last_norm}.weight", np.ones(WIDTH))
    for layer in range(LAYERS):
        for name, size in shape.layer(layer):
            add_tensor(writer, f"blk.{layer}.{name}", weights(random, name, size))
    add(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)


def weights(random: np.random.Generator, name: str, size: tuple[int, ...]) -> np.ndarray:
    """Random weights of a size at which a signal neither dies nor explodes."""
    if name == "ssm_a":
        return -np.exp(random.uniform(-1, 1, size))
    if len(size) == 1:
        return np.zeros(size) if name.endswith(".bias") else np.ones(size)
    return random.normal(0, size[-1] ** -0.5, size)


def add_tensor(writer: gguf.GGUFWriter, name: str, values: np.ndarray) -> None:
    """Matrices that are multiplied go in as Q8_0, the rest as 32-bit floats."""
    values = values.astype(np.float32)
    quantised = values.ndim == 2 and values.shape[-1] % 32 == 0 and "conv" not in name
    if not quantised:
        writer.add_tensor(name, values)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)


if __name__ == "__main__":
    path, architecture = [*sys.argv[1:], "llama"][:2] if sys.argv[1:] else (BUILTIN, "llama")
    print(write(path, architecture))
