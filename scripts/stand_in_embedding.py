"""Writes small models with random weights that embed or rank; stand_in.py writes those that chat.

`bert` embeds (the mean over its tokens), `bert-rank` ranks by its first token, `qwen3-rank` by its
last one, with a template for queries and documents.
"""

from pathlib import Path

import gguf
import numpy as np
from stand_in import FORWARD, HEADS, LAYERS, TEXT, WIDTH, Tensors, add_tensor, weights
from stand_in import write as write_chat

CONTEXT = 256
CONTROL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PLAIN = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?'()<>|[]_-"
RANKING_TEMPLATE = (
    "<|im_start|>system\nSay whether the document answers the query.<|im_end|>\n"
    "<|im_start|>user\nQuery: {query}\nDocument: {document}<|im_end|>\n<|im_start|>assistant\n"
)


def write(path: Path | str, name: str, seed: int = 7) -> Path:
    """Write one of the models; the same arguments always give the same bytes."""
    match name:
        case "bert":
            return write_bert(path, gguf.PoolingType.MEAN, seed)
        case "bert-rank":
            return write_bert(path, gguf.PoolingType.RANK, seed)
        case "qwen3-rank":
            return write_chat(path, "qwen3", seed, add_ranking)
        case _:
            raise ValueError(f"There is no shape for {name}.")


def add_ranking(writer: gguf.GGUFWriter) -> None:
    """A classifier that says yes or no from the last token."""
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_classifier_output_labels(["yes", "no"])
    writer.add_string("tokenizer.chat_template.rerank", RANKING_TEMPLATE)
    random = np.random.default_rng(3)
    writer.add_tensor("cls.output.weight", random.normal(0, 0.3, (2, WIDTH)).astype(np.float32))


def bert_layer() -> Tensors:
    """One layer of a BERT."""
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        yield f"{part}.weight", (WIDTH, WIDTH)
        yield f"{part}.bias", (WIDTH,)
    yield "ffn_up.weight", (FORWARD, WIDTH)
    yield "ffn_up.bias", (FORWARD,)
    yield "ffn_down.weight", (WIDTH, FORWARD)
    yield "ffn_down.bias", (WIDTH,)
    for norm in ("attn_output_norm", "layer_output_norm"):
        yield f"{norm}.weight", (WIDTH,)
        yield f"{norm}.bias", (WIDTH,)


def write_bert(path: Path | str, pooling: gguf.PoolingType, seed: int) -> Path:
    """An encoder over pieces of words."""
    words = sorted({word.strip(",.?").lower() for word in TEXT.split()})
    begins = [f"\u2581{piece}" for piece in dict.fromkeys([*PLAIN, *words])]
    tokens = [*CONTROL, *begins, *PLAIN]
    writer = gguf.GGUFWriter(str(path), "bert")
    writer.add_name("stand-in-bert")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_type_count(2)
    writer.add_token_list(tokens)
    control = [gguf.TokenType.CONTROL] * len(CONTROL)
    writer.add_token_types([*control, *[gguf.TokenType.NORMAL] * (len(tokens) - len(CONTROL))])
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    writer.add_add_sep_token(False)

    random = np.random.default_rng(seed)
    add_tensor(writer, "token_embd.weight", random.normal(0, 1, (len(tokens), WIDTH)))
    for name, rows in (("token_types", 2), ("position_embd", CONTEXT)):
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.3, (rows, WIDTH)).astype("f4"))
    add_tensor(writer, "token_embd_norm.weight", np.ones(WIDTH))
    add_tensor(writer, "token_embd_norm.bias", np.zeros(WIDTH))
    for layer in range(LAYERS):
        for name, size in bert_layer():
            add_tensor(writer, f"blk.{layer}.{name}", weights(random, name, size))
    if pooling is gguf.PoolingType.RANK:
        add_tensor(writer, "cls.weight", weights(random, "cls.weight", (WIDTH, WIDTH)))
        add_tensor(writer, "cls.bias", np.zeros(WIDTH))
        writer.add_tensor("cls.output.weight", random.normal(0, 0.3, (1, WIDTH)).astype("f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)
