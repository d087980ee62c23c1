"""llguidance's C API, from the shared object in its package: token tables and automata.

The package's Python classes hold the interpreter's lock while they build a table, for most of a
second; through C nothing else has to wait.
"""

import ctypes as C
import importlib.util
import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from puna.errors import BadConstraint, EngineMismatch

_NO_TOKEN = 2**32 - 1
_MESSAGE_BYTES = 1024


class _Limits(C.Structure):
    _fields_: ClassVar = [
        ("max_items_in_row", C.c_size_t),
        ("initial_lexer_fuel", C.c_uint64),
        ("step_lexer_fuel", C.c_uint64),
        ("step_max_items", C.c_size_t),
        ("max_lexer_states", C.c_size_t),
        ("max_grammar_size", C.c_size_t),
        ("precompute_large_lexemes", C.c_bool),
        ("verbose_errors", C.c_bool),
    ]


class _ConstraintInit(C.Structure):
    _fields_: ClassVar = [
        ("tokenizer", C.c_void_p),
        ("log_buffer_level", C.c_uint32),
        ("log_stderr_level", C.c_uint32),
        ("ff_tokens_ok", C.c_bool),
        ("backtrack_ok", C.c_bool),
        ("limits", _Limits),
    ]


_TOKENIZE = C.CFUNCTYPE(C.c_size_t, C.c_void_p, C.c_void_p, C.c_size_t, C.c_void_p, C.c_size_t)


class _TokenizerInit(C.Structure):
    _fields_: ClassVar = [
        ("struct_size", C.c_size_t),
        ("vocab_size", C.c_uint32),
        ("tok_eos", C.c_uint32),
        ("token_lens", C.c_void_p),
        ("token_bytes", C.c_char_p),
        ("tokenizer_json", C.c_char_p),
        ("tokenize_assumes_string", C.c_bool),
        ("tokenize_fn", _TOKENIZE),
        ("use_approximate_greedy_tokenize_fn", C.c_bool),
        ("tokenize_user_data", C.c_void_p),
        ("slices", C.c_void_p),
        ("tok_eos_extra", C.c_void_p),
        ("tok_eos_extra_count", C.c_uint32),
    ]


_MATCHER = C.c_void_p
_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llg_constraint_init_set_defaults": (None, (C.c_void_p, C.c_void_p)),
    "llg_new_tokenizer_v2": (C.c_void_p, (C.c_void_p, C.c_char_p, C.c_size_t)),
    "llg_free_tokenizer": (None, (C.c_void_p,)),
    "llg_new_matcher": (C.c_void_p, (C.c_void_p, C.c_char_p, C.c_char_p)),
    "llg_clone_matcher": (C.c_void_p, (_MATCHER,)),
    "llg_free_matcher": (None, (_MATCHER,)),
    "llg_matcher_get_error": (C.c_char_p, (_MATCHER,)),
    "llg_matcher_compute_mask_into": (C.c_int32, (_MATCHER, C.c_void_p, C.c_size_t)),
    "llg_matcher_validate_tokens": (C.c_int32, (_MATCHER, C.c_void_p, C.c_size_t)),
    "llg_matcher_consume_tokens": (C.c_int32, (_MATCHER, C.c_void_p, C.c_size_t)),
    "llg_matcher_compute_ff_tokens": (C.c_int32, (_MATCHER, C.c_void_p, C.c_size_t)),
    "llg_matcher_rollback": (C.c_int32, (_MATCHER, C.c_size_t)),
    "llg_matcher_is_accepting": (C.c_bool, (_MATCHER,)),
    "llg_matcher_is_stopped": (C.c_bool, (_MATCHER,)),
}
# What the library must say of itself: a struct that gained a field would say otherwise.
_DEFAULTS = {
    "max_items_in_row": 2000,
    "initial_lexer_fuel": 1_000_000,
    "step_lexer_fuel": 200_000,
    "step_max_items": 50_000,
    "max_lexer_states": 250_000,
    "max_grammar_size": 500_000,
    "precompute_large_lexemes": True,
    "verbose_errors": True,
}
# Five hundred optional properties need more than the default; memory is kept below 100 MB.
LIMITS = {"max_items_in_row": 5000, "step_max_items": 100_000, "max_lexer_states": 50_000}


class Table:
    """A vocabulary as llguidance wants it, and what compiles grammars against it.

    `pieces` are the tokens' bytes, special ones after a byte 0xFF. `ends` are the tokens that end
    an output. `tokenize` gives the tokens of a text that goes on another.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        ends: Sequence[int],
        tokenize: Callable[[str], Sequence[int]],
    ) -> None:
        self.size = len(pieces)
        self._call = _library()
        self._tokenize = _TOKENIZE(_adapted(tokenize))
        lengths = np.array([len(piece) for piece in pieces], dtype=np.uint32)
        more = np.array(ends[1:], dtype=np.uint32)
        no_slices = C.c_char_p()
        wanted = _TokenizerInit(
            struct_size=C.sizeof(_TokenizerInit),
            vocab_size=self.size,
            tok_eos=ends[0] if ends else _NO_TOKEN,
            token_lens=lengths.ctypes.data,
            token_bytes=b"".join(pieces),
            tokenize_assumes_string=True,
            tokenize_fn=self._tokenize,
            # Slices would halve the time of some masks, and double that of the table.
            slices=C.addressof(no_slices),
            tok_eos_extra=more.ctypes.data if len(more) else None,
            tok_eos_extra_count=len(more),
        )
        message = C.create_string_buffer(_MESSAGE_BYTES)
        pointer = self._call.llg_new_tokenizer_v2(C.byref(wanted), message, _MESSAGE_BYTES)
        if not pointer:
            raise BadConstraint(
                f"The model's vocabulary cannot be constrained: {message.value.decode()}.",
                "Ask without a format, grammar or required tool.",
            )
        self._init = _ConstraintInit()
        self._call.llg_constraint_init_set_defaults(C.byref(self._init), pointer)
        self._init.log_stderr_level = 0
        self._init.limits.verbose_errors = False
        for name, value in LIMITS.items():
            setattr(self._init.limits, name, value)
        # An automaton keeps its table, so this runs after the last one is gone.
        weakref.finalize(self, self._call.llg_free_tokenizer, pointer)

    def compile(self, grammar: str) -> "Automaton":
        """The automaton of a grammar in llguidance's own notation."""
        matcher = self._call.llg_new_matcher(
            C.byref(self._init), b"llguidance", grammar.encode("utf-8", "replace")
        )
        return Automaton(self, self._call, matcher)


class Automaton:
    """A grammar and how far into it an output is; used by one thread at a time."""

    def __init__(self, table: Table, call: C.CDLL, pointer: int) -> None:
        self._table = table
        self._call = call
        self._pointer = pointer
        self.size = table.size
        weakref.finalize(self, call.llg_free_matcher, pointer)
        self.check()

    def clone(self) -> "Automaton":
        """Another one, as far as this one."""
        return Automaton(self._table, self._call, self._call.llg_clone_matcher(self._pointer))

    def check(self) -> None:
        """Raise what went wrong; from then on an automaton is of no more use."""
        error: bytes | None = self._call.llg_matcher_get_error(self._pointer)
        if error is not None:
            # The library marks where it left out details of its own state.
            reason = error.decode("utf-8", "replace").split("<non-verbose/>")[0].strip()
            raise BadConstraint(f"The constraint cannot be followed: {reason[:500]}.")

    def mask_into(self, mask: NDArray[np.uint32]) -> None:
        """Write the tokens that may come next, a bit each."""
        if self._call.llg_matcher_compute_mask_into(self._pointer, mask.ctypes.data, mask.nbytes):
            self.check()

    def allowed(self, tokens: Sequence[int]) -> int:
        """How many of these tokens may come next, one after the other."""
        given = (C.c_uint32 * len(tokens))(*tokens)
        return max(self._call.llg_matcher_validate_tokens(self._pointer, given, len(tokens)), 0)

    def consume(self, tokens: Sequence[int]) -> None:
        """Go on by tokens that are allowed."""
        given = (C.c_uint32 * len(tokens))(*tokens)
        if self._call.llg_matcher_consume_tokens(self._pointer, given, len(tokens)):
            self.check()

    def forced(self, most: int) -> list[int]:
        """The tokens that must come next, as far as they are known."""
        found = (C.c_uint32 * most)()
        count = self._call.llg_matcher_compute_ff_tokens(self._pointer, found, most)
        if count < 0:
            self.check()
        return found[: max(count, 0)]

    def rollback(self, count: int) -> None:
        """Take back the last tokens."""
        if self._call.llg_matcher_rollback(self._pointer, count):
            self.check()

    @property
    def accepting(self) -> bool:
        """Whether the output may end here."""
        return self._call.llg_matcher_is_accepting(self._pointer)

    @property
    def stopped(self) -> bool:
        """Whether the output must end here."""
        return self._call.llg_matcher_is_stopped(self._pointer)


@lru_cache(maxsize=1)
def _library() -> C.CDLL:
    found = importlib.util.find_spec("llguidance")
    folders = list(found.submodule_search_locations or ()) if found else []
    files = [file for folder in folders for file in Path(folder).glob("_lib*.so")]
    if not files:
        raise EngineMismatch("The package llguidance is not installed.", "Install Puna again.")
    library = C.CDLL(str(files[0]))
    try:
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        raise EngineMismatch(
            f"{files[0]} lacks a function: {error}.", "Install Puna again."
        ) from None
    known = _ConstraintInit()
    library.llg_constraint_init_set_defaults(C.byref(known), None)
    if any(getattr(known.limits, name) != value for name, value in _DEFAULTS.items()):
        raise EngineMismatch(f"{files[0]} is laid out differently.", "Install Puna again.")
    return library


def _adapted(tokenize: Callable[[str], Sequence[int]]) -> Callable[..., int]:
    def adapted(_data: int, text: int, length: int, tokens: int, room: int) -> int:
        found = tokenize(C.string_at(text, length).decode("utf-8", "replace") if length else "")
        count = min(len(found), room)
        if count:
            (C.c_uint32 * count).from_address(tokens)[:] = found[:count]
        return len(found)

    return adapted
