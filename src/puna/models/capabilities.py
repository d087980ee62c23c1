"""What a model can do, by what its file, its projector and its template say."""

from typing import Literal

from puna.models.gguf import Array, Header
from puna.models.template_signs import Signs

Capability = Literal[
    "completion", "tools", "thinking", "vision", "audio", "embedding", "rerank", "insert"
]

RANKING = 4

# These see all of their input at once and keep nothing of it, whether or not the file says so:
# they embed, and cannot go on from what they have read.
NOT_CAUSAL = frozenset(
    "bert clef dream eurobert gemma-embedding gemma-embedding2 jina-bert-v2 jina-bert-v3 llada"
    " llada-moe modern-bert neo-bert nomic-bert nomic-bert-moe rnd1".split()
)
# The engine runs none of these by themselves.
NOT_ALONE = frozenset("clip dflash eagle3 imatrix t5 t5encoder wavtokenizer-dec".split())
_FILL_IN_KEYS = tuple(f"tokenizer.ggml.fim_{part}_token_id" for part in ("pre", "suf", "mid"))
_FILL_IN_TOKENS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("<PRE>", "<SUF>", "<MID>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    ("<|prefix|>", "<|suffix|>", "<|middle|>"),
    ("<|plamo:fim_prefix|>", "<|plamo:fim_suffix|>", "<|plamo:fim_middle|>"),
)


def capabilities(
    header: Header, projector: Header | None, pooling: int | None, signs: Signs
) -> tuple[Capability, ...]:
    """All that the model can do; nothing for files that are no model by themselves."""
    architecture = header.metadata.get("general.architecture")
    if architecture in NOT_ALONE or header.metadata.get("general.type") == "adapter":
        return ()
    if pooling == RANKING:
        return ("rerank",)
    causal = header.metadata.get(f"{architecture}.attention.causal") is not False
    senses = _senses(projector)
    if pooling or not causal or architecture in NOT_CAUSAL:
        return ("embedding", *senses)
    found: list[Capability] = ["completion"]
    if signs.tools:
        found.append("tools")
    if signs.thinking:
        found.append("thinking")
    if signs.suffix or _fills_in(header):
        found.append("insert")
    return (*found, *senses)


def _senses(projector: Header | None) -> tuple[Capability, ...]:
    if projector is None:
        return ()
    sees = projector.metadata.get("clip.has_vision_encoder")
    hears = projector.metadata.get("clip.has_audio_encoder")
    # The oldest projectors say neither, and are all for pictures.
    vision: tuple[Capability, ...] = ("vision",) if sees or (sees is None and not hears) else ()
    return (*vision, "audio") if hears else vision


def _fills_in(header: Header) -> bool:
    if all(key in header.metadata for key in _FILL_IN_KEYS):
        return True
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    return isinstance(tokens, Array) and any(
        all(tokens.mentions(token) for token in three) for three in _FILL_IN_TOKENS
    )
