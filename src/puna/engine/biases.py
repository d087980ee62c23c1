"""What is asked of single tokens: a bias, a ban, and the list of those that alone are allowed."""

from collections.abc import Iterable, Sequence

import numpy as np

from puna.engine.candidates import Indices
from puna.errors import BadRequest
from puna.jobs import Limits, Sampling


class Biases:
    """What is added to the logits of tokens (minus infinity bans one), and what is allowed."""

    def __init__(self, sampling: Sampling, vocabulary: int) -> None:
        biases = sampling.logit_bias | dict.fromkeys(sampling.banned_tokens, -np.inf)
        self.tokens = places(biases, vocabulary, "logit_bias and banned_tokens")
        self.values = np.fromiter(biases.values(), np.float32, len(biases))
        self.allowed: Indices | None = None
        if sampling.allowed_tokens:
            allowed = np.unique(places(sampling.allowed_tokens, vocabulary, "allowed_tokens"))
            self.allowed = np.setdiff1d(allowed, sampling.banned_tokens, assume_unique=True)

    def bans(self, token: int) -> bool:
        """Whether this token may never come."""
        is_banned = bool(np.isneginf(self.values[self.tokens == token]).any())
        return is_banned or (self.allowed is not None and token not in self.allowed)


class Ends:
    """Which tokens may not come yet, because they would end the output."""

    def __init__(self, limits: Limits, end_tokens: Sequence[int], vocabulary: int) -> None:
        self._min_tokens = limits.min_tokens
        ends = places(end_tokens, vocabulary, "The model's end tokens")
        stops = [token for token in limits.stop_tokens if 0 <= token < vocabulary]
        self._while_short = np.union1d(ends, np.asarray(stops, np.intp))
        self._always = ends if limits.ignore_eos else ends[:0]

    def banned(self, outputs: int) -> Indices:
        """The tokens that would end an output of so many tokens too soon."""
        return self._while_short if outputs < self._min_tokens else self._always


def places(tokens: Iterable[int], vocabulary: int, what: str) -> Indices:
    """Tokens as an array; every one must be in the vocabulary."""
    found = list(tokens)
    if strange := [token for token in found if not 0 <= token < vocabulary]:
        raise BadRequest(
            f"{what} may name tokens from 0 to {vocabulary - 1}, but {strange[0]} is among them."
        )
    return np.asarray(found, np.intp)
