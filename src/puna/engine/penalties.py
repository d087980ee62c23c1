"""Penalties for tokens that the last ones already hold: repeat, frequency and presence.

The prompt counts like the output. How often each token occurs in the window is kept up token by
token, in arrays, so that a draw touches nothing but the tokens of the window.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from puna.engine.candidates import Indices, Logits
from puna.jobs import SAMPLING_BOUNDS, Sampling

# What a window of -1, the whole context, may be at most.
LONGEST_WINDOW = int(SAMPLING_BOUNDS["repeat_last_n"][1])


class Penalties:
    """The tokens of a window, how often each occurs, and what that does to their logits."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int]) -> None:
        self._sampling = sampling
        window = LONGEST_WINDOW if sampling.repeat_last_n < 0 else sampling.repeat_last_n
        self._window = deque[int](maxlen=window)
        self._places: dict[int, int] = {}
        self._tokens = np.empty(0, np.intp)
        self._counts = np.empty(0, np.float32)
        for token in prompt[-window:]:
            self.accept(token)

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        """Whether anything is penalised at all."""
        return sampling.repeat_last_n != 0 and (
            sampling.repeat_penalty != 1
            or sampling.frequency_penalty != 0
            or sampling.presence_penalty != 0
        )

    def accept(self, token: int) -> None:
        """The window moves on by this token."""
        if len(self._window) == self._window.maxlen:
            self._forget(self._window[0])
        self._window.append(token)
        place = self._places.get(token)
        if place is None:
            place = self._add(token)
        self._counts[place] += 1

    @property
    def tokens(self) -> Indices:
        """The tokens of the window, each once."""
        return self._tokens[: len(self._places)]

    def applied(self, logits: Logits) -> Logits:
        """The logits of those tokens, penalised."""
        rules = self._sampling
        frequency = np.float32(rules.frequency_penalty)
        presence = np.float32(rules.presence_penalty)
        counts = self._counts[: len(self._places)]
        if rules.repeat_penalty != 1:
            repeat = np.float32(rules.repeat_penalty)
            # Division alone would make a token of a negative logit likelier.
            logits = np.where(logits <= 0, logits * repeat, logits / repeat)
        return (logits - (counts * frequency + presence)).astype(np.float32, copy=False)

    def _add(self, token: int) -> int:
        place = len(self._places)
        if place == self._tokens.size:
            self._tokens = np.resize(self._tokens, max(2 * place, 64))
            self._counts = np.resize(self._counts, self._tokens.size)
        self._places[token] = place
        self._tokens[place] = token
        self._counts[place] = 0
        return place

    def _forget(self, token: int) -> None:
        place = self._places[token]
        self._counts[place] -= 1
        if self._counts[place]:
            return
        # The last one moves into the gap.
        del self._places[token]
        last = len(self._places)
        if place != last:
            self._tokens[place] = self._tokens[last]
            self._counts[place] = self._counts[last]
            self._places[int(self._tokens[place])] = place
