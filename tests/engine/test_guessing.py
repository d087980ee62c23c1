"""Guesses are made while they pay, by a clock that the test turns."""

import random
from collections.abc import Callable

import pytest

from puna.engine.guessing import FEW, MOST, Guessing
from puna.engine.steps import Tempo, Work
from puna.protocol import Pace

STEPS = 5000
# The seconds and the tokens of a step, by whether it has guesses.
Clock = Callable[[bool], tuple[float, int]]


def crowd(guessed: bool) -> tuple[float, int]:
    """Sixteen, of whom a few guess now and then: hardly more tokens, far longer steps."""
    return (1.4, 18) if guessed else (1.0, 16)


def copying(guessed: bool) -> tuple[float, int]:
    """One that says again what it has read."""
    return (1.6, 5) if guessed else (1.0, 1)


def rate(guessing: Guessing, clock: Clock, steps: int = STEPS) -> float:
    """Tokens a second over so many steps."""
    seconds = tokens = 0.0
    for _ in range(steps):
        guessed = guessing.on
        took, brought = clock(guessed)
        guessing.record(took, brought, guessed=guessed)
        seconds, tokens = seconds + took, tokens + brought
    return tokens / seconds


def test_a_crowd_whose_guesses_cost_more_than_they_bring_loses_next_to_nothing() -> None:
    assert rate(Guessing(), crowd) > 0.99 * 16


def test_one_who_copies_gains_nearly_all_that_guesses_bring() -> None:
    assert rate(Guessing(), copying) > 0.97 * 5 / 1.6


@pytest.mark.parametrize(("clock", "best"), [(crowd, 16.0), (copying, 5 / 1.6)])
def test_noise_changes_little(clock: Clock, best: float) -> None:
    chance = random.Random(1)

    def noisy(guessed: bool) -> tuple[float, int]:
        seconds, tokens = clock(guessed)
        return seconds * chance.uniform(0.7, 1.3), tokens

    assert rate(Guessing(), noisy) > 0.96 * best


@pytest.mark.parametrize(
    ("before", "after", "best"), [(crowd, copying, 5 / 1.6), (copying, crowd, 16.0)]
)
def test_what_changes_is_seen_soon(before: Clock, after: Clock, best: float) -> None:
    guessing = Guessing()
    rate(guessing, before)
    rate(guessing, after, 2 * MOST)
    assert rate(guessing, after) > 0.97 * best


def test_the_step_behind_a_guess_counts_to_it() -> None:
    guessing = Guessing()
    made = plain = 0
    for step in range(STEPS):
        # Every other step has guesses; it is cheap, but what comes behind it is dear.
        guessed = guessing.on and step % 2 == 0
        seconds = 3.0 if guessing.behind else 1.0
        guessing.record(seconds, 2 if guessed else 1, guessed=guessed)
        made, plain = made + guessed, plain + (not guessed)
    assert made < 0.05 * plain


def test_while_nothing_can_be_guessed_nothing_is_tried() -> None:
    guessing = Guessing()
    for _ in range(STEPS):
        guessing.record(1.0, 1, guessed=False)
    assert guessing.on


def test_a_hurried_step_has_no_guesses_and_each_number_of_decodes_its_own_answer() -> None:
    tempo = Tempo(Pace(), 512)
    for _ in range(FEW):
        assert not tempo.may_guess(1)
        tempo.record(Work(prefill=0, decodes=1, drafts=0, pictures=0), 1.0, 0)
    assert tempo.may_guess(1)
    assert not tempo.may_guess(16)
    tempo.hurried = True
    assert not tempo.may_guess(1)
