"""The samplers that cut: each takes candidates and says which of them stay.

They are llama.cpp's, in its order: top_k, typical_p, top_p, min_p, XTC. None looks at the
temperature, which comes after them.
"""

import math

import numpy as np

from puna.engine.candidates import Candidates, leading, total
from puna.jobs import Sampling


def cut(candidates: Candidates, sampling: Sampling, coin: float) -> Candidates:
    """What is left after all of them; `coin` is XTC's toss, from 0 up to 1."""
    if 0 < sampling.top_k < candidates.size:
        candidates = candidates.keep(candidates.best(sampling.top_k))
    if sampling.typical_p < 1:
        candidates = _typical(candidates, sampling.typical_p)
    if sampling.top_p < 1:
        candidates = _nucleus(candidates, sampling.top_p)
    if sampling.min_p > 0:
        threshold = candidates.peak + math.log(sampling.min_p)
        candidates = candidates.keep(candidates.reaching(threshold))
    if tosses(sampling) and coin <= sampling.xtc_probability:
        candidates = _without_top_choices(candidates, sampling.xtc_threshold)
    return candidates


def tosses(sampling: Sampling) -> bool:
    """Whether XTC is on: beyond one half, no two tokens can reach its threshold."""
    return sampling.xtc_probability > 0 and sampling.xtc_threshold <= 0.5


def _typical(candidates: Candidates, share: float) -> Candidates:
    """The tokens whose surprise is nearest to the surprise that is expected."""
    candidates = candidates.keep(candidates.reaching(-math.inf))
    weights = candidates.weights()
    mass = total(weights)
    surprise = np.float32(math.log(mass) + candidates.peak) - candidates.logits
    expected = np.float32(total(weights * surprise) / mass)
    nearness = -np.abs(surprise - expected)
    return candidates.keep(
        leading(Candidates(nearness), weights.__getitem__, share * mass, beyond=True)
    )


def _nucleus(candidates: Candidates, share: float) -> Candidates:
    """The likeliest tokens that together have at least this share of the probability."""
    mass = share * candidates.mass()
    return candidates.keep(leading(candidates, candidates.weights_at, mass))


def _without_top_choices(candidates: Candidates, threshold: float) -> Candidates:
    """Without the likeliest, as long as one that reaches the threshold stays."""
    weights = candidates.weights()
    reaching = int(np.count_nonzero(weights >= threshold * total(weights)))
    if reaching < 2:
        return candidates
    stays = np.ones(candidates.size, np.bool_)
    stays[candidates.best(reaching - 1)] = False
    return candidates.keep(np.flatnonzero(stays))
