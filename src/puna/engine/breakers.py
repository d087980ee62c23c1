"""What breaks a repetition for DRY: texts such as a line's end, and the tokens that hold them.

A token that contains the whole text breaks by itself. One that ends as the text begins breaks
together with the tokens that spell the rest.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from puna.engine.candidates import Indices

# As in llama.cpp: longer texts are cut to so many bytes, the rest of one to so many tokens.
_LONGEST_TEXT = 40
_LONGEST_TAIL = 20


@dataclass(frozen=True, slots=True)
class Breakers:
    """Tokens that break alone, and those that do before one of several tails of tokens."""

    alone: frozenset[int] = frozenset()
    tails: dict[int, tuple[tuple[int, ...], ...]] = field(
        default_factory=dict[int, tuple[tuple[int, ...], ...]]
    )

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]]) -> "Breakers":
        """Breakers that are sequences of tokens, none of them empty."""
        tails: dict[int, dict[tuple[int, ...], None]] = {}
        for head, *tail in sequences:
            tails.setdefault(head, {})[tuple(tail)] = None
        return cls(
            frozenset(head for head, all_tails in tails.items() if () in all_tails),
            {
                head: tuple(filter(None, all_tails))
                for head, all_tails in tails.items()
                if any(all_tails)
            },
        )

    @property
    def longest_tail(self) -> int:
        """How many tokens may follow the first one of a breaker."""
        return max((len(tail) for tails in self.tails.values() for tail in tails), default=0)

    def length_at(self, tokens: Sequence[int], place: int) -> int:
        """How many tokens the longest breaker has that begins at this place; 0 if none does."""
        token = tokens[place]
        fitting = (
            len(tail) + 1
            for tail in self.tails.get(token, ())
            if tuple(tokens[place + 1 : place + 1 + len(tail)]) == tail
        )
        return max(fitting, default=1 if token in self.alone else 0)


class Vocabulary:
    """The pieces of all tokens, in a form in which texts are found fast."""

    def __init__(self, pieces: Sequence[bytes], tokenize: Callable[[bytes], Sequence[int]]) -> None:
        """`tokenize` turns plain text into tokens, without any that mark its beginning or end."""
        self._tokenize = tokenize
        self._text = b"".join(pieces)
        self._bytes = np.frombuffer(self._text, np.uint8)
        lengths = np.fromiter(map(len, pieces), np.intp, len(pieces))
        self._ends = lengths.cumsum()
        self._starts = self._ends - lengths

    def breakers(self, texts: Iterable[str]) -> Breakers:
        """The breakers that these texts are."""
        return Breakers.of(
            sequence
            for text in texts
            if text
            for sequence in self._spellings(text.encode()[:_LONGEST_TEXT])
        )

    def _spellings(self, text: bytes) -> Iterable[tuple[int, ...]]:
        alone = np.fromiter(self._containing(text), np.intp)
        yield from ((token,) for token in alone.tolist())
        for cut in range(1, len(text)):
            heads = np.setdiff1d(self._ending(text[:cut]), alone)
            if heads.size:
                tail = tuple(self._tokenize(text[cut:])[:_LONGEST_TAIL])
                yield from ((head, *tail) for head in heads.tolist())

    def _containing(self, text: bytes) -> Iterable[int]:
        found = self._text.find(text)
        while found >= 0:
            token = int(self._ends.searchsorted(found, "right"))
            if found + len(text) <= self._ends[token]:
                yield token
                found = int(self._ends[token]) - 1
            found = self._text.find(text, found + 1)

    def _ending(self, text: bytes) -> Indices:
        tokens = np.flatnonzero(self._ends - self._starts >= len(text))
        for back, byte in enumerate(reversed(text), start=1):
            tokens = tokens[self._bytes[self._ends[tokens] - back] == byte]
        return tokens
