"""Chance follows from seed and position, and draws tokens as often as they weigh."""

import numpy as np
import pytest
from distributions import ours
from hypothesis import given
from hypothesis import strategies as st

from puna.engine.draw import pick, uniform
from puna.engine.sampling import Sampler
from puna.jobs import Limits, Sampling

PLAIN = Sampling(top_k=0, top_p=1.0, temperature=1.0)


@pytest.mark.parametrize("vocabulary", [10, 3000])
def test_tokens_come_as_often_as_they_weigh(vocabulary: int):
    random = np.random.default_rng(11)
    row = random.normal(0, 3, vocabulary).astype(np.float32)
    mine = Sampler(PLAIN, Limits(), seed=42, vocabulary=vocabulary)
    chances = ours(mine, row)
    draws = 20_000
    seen = dict.fromkeys(chances, 0)
    for _ in range(draws):
        token = mine.draw(row).token
        seen[token] += 1
        mine.accept(token)
    for token, chance in chances.items():
        deviation = (draws * chance * (1 - chance)) ** 0.5
        assert abs(seen[token] - draws * chance) <= 5 * deviation + 1


def test_numbers_of_chance_are_spread_evenly_over_seeds_positions_and_purposes():
    positions = [uniform(7, place, "token") for place in range(10_000)]
    by_seed = [uniform(seed, 7, "token") for seed in range(10_000)]
    coins = [uniform(7, place, "exclude_top_choices") for place in range(10_000)]
    for numbers in (positions, by_seed, coins):
        counts = np.histogram(numbers, bins=100, range=(0, 1))[0]
        # Chi-square with 99 degrees of freedom: beyond 160 in one of ten thousand.
        assert ((counts - 100) ** 2 / 100).sum() < 160
    for one, other in ((positions, coins), (positions, by_seed), (positions, positions[1:])):
        assert abs(np.corrcoef(one[: len(other)], other)[0, 1]) < 0.05


def test_the_draw_of_a_seed_and_position_never_changes():
    assert uniform(0, 0, "token") == 0.6524484863740322


@given(
    weights=st.lists(st.sampled_from((0.0, 0.0, 0.25, 1.0)), min_size=1, max_size=30).filter(any),
    repeats=st.sampled_from((1, 100)),
    chance=st.one_of(st.sampled_from((0.0, 1.0)), st.floats(0, 1, exclude_max=True)),
)
def test_a_draw_falls_where_the_running_sum_passes_its_share(
    weights: list[float], repeats: int, chance: float
):
    array = np.asarray(weights * repeats, np.float32)
    sums = array.cumsum(dtype=np.float64)
    place = pick(array, chance)
    assert array[place] > 0
    assert sums[place] >= chance * sums[-1] * (1 - 1e-12)
    assert sums[place] - array[place] <= chance * sums[-1] * (1 + 1e-12)
