"""Speculation: guessing a sequence's next tokens from its own text, as long as guessing pays.

Where the last few tokens occurred before, what followed them then is the guess. Each token that
comes shows whether the guess for it was right, whether it was used or not: so it is known at no
cost how far guesses can be trusted now. The engine verifies a guess by drawing each token as it
would have anyway, so nothing here decides what is put out.
"""

from collections.abc import Iterable
from itertools import takewhile

# What a guessed token costs, as a part of what an output token takes.
DRAFT_COST = 0.4
_LONGEST = 4
_SHORTEST = 2
# Tokens further back than this are forgotten, which bounds the memory of a sequence.
_REACH = 32_768
# How likely a guess is right after a match of 2, 3, … tokens, before anything is known; the last
# stands for all longer ones. The text soon outweighs it.
_EXPECTED = (0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.85)
# What is expected counts like so many guesses, and after so many more a guess is half forgotten.
_WEIGHT = 4.0
_MEMORY = 1 - 1 / 32


class NGrams:
    """The tokens of a sequence, and where the last few of them occurred before."""

    def __init__(self, tokens: Iterable[int] = (), reach: int = _REACH) -> None:
        self._tokens: list[int] = []
        self._reach = reach
        # Where that went on which each run of tokens has at its last occurrence.
        self._followed: dict[tuple[int, ...], int] = {}
        for token in tokens:
            self.accept(token)

    def accept(self, token: int) -> None:
        """The sequence goes on with this token."""
        place = len(self._tokens)
        for run in self._runs_before(place):
            self._followed[run] = place
        self._tokens.append(token)
        gone = place - self._reach
        for run in self._runs_before(gone):
            if self._followed.get(run) == gone:
                del self._followed[run]

    def match(self) -> tuple[int, int] | None:
        """Where the longest run of last tokens that occurred before went on, and its length."""
        for run in reversed(self._runs_before(len(self._tokens))):
            if (place := self._followed.get(run)) is not None:
                return place, len(run)
        return None

    def following(self, place: int, count: int) -> list[int]:
        """So many tokens from a place on; at the end, they go on in what has just been read."""
        period = len(self._tokens) - place
        return [self._tokens[place + step % period] for step in range(count)]

    def _runs_before(self, place: int) -> list[tuple[int, ...]]:
        longest = min(_LONGEST, place)
        return [tuple(self._tokens[place - size : place]) for size in range(_SHORTEST, longest + 1)]


class Speculation:
    """A sequence's guesses, and how far to trust them."""

    def __init__(self, prompt: Iterable[int] = ()) -> None:
        self._ngrams = NGrams(prompt)
        self._match = self._ngrams.match()
        self._right = [_WEIGHT * expected for expected in _EXPECTED]
        self._tried = [_WEIGHT] * len(_EXPECTED)

    def accept(self, token: int) -> None:
        """The output has grown by this token, guessed or not."""
        before = self._match
        right = before is not None and self._ngrams.following(before[0], 1) == [token]
        if before:
            self._learn(before[1], right=right)
        self._ngrams.accept(token)
        self._match = self._ngrams.match()
        if before and right and self._match and self._match[0] == before[0] + 1:
            # Still in the same stretch, of which more and more is known to be equal.
            self._match = (self._match[0], before[1] + 1)

    def draft(self, cost: float, most: int) -> list[int]:
        """The guess to verify in the next step, at most so many tokens; often none.

        `cost` is what one more token in a step costs, in relation to what one more token of
        output is worth: a token is guessed while it is likelier to be right than that.
        """
        if self._match is None:
            return []
        place, length = self._match
        count, chance = 0, self._trust(length)
        while count < most and chance > cost:
            count += 1
            chance *= self._trust(length + count)
        # What stands for an image is negative, and nothing that could be drawn.
        guess = self._ngrams.following(place, count)
        return list(takewhile(lambda token: token >= 0, guess))

    def _trust(self, length: int) -> float:
        kind = _kind(length)
        return self._right[kind] / self._tried[kind]

    def _learn(self, length: int, *, right: bool) -> None:
        kind = _kind(length)
        self._right[kind] = self._right[kind] * _MEMORY + right
        self._tried[kind] = self._tried[kind] * _MEMORY + 1


def _kind(length: int) -> int:
    return min(length - _SHORTEST, len(_EXPECTED) - 1)
