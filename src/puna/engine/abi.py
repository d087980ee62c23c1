"""llama.cpp's data as of one exact version: its enums, structs and types of tensors.

Written by scripts/bind.py from the headers; do not edit.
"""

import ctypes as C
from enum import IntEnum

VERSION = "2026.10.11549"


class LlamaSplitMode(IntEnum):
    """enum llama_split_mode."""

    NONE = 0
    LAYER = 1
    ROW = 2
    TENSOR = 3


class LlamaLoadMode(IntEnum):
    """enum llama_load_mode."""

    AUTO = -1
    NONE = 0
    MMAP = 1
    MLOCK = 2
    MMAP_MLOCK = 3
    DIRECT_IO = 4


class LlamaPoolingType(IntEnum):
    """enum llama_pooling_type."""

    UNSPECIFIED = -1
    NONE = 0
    MEAN = 1
    CLS = 2
    LAST = 3
    RANK = 4


class LlamaFlashAttnType(IntEnum):
    """enum llama_flash_attn_type."""

    AUTO = -1
    DISABLED = 0
    ENABLED = 1


class LlamaTokenAttr(IntEnum):
    """enum llama_token_attr."""

    UNDEFINED = 0
    UNKNOWN = 1
    UNUSED = 2
    NORMAL = 4
    CONTROL = 8
    USER_DEFINED = 16
    BYTE = 32
    NORMALIZED = 64
    LSTRIP = 128
    RSTRIP = 256
    SINGLE_WORD = 512


class LlamaVocabType(IntEnum):
    """enum llama_vocab_type."""

    NONE = 0
    SPM = 1
    BPE = 2
    WPM = 3
    UGM = 4
    RWKV = 5
    PLAMO2 = 6
    TEST = 7
    PLAMO3 = 8


class GgmlLogLevel(IntEnum):
    """enum ggml_log_level."""

    NONE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4
    CONT = 5


class GgmlBackendDevType(IntEnum):
    """enum ggml_backend_dev_type."""

    CPU = 0
    GPU = 1
    IGPU = 2
    ACCEL = 3
    META = 4


class GgufType(IntEnum):
    """enum gguf_type."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12
    COUNT = 13


class MtmdInputChunkType(IntEnum):
    """enum mtmd_input_chunk_type."""

    TEXT = 0
    IMAGE = 1
    AUDIO = 2
    COUNT = 3


class GgmlThreadpoolParams(C.Structure):
    """struct ggml_threadpool_params."""

    cpumask: C.Array[C.c_bool]
    n_threads: int
    prio: int
    poll: int
    strict_cpu: bool
    paused: bool
    _fields_ = (
        ("cpumask", C.c_bool * 512),
        ("n_threads", C.c_int),
        ("prio", C.c_int32),
        ("poll", C.c_uint32),
        ("strict_cpu", C.c_bool),
        ("paused", C.c_bool),
    )


class GgmlBackendDevCaps(C.Structure):
    """struct ggml_backend_dev_caps."""

    async_: bool
    host_buffer: bool
    buffer_from_host_ptr: bool
    events: bool
    mmap_support: bool
    _fields_ = (
        ("async_", C.c_bool),
        ("host_buffer", C.c_bool),
        ("buffer_from_host_ptr", C.c_bool),
        ("events", C.c_bool),
        ("mmap_support", C.c_bool),
    )


class GgmlBackendDevProps(C.Structure):
    """struct ggml_backend_dev_props."""

    name: bytes | None
    description: bytes | None
    memory_free: int
    memory_total: int
    type: int
    device_id: bytes | None
    caps: GgmlBackendDevCaps
    _fields_ = (
        ("name", C.c_char_p),
        ("description", C.c_char_p),
        ("memory_free", C.c_size_t),
        ("memory_total", C.c_size_t),
        ("type", C.c_int32),
        ("device_id", C.c_char_p),
        ("caps", GgmlBackendDevCaps),
    )


class GgufInitParams(C.Structure):
    """struct gguf_init_params."""

    no_alloc: bool
    ctx: int | None
    _fields_ = (
        ("no_alloc", C.c_bool),
        ("ctx", C.c_void_p),
    )


class LlamaModelParams(C.Structure):
    """struct llama_model_params."""

    devices: int | None
    tensor_buft_overrides: int | None
    n_gpu_layers: int
    split_mode: int
    load_mode: int
    lazy_mode: int
    main_gpu: int
    tensor_split: int | None
    progress_callback: int | None
    progress_callback_user_data: int | None
    kv_overrides: int | None
    vocab_only: bool
    check_tensors: bool
    use_extra_bufts: bool
    no_host: bool
    no_alloc: bool
    load_mtp: bool
    _fields_ = (
        ("devices", C.c_void_p),
        ("tensor_buft_overrides", C.c_void_p),
        ("n_gpu_layers", C.c_int32),
        ("split_mode", C.c_int32),
        ("load_mode", C.c_int32),
        ("lazy_mode", C.c_int32),
        ("main_gpu", C.c_int32),
        ("tensor_split", C.c_void_p),
        ("progress_callback", C.c_void_p),
        ("progress_callback_user_data", C.c_void_p),
        ("kv_overrides", C.c_void_p),
        ("vocab_only", C.c_bool),
        ("check_tensors", C.c_bool),
        ("use_extra_bufts", C.c_bool),
        ("no_host", C.c_bool),
        ("no_alloc", C.c_bool),
        ("load_mtp", C.c_bool),
    )


class LlamaContextParams(C.Structure):
    """struct llama_context_params."""

    n_ctx: int
    n_batch: int
    n_ubatch: int
    n_seq_max: int
    n_rs_seq: int
    n_outputs_max: int
    n_outputs_max_per_seq: int
    n_threads: int
    n_threads_batch: int
    ctx_type: int
    rope_scaling_type: int
    pooling_type: int
    attention_type: int
    flash_attn_type: int
    rope_freq_base: float
    rope_freq_scale: float
    yarn_ext_factor: float
    yarn_attn_factor: float
    yarn_beta_fast: float
    yarn_beta_slow: float
    yarn_orig_ctx: int
    defrag_thold: float
    cb_eval: int | None
    cb_eval_user_data: int | None
    type_k: int
    type_v: int
    moe_cache_size: int
    abort_callback: int | None
    abort_callback_data: int | None
    embeddings: bool
    offload_kqv: bool
    no_perf: bool
    op_offload: bool
    swa_full: bool
    kv_unified: bool
    samplers: int | None
    n_samplers: int
    ctx_other: int | None
    _fields_ = (
        ("n_ctx", C.c_uint32),
        ("n_batch", C.c_uint32),
        ("n_ubatch", C.c_uint32),
        ("n_seq_max", C.c_uint32),
        ("n_rs_seq", C.c_uint32),
        ("n_outputs_max", C.c_uint32),
        ("n_outputs_max_per_seq", C.c_uint32),
        ("n_threads", C.c_int32),
        ("n_threads_batch", C.c_int32),
        ("ctx_type", C.c_int32),
        ("rope_scaling_type", C.c_int32),
        ("pooling_type", C.c_int32),
        ("attention_type", C.c_int32),
        ("flash_attn_type", C.c_int32),
        ("rope_freq_base", C.c_float),
        ("rope_freq_scale", C.c_float),
        ("yarn_ext_factor", C.c_float),
        ("yarn_attn_factor", C.c_float),
        ("yarn_beta_fast", C.c_float),
        ("yarn_beta_slow", C.c_float),
        ("yarn_orig_ctx", C.c_uint32),
        ("defrag_thold", C.c_float),
        ("cb_eval", C.c_void_p),
        ("cb_eval_user_data", C.c_void_p),
        ("type_k", C.c_int32),
        ("type_v", C.c_int32),
        ("moe_cache_size", C.c_size_t),
        ("abort_callback", C.c_void_p),
        ("abort_callback_data", C.c_void_p),
        ("embeddings", C.c_bool),
        ("offload_kqv", C.c_bool),
        ("no_perf", C.c_bool),
        ("op_offload", C.c_bool),
        ("swa_full", C.c_bool),
        ("kv_unified", C.c_bool),
        ("samplers", C.c_void_p),
        ("n_samplers", C.c_size_t),
        ("ctx_other", C.c_void_p),
    )


class LlamaModelImatrixData(C.Structure):
    """struct llama_model_imatrix_data."""

    name: bytes | None
    data: int | None
    size: int
    _fields_ = (
        ("name", C.c_char_p),
        ("data", C.c_void_p),
        ("size", C.c_size_t),
    )


class LlamaModelQuantizeParams(C.Structure):
    """struct llama_model_quantize_params."""

    nthread: int
    ftype: int
    output_tensor_type: int
    token_embedding_type: int
    allow_requantize: bool
    quantize_output_tensor: bool
    only_copy: bool
    pure: bool
    keep_split: bool
    dry_run: bool
    imatrix: int | None
    kv_overrides: int | None
    tt_overrides: int | None
    prune_layers: int | None
    max_buf_size: int
    _fields_ = (
        ("nthread", C.c_int32),
        ("ftype", C.c_int32),
        ("output_tensor_type", C.c_int32),
        ("token_embedding_type", C.c_int32),
        ("allow_requantize", C.c_bool),
        ("quantize_output_tensor", C.c_bool),
        ("only_copy", C.c_bool),
        ("pure", C.c_bool),
        ("keep_split", C.c_bool),
        ("dry_run", C.c_bool),
        ("imatrix", C.c_void_p),
        ("kv_overrides", C.c_void_p),
        ("tt_overrides", C.c_void_p),
        ("prune_layers", C.c_void_p),
        ("max_buf_size", C.c_size_t),
    )


class LlamaBatch(C.Structure):
    """struct llama_batch."""

    n_tokens: int
    token: int | None
    embd: int | None
    pos: int | None
    n_seq_id: int | None
    seq_id: int | None
    logits: int | None
    _fields_ = (
        ("n_tokens", C.c_int32),
        ("token", C.c_void_p),
        ("embd", C.c_void_p),
        ("pos", C.c_void_p),
        ("n_seq_id", C.c_void_p),
        ("seq_id", C.c_void_p),
        ("logits", C.c_void_p),
    )


class LlamaTokenData(C.Structure):
    """struct llama_token_data."""

    id: int
    logit: float
    p: float
    _fields_ = (
        ("id", C.c_int32),
        ("logit", C.c_float),
        ("p", C.c_float),
    )


class LlamaTokenDataArray(C.Structure):
    """struct llama_token_data_array."""

    data: int | None
    size: int
    selected: int
    sorted: bool
    _fields_ = (
        ("data", C.c_void_p),
        ("size", C.c_size_t),
        ("selected", C.c_int64),
        ("sorted", C.c_bool),
    )


class MtmdInputText(C.Structure):
    """struct mtmd_input_text."""

    text: bytes | None
    text_len: int
    add_special: bool
    parse_special: bool
    _fields_ = (
        ("text", C.c_char_p),
        ("text_len", C.c_size_t),
        ("add_special", C.c_bool),
        ("parse_special", C.c_bool),
    )


class MtmdContextParams(C.Structure):
    """struct mtmd_context_params."""

    use_gpu: bool
    device: int | None
    print_timings: bool
    n_threads: int
    image_marker: bytes | None
    media_marker: bytes | None
    flash_attn_type: int
    warmup: bool
    image_min_tokens: int
    image_max_tokens: int
    cb_eval: int | None
    cb_eval_user_data: int | None
    batch_max_tokens: int
    progress_callback: int | None
    progress_callback_user_data: int | None
    _fields_ = (
        ("use_gpu", C.c_bool),
        ("device", C.c_void_p),
        ("print_timings", C.c_bool),
        ("n_threads", C.c_int),
        ("image_marker", C.c_char_p),
        ("media_marker", C.c_char_p),
        ("flash_attn_type", C.c_int32),
        ("warmup", C.c_bool),
        ("image_min_tokens", C.c_int),
        ("image_max_tokens", C.c_int),
        ("cb_eval", C.c_void_p),
        ("cb_eval_user_data", C.c_void_p),
        ("batch_max_tokens", C.c_int32),
        ("progress_callback", C.c_void_p),
        ("progress_callback_user_data", C.c_void_p),
    )


class MtmdDecoderPos(C.Structure):
    """struct mtmd_decoder_pos."""

    t: int
    x: int
    y: int
    z: int
    _fields_ = (
        ("t", C.c_uint32),
        ("x", C.c_uint32),
        ("y", C.c_uint32),
        ("z", C.c_uint32),
    )


class MtmdCaps(C.Structure):
    """struct mtmd_caps."""

    inp_vision: bool
    inp_audio: bool
    _fields_ = (
        ("inp_vision", C.c_bool),
        ("inp_audio", C.c_bool),
    )


class MtmdHelperVideoInitParams(C.Structure):
    """struct mtmd_helper_video_init_params."""

    fps_target: float
    ffmpeg_bin_dir: bytes | None
    timestamp_interval_ms: int
    _fields_ = (
        ("fps_target", C.c_float),
        ("ffmpeg_bin_dir", C.c_char_p),
        ("timestamp_interval_ms", C.c_int64),
    )


class MtmdHelperInitOpt(C.Structure):
    """struct mtmd_helper_init_opt."""

    video_params: MtmdHelperVideoInitParams
    _fields_ = (("video_params", MtmdHelperVideoInitParams),)


class MtmdHelperBitmapWrapper(C.Structure):
    """struct mtmd_helper_bitmap_wrapper."""

    bitmap: int | None
    video_ctx: int | None
    _fields_ = (
        ("bitmap", C.c_void_p),
        ("video_ctx", C.c_void_p),
    )


TENSOR_TYPES = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "q8_0": 8,
    "q8_1": 9,
    "q2_k": 10,
    "q3_k": 11,
    "q4_k": 12,
    "q5_k": 13,
    "q6_k": 14,
    "q8_k": 15,
    "iq2_xxs": 16,
    "iq2_xs": 17,
    "iq3_xxs": 18,
    "iq1_s": 19,
    "iq4_nl": 20,
    "iq3_s": 21,
    "iq2_s": 22,
    "iq4_xs": 23,
    "i8": 24,
    "i16": 25,
    "i32": 26,
    "i64": 27,
    "f64": 28,
    "iq1_m": 29,
    "bf16": 30,
    "tq1_0": 34,
    "tq2_0": 35,
    "mxfp4": 39,
    "nvfp4": 40,
    "q1_0": 41,
    "q2_0": 42,
}
