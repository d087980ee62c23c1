"""Mirostat 1 and 2: after each token, how far to cut is steered towards a wanted surprise.

They stand in place of all samplers but biases and temperature, as in llama.cpp. Their one number,
`mu`, cannot be had from the tokens alone: it is the state that a sequence takes along.
"""

import math

import numpy as np

from puna.engine.candidates import Candidates
from puna.jobs import Sampling

# How many of the likeliest tokens the first version learns a distribution's steepness from.
_MEASURED = 100


def first_mu(sampling: Sampling) -> float:
    """Where `mu` begins."""
    return 2 * sampling.mirostat_tau


def next_mu(sampling: Sampling, mu: float, surprise: float) -> float:
    """Where `mu` is after a token that surprised by so many bits."""
    return mu - sampling.mirostat_eta * (surprise - sampling.mirostat_tau)


def cut(candidates: Candidates, sampling: Sampling, mu: float, vocabulary: int) -> Candidates:
    """What is left of candidates that have their temperature already."""
    if sampling.mirostat == 1:
        return candidates.keep(candidates.best(_count(candidates, mu, vocabulary)))
    least = candidates.log_mass() - mu * math.log(2)
    return candidates.keep(candidates.reaching(min(least, candidates.peak)))


def _count(candidates: Candidates, mu: float, vocabulary: int) -> int:
    logits = candidates.logits[candidates.ranked(_MEASURED)].astype(np.float64)
    if logits.size < 2:
        return 1
    ranks = np.arange(1, logits.size + 1)
    spread = np.diff(np.log(ranks))
    steepness = float(spread @ -np.diff(logits)) / float(spread @ spread)
    excess = steepness - 1
    try:
        # Where the slope is exactly Zipf's, the quotient is 0 / 0; this is its limit.
        share = (
            -math.expm1(-excess * math.log(vocabulary)) / excess if excess else math.log(vocabulary)
        )
        count = (2.0**mu / share) ** (1 / steepness if steepness else math.inf)
    except OverflowError:
        # The row is almost flat, and all of it was meant.
        return candidates.size
    return max(1, int(min(count, candidates.size)))
