"""What breaks a repetition for DRY: texts such as a line's end, and the tokens that hold them.

A token that contains the whole text breaks by itself. One that ends as the text begins breaks
together with the tokens that spell the rest.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from puna.engine.vocabulary import Vocabulary

# As in llama.cpp: longer texts are cut to so many bytes, the rest of one to so many tokens.
_LONGEST_TEXT = 40
_LONGEST_TAIL = 20
# Of so many lists of texts the breakers are kept; those of a hostile one may take some megabytes.
_KEPT = 4


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


class Spellings:
    """The breakers of one model, by the texts that are asked for; any thread may ask.

    To find those of many long texts takes a while, so nobody asks on a thread that others wait for.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.of = lru_cache(maxsize=_KEPT)(self._of)

    def _of(self, texts: tuple[str, ...]) -> Breakers:
        return self._pieces.breakers(texts)

    @cached_property
    def _pieces(self) -> "Pieces":
        tokenize = self._vocabulary.tokenize
        return Pieces(
            self._vocabulary.pieces(),
            lambda text: tokenize(text.decode("utf-8", "replace"), special=False),
        )


class Pieces:
    """The pieces of all tokens, in forms in which texts are found fast."""

    def __init__(self, pieces: Sequence[bytes], tokenize: Callable[[bytes], Sequence[int]]) -> None:
        """`tokenize` turns plain text into tokens, without any that mark its beginning or end."""
        self._tokenize = tokenize
        self._pieces = pieces
        self._text = b"".join(pieces)
        lengths = np.fromiter(map(len, pieces), np.intp, len(pieces))
        self._ends = lengths.cumsum()

    def breakers(self, texts: Iterable[str]) -> Breakers:
        """The breakers that these texts are."""
        return Breakers.of(
            sequence
            for text in texts
            if text
            for sequence in self._spellings(text.encode()[:_LONGEST_TEXT])
        )

    def _spellings(self, text: bytes) -> Iterable[tuple[int, ...]]:
        alone = set(self._containing(text))
        yield from ((token,) for token in alone)
        for cut in range(1, len(text)):
            heads = [token for token in self._ending(text[:cut]) if token not in alone]
            if heads:
                tail = tuple(self._tokenize(text[cut:])[:_LONGEST_TAIL])
                yield from ((head, *tail) for head in heads)

    def _containing(self, text: bytes) -> Iterable[int]:
        found = self._text.find(text)
        while found >= 0:
            token = int(self._ends.searchsorted(found, "right"))
            if found + len(text) <= self._ends[token]:
                yield token
                found = int(self._ends[token]) - 1
            found = self._text.find(text, found + 1)

    def _ending(self, text: bytes) -> Sequence[int]:
        end = text[::-1]
        backwards, tokens = self._backwards
        first = bisect_left(backwards, end)
        last = bisect_right(backwards, end, lo=first, key=lambda piece: piece[: len(end)])
        return tokens[first:last]

    @cached_property
    def _backwards(self) -> tuple[list[bytes], list[int]]:
        """The pieces read backwards, in their order, and whose they are."""
        backwards = [piece[::-1] for piece in self._pieces]
        tokens = sorted(range(len(backwards)), key=backwards.__getitem__)
        return [backwards[token] for token in tokens], tokens
