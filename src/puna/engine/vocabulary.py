"""A model's vocabulary: text to tokens and back, as the library itself does it."""

import ctypes as C
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from puna.engine import abi
from puna.engine.libllama import Library
from puna.text.tokens import Special

_NONE = -1
_WHOLE = abi.LlamaTokenAttr.CONTROL | abi.LlamaTokenAttr.UNKNOWN | abi.LlamaTokenAttr.USER_DEFINED


class Vocabulary:
    """The tokens of one model; valid for as long as the model is."""

    def __init__(self, library: Library, model: int) -> None:
        self._call = library.call
        self.pointer = library.call.llama_model_get_vocab(model)
        self.size = library.call.llama_vocab_n_tokens(self.pointer)
        self.kind = abi.LlamaVocabType(library.call.llama_vocab_type(self.pointer))
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Tokens of a text, without BOS and EOS; `special` lets control tokens' texts be them."""
        data = text.encode("utf-8", "surrogatepass")
        room = len(data) + 8
        tokens = (C.c_int32 * room)()
        count = self._call.llama_tokenize(
            self.pointer, data, len(data), tokens, room, False, special
        )
        if count < 0:
            room = -count
            tokens = (C.c_int32 * room)()
            count = self._call.llama_tokenize(
                self.pointer, data, len(data), tokens, room, False, special
            )
        return tokens[:count]

    def piece(self, token: int) -> bytes:
        """The bytes of a token, a control token's text included."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._piece(token)
        return piece

    def _piece(self, token: int) -> bytes:
        if not 0 <= token < self.size:
            return b""
        room = 256
        while True:
            # A buffer for each call, as threads tokenise and detokenise beside one another.
            buffer = C.create_string_buffer(room)
            count = self._call.llama_token_to_piece(self.pointer, token, buffer, room, 0, True)
            if count >= 0:
                return C.string_at(buffer, count)
            room = -count

    def pieces(self) -> list[bytes]:
        """The bytes of all tokens, by id."""
        to_piece, room = self._call.llama_token_to_piece, 256
        buffer = C.create_string_buffer(room)
        pieces = list[bytes]()
        for token in range(self.size):
            count = to_piece(self.pointer, token, buffer, room, 0, True)
            pieces.append(buffer.raw[:count] if count >= 0 else self.piece(token))
        return pieces

    def attributes(self, token: int) -> int:
        """The token's LlamaTokenAttr bits."""
        return self._call.llama_vocab_get_attr(self.pointer, token)

    def text(self, token: int) -> bytes:
        """The token as the vocabulary's file writes it."""
        return self._call.llama_vocab_get_text(self.pointer, token) or b""

    def ends(self, token: int) -> bool:
        """Whether this token ends an output."""
        return token in self.end_tokens

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """All tokens that end an output."""
        is_end = self._call.llama_vocab_is_eog
        return frozenset(token for token in range(self.size) if is_end(self.pointer, token))

    @property
    def specials(self) -> tuple[Special, ...]:
        """Every token that is matched as a whole before text is tokenised, by id."""
        return self._specials

    @property
    def lead(self) -> bytes:
        """What the library puts before a text and takes away again: a space or nothing."""
        return self._lead

    @cached_property
    def _specials(self) -> tuple[Special, ...]:
        found = list[Special]()
        for token in range(self.size):
            attributes = self.attributes(token)
            # An empty name would be found everywhere; no text can mean it.
            if attributes & _WHOLE and (text := self.text(token)):
                found.append(
                    Special(
                        token=token,
                        text=text.decode("utf-8", "surrogateescape"),
                        kind=_kind(attributes),
                        strips_left=bool(attributes & abi.LlamaTokenAttr.LSTRIP),
                        strips_right=bool(attributes & abi.LlamaTokenAttr.RSTRIP),
                    )
                )
        return tuple(found)

    @cached_property
    def _lead(self) -> bytes:
        tokens = self.tokenize("a", special=False)
        pieces = b"".join(map(self.piece, tokens))
        return pieces.removesuffix(self.detokenize(tokens))

    def detokenize(self, tokens: Sequence[int]) -> bytes:
        """The library's own way back, without control tokens; some clean spaces up in it."""
        given = (C.c_int32 * len(tokens))(*tokens)
        room = 16 * len(tokens) + 64
        while True:
            buffer = C.create_string_buffer(room)
            count = self._call.llama_detokenize(
                self.pointer, given, len(tokens), buffer, room, False, False
            )
            if count >= 0:
                return buffer.raw[:count]
            room = -count

    @property
    def bos(self) -> int | None:
        """The token that begins a text."""
        return self._known(self._call.llama_vocab_bos(self.pointer))

    @property
    def eos(self) -> int | None:
        """The token that ends a text."""
        return self._known(self._call.llama_vocab_eos(self.pointer))

    @property
    def separator(self) -> int | None:
        """The token between two sentences, of vocabularies that have one."""
        return self._known(self._call.llama_vocab_sep(self.pointer))

    @property
    def adds_bos(self) -> bool:
        """Whether prompts of this model begin with BOS."""
        return self._call.llama_vocab_get_add_bos(self.pointer)

    @property
    def adds_eos(self) -> bool:
        """Whether inputs of this model end with EOS."""
        return self._call.llama_vocab_get_add_eos(self.pointer)

    @property
    def adds_separator(self) -> bool:
        """Whether inputs of two texts have the separator between them."""
        return self._call.llama_vocab_get_add_sep(self.pointer)

    @cached_property
    def marks(self) -> tuple[list[int], list[int]]:
        """What the library puts before and behind a whole text."""
        if self.kind in (abi.LlamaVocabType.NONE, abi.LlamaVocabType.RWKV):
            return [], []
        is_wordpiece = self.kind is abi.LlamaVocabType.WPM
        begin = self.bos if self.adds_bos or is_wordpiece else None
        end = self.separator if is_wordpiece else self.eos if self.adds_eos else None
        return [begin] if begin is not None else [], [end] if end is not None else []

    @cached_property
    def fill_in(self) -> tuple[int, int, int] | None:
        """The tokens before a prefix, a suffix and the middle, of models that fill in."""
        found = (
            self._known(self._call.llama_vocab_fim_pre(self.pointer)),
            self._known(self._call.llama_vocab_fim_suf(self.pointer)),
            self._known(self._call.llama_vocab_fim_mid(self.pointer)),
        )
        prefix, suffix, middle = found
        if prefix is None or suffix is None or middle is None:
            return None
        return prefix, suffix, middle

    @cached_property
    def suppressed(self) -> tuple[int, ...]:
        """Tokens that the model's file says must never be drawn."""
        count = C.c_int32()
        address = self._call.llama_vocab_get_suppress_tokens(self.pointer, C.byref(count))
        if not address:
            return ()
        return tuple((C.c_int32 * count.value).from_address(address))

    @staticmethod
    def _known(token: int) -> int | None:
        return None if token == _NONE else token


def _kind(attributes: int) -> Literal["control", "unknown", "user"]:
    if attributes & abi.LlamaTokenAttr.CONTROL:
        return "control"
    return "unknown" if attributes & abi.LlamaTokenAttr.UNKNOWN else "user"
