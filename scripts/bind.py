"""Writes the binding, src/puna/engine/abi.py and prototypes.py, from the pinned engine's headers.

Usage: python scripts/bind.py            write them
       python scripts/bind.py --check    say whether they are what the headers say, exit 1 if not

Going to the next version of the engine is: change the version in pyproject.toml and sdist.py, run
this, and read the diff.
"""

import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import sdist

FOLDER = Path(__file__).parents[1] / "src" / "puna" / "engine"

HEADERS = (
    "include/llama.h",
    "ggml/include/ggml.h",
    "ggml/include/ggml-backend.h",
    "ggml/include/ggml-cpu.h",
    "ggml/include/gguf.h",
    "tools/mtmd/mtmd.h",
    "tools/mtmd/mtmd-helper.h",
)

STRUCTS = (
    "ggml_threadpool_params",
    "ggml_backend_dev_caps",
    "ggml_backend_dev_props",
    "gguf_init_params",
    "llama_model_params",
    "llama_context_params",
    "llama_model_imatrix_data",
    "llama_model_quantize_params",
    "llama_batch",
    "llama_token_data",
    "llama_token_data_array",
    "mtmd_input_text",
    "mtmd_context_params",
    "mtmd_decoder_pos",
    "mtmd_caps",
    "mtmd_helper_video_init_params",
    "mtmd_helper_init_opt",
    "mtmd_helper_bitmap_wrapper",
)

ENUMS = (
    "llama_split_mode",
    "llama_load_mode",
    "llama_pooling_type",
    "llama_flash_attn_type",
    "llama_token_attr",
    "llama_vocab_type",
    "ggml_log_level",
    "ggml_backend_dev_type",
    "gguf_type",
    "mtmd_input_chunk_type",
)

FUNCTIONS = """
llama_version llama_backend_init llama_log_set
llama_model_default_params llama_context_default_params
llama_model_load_from_file llama_model_load_from_splits llama_model_free
ggml_threadpool_params_default ggml_threadpool_new ggml_threadpool_free llama_attach_threadpool
llama_init_from_model llama_free llama_supports_gpu_offload
llama_n_ctx llama_n_ctx_seq llama_n_batch llama_n_ubatch llama_n_seq_max
llama_get_memory llama_pooling_type llama_model_get_vocab llama_model_n_ctx_train
llama_model_n_embd_out llama_model_n_embd_inp llama_model_n_layer llama_model_n_swa
llama_model_n_head llama_model_n_head_kv llama_model_n_embd
llama_model_n_cls_out llama_model_desc llama_model_size llama_model_n_params
llama_model_meta_val_str llama_model_chat_template llama_model_has_encoder
llama_model_has_decoder llama_model_is_recurrent llama_model_is_hybrid llama_model_cls_label
llama_model_is_diffusion llama_model_rope_type
llama_adapter_lora_init llama_adapter_lora_free llama_set_adapters_lora
llama_memory_clear llama_memory_seq_rm llama_memory_seq_cp llama_memory_seq_add
llama_memory_seq_pos_min llama_memory_seq_pos_max llama_memory_can_shift
llama_state_seq_get_size llama_state_seq_get_size_ext llama_state_seq_get_data
llama_state_seq_set_data
llama_batch_init llama_batch_free llama_decode llama_encode
llama_set_n_threads llama_set_causal_attn llama_set_embeddings llama_set_abort_callback
llama_synchronize llama_get_logits llama_get_logits_ith llama_get_causal_attn
llama_get_embeddings_ith llama_get_embeddings_seq
llama_vocab_type llama_vocab_n_tokens llama_vocab_get_text llama_vocab_get_attr
llama_vocab_is_eog llama_vocab_is_control llama_vocab_bos llama_vocab_eos llama_vocab_eot
llama_vocab_sep llama_vocab_get_add_bos llama_vocab_get_add_eos llama_vocab_get_add_sep
llama_vocab_get_suppress_tokens
llama_vocab_fim_pre llama_vocab_fim_suf llama_vocab_fim_mid llama_vocab_fim_rep
llama_vocab_fim_sep
llama_tokenize llama_token_to_piece llama_detokenize llama_print_system_info
llama_sampler_init_greedy llama_sampler_init_top_k llama_sampler_init_top_p
llama_sampler_init_min_p llama_sampler_init_typical llama_sampler_init_temp
llama_sampler_init_xtc llama_sampler_init_penalties llama_sampler_init_dry
llama_sampler_init_mirostat llama_sampler_init_mirostat_v2 llama_sampler_apply
llama_sampler_accept llama_sampler_free
ggml_backend_dev_count ggml_backend_dev_get ggml_backend_dev_get_props
llama_model_quantize_default_params llama_model_quantize
gguf_init_from_file gguf_find_key gguf_get_kv_type gguf_get_val_str gguf_free
mtmd_context_params_default mtmd_init_from_file mtmd_free mtmd_default_marker
mtmd_support_vision mtmd_support_audio mtmd_decode_use_non_causal mtmd_decode_use_mrope
mtmd_helper_init_opt_default mtmd_helper_bitmap_init_from_buf mtmd_bitmap_free
mtmd_bitmap_set_id mtmd_bitmap_get_nx mtmd_bitmap_get_ny
mtmd_input_chunks_init mtmd_input_chunks_size mtmd_input_chunks_get mtmd_input_chunks_free
mtmd_input_chunk_get_type mtmd_input_chunk_get_tokens_text mtmd_input_chunk_get_n_tokens
mtmd_input_chunk_get_tokens_image mtmd_input_chunk_get_n_pos mtmd_input_chunk_copy
mtmd_input_chunk_free mtmd_tokenize mtmd_encode_chunk mtmd_get_output_embd
mtmd_image_tokens_get_decoder_pos mtmd_log_set mtmd_helper_log_set
""".split()

# C types by value; every pointer but a string's is an address.
VALUES = {
    "bool": ("C.c_bool", "bool"),
    "int": ("C.c_int", "int"),
    "int8_t": ("C.c_int8", "int"),
    "int32_t": ("C.c_int32", "int"),
    "uint32_t": ("C.c_uint32", "int"),
    "int64_t": ("C.c_int64", "int"),
    "uint64_t": ("C.c_uint64", "int"),
    "size_t": ("C.c_size_t", "int"),
    "float": ("C.c_float", "float"),
    "double": ("C.c_double", "float"),
    "llama_pos": ("C.c_int32", "int"),
    "llama_token": ("C.c_int32", "int"),
    "llama_seq_id": ("C.c_int32", "int"),
    "llama_state_seq_flags": ("C.c_uint32", "int"),
}
ADDRESS = ("C.c_void_p", "int | None")


def python_name(name: str) -> str:
    """llama_model_params -> LlamaModelParams."""
    return "".join(part.capitalize() for part in name.split("_"))


def map_type(declared: str) -> tuple[str, str]:
    """A C type as its ctypes type and its Python type."""
    if array := re.fullmatch(r"(.*)\[(\d+)\]", declared):
        element = map_type(array[1])[0]
        return (f"{element} * {array[2]}", f"C.Array[{element}]")
    plain = re.sub(r"\b(const|struct|enum)\b", "", declared).strip()
    if "*" in plain or (plain.endswith("_t") and plain not in VALUES):
        return ("C.c_char_p", "bytes | None") if plain.replace(" ", "") == "char*" else ADDRESS
    if plain.endswith("callback"):
        return ADDRESS
    if plain in VALUES:
        return VALUES[plain]
    if plain in STRUCTS:
        return (python_name(plain), python_name(plain))
    if re.search(r"\benum\b", declared):
        return ("C.c_int32", "int")
    if plain == "void":
        return ("None", "None")
    if plain.startswith(("llama_vocab_type", "mtmd_")):
        return ("C.c_int32", "int")
    raise SystemExit(f"bind.py does not know the C type {declared!r}")


def declarators(text: str) -> Iterator[tuple[str, str]]:
    """Each (type, name) of `type name`, `type * name` or `type name[count]`, in order."""
    for field in filter(None, (part.strip() for part in text.split(";"))):
        match = re.fullmatch(r"(.*?[\s*])(\w+)(\[\d+\])?", field, re.DOTALL)
        if match is None:
            raise SystemExit(f"bind.py cannot read {field!r}")
        # What Python has as a keyword gets an underscore.
        yield (
            " ".join(match[1].split()) + (match[3] or ""),
            match[2] + "_" * keyword.iskeyword(match[2]),
        )


def struct_source(source: str, name: str) -> str:
    """The ctypes class of a struct."""
    body = re.search(rf"struct {name} \{{(.*?)\}}", source, re.DOTALL)
    if body is None:
        raise SystemExit(f"The headers have no struct {name}.")
    fields = list(declarators(body[1]))
    lines = [f"class {python_name(name)}(C.Structure):", f'    """struct {name}."""', ""]
    lines += [f"    {field}: {map_type(kind)[1]}" for kind, field in fields]
    lines += ["    _fields_ = ("]
    lines += [f'        ("{field}", {map_type(kind)[0]}),' for kind, field in fields]
    return "\n".join([*lines, "    )"])


def enum_source(source: str, name: str) -> str:
    """The IntEnum of an enum, its members without what all of them begin with."""
    body = re.search(rf"enum {name} \{{(.*?)\}}", source, re.DOTALL)
    if body is None:
        raise SystemExit(f"The headers have no enum {name}.")
    members: dict[str, int] = {}
    for member in filter(None, (part.strip() for part in body[1].split(","))):
        label, _, value = (part.strip() for part in member.partition("="))
        members[label] = (
            members[value] if value in members else eval(value) if value else len(members)
        )
    shared = len(common_prefix(list(members)))
    lines = [f"class {python_name(name)}(IntEnum):", f'    """enum {name}."""', ""]
    lines += [f"    {label[shared:]} = {value}" for label, value in members.items()]
    return "\n".join(lines)


def common_prefix(labels: list[str]) -> str:
    """What all labels begin with, up to an underscore."""
    least, most = min(labels), max(labels)
    same = next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), 0)
    return least[: least.rfind("_", 0, same) + 1]


def function_source(source: str, name: str) -> tuple[str, str]:
    """The typed attribute of a function, and its prototype."""
    found = re.search(rf"([\w\s*]+?[\s*]){name}\s*\(([^;]*?)\)\s*[;,]", source)
    if found is None:
        raise SystemExit(f"The headers have no function {name}.")
    returns = re.sub(r"\b\w+_API\b|DEPRECATED", "", found[1]).strip()
    result, python = map_type(" ".join(returns.split()))
    arguments = [] if found[2].strip() in ("", "void") else found[2].split(",")
    kinds: list[str] = []
    for argument in arguments:
        kind, _ = next(declarators(re.sub(r"\*\s*const\s*\*", "**", argument)))
        mapped = map_type(kind)[0]
        kinds.append(mapped)
    attribute = f"    {name}: Callable[..., {python}]"
    return attribute, f'    "{name}": ({result}, ({", ".join(kinds)}{"," * (len(kinds) == 1)})),'


def without_comments(text: str) -> str:
    """C without comments, strings and preprocessor lines."""
    text = re.sub(r"/\*.*?\*/|\"[^\"\n]*\"", "", text, flags=re.DOTALL)
    return re.sub(r"//[^\n]*|^\s*#[^\n]*", "", text, flags=re.MULTILINE)


def headers() -> str:
    """All headers in one, without comments."""
    folder = sdist.llama_source()
    text = "\n".join((folder / header).read_text() for header in HEADERS)
    sizes = dict(re.findall(r"^\s*#define\s+(\w+)\s+(\d+)\s*$", text, re.MULTILINE))
    return re.sub(r"\[(\w+)\]", lambda m: f"[{sizes.get(m[1], m[1])}]", without_comments(text))


def layout(source: str) -> str:
    """abi.py: what data looks like."""
    types = re.search(r"enum ggml_type \{(.*?)\}", source, re.DOTALL)
    assert types is not None
    tensor_types = re.findall(r"GGML_TYPE_(\w+)\s*=\s*(\d+)", types[1])
    return joined(
        '"""llama.cpp\'s data as of one exact version: its enums, structs and types of tensors.\n\n'
        'Written by scripts/bind.py from the headers; do not edit.\n"""',
        "import ctypes as C\nfrom enum import IntEnum",
        f'VERSION = "{sdist.VERSION}"',
        *(enum_source(source, name) for name in ENUMS),
        *(struct_source(source, name) for name in STRUCTS),
        "TENSOR_TYPES = {\n"
        + "\n".join(f'    "{n.lower()}": {v},' for n, v in tensor_types if n != "COUNT")
        + "\n}",
    )


def prototypes(source: str) -> str:
    """prototypes.py: how functions are called."""
    functions = [function_source(source, name) for name in FUNCTIONS]
    return joined(
        '"""llama.cpp\'s functions as of the version of abi.py: what each takes and gives.\n\n'
        'Written by scripts/bind.py from the headers; do not edit.\n"""',
        "import ctypes as C\nfrom collections.abc import Callable\nfrom typing import Any",
        f"from puna.engine.abi import {', '.join(named(functions))}",
        "PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {\n"
        + "\n".join(prototype for _, prototype in functions)
        + "\n}",
        'class Functions:\n    """The functions of the library, as typed attributes."""\n\n'
        + "\n".join(attribute for attribute, _ in functions),
    )


def named(functions: list[tuple[str, str]]) -> list[str]:
    """The structs that functions take or give."""
    words = set(re.findall(r"\w+", "\n".join(part for pair in functions for part in pair)))
    return sorted(words & {python_name(name) for name in STRUCTS})


def joined(*parts: str) -> str:
    """A file of these parts, as ruff would write it."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", __file__]
    text = "\n\n".join(parts) + "\n"
    done = subprocess.run([*command, "-"], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def main() -> int:
    """Write the files, or check them."""
    source = headers()
    texts = {FOLDER / "abi.py": layout(source), FOLDER / "prototypes.py": prototypes(source)}
    if "--check" not in sys.argv[1:]:
        for path, text in texts.items():
            path.write_text(text)
        return 0
    stale = [path.name for path, text in texts.items() if path.read_text() != text]
    if stale:
        print(f"{', '.join(stale)}: not what the headers say; run: python scripts/bind.py")
    return bool(stale)


if __name__ == "__main__":
    raise SystemExit(main())
