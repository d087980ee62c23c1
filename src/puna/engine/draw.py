"""Chance, without a generator: each number follows from a seed, a position and what it is for.

So a sequence that goes on elsewhere draws what it would have drawn here, and a token is drawn the
same whether it was guessed beforehand or not.
"""

from typing import Literal

import numpy as np

from puna.engine.candidates import CHUNK, Weights, chunk_sums

Purpose = Literal["token", "exclude_top_choices"]

_PURPOSES: dict[Purpose, int] = {"token": 0, "exclude_top_choices": 1}
_MASK = 2**64 - 1


def uniform(seed: int, position: int, purpose: Purpose) -> float:
    """A number from 0 up to but not 1, evenly spread over positions and over seeds."""
    place = position * len(_PURPOSES) + _PURPOSES[purpose]
    return (_mix(_mix(seed) + place) >> 11) * 2.0**-53


def pick(weights: Weights, chance: float) -> int:
    """The first place at which the running sum of the weights exceeds this share of the whole."""
    if weights.size <= CHUNK:
        return _pick(weights, chance)
    sums = chunk_sums(weights)
    running = sums.cumsum()
    chunk = _pick(sums, chance)
    before = float(running[chunk - 1]) if chunk else 0.0
    share = (chance * float(running[-1]) - before) / float(sums[chunk])
    return chunk * CHUNK + _pick(weights[chunk * CHUNK : (chunk + 1) * CHUNK], share)


def _pick(weights: Weights, chance: float) -> int:
    sums = np.cumsum(weights, dtype=np.float64)
    whole = float(sums[-1])
    place = int(np.searchsorted(sums, chance * whole, "right"))
    # Rounding may ask for more than there is: then it is the last place of any weight.
    return place if place < sums.size else int(np.searchsorted(sums, whole, "left"))


def _mix(number: int) -> int:
    """SplitMix64's step from a counter to a number that shows nothing of it."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
