"""Guesses come from the sequence's own text, and only while they are right often enough."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.engine.speculation import NGrams, Speculation

texts = st.lists(st.integers(0, 3), max_size=80)


def search(tokens: list[int], reach: int) -> tuple[int, int] | None:
    """The longest run at the end that occurred before, the last occurrence first: by looking."""
    for size in (4, 3, 2):
        for place in range(len(tokens) - 1, max(size, len(tokens) - reach) - 1, -1):
            if tokens[place - size : place] == tokens[len(tokens) - size :]:
                return place, size
    return None


@given(tokens=texts, reach=st.sampled_from((5, 20, 1000)))
def test_the_longest_run_is_found_where_it_occurred_last(tokens: list[int], reach: int):
    ngrams = NGrams(reach=reach)
    for size, token in enumerate(tokens, start=1):
        ngrams.accept(token)
        assert ngrams.match() == search(tokens[:size], reach)


@given(tokens=texts.filter(bool), place=st.integers(0, 79), count=st.integers(0, 100))
def test_a_guess_is_what_followed_and_then_what_it_says_itself(
    tokens: list[int], place: int, count: int
):
    place %= len(tokens)
    read = list(tokens)
    for step in range(count):
        read.append(read[place + step])
    assert NGrams(tokens).following(place, count) == read[len(tokens) :]


@given(tokens=texts, most=st.integers(0, 12), cost=st.floats(0, 2))
def test_a_guess_is_never_longer_than_it_may_be(tokens: list[int], most: int, cost: float):
    assert len(Speculation(tokens).draft(cost, most)) <= most


@given(tokens=texts)
def test_no_guess_is_made_when_a_token_costs_as_much_as_it_brings(tokens: list[int]):
    assert Speculation(tokens).draft(1.0, 8) == []


@given(tokens=texts, cut=st.integers(0, 80))
def test_a_sequence_that_goes_on_elsewhere_guesses_as_it_would_have_here(
    tokens: list[int], cut: int
):
    prompt, output = tokens[:cut], tokens[cut:]
    here, there = Speculation(prompt), Speculation(prompt)
    for token in output:
        here.draft(0.1, 8)
        here.accept(token)
        there.accept(token)
    assert here.draft(0.1, 8) == there.draft(0.1, 8)


def test_a_text_that_repeats_itself_is_guessed_right_at_full_length():
    phrase = [5, 9, 2, 7, 7, 1, 3, 8]
    guesses = Speculation()
    for token in phrase * 3:
        guesses.accept(token)
    assert guesses.draft(0.3, 8) == phrase


def test_a_text_that_never_goes_on_as_before_is_soon_not_guessed_any_more():
    chance = random.Random(1)
    guesses = Speculation()
    drafted = 0
    for _ in range(2000):
        drafted += len(guesses.draft(0.3, 8))
        guesses.accept(chance.randrange(12))
    assert drafted < 40


def test_guessing_comes_back_when_the_text_begins_to_repeat_itself():
    chance = random.Random(2)
    noise = [chance.randrange(12) for _ in range(2000)]
    guesses = Speculation(noise)
    for _ in range(1000):
        guesses.accept(chance.randrange(12))
    for token in noise[500:540]:
        guesses.accept(token)
    assert guesses.draft(0.3, 4) == noise[540:544]


@pytest.mark.parametrize("cost", [0.1, 0.3, 0.6])
def test_over_a_text_that_quotes_itself_guessing_saves_more_than_it_costs(cost: float):
    chance = random.Random(3)
    source = [chance.randrange(1000) for _ in range(600)]
    output: list[int] = []
    while len(output) < 1500:
        start = chance.randrange(500)
        output += source[start : start + chance.randrange(5, 60)]
        output += [chance.randrange(1000) for _ in range(chance.randrange(5, 30))]
    guesses = Speculation(source)
    spent, place = 0.0, 0
    while place < len(output):
        draft = guesses.draft(cost, 8)
        right = 0
        while right < len(draft) and output[place + right : place + right + 1] == [draft[right]]:
            right += 1
        spent += 1 + cost * len(draft)
        for token in output[place : place + right + 1]:
            guesses.accept(token)
        place += right + 1
    assert spent < 0.95 * len(output)
