"""Detokenising as tokens come: whole characters only, nothing lost, each token accounted for."""

from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Collection, Iterable

from puna.text.tokens import Tokenizer


class TextStream:
    """Turns a growing sequence of tokens into text.

    The text of all pushes and the finish, joined, is the tokens' bytes decoded as a whole, broken
    ones replaced. `hidden` are tokens whose text is not shown. `lead` is left out where the text
    begins with it: the tokenizer's own for a text that stands alone, nothing for one that
    continues another.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, hidden: Collection[int] = (), lead: bytes = b""
    ) -> None:
        self._tokenizer = tokenizer
        self._hidden = hidden
        self._lead = lead
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._length = 0
        self._ends: deque[int] = deque()
        self._accounted = 0

    def push(self, tokens: Iterable[int]) -> str:
        """The text that is whole now that these tokens have come."""
        return "".join([self._push(token) for token in tokens])

    def finish(self) -> str:
        """What is left: a replacement character, if the last one never became whole."""
        text = self._decoder.decode(b"", final=True)
        self._length += len(text)
        return text

    def tokens_within(self, length: int) -> int:
        """How many tokens have given all their text when so many characters have been shown."""
        while self._ends and self._ends[0] <= length:
            self._ends.popleft()
            self._accounted += 1
        return self._accounted

    def _push(self, token: int) -> str:
        piece = b"" if token in self._hidden else self._tokenizer.piece(token)
        if self._lead:
            piece = piece.removeprefix(self._lead)
            self._lead = b""
        text = self._decoder.decode(piece)
        self._length += len(text)
        # A token that completed no character is part of the one still to come, if there is one.
        waits = not text and self._decoder.getstate()[0]
        self._ends.append(self._length + 1 if waits else self._length)
        return text
