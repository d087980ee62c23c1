"""Logits to sample from, and what Puna and llama.cpp make of them, to be held side by side."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from library_samplers import Sampler as LibrarySampler
from library_samplers import chain
from numpy.typing import NDArray

from puna.engine.sampling import Mask, Sampler
from puna.jobs import Limits, Sampling

Row = NDArray[np.float32]

shares = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def rows(draw: st.DrawFn, sizes: tuple[int, ...] = (2, 7, 100, 300, 5000)) -> Row:
    """Logits as models have them: many low ones, a few that stand out, steep or flat."""
    size = draw(st.sampled_from(sizes))
    random = np.random.default_rng(draw(seeds))
    row = random.normal(
        draw(st.sampled_from((-5, 0, 10))), draw(st.sampled_from((0.1, 2, 5))), size
    )
    return (row + 2 * (random.random(size) < 0.05) * random.exponential(3, size)).astype(np.float32)


def sampler(sampling: Sampling, row: Row, prompt: list[int] | None = None) -> Sampler:
    return Sampler(sampling, Limits(), seed=1, vocabulary=row.size, prompt=prompt or [])


def ours(sampler: Sampler, row: Row, mask: Mask | None = None) -> dict[int, float]:
    left, weights = sampler.choices(row, mask)
    weights = weights.astype(np.float64)
    tokens = left.ids_at(np.arange(left.size)).tolist()
    chances = (weights / weights.sum()).tolist()
    return {token: chance for token, chance in zip(tokens, chances, strict=True) if chance > 0}


def theirs(
    samplers: Sequence[LibrarySampler], row: Row, said: list[int] | None = None
) -> dict[int, float]:
    with chain(*samplers) as library:
        library.accept(said or [])
        left, _ = library.apply(row)
    weights = np.exp(left["logit"].astype(np.float64) - left["logit"].max())
    chances = (weights / weights.sum()).tolist()
    tokens = left["id"].tolist()
    return {token: chance for token, chance in zip(tokens, chances, strict=True) if chance > 0}


def agree(mine: dict[int, float], library: dict[int, float], rounding: float = 0) -> bool:
    every, most = mine.keys() | library.keys(), 1e-5 + rounding
    return all(abs(mine.get(token, 0) - library.get(token, 0)) <= most for token in every)


def rounding(row: Row, temperature: float) -> float:
    """By how much the library's float32 may move a probability once it has divided the logits.

    Two logits are rounded by up to half a unit each, and a chance of p moves by p (1 - p) of that.
    """
    largest = np.float32(np.abs(row).max() / (temperature or 1))
    return float(np.spacing(largest)) / 4
