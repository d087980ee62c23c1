"""What a sampler promises beyond llama.cpp's: bans, masks, ends, ties, and going on."""

import msgspec
import numpy as np
import pytest
from distributions import Row, agree, ours, rows, sampler, seeds, shares, theirs
from hypothesis import given, settings
from hypothesis import strategies as st
from library_samplers import biases

from puna.engine.candidates import Candidates
from puna.engine.sampling import Mask, Sampler
from puna.errors import BadRequest, EngineFailed
from puna.jobs import SAMPLING_BOUNDS, Limits, Sampling

PLAIN = Sampling(top_k=0, top_p=1.0, temperature=1.0)
GREEDY = Sampling(temperature=0)
WHOLE = {"top_k", "repeat_last_n", "mirostat", "dry_allowed_length", "dry_last_n"}

some_rules = st.sampled_from(
    (
        GREEDY,
        PLAIN,
        Sampling(),
        Sampling(top_k=5, min_p=0.1),
        Sampling(top_k=0, top_p=0.7),
        Sampling(top_k=0, typical_p=0.5),
        Sampling(repeat_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.2),
        Sampling(dry_multiplier=1, dry_allowed_length=1),
        Sampling(xtc_probability=0.5, xtc_threshold=0.05),
        Sampling(mirostat=1),
        Sampling(mirostat=2, mirostat_tau=2),
    )
)


def mask_of(tokens: set[int], vocabulary: int) -> Mask:
    bits = np.zeros((vocabulary + 31) // 32 * 32, np.uint8)
    bits[sorted(tokens)] = 1
    return np.packbits(bits, bitorder="little").view(np.int32)


def without(row: Row, tokens: set[int]) -> Row:
    masked = row.copy()
    masked[sorted(tokens)] = -np.inf
    return masked


@given(
    row=rows((300,)),
    values=st.dictionaries(st.integers(0, 299), st.sampled_from((-100.0, -1.0, 2.5))),
)
def test_biases_are_added_as_the_library_adds_them(row: Row, values: dict[int, float]):
    rules = Sampling(top_k=0, top_p=1, temperature=1, logit_bias=values)
    assert agree(ours(sampler(rules, row), row), theirs([biases(values, row.size)], row))


@given(row=rows((300, 5000)), rules=some_rules, seed=seeds, allowed=shares)
def test_a_mask_does_what_minus_infinity_does(row: Row, rules: Sampling, seed: int, allowed: float):
    random = np.random.default_rng(seed)
    tokens = {1, *np.flatnonzero(random.random(row.size) < allowed).tolist()}
    mask = mask_of(tokens, row.size)
    masked = without(row, set(range(row.size)) - tokens)
    assert agree(ours(sampler(rules, row), row, mask), ours(sampler(rules, row), masked))


@given(row=rows((12_000,)), forbidden=st.sets(st.integers(0, 11_999), max_size=50))
def test_a_mask_that_forbids_the_best_leaves_the_next_best(row: Row, forbidden: set[int]):
    best = set(np.argsort(-row)[:200].tolist())
    mask = mask_of(set(range(row.size)) - best - forbidden, row.size)
    left = ours(sampler(Sampling(top_k=40, top_p=1), row), row, mask)
    expected = np.argsort(-without(row, best | forbidden), kind="stable")[:40]
    assert left.keys() == set(expected.tolist())


def test_tokens_beyond_the_end_of_a_mask_are_not_allowed():
    row = np.zeros(100, np.float32)
    left = ours(sampler(PLAIN, row), row, np.asarray([-1], np.int32))
    assert left.keys() == set(range(32))


@given(row=rows((300,)), banned=st.sets(st.integers(0, 299), max_size=250), rules=some_rules)
def test_banned_tokens_never_come_and_allowed_ones_alone_do(
    row: Row, banned: set[int], rules: Sampling
):
    expected = ours(sampler(rules, row), without(row, banned))
    allowed = tuple(set(range(300)) - banned)
    for words in ({"banned_tokens": tuple(banned)}, {"allowed_tokens": allowed}):
        assert agree(ours(sampler(msgspec.structs.replace(rules, **words), row), row), expected)


def test_no_end_comes_before_the_least_number_of_tokens():
    row = np.zeros(8, np.float32)
    row[3] = 5
    mine = Sampler(
        GREEDY, Limits(min_tokens=2, stop_tokens=(4,)), seed=0, vocabulary=8, end_tokens=(3,)
    )
    drawn = []
    for _ in range(3):
        drawn.append(mine.draw(row).token)
        mine.accept(drawn[-1])
    assert drawn == [0, 0, 3]


def test_a_stop_token_does_not_come_before_the_least_number_of_tokens():
    row = np.zeros(8, np.float32)
    mine = Sampler(PLAIN, Limits(min_tokens=1, stop_tokens=(4,)), seed=0, vocabulary=8)
    assert 4 not in ours(mine, row)
    mine.accept(0)
    assert 4 in ours(mine, row)


def test_ignore_eos_means_that_no_end_comes_at_all_but_stop_tokens_do():
    row = np.zeros(8, np.float32)
    limits = Limits(ignore_eos=True, stop_tokens=(4,))
    mine = Sampler(PLAIN, limits, seed=0, vocabulary=8, end_tokens=(3,))
    mine.accept(0)
    assert ours(mine, row).keys() == set(range(8)) - {3}


def test_an_end_comes_all_the_same_where_a_constraint_allows_nothing_else():
    row = np.zeros(8, np.float32)
    mine = Sampler(PLAIN, Limits(min_tokens=9), seed=0, vocabulary=8, end_tokens=(3,))
    assert mine.draw(row, mask_of({3}, 8)).token == 3


@pytest.mark.parametrize("rules", [GREEDY, PLAIN, Sampling(mirostat=1), Sampling(mirostat=2)])
def test_when_nothing_may_come_the_request_is_to_blame(rules: Sampling):
    row = np.zeros(8, np.float32)
    mine = sampler(msgspec.structs.replace(rules, banned_tokens=(3,)), row)
    with pytest.raises(BadRequest, match="leave no token"):
        mine.draw(row, mask_of({3}, 8))


@pytest.mark.parametrize(
    "words",
    [{"logit_bias": {100: 1.0}}, {"banned_tokens": (-1,)}, {"allowed_tokens": (5, 100)}],
)
def test_tokens_outside_the_vocabulary_are_refused(words: dict[str, object]):
    with pytest.raises(BadRequest, match="from 0 to 99"):
        sampler(Sampling(**words), np.zeros(100, np.float32))  # pyright: ignore[reportArgumentType]


@given(
    row=rows((2, 300, 5000)), rules=some_rules, place=seeds, bad=st.sampled_from((np.nan, np.inf))
)
def test_a_row_that_is_not_of_numbers_is_the_engines_failure(
    row: Row, rules: Sampling, place: int, bad: float
):
    row[place % row.size] = bad
    with pytest.raises(EngineFailed):
        sampler(rules, row).draw(row)


@given(rules=some_rules)
def test_a_row_of_impossible_tokens_is_the_engines_failure(rules: Sampling):
    row = np.full(300, -np.inf, np.float32)
    with pytest.raises(EngineFailed):
        sampler(rules, row).draw(row)


@given(row=rows((300, 5000)), rules=some_rules, seed=seeds)
def test_drawing_changes_nothing(row: Row, rules: Sampling, seed: int):
    before = row.copy()
    prompt = np.random.default_rng(seed).integers(0, 50, 100).tolist()
    mine = Sampler(
        rules,
        Limits(min_tokens=5),
        seed=seed,
        vocabulary=row.size,
        prompt=prompt,
        end_tokens=(3, 7),
        logprobs=3,
    )
    assert mine.draw(row) == mine.draw(row)
    assert (row == before).all()


@given(
    values=st.lists(st.integers(-2, 2), min_size=1, max_size=40),
    repeats=st.sampled_from((1, 40, 200)),
    count=st.integers(0, 9000),
    odd=st.lists(st.integers(-2, 3), max_size=63),
)
def test_among_equal_logits_the_lowest_ids_are_the_best(
    values: list[int], repeats: int, count: int, odd: list[int]
):
    row = np.asarray(values * repeats + odd, np.float32)
    best = Candidates(row).ranked(count)
    assert best.tolist() == np.argsort(-row, kind="stable")[:count].tolist()


@given(rules=some_rules, seed=seeds, cut=st.integers(0, 20))
def test_a_sequence_goes_on_elsewhere_as_it_would_have_here(rules: Sampling, seed: int, cut: int):
    random = np.random.default_rng(seed)
    outputs = random.normal(0, 3, (20, 50)).astype(np.float32)
    prompt = random.integers(0, 50, 30).tolist()

    def fresh() -> Sampler:
        return Sampler(rules, Limits(), seed=seed, vocabulary=50, prompt=prompt)

    here = fresh()
    drawn: list[int] = []
    states = [here.state()]
    for row in outputs:
        drawn.append(here.draw(row).token)
        here.accept(drawn[-1])
        states.append(here.state())
    there = fresh()
    for token in drawn[:cut]:
        there.accept(token)
    there.restore(states[cut])
    for row, token in zip(outputs[cut:], drawn[cut:], strict=True):
        assert there.draw(row).token == token
        there.accept(token)


any_value = st.fixed_dictionaries(
    {
        name: st.sampled_from((least, most, getattr(Sampling(), name)))
        for name, (least, most) in SAMPLING_BOUNDS.items()
        if name != "seed"
    }
)


@settings(max_examples=300)
@given(
    row=rows((2, 300, 5000)),
    scale=st.sampled_from((0.0, 1.0, 1e4)),
    values=any_value,
    bias=st.sampled_from((-1e9, 0.0, 1e9)),
    prompt=st.lists(st.integers(0, 1), max_size=50),
)
def test_every_value_within_its_bounds_draws_a_token_that_has_a_chance(
    row: Row, scale: float, values: dict[str, float], bias: float, prompt: list[int]
):
    row = row * np.float32(scale)
    whole = {name: int(value) if name in WHOLE else value for name, value in values.items()}
    rules = msgspec.structs.replace(Sampling(logit_bias={1: bias}), **whole)
    mine = sampler(rules, row, prompt)
    with np.errstate(all="raise", under="ignore"):
        for _ in range(2):
            chances = ours(mine, row)
            token = mine.draw(row).token
            assert chances[token] > 0
            mine.accept(token)


@pytest.mark.parametrize("state", [b"", b"short", b"\0\0\0\0\0\0\xf8\x7f"])
def test_mirostat_goes_on_from_nothing_but_its_own_state(state: bytes):
    with pytest.raises(BadRequest):
        sampler(Sampling(mirostat=2), np.zeros(9, np.float32)).restore(state)
