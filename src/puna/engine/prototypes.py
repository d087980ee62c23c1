"""llama.cpp's functions as of the version of abi.py: what each takes and gives.

Written by scripts/bind.py from the headers; do not edit.
"""

import ctypes as C
from collections.abc import Callable
from typing import Any

from puna.engine.abi import (
    GgmlThreadpoolParams,
    GgufInitParams,
    LlamaBatch,
    LlamaContextParams,
    LlamaModelParams,
    LlamaModelQuantizeParams,
    MtmdContextParams,
    MtmdDecoderPos,
    MtmdHelperBitmapWrapper,
    MtmdHelperInitOpt,
)

PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_version": (C.c_char_p, ()),
    "llama_backend_init": (None, ()),
    "llama_log_set": (None, (C.c_void_p, C.c_void_p)),
    "llama_model_default_params": (LlamaModelParams, ()),
    "llama_context_default_params": (LlamaContextParams, ()),
    "llama_model_load_from_file": (C.c_void_p, (C.c_char_p, LlamaModelParams)),
    "llama_model_load_from_splits": (C.c_void_p, (C.c_void_p, C.c_size_t, LlamaModelParams)),
    "llama_model_free": (None, (C.c_void_p,)),
    "ggml_threadpool_params_default": (GgmlThreadpoolParams, (C.c_int,)),
    "ggml_threadpool_new": (C.c_void_p, (C.c_void_p,)),
    "ggml_threadpool_free": (None, (C.c_void_p,)),
    "llama_attach_threadpool": (None, (C.c_void_p, C.c_void_p, C.c_void_p)),
    "llama_init_from_model": (C.c_void_p, (C.c_void_p, LlamaContextParams)),
    "llama_free": (None, (C.c_void_p,)),
    "llama_supports_gpu_offload": (C.c_bool, ()),
    "llama_n_ctx": (C.c_uint32, (C.c_void_p,)),
    "llama_n_ctx_seq": (C.c_uint32, (C.c_void_p,)),
    "llama_n_batch": (C.c_uint32, (C.c_void_p,)),
    "llama_n_ubatch": (C.c_uint32, (C.c_void_p,)),
    "llama_n_seq_max": (C.c_uint32, (C.c_void_p,)),
    "llama_get_memory": (C.c_void_p, (C.c_void_p,)),
    "llama_pooling_type": (C.c_int32, (C.c_void_p,)),
    "llama_model_get_vocab": (C.c_void_p, (C.c_void_p,)),
    "llama_model_n_ctx_train": (C.c_int32, (C.c_void_p,)),
    "llama_model_n_embd_out": (C.c_int32, (C.c_void_p,)),
    "llama_model_n_embd_inp": (C.c_int32, (C.c_void_p,)),
    "llama_model_n_layer": (C.c_int32, (C.c_void_p,)),
    "llama_model_n_swa": (C.c_int32, (C.c_void_p,)),
    "llama_model_n_head": (C.c_int32, (C.c_void_p,)),
    "llama_model_n_head_kv": (C.c_int32, (C.c_void_p,)),
    "llama_model_n_embd": (C.c_int32, (C.c_void_p,)),
    "llama_model_n_cls_out": (C.c_uint32, (C.c_void_p,)),
    "llama_model_desc": (C.c_int32, (C.c_void_p, C.c_char_p, C.c_size_t)),
    "llama_model_size": (C.c_uint64, (C.c_void_p,)),
    "llama_model_n_params": (C.c_uint64, (C.c_void_p,)),
    "llama_model_meta_val_str": (C.c_int32, (C.c_void_p, C.c_char_p, C.c_char_p, C.c_size_t)),
    "llama_model_chat_template": (C.c_char_p, (C.c_void_p, C.c_char_p)),
    "llama_model_has_encoder": (C.c_bool, (C.c_void_p,)),
    "llama_model_has_decoder": (C.c_bool, (C.c_void_p,)),
    "llama_model_is_recurrent": (C.c_bool, (C.c_void_p,)),
    "llama_model_is_hybrid": (C.c_bool, (C.c_void_p,)),
    "llama_model_cls_label": (C.c_char_p, (C.c_void_p, C.c_uint32)),
    "llama_model_is_diffusion": (C.c_bool, (C.c_void_p,)),
    "llama_model_rope_type": (C.c_int32, (C.c_void_p,)),
    "llama_adapter_lora_init": (C.c_void_p, (C.c_void_p, C.c_char_p)),
    "llama_adapter_lora_free": (None, (C.c_void_p,)),
    "llama_set_adapters_lora": (C.c_int32, (C.c_void_p, C.c_void_p, C.c_size_t, C.c_void_p)),
    "llama_memory_clear": (None, (C.c_void_p, C.c_bool)),
    "llama_memory_seq_rm": (C.c_bool, (C.c_void_p, C.c_int32, C.c_int32, C.c_int32)),
    "llama_memory_seq_cp": (None, (C.c_void_p, C.c_int32, C.c_int32, C.c_int32, C.c_int32)),
    "llama_memory_seq_add": (None, (C.c_void_p, C.c_int32, C.c_int32, C.c_int32, C.c_int32)),
    "llama_memory_seq_pos_min": (C.c_int32, (C.c_void_p, C.c_int32)),
    "llama_memory_seq_pos_max": (C.c_int32, (C.c_void_p, C.c_int32)),
    "llama_memory_can_shift": (C.c_bool, (C.c_void_p,)),
    "llama_state_seq_get_size": (C.c_size_t, (C.c_void_p, C.c_int32)),
    "llama_state_seq_get_size_ext": (C.c_size_t, (C.c_void_p, C.c_int32, C.c_uint32)),
    "llama_state_seq_get_data": (C.c_size_t, (C.c_void_p, C.c_void_p, C.c_size_t, C.c_int32)),
    "llama_state_seq_set_data": (C.c_size_t, (C.c_void_p, C.c_void_p, C.c_size_t, C.c_int32)),
    "llama_batch_init": (LlamaBatch, (C.c_int32, C.c_int32, C.c_int32)),
    "llama_batch_free": (None, (LlamaBatch,)),
    "llama_decode": (C.c_int32, (C.c_void_p, LlamaBatch)),
    "llama_encode": (C.c_int32, (C.c_void_p, LlamaBatch)),
    "llama_set_n_threads": (None, (C.c_void_p, C.c_int32, C.c_int32)),
    "llama_set_causal_attn": (None, (C.c_void_p, C.c_bool)),
    "llama_set_embeddings": (None, (C.c_void_p, C.c_bool)),
    "llama_set_abort_callback": (None, (C.c_void_p, C.c_void_p, C.c_void_p)),
    "llama_synchronize": (None, (C.c_void_p,)),
    "llama_get_logits": (C.c_void_p, (C.c_void_p,)),
    "llama_get_logits_ith": (C.c_void_p, (C.c_void_p, C.c_int32)),
    "llama_get_causal_attn": (C.c_bool, (C.c_void_p,)),
    "llama_get_embeddings_ith": (C.c_void_p, (C.c_void_p, C.c_int32)),
    "llama_get_embeddings_seq": (C.c_void_p, (C.c_void_p, C.c_int32)),
    "llama_vocab_type": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_n_tokens": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_get_text": (C.c_char_p, (C.c_void_p, C.c_int32)),
    "llama_vocab_get_attr": (C.c_int32, (C.c_void_p, C.c_int32)),
    "llama_vocab_is_eog": (C.c_bool, (C.c_void_p, C.c_int32)),
    "llama_vocab_is_control": (C.c_bool, (C.c_void_p, C.c_int32)),
    "llama_vocab_bos": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_eos": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_eot": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_sep": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_get_add_bos": (C.c_bool, (C.c_void_p,)),
    "llama_vocab_get_add_eos": (C.c_bool, (C.c_void_p,)),
    "llama_vocab_get_add_sep": (C.c_bool, (C.c_void_p,)),
    "llama_vocab_get_suppress_tokens": (C.c_void_p, (C.c_void_p, C.c_void_p)),
    "llama_vocab_fim_pre": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_fim_suf": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_fim_mid": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_fim_rep": (C.c_int32, (C.c_void_p,)),
    "llama_vocab_fim_sep": (C.c_int32, (C.c_void_p,)),
    "llama_tokenize": (
        C.c_int32,
        (C.c_void_p, C.c_char_p, C.c_int32, C.c_void_p, C.c_int32, C.c_bool, C.c_bool),
    ),
    "llama_token_to_piece": (
        C.c_int32,
        (C.c_void_p, C.c_int32, C.c_char_p, C.c_int32, C.c_int32, C.c_bool),
    ),
    "llama_detokenize": (
        C.c_int32,
        (C.c_void_p, C.c_void_p, C.c_int32, C.c_char_p, C.c_int32, C.c_bool, C.c_bool),
    ),
    "llama_print_system_info": (C.c_char_p, ()),
    "llama_sampler_init_greedy": (C.c_void_p, ()),
    "llama_sampler_init_top_k": (C.c_void_p, (C.c_int32,)),
    "llama_sampler_init_top_p": (C.c_void_p, (C.c_float, C.c_size_t)),
    "llama_sampler_init_min_p": (C.c_void_p, (C.c_float, C.c_size_t)),
    "llama_sampler_init_typical": (C.c_void_p, (C.c_float, C.c_size_t)),
    "llama_sampler_init_temp": (C.c_void_p, (C.c_float,)),
    "llama_sampler_init_xtc": (C.c_void_p, (C.c_float, C.c_float, C.c_size_t, C.c_uint32)),
    "llama_sampler_init_penalties": (
        C.c_void_p,
        (C.c_int32, C.c_int32, C.c_float, C.c_float, C.c_float),
    ),
    "llama_sampler_init_dry": (
        C.c_void_p,
        (C.c_void_p, C.c_float, C.c_float, C.c_int32, C.c_int32, C.c_void_p, C.c_size_t),
    ),
    "llama_sampler_init_mirostat": (
        C.c_void_p,
        (C.c_int32, C.c_uint32, C.c_float, C.c_float, C.c_int32),
    ),
    "llama_sampler_init_mirostat_v2": (C.c_void_p, (C.c_uint32, C.c_float, C.c_float)),
    "llama_sampler_apply": (None, (C.c_void_p, C.c_void_p)),
    "llama_sampler_accept": (None, (C.c_void_p, C.c_int32)),
    "llama_sampler_free": (None, (C.c_void_p,)),
    "ggml_backend_dev_count": (C.c_size_t, ()),
    "ggml_backend_dev_get": (C.c_void_p, (C.c_size_t,)),
    "ggml_backend_dev_get_props": (None, (C.c_void_p, C.c_void_p)),
    "llama_model_quantize_default_params": (LlamaModelQuantizeParams, ()),
    "llama_model_quantize": (C.c_uint32, (C.c_char_p, C.c_char_p, C.c_void_p)),
    "gguf_init_from_file": (C.c_void_p, (C.c_char_p, GgufInitParams)),
    "gguf_find_key": (C.c_int64, (C.c_void_p, C.c_char_p)),
    "gguf_get_kv_type": (C.c_int32, (C.c_void_p, C.c_int64)),
    "gguf_get_val_str": (C.c_char_p, (C.c_void_p, C.c_int64)),
    "gguf_free": (None, (C.c_void_p,)),
    "mtmd_context_params_default": (MtmdContextParams, ()),
    "mtmd_init_from_file": (C.c_void_p, (C.c_char_p, C.c_void_p, MtmdContextParams)),
    "mtmd_free": (None, (C.c_void_p,)),
    "mtmd_default_marker": (C.c_char_p, ()),
    "mtmd_support_vision": (C.c_bool, (C.c_void_p,)),
    "mtmd_support_audio": (C.c_bool, (C.c_void_p,)),
    "mtmd_decode_use_non_causal": (C.c_bool, (C.c_void_p, C.c_void_p)),
    "mtmd_decode_use_mrope": (C.c_bool, (C.c_void_p,)),
    "mtmd_helper_init_opt_default": (MtmdHelperInitOpt, ()),
    "mtmd_helper_bitmap_init_from_buf": (
        MtmdHelperBitmapWrapper,
        (C.c_void_p, C.c_void_p, C.c_size_t, C.c_bool, MtmdHelperInitOpt),
    ),
    "mtmd_bitmap_free": (None, (C.c_void_p,)),
    "mtmd_bitmap_set_id": (None, (C.c_void_p, C.c_char_p)),
    "mtmd_bitmap_get_nx": (C.c_uint32, (C.c_void_p,)),
    "mtmd_bitmap_get_ny": (C.c_uint32, (C.c_void_p,)),
    "mtmd_input_chunks_init": (C.c_void_p, ()),
    "mtmd_input_chunks_size": (C.c_size_t, (C.c_void_p,)),
    "mtmd_input_chunks_get": (C.c_void_p, (C.c_void_p, C.c_size_t)),
    "mtmd_input_chunks_free": (None, (C.c_void_p,)),
    "mtmd_input_chunk_get_type": (C.c_int32, (C.c_void_p,)),
    "mtmd_input_chunk_get_tokens_text": (C.c_void_p, (C.c_void_p, C.c_void_p)),
    "mtmd_input_chunk_get_n_tokens": (C.c_size_t, (C.c_void_p,)),
    "mtmd_input_chunk_get_tokens_image": (C.c_void_p, (C.c_void_p,)),
    "mtmd_input_chunk_get_n_pos": (C.c_int32, (C.c_void_p,)),
    "mtmd_input_chunk_copy": (C.c_void_p, (C.c_void_p,)),
    "mtmd_input_chunk_free": (None, (C.c_void_p,)),
    "mtmd_tokenize": (C.c_int32, (C.c_void_p, C.c_void_p, C.c_void_p, C.c_void_p, C.c_size_t)),
    "mtmd_encode_chunk": (C.c_int32, (C.c_void_p, C.c_void_p)),
    "mtmd_get_output_embd": (C.c_void_p, (C.c_void_p,)),
    "mtmd_image_tokens_get_decoder_pos": (MtmdDecoderPos, (C.c_void_p, C.c_int32, C.c_size_t)),
    "mtmd_log_set": (None, (C.c_void_p, C.c_void_p)),
    "mtmd_helper_log_set": (None, (C.c_void_p, C.c_void_p)),
}


class Functions:
    """The functions of the library, as typed attributes."""

    llama_version: Callable[..., bytes | None]
    llama_backend_init: Callable[..., None]
    llama_log_set: Callable[..., None]
    llama_model_default_params: Callable[..., LlamaModelParams]
    llama_context_default_params: Callable[..., LlamaContextParams]
    llama_model_load_from_file: Callable[..., int | None]
    llama_model_load_from_splits: Callable[..., int | None]
    llama_model_free: Callable[..., None]
    ggml_threadpool_params_default: Callable[..., GgmlThreadpoolParams]
    ggml_threadpool_new: Callable[..., int | None]
    ggml_threadpool_free: Callable[..., None]
    llama_attach_threadpool: Callable[..., None]
    llama_init_from_model: Callable[..., int | None]
    llama_free: Callable[..., None]
    llama_supports_gpu_offload: Callable[..., bool]
    llama_n_ctx: Callable[..., int]
    llama_n_ctx_seq: Callable[..., int]
    llama_n_batch: Callable[..., int]
    llama_n_ubatch: Callable[..., int]
    llama_n_seq_max: Callable[..., int]
    llama_get_memory: Callable[..., int | None]
    llama_pooling_type: Callable[..., int]
    llama_model_get_vocab: Callable[..., int | None]
    llama_model_n_ctx_train: Callable[..., int]
    llama_model_n_embd_out: Callable[..., int]
    llama_model_n_embd_inp: Callable[..., int]
    llama_model_n_layer: Callable[..., int]
    llama_model_n_swa: Callable[..., int]
    llama_model_n_head: Callable[..., int]
    llama_model_n_head_kv: Callable[..., int]
    llama_model_n_embd: Callable[..., int]
    llama_model_n_cls_out: Callable[..., int]
    llama_model_desc: Callable[..., int]
    llama_model_size: Callable[..., int]
    llama_model_n_params: Callable[..., int]
    llama_model_meta_val_str: Callable[..., int]
    llama_model_chat_template: Callable[..., bytes | None]
    llama_model_has_encoder: Callable[..., bool]
    llama_model_has_decoder: Callable[..., bool]
    llama_model_is_recurrent: Callable[..., bool]
    llama_model_is_hybrid: Callable[..., bool]
    llama_model_cls_label: Callable[..., bytes | None]
    llama_model_is_diffusion: Callable[..., bool]
    llama_model_rope_type: Callable[..., int]
    llama_adapter_lora_init: Callable[..., int | None]
    llama_adapter_lora_free: Callable[..., None]
    llama_set_adapters_lora: Callable[..., int]
    llama_memory_clear: Callable[..., None]
    llama_memory_seq_rm: Callable[..., bool]
    llama_memory_seq_cp: Callable[..., None]
    llama_memory_seq_add: Callable[..., None]
    llama_memory_seq_pos_min: Callable[..., int]
    llama_memory_seq_pos_max: Callable[..., int]
    llama_memory_can_shift: Callable[..., bool]
    llama_state_seq_get_size: Callable[..., int]
    llama_state_seq_get_size_ext: Callable[..., int]
    llama_state_seq_get_data: Callable[..., int]
    llama_state_seq_set_data: Callable[..., int]
    llama_batch_init: Callable[..., LlamaBatch]
    llama_batch_free: Callable[..., None]
    llama_decode: Callable[..., int]
    llama_encode: Callable[..., int]
    llama_set_n_threads: Callable[..., None]
    llama_set_causal_attn: Callable[..., None]
    llama_set_embeddings: Callable[..., None]
    llama_set_abort_callback: Callable[..., None]
    llama_synchronize: Callable[..., None]
    llama_get_logits: Callable[..., int | None]
    llama_get_logits_ith: Callable[..., int | None]
    llama_get_causal_attn: Callable[..., bool]
    llama_get_embeddings_ith: Callable[..., int | None]
    llama_get_embeddings_seq: Callable[..., int | None]
    llama_vocab_type: Callable[..., int]
    llama_vocab_n_tokens: Callable[..., int]
    llama_vocab_get_text: Callable[..., bytes | None]
    llama_vocab_get_attr: Callable[..., int]
    llama_vocab_is_eog: Callable[..., bool]
    llama_vocab_is_control: Callable[..., bool]
    llama_vocab_bos: Callable[..., int]
    llama_vocab_eos: Callable[..., int]
    llama_vocab_eot: Callable[..., int]
    llama_vocab_sep: Callable[..., int]
    llama_vocab_get_add_bos: Callable[..., bool]
    llama_vocab_get_add_eos: Callable[..., bool]
    llama_vocab_get_add_sep: Callable[..., bool]
    llama_vocab_get_suppress_tokens: Callable[..., int | None]
    llama_vocab_fim_pre: Callable[..., int]
    llama_vocab_fim_suf: Callable[..., int]
    llama_vocab_fim_mid: Callable[..., int]
    llama_vocab_fim_rep: Callable[..., int]
    llama_vocab_fim_sep: Callable[..., int]
    llama_tokenize: Callable[..., int]
    llama_token_to_piece: Callable[..., int]
    llama_detokenize: Callable[..., int]
    llama_print_system_info: Callable[..., bytes | None]
    llama_sampler_init_greedy: Callable[..., int | None]
    llama_sampler_init_top_k: Callable[..., int | None]
    llama_sampler_init_top_p: Callable[..., int | None]
    llama_sampler_init_min_p: Callable[..., int | None]
    llama_sampler_init_typical: Callable[..., int | None]
    llama_sampler_init_temp: Callable[..., int | None]
    llama_sampler_init_xtc: Callable[..., int | None]
    llama_sampler_init_penalties: Callable[..., int | None]
    llama_sampler_init_dry: Callable[..., int | None]
    llama_sampler_init_mirostat: Callable[..., int | None]
    llama_sampler_init_mirostat_v2: Callable[..., int | None]
    llama_sampler_apply: Callable[..., None]
    llama_sampler_accept: Callable[..., None]
    llama_sampler_free: Callable[..., None]
    ggml_backend_dev_count: Callable[..., int]
    ggml_backend_dev_get: Callable[..., int | None]
    ggml_backend_dev_get_props: Callable[..., None]
    llama_model_quantize_default_params: Callable[..., LlamaModelQuantizeParams]
    llama_model_quantize: Callable[..., int]
    gguf_init_from_file: Callable[..., int | None]
    gguf_find_key: Callable[..., int]
    gguf_get_kv_type: Callable[..., int]
    gguf_get_val_str: Callable[..., bytes | None]
    gguf_free: Callable[..., None]
    mtmd_context_params_default: Callable[..., MtmdContextParams]
    mtmd_init_from_file: Callable[..., int | None]
    mtmd_free: Callable[..., None]
    mtmd_default_marker: Callable[..., bytes | None]
    mtmd_support_vision: Callable[..., bool]
    mtmd_support_audio: Callable[..., bool]
    mtmd_decode_use_non_causal: Callable[..., bool]
    mtmd_decode_use_mrope: Callable[..., bool]
    mtmd_helper_init_opt_default: Callable[..., MtmdHelperInitOpt]
    mtmd_helper_bitmap_init_from_buf: Callable[..., MtmdHelperBitmapWrapper]
    mtmd_bitmap_free: Callable[..., None]
    mtmd_bitmap_set_id: Callable[..., None]
    mtmd_bitmap_get_nx: Callable[..., int]
    mtmd_bitmap_get_ny: Callable[..., int]
    mtmd_input_chunks_init: Callable[..., int | None]
    mtmd_input_chunks_size: Callable[..., int]
    mtmd_input_chunks_get: Callable[..., int | None]
    mtmd_input_chunks_free: Callable[..., None]
    mtmd_input_chunk_get_type: Callable[..., int]
    mtmd_input_chunk_get_tokens_text: Callable[..., int | None]
    mtmd_input_chunk_get_n_tokens: Callable[..., int]
    mtmd_input_chunk_get_tokens_image: Callable[..., int | None]
    mtmd_input_chunk_get_n_pos: Callable[..., int]
    mtmd_input_chunk_copy: Callable[..., int | None]
    mtmd_input_chunk_free: Callable[..., None]
    mtmd_tokenize: Callable[..., int]
    mtmd_encode_chunk: Callable[..., int]
    mtmd_get_output_embd: Callable[..., int | None]
    mtmd_image_tokens_get_decoder_pos: Callable[..., MtmdDecoderPos]
    mtmd_log_set: Callable[..., None]
    mtmd_helper_log_set: Callable[..., None]
