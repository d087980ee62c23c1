"""DRY ("don't repeat yourself"): a token that would prolong a repetition loses by its length.

For each token of the context it is known how long the text that ends there equals the text that
ends at the last one. With each new token these lengths follow from the ones before, so that a step
costs one pass over the window, however hostile the text. Sequences that break a repetition
("breakers") come as tokens; the room `breakers` makes them of text.
"""

import math
from collections.abc import Sequence

import numpy as np

from puna.engine.breakers import Breakers
from puna.engine.candidates import Indices, Logits
from puna.jobs import SAMPLING_BOUNDS, Sampling

LONGEST_WINDOW = int(SAMPLING_BOUNDS["dry_last_n"][1])
# No penalty is larger: no logit comes back from it, and no float32 overflows.
_LARGEST = 1e30
# The logarithm of the largest float32, to which llama.cpp limits the exponential.
_LARGEST_EXPONENT = 88.7228391
_NO_BREAKERS = Breakers()
_NO_TOKENS = np.empty(0, np.intp)
_NO_LOGITS = np.empty(0, np.float32)


class Dry:
    """A sequence's last tokens, and how much of its end each repeats."""

    def __init__(
        self, sampling: Sampling, prompt: Sequence[int], breakers: Breakers = _NO_BREAKERS
    ) -> None:
        self._sampling = sampling
        self._window = LONGEST_WINDOW if sampling.dry_last_n < 0 else sampling.dry_last_n
        self._breakers = breakers
        self._size = min(len(prompt), self._window)
        self._tokens = np.zeros(2 * self._size + 64, np.int32)
        self._tokens[: self._size] = prompt[len(prompt) - self._size :]
        # For each place but the last: how many tokens up to it equal as many up to the last one.
        self._repeats = np.zeros(self._tokens.size, np.int32)
        self._repeats[: self._size] = _repeats(self._tokens[: self._size].tolist())
        self._longest_tail = breakers.longest_tail
        # Where the last break begins, and how many tokens it has.
        self._break: tuple[int, int] | None = None
        self._look_for_break(self._size)

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        """Whether anything is penalised at all."""
        return sampling.dry_multiplier != 0 and sampling.dry_last_n != 0

    def accept(self, token: int) -> None:
        """The context grows by this token."""
        if self._size == self._tokens.size:
            self._make_room()
        last = self._size
        self._tokens[last] = token
        self._size += 1
        if last:
            first = max(0, last - self._window)
            grown = self._repeats[first : last - 1] + 1
            self._repeats[first + 1 : last] = grown * (self._tokens[first + 1 : last] == token)
            self._repeats[first] = self._tokens[first] == token
        self._look_for_break(self._longest_tail + 1)

    def penalties(self) -> tuple[Indices, Logits]:
        """Tokens that would prolong a repetition, and what each loses by it."""
        allowed = self._sampling.dry_allowed_length
        start = max(0, self._size - self._window)
        limit = self._size - start
        if self._break and self._break[0] >= start:
            limit = self._size - sum(self._break)
        if limit < allowed or self._size - start <= allowed:
            return _NO_TOKENS, _NO_LOGITS
        repeats = self._repeats[start : self._size - 1]
        places = np.flatnonzero(repeats >= allowed)
        # Nothing before the window counts, nor anything before a break.
        lengths = np.minimum(repeats[places], np.minimum(places + 1, limit))
        prolonging = lengths >= allowed
        tokens, which = np.unique(self._tokens[start + 1 + places[prolonging]], return_inverse=True)
        longest = np.zeros(tokens.size, np.intp)
        np.maximum.at(longest, which, lengths[prolonging])
        breaks = np.fromiter(map(self._breakers.alone.__contains__, tokens.tolist()), np.bool_)
        exponents = np.minimum(longest[~breaks] - allowed, self._largest_exponent())
        base = float(np.float32(self._sampling.dry_base))
        losses = np.minimum(self._sampling.dry_multiplier * base**exponents, _LARGEST)
        return tokens[~breaks].astype(np.intp), losses.astype(np.float32)

    def _largest_exponent(self) -> float:
        base = self._sampling.dry_base
        return int(_LARGEST_EXPONENT / math.log(base)) if base > 1.000001 else math.inf

    def _look_for_break(self, back: int) -> None:
        """Among the last so many tokens, look for the last one at which a breaker begins."""
        if self._breakers is _NO_BREAKERS:
            return
        start = max(0, self._size - back)
        tokens = self._tokens[start : self._size].tolist()
        for place in reversed(range(len(tokens))):
            if length := self._breakers.length_at(tokens, place):
                self._break = (start + place, length)
                return

    def _make_room(self) -> None:
        gone = max(0, self._size - self._window)
        if gone < self._size // 2:
            self._tokens = np.resize(self._tokens, 2 * self._size)
            self._repeats = np.resize(self._repeats, 2 * self._size)
            return
        self._size -= gone
        for array in (self._tokens, self._repeats):
            array[: self._size] = array[gone : gone + self._size]
        if self._break:
            self._break = (self._break[0] - gone, self._break[1])


def _repeats(tokens: list[int]) -> list[int]:
    """For each token, how many up to it equal as many up to the last one: the Z algorithm."""
    backwards = tokens[::-1]
    size = len(tokens)
    equal = [0] * size
    # The stretch that reaches furthest among those found equal to the beginning.
    left = right = 0
    for place in range(1, size):
        length = min(equal[place - left], right - place) if place < right else 0
        while place + length < size and backwards[length] == backwards[place + length]:
            length += 1
        equal[place] = length
        if place + length > right:
            left, right = place, place + length
    return equal[::-1]
