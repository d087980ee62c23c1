"""Penalties, DRY and mirostat depend on what was said, and do with it what llama.cpp does."""

import math
import struct

import numpy as np
import pytest
from distributions import Row, agree, ours, rows, sampler, seeds, theirs
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from library_samplers import chain, dry

from puna.engine.breakers import Breakers
from puna.engine.dry import Dry
from puna.jobs import Sampling

OFF = {"top_k": 0, "top_p": 1.0, "temperature": 1.0}


def likely(chances: dict[int, float]) -> set[int]:
    return {token for token, chance in chances.items() if chance > 1e-9}


@given(
    row=rows((300,)),
    prompt=st.lists(st.integers(0, 20), max_size=40),
    output=st.lists(st.integers(0, 20), max_size=40),
    window=st.sampled_from((1, 5, 64, 1000)),
    repeat=st.sampled_from((0.5, 1.0, 1.1, 2.0)),
    frequency=st.sampled_from((-1.0, 0.0, 0.5)),
    presence=st.sampled_from((-1.0, 0.0, 0.5)),
)
def test_penalties_count_prompt_and_output_as_the_library_does(
    row: Row,
    prompt: list[int],
    output: list[int],
    window: int,
    repeat: float,
    frequency: float,
    presence: float,
):
    rules = Sampling(
        **OFF,
        repeat_last_n=window,
        repeat_penalty=repeat,
        frequency_penalty=frequency,
        presence_penalty=presence,
    )
    mine = sampler(rules, row, prompt)
    for token in output:
        mine.accept(token)
    library = [("penalties", row.size, window, repeat, frequency, presence)]
    assert agree(ours(mine, row), theirs(library, row, prompt + output))


def test_a_window_of_minus_one_is_the_whole_context():
    row = np.zeros(100, np.float32)
    rules = Sampling(**OFF, repeat_last_n=-1, presence_penalty=100)
    mine = sampler(rules, row, [7, *[8] * 5000])
    assert likely(ours(mine, row)) == set(range(100)) - {7, 8}


few_tokens = st.one_of(
    st.lists(st.integers(0, 3), max_size=120),
    st.builds(
        lambda pattern, times, rest: pattern * times + rest,
        st.lists(st.integers(0, 3), min_size=1, max_size=3),
        st.integers(0, 40),
        st.lists(st.integers(0, 3), max_size=3),
    ),
)


@settings(max_examples=300)
@given(
    row=rows((100,)),
    prompt=few_tokens,
    output=few_tokens,
    window=st.sampled_from((1, 2, 10, 50, 1000)),
    allowed=st.sampled_from((0, 1, 2, 5)),
    base=st.sampled_from((1.0, 1.1, 1.75, 10.0)),
    multiplier=st.sampled_from((0.1, 0.8, 5.0)),
)
def test_dry_penalises_repetitions_as_the_library_does(
    row: Row,
    prompt: list[int],
    output: list[int],
    window: int,
    allowed: int,
    base: float,
    multiplier: float,
):
    rules = Sampling(
        **OFF,
        dry_multiplier=multiplier,
        dry_base=base,
        dry_allowed_length=allowed,
        dry_last_n=window,
    )
    mine = sampler(rules, row, prompt)
    for token in output:
        mine.accept(token)
    library = [dry(multiplier, base, allowed, window)]
    assert agree(ours(mine, row), theirs(library, row, prompt + output))


def longest_repeats(tokens: list[int], breakers: list[list[int]]) -> dict[int, int]:
    """For each token that may follow, the longest repetition it prolongs: by trying them all."""
    begin = 0
    for place in range(len(tokens)):
        ends = [place + len(one) for one in breakers if tokens[place : place + len(one)] == one]
        begin = max(ends, default=begin)
    longest: dict[int, int] = {}
    for place in range(len(tokens) - 1):
        length = 0
        while (
            length <= place
            and len(tokens) - length > begin
            and tokens[place - length] == tokens[-1 - length]
        ):
            length += 1
        follower = tokens[place + 1]
        if [follower] not in breakers:
            longest[follower] = max(longest.get(follower, 0), length)
    return longest


@settings(max_examples=300)
@given(
    tokens=few_tokens,
    prompt_size=st.integers(0, 120),
    breakers=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), max_size=2),
)
@example(tokens=[0, 1, 2, 0, 1], prompt_size=0, breakers=[[2, 0]])
def test_dry_looks_no_further_back_than_the_last_breaker(
    tokens: list[int], prompt_size: int, breakers: list[list[int]]
):
    rules = Sampling(dry_multiplier=1, dry_base=2, dry_allowed_length=1)
    mine = Dry(rules, tokens[:prompt_size], Breakers.of(breakers))
    for token in tokens[prompt_size:]:
        mine.accept(token)
    losing, losses = mine.penalties()
    expected = {
        token: min(2.0 ** (length - 1), 1e30)
        for token, length in longest_repeats(tokens, breakers).items()
        if length >= 1
    }
    assert dict(zip(losing.tolist(), losses.tolist(), strict=True)) == pytest.approx(expected)


@pytest.mark.parametrize("breakers", [[], [[2]], [[1, 2]]])
def test_dry_forgets_what_lies_before_its_window_however_long_the_output(
    breakers: list[list[int]],
):
    rules = Sampling(dry_multiplier=1, dry_last_n=8, dry_allowed_length=2)
    tokens = np.random.default_rng(3).integers(0, 3, 1000).tolist()
    long = Dry(rules, tokens[:5], Breakers.of(breakers))
    for size, token in enumerate(tokens[5:], start=6):
        long.accept(token)
        short = Dry(rules, tokens[max(0, size - 8) : size], Breakers.of(breakers))
        assert [part.tolist() for part in long.penalties()] == [
            part.tolist() for part in short.penalties()
        ]


@pytest.mark.parametrize("base", [1.0, 1.0000011, 100.0])
def test_dry_takes_the_longest_repetition_without_overflowing(base: float):
    rules = Sampling(**OFF, dry_multiplier=100, dry_base=base, dry_allowed_length=0)
    row = np.zeros(10, np.float32)
    mine = sampler(rules, row, [4] * 65_536)
    mine.accept(4)
    assert likely(ours(mine, row)) == set(range(10)) - {4}


@pytest.mark.parametrize("version", [1, 2])
@settings(max_examples=150)
@given(
    row=rows((7, 300, 5000)),
    seed=seeds,
    tau=st.sampled_from((0.5, 2.0, 5.0)),
    eta=st.sampled_from((0.1, 1.0)),
    temperature=st.sampled_from((0.5, 1.0)),
)
def test_mirostat_cuts_and_learns_as_the_library_does(
    version: int, row: Row, seed: int, tau: float, eta: float, temperature: float
):
    # Where a row is almost flat, the first version's count overflows the library's integer.
    assume(version == 2 or row.std() > 1)
    rules = Sampling(mirostat=version, mirostat_tau=tau, mirostat_eta=eta, temperature=temperature)
    mine = sampler(rules, row)
    made = (
        ("mirostat", row.size, seed, tau, eta, 100)
        if version == 1
        else ("mirostat_v2", seed, tau, eta)
    )
    with chain(("temp", temperature), made) as library:
        for _ in range(3):
            left, selected = library.apply(row)
            chances = {int(one["id"]): float(one["p"]) for one in left}
            mine_chances = ours(mine, row)
            # A border may fall on a token's very surprise, and float32 decide.
            assert abs(len(mine_chances) - len(chances)) <= 1
            assert len(mine_chances) != len(chances) or agree(mine_chances, chances)
            assume(selected in mine_chances)
            # The library has drawn this one; Puna's `mu` goes the way it would with it.
            surprise = -math.log2(mine_chances[selected])
            (mu,) = struct.unpack("<d", mine.state())
            mine.restore(struct.pack("<d", mu - eta * (surprise - tau)))


def test_mirostat_learns_from_what_it_draws_and_accepts():
    row = np.random.default_rng(5).normal(0, 2, 1000).astype(np.float32)
    rules = Sampling(mirostat=2, mirostat_tau=3, mirostat_eta=0.5, temperature=1)
    mine = sampler(rules, row)
    chances = ours(mine, row)
    token = mine.draw(row).token
    before = mine.state()
    mine.accept(token)
    (mu,) = struct.unpack("<d", mine.state())
    assert struct.unpack("<d", before) == (6,)
    assert mu == pytest.approx(6 - 0.5 * (-math.log2(chances[token]) - 3), abs=1e-4)


def test_mirostat_learns_nothing_from_a_token_that_it_did_not_draw():
    row = np.random.default_rng(5).normal(0, 2, 1000).astype(np.float32)
    mine = sampler(Sampling(mirostat=1), row)
    before = mine.state()
    mine.accept(3)
    assert mine.state() == before
