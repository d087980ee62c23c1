"""A drill in copying: random tokens, of which pieces come again, so that only looking back helps.

Words that nobody has seen must be copied from a prompt into a tool call. The drill keeps that alive
for every token of the vocabulary, also for those that conversations hardly have.
"""

import numpy as np

LENGTH = 128
SHARE = 0.06


def batch(tokens: int, vocabulary: int, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Inputs, targets and weights; what counts is what came before."""
    rows = [_row(vocabulary, random) for _ in range(tokens // LENGTH)]
    ids = np.stack([ids for ids, _ in rows])
    weights = np.stack([weights for _, weights in rows])
    return ids[:, :-1], ids[:, 1:], weights[:, 1:]


def _row(vocabulary: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    # A small set of tokens in some rows makes single tokens ambiguous, so that more must match.
    known = random.permutation(vocabulary)[: random.choice((24, 100, vocabulary))]
    ids = random.choice(known, LENGTH + 1)
    weights = np.zeros(LENGTH + 1, np.float32)
    at = int(random.integers(12, 48))
    while at < LENGTH - 4:
        size = int(random.integers(3, min(24, at) + 1))
        size = min(size, LENGTH + 1 - at)
        start = int(random.integers(0, at - size + 1))
        ids[at : at + size] = ids[start : start + size]
        weights[at + 2 : at + size] = 1
        at += size + int(random.integers(0, 5))
    return ids, weights
