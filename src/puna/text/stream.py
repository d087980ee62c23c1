"""Detokenising as tokens come: whole characters only, and nothing lost."""

from codecs import getincrementaldecoder
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

    def push(self, tokens: Iterable[int]) -> str:
        """The text that is whole now that these tokens have come."""
        piece, hidden = self._tokenizer.piece, self._hidden
        pieces = [b"" if token in hidden else piece(token) for token in tokens]
        if self._lead and pieces:
            pieces[0] = pieces[0].removeprefix(self._lead)
            self._lead = b""
        return self._decoder.decode(b"".join(pieces))

    def finish(self) -> str:
        """What is left: a replacement character, if the last one never became whole."""
        return self._decoder.decode(b"", final=True)
