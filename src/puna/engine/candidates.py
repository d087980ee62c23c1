"""The tokens that may come next, and the best of them found exactly without sorting them all.

A vocabulary is folded into layers of equal length, one above the other. One pass finds the peak of
each column, and only columns whose peak reaches a threshold are looked into. Among equal logits
the lowest token id is the better one: here and everywhere, so that every way of finding the best
finds the same.
"""

import math
from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from puna.errors import EngineFailed

Logits = NDArray[np.float32]
Indices = NDArray[np.intp]
Weights = NDArray[np.float32 | np.float64]

_LAYERS = 64
_FOLD_FROM = 4096
_LOWEST = float(np.finfo(np.float32).min)
# Below this temperature there is but one token left, above it no float32 overflows.
_COLDEST = 1e-6
# How many of the best are looked at before all are, where it is open how many it takes.
_GUESSES = (32, 512, 4096)
CHUNK = 512
# From a logit of so much up or down, the exponentials of a vocabulary fit into float32.
_MODEST = 60.0


class Candidates:
    """Tokens in ascending order of their ids, with their logits. Those of -inf do not count."""

    __slots__ = ("_ids", "_layers", "_peaks", "_rest", "logits", "peak")

    def __init__(
        self, logits: Logits, ids: Indices | None = None, peaks: Logits | None = None
    ) -> None:
        """Without `ids`, a token's id is its place; `peaks` are the columns', where known."""
        self.logits = logits
        self._ids = ids
        self._layers: Logits | None = None
        self._peaks = logits
        if logits.size >= _FOLD_FROM:
            whole = logits.size - logits.size % _LAYERS
            self._layers = logits[:whole].reshape(_LAYERS, -1)
            self._rest = logits[whole:]
            self._peaks = _folded(self._layers, self._rest) if peaks is None else peaks
        self.peak = float(self._peaks.max(initial=-np.inf))
        if not self.peak < np.inf:
            raise EngineFailed(
                "The model put out something that is not a number.",
                "Check the model's file, and whether it works with another engine or device.",
            )

    @property
    def size(self) -> int:
        """How many tokens there are, those of -inf included."""
        return self.logits.size

    def id_at(self, place: int) -> int:
        """The token at a place."""
        return place if self._ids is None else int(self._ids[place])

    def ids_at(self, places: Indices) -> Indices:
        """The tokens at some places."""
        return places if self._ids is None else self._ids[places]

    def keep(self, places: Indices) -> Self:
        """Only the tokens at these places, which ascend."""
        if places.size == self.size:
            return self
        return type(self)(self.logits[places], self.ids_at(places))

    def reaching(self, threshold: float) -> Indices:
        """The places of all tokens whose logit is at least this, ascending."""
        threshold = max(threshold, _LOWEST)
        if self._layers is None:
            return np.flatnonzero(self.logits >= threshold)
        columns = np.flatnonzero(self._peaks >= threshold)
        if columns.size > self._peaks.size // 4:
            return np.flatnonzero(self.logits >= threshold)
        found = np.flatnonzero(self._layers.take(columns, axis=1) >= threshold)
        layers, columns_found = np.divmod(found, max(columns.size, 1))
        places = layers * self._peaks.size + columns[columns_found]
        rest = np.flatnonzero(self._rest >= threshold)
        return np.concatenate((places, rest + self._layers.size)) if rest.size else places

    def best(self, count: int) -> Indices:
        """The places of the `count` tokens of the highest logits, ascending."""
        if not 0 < count < self.size:
            return self.reaching(-np.inf if count > 0 else np.inf)
        # Each column has at least its peak, so `count` of them reach the `count`-th peak. When it
        # takes many columns, the threshold had better be the very one.
        measure = self._peaks if count <= self._peaks.size // 4 else self.logits
        places = self.reaching(_nth(measure, count))
        if places.size <= count:
            return places
        logits = self.logits[places]
        least = _nth(logits, count)
        taken = logits > least
        ties = np.flatnonzero(logits == least)
        taken[ties[: count - np.count_nonzero(taken)]] = True
        return places[taken]

    def ranked(self, count: int) -> Indices:
        """The places of the `count` tokens of the highest logits, the best first."""
        places = self.best(count)
        return places[_descending(self.logits[places])]

    def weights(self, temperature: float = 1.0) -> Logits:
        """What softmax gives before it is divided by its sum; the best token weighs 1."""
        return self._weighed(self.logits, temperature)

    def weights_at(self, places: Indices) -> Logits:
        """What the tokens at some places weigh."""
        return self._weighed(self.logits[places])

    def mass(self) -> float:
        """What all tokens weigh."""
        if self._layers is None or abs(self.peak) > _MODEST:
            return total(self.weights())
        # One pass less: the peak may as well be taken off the sum.
        return total(np.exp(self.logits)) * math.exp(-self.peak)

    def _weighed(self, logits: Logits, temperature: float = 1.0) -> Logits:
        weights = logits - np.float32(self.peak)
        if temperature != 1.0:
            weights /= np.float32(max(temperature, _COLDEST))
        return np.exp(weights, out=weights)

    def tempered(self, temperature: float) -> Self:
        """The same tokens with the temperature in their logits; at 0, the best of them alone."""
        if temperature == 0:
            return self.keep(self.best(1))
        if temperature == 1:
            return self
        divisor = np.float32(max(temperature, _COLDEST))
        # Rounding keeps the order, so a column's peak stays its peak.
        peaks = None if self._layers is None else self._peaks / divisor
        return type(self)(self.logits / divisor, self._ids, peaks)

    def log_mass(self) -> float:
        """The logarithm of the sum of all exponentials: a logit less this is a log-probability."""
        return self.peak + math.log(self.mass())


def _folded(layers: Logits, rest: Logits) -> Logits:
    """The peak of each column, in half the time that numpy's own reduction takes.

    What is left over of the vocabulary lies upon the first columns.
    """
    count = _LAYERS // 2
    folded = np.maximum(layers[:count], layers[count:])
    while count > 1:
        count //= 2
        folded = np.maximum(folded[:count], folded[count:], out=folded[:count])
    np.maximum(folded[0, : rest.size], rest, out=folded[0, : rest.size])
    # A copy, since the rest of what it is a part of is not needed any more.
    return folded[0].copy()


def total(weights: Weights) -> float:
    """The sum of all weights."""
    if weights.size <= CHUNK:
        return float(weights.sum(dtype=np.float64))
    return float(chunk_sums(weights).sum())


def chunk_sums(weights: Weights) -> NDArray[np.float64]:
    """The sums of consecutive chunks of `CHUNK` weights, of which the last may be shorter."""
    even = weights.size - weights.size % CHUNK
    sums = np.empty(even // CHUNK + 1)
    # Several times as fast as a sum along the axis, and as exact over so few.
    sums[:-1] = np.einsum("ij->i", weights[:even].reshape(-1, CHUNK))
    sums[-1] = weights[even:].sum(dtype=np.float64)
    return sums


def leading(
    scores: Candidates,
    weigh: Callable[[Indices], Weights],
    mass: float,
    *,
    beyond: bool = False,
) -> Indices:
    """The places of the fewest tokens of the highest scores that together weigh `mass`.

    With `beyond`, they must weigh more than that. All of them, if they never do.
    """
    for guess in _GUESSES:
        if guess < scores.size // 8:
            order = scores.ranked(guess)
            if (count := _weighing(weigh(order), mass, beyond=beyond)) <= guess:
                return np.sort(order[:count])
    order = _descending(scores.logits)
    return np.sort(order[: _weighing(weigh(order), mass, beyond=beyond)])


def _weighing(weights: Weights, mass: float, *, beyond: bool) -> int:
    """How many of the first weights it takes to weigh this; one more than there are, if never."""
    sums = np.cumsum(weights, dtype=np.float64)
    return int(np.searchsorted(sums, mass, "right" if beyond else "left")) + 1


def _descending(values: Logits) -> Indices:
    """The places in the order of their values, the highest first, equal ones as they came."""
    if values.size <= CHUNK:
        return np.argsort(-values, kind="stable")
    # One plain sort of integers whose upper half orders like the value and whose lower half is
    # the place: many times as fast as a stable sort of places by value.
    keys = (0.0 - values).view(np.int32).astype(np.int64)
    keys ^= (keys >> 63) & 0x7FFFFFFF
    keys <<= 32
    keys |= np.arange(values.size)
    keys.sort()
    return keys & 0xFFFFFFFF


def _nth(values: Logits, count: int) -> float:
    return float(np.partition(values, values.size - count)[values.size - count])
