"""Log-probabilities: how likely the model held a token, and which ones it held likeliest.

They are of the model's own output: before biases, penalties, temperature, cuts and constraints.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from puna.engine.candidates import Candidates, Logits

Top = tuple[tuple[int, float], ...]


class Scored(NamedTuple):
    """A token's log-probability, and the likeliest tokens in its place, the likeliest first."""

    token: int
    logprob: float
    top: Top


class Scale:
    """What turns one row of logits into log-probabilities."""

    def __init__(self, row: Candidates, top: int) -> None:
        self._logits = row.logits
        self._log_mass = row.log_mass()
        places = row.ranked(top) if top else row.ranked(0)
        self.top: Top = tuple(
            zip(places.tolist(), (row.logits[places] - self._log_mass).tolist(), strict=True)
        )

    def of(self, token: int) -> float:
        """A token's log-probability."""
        return float(self._logits[token]) - self._log_mass


def prompt_scores(rows: Iterable[Logits], tokens: Sequence[int], top: int) -> list[Scored]:
    """What the prompt's tokens scored: each row is the output before the token beside it."""
    scales = (Scale(Candidates(row), top) for row in rows)
    return [
        Scored(token, scale.of(token), scale.top)
        for scale, token in zip(scales, tokens, strict=True)
    ]
