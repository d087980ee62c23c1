"""Write a trained model as one GGUF: Q8_0 matrices, the vocabulary and the chat template in it."""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from conversation import TEMPLATE
from gguf import GGMLQuantizationType, GGUFReader, TokenType
from gguf.quants import dequantize, quantize
from model import Cria, Shape
from vocabulary import CONTROL, MARKUP, load

NAMES = {
    "attention_norm": "attn_norm", "feed_norm": "ffn_norm", "query": "attn_q", "key": "attn_k",
    "value": "attn_v", "output": "attn_output", "gate": "ffn_gate", "up": "ffn_up",
    "down": "ffn_down",
}  # fmt: skip
DESCRIPTION = "The pocket model of Puna, for testing applications."


def interleaved(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order of llama.cpp's rotary embedding, which turns neighbours and not halves."""
    head = matrix.shape[0] // heads
    return matrix.reshape(heads, 2, head // 2, -1).swapaxes(1, 2).reshape(matrix.shape)


def halved(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Rows of which the halves of a head turn: what `interleaved` was given."""
    head = matrix.shape[0] // heads
    return matrix.reshape(heads, head // 2, 2, -1).swapaxes(1, 2).reshape(matrix.shape)


def tensors(model: Cria) -> dict[str, np.ndarray]:
    """The weights under llama.cpp's names."""
    weights = {name: each.detach().float().numpy() for name, each in model.state_dict().items()}
    named = {
        "token_embd.weight": weights.pop("embedding.weight"),
        "output_norm.weight": weights.pop("norm.weight"),
    }
    for name, weight in weights.items():
        _, number, part, _ = name.split(".")
        turned = part in ("query", "key")
        named[f"blk.{number}.{NAMES[part]}.weight"] = (
            interleaved(weight, model.shape.heads) if turned else weight
        )
    return named


def read(path: Path) -> Cria:
    """The model that a file was written from, as exact as the file is."""
    parts = {name: part for part, name in NAMES.items()}
    model, weights = Cria(Shape()), {}
    for tensor in GGUFReader(path).tensors:
        weight = dequantize(tensor.data, tensor.tensor_type)
        match tensor.name.split("."):
            case ["token_embd", _]:
                name = "embedding.weight"
            case ["output_norm", _]:
                name = "norm.weight"
            case [_, number, part, _]:
                name = f"blocks.{number}.{parts[part]}.weight"
                if part in ("attn_q", "attn_k"):
                    weight = halved(weight, model.shape.heads)
        weights[name] = torch.from_numpy(np.ascontiguousarray(weight))
    model.load_state_dict(weights)
    return model


def write(model: Cria, vocabulary: Path, path: Path, *, exact: bool = False) -> None:
    """Write the file; `exact` keeps every weight as it is."""
    shape = model.shape
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Cria")
    writer.add_description(DESCRIPTION)
    writer.add_license("apache-2.0")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.head)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if exact else gguf.LlamaFileType.MOSTLY_Q8_0)
    _write_vocabulary(writer, vocabulary)
    for name, weight in tensors(model).items():
        if exact or weight.ndim == 1:
            writer.add_tensor(name, np.ascontiguousarray(weight, np.float32))
        else:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(name, quantize(np.ascontiguousarray(weight), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_vocabulary(writer: gguf.GGUFWriter, path: Path) -> None:
    tokenizer = load(path)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    tokens = [tokenizer.id_to_token(index) for index in range(tokenizer.get_vocab_size())]
    kinds = {
        **dict.fromkeys(CONTROL, TokenType.CONTROL),
        **dict.fromkeys(MARKUP, TokenType.USER_DEFINED),
    }
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, TokenType.NORMAL) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    ids = {token: tokenizer.token_to_id(token) for token in CONTROL}
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_eot_token_id(ids["<|im_end|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_uint32("tokenizer.ggml.fim_pre_token_id", ids["<|fim_prefix|>"])
    writer.add_uint32("tokenizer.ggml.fim_suf_token_id", ids["<|fim_suffix|>"])
    writer.add_uint32("tokenizer.ggml.fim_mid_token_id", ids["<|fim_middle|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def main() -> None:
    """Export the last checkpoint of a folder."""
    folder, path = Path(sys.argv[1]), Path(sys.argv[2])
    model = Cria(Shape())
    model.load_state_dict(torch.load(folder / "checkpoint.pt")["model"])
    write(model, folder / "tokenizer.json", path)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
