"""llama.cpp's own samplers, called on logits of one's choice: the oracle for Puna's."""

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_char_p,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_void_p,
)
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# A sampler's name and what it is made with.
Sampler = tuple[object, ...]
Left = NDArray[np.void]

TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class TokenData(Structure):
    _fields_ = [("id", c_int32), ("logit", c_float), ("p", c_float)]


class TokenDataArray(Structure):
    _fields_ = [
        ("data", POINTER(TokenData)),
        ("size", c_size_t),
        ("selected", c_int64),
        ("sorted", c_bool),
    ]


class LogitBias(Structure):
    _fields_ = [("token", c_int32), ("bias", c_float)]


class ChainParams(Structure):
    _fields_ = [("no_perf", c_bool)]


class ModelParams(Structure):
    _fields_ = [
        ("devices_and_overrides", c_void_p * 2),
        ("numbers", c_int32 * 5),
        ("tensor_split", c_void_p),
        ("callbacks_and_overrides", c_void_p * 3),
        ("vocab_only", c_bool),
        ("switches", c_bool * 6),
    ]


_ARGUMENTS = {
    "init_greedy": (),
    "init_dist": (c_uint32,),
    "init_top_k": (c_int32,),
    "init_top_p": (c_float, c_size_t),
    "init_min_p": (c_float, c_size_t),
    "init_typical": (c_float, c_size_t),
    "init_temp": (c_float,),
    "init_xtc": (c_float, c_float, c_size_t, c_uint32),
    "init_mirostat": (c_int32, c_uint32, c_float, c_float, c_int32),
    "init_mirostat_v2": (c_uint32, c_float, c_float),
    "init_penalties": (c_int32, c_int32, c_float, c_float, c_float),
    "init_dry": (c_void_p, c_float, c_float, c_int32, c_int32, POINTER(c_char_p), c_size_t),
    "init_logit_bias": (c_int32, c_int32, POINTER(LogitBias)),
    "chain_init": (ChainParams,),
}


@cache
def library() -> ctypes.CDLL:
    spec = find_spec("xllamacpp")
    assert spec
    assert spec.submodule_search_locations
    lib = ctypes.CDLL(str(Path(spec.submodule_search_locations[0]) / "xllamacpp.abi3.so"))
    for name, arguments in _ARGUMENTS.items():
        function = getattr(lib, f"llama_sampler_{name}")
        function.restype, function.argtypes = c_void_p, arguments
    lib.llama_sampler_chain_add.argtypes = (c_void_p, c_void_p)
    lib.llama_sampler_accept.argtypes = (c_void_p, c_int32)
    lib.llama_sampler_apply.argtypes = (c_void_p, POINTER(TokenDataArray))
    lib.llama_sampler_free.argtypes = (c_void_p,)
    lib.llama_model_default_params.restype = ModelParams
    lib.llama_model_load_from_file.restype = c_void_p
    lib.llama_model_load_from_file.argtypes = (c_char_p, ModelParams)
    lib.llama_model_free.argtypes = (c_void_p,)
    lib.llama_model_get_vocab.restype = c_void_p
    lib.llama_model_get_vocab.argtypes = (c_void_p,)
    lib.llama_vocab_n_tokens.argtypes = (c_void_p,)
    lib.llama_token_to_piece.argtypes = (c_void_p, c_int32, c_char_p, c_int32, c_int32, c_bool)
    lib.llama_tokenize.argtypes = (
        c_void_p,
        c_char_p,
        c_int32,
        POINTER(c_int32),
        c_int32,
        c_bool,
        c_bool,
    )
    return lib


class Chain:
    """Samplers of the library, one after another."""

    def __init__(self, *samplers: Sampler) -> None:
        self._library = library()
        self._chain = self._library.llama_sampler_chain_init(ChainParams(True))
        for name, *arguments in samplers:
            made = getattr(self._library, f"llama_sampler_init_{name}")(*arguments)
            self._library.llama_sampler_chain_add(self._chain, made)

    def accept(self, tokens: Iterable[int]) -> None:
        for token in tokens:
            self._library.llama_sampler_accept(self._chain, token)

    def apply(self, logits: NDArray[np.float32]) -> tuple[Left, int]:
        """The tokens that are left with their logits, and the token selected or -1."""
        data = np.zeros(logits.size, TOKEN_DATA)
        data["id"] = np.arange(logits.size)
        data["logit"] = logits
        array = TokenDataArray(data.ctypes.data_as(POINTER(TokenData)), logits.size, -1, False)
        self.apply_to(array)
        bytes_left = ctypes.string_at(array.data, array.size * data.itemsize)
        left = np.frombuffer(bytes_left, TOKEN_DATA)
        return left, int(left["id"][array.selected]) if array.selected >= 0 else -1

    def apply_to(self, array: TokenDataArray) -> None:
        self._library.llama_sampler_apply(self._chain, ctypes.byref(array))

    def close(self) -> None:
        self._library.llama_sampler_free(self._chain)


@contextmanager
def chain(*samplers: Sampler) -> Iterator[Chain]:
    made = Chain(*samplers)
    try:
        yield made
    finally:
        made.close()


def biases(values: dict[int, float], vocabulary: int) -> Sampler:
    array = (LogitBias * len(values))(*(LogitBias(*pair) for pair in values.items()))
    return ("logit_bias", vocabulary, len(values), array)


def dry(
    multiplier: float,
    base: float,
    allowed: int,
    window: int,
    vocabulary: int | None = None,
    breakers: Sequence[bytes] = (),
) -> Sampler:
    texts = (c_char_p * len(breakers))(*breakers)
    return ("dry", vocabulary, multiplier, base, allowed, window, texts, len(breakers))


class Words:
    """A real vocabulary, as the library sees it."""

    def __init__(self, path: Path) -> None:
        self._library = library()
        self._library.llama_log_set(None, None)
        params = self._library.llama_model_default_params()
        params.vocab_only = True
        self._model = self._library.llama_model_load_from_file(str(path).encode(), params)
        assert self._model
        self.pointer = self._library.llama_model_get_vocab(self._model)
        self.size = self._library.llama_vocab_n_tokens(self.pointer)

    def piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(1024)
        size = self._library.llama_token_to_piece(self.pointer, token, buffer, 1024, 0, True)
        return buffer.raw[:size]

    def tokenize(self, text: bytes) -> list[int]:
        tokens = (c_int32 * (len(text) + 8))()
        count = self._library.llama_tokenize(
            self.pointer, text, len(text), tokens, len(tokens), False, False
        )
        return tokens[:count]

    def close(self) -> None:
        self._library.llama_model_free(self._model)
