"""Log-probabilities are those of the model's own output, whatever the samplers do to it."""

import numpy as np
import pytest
from distributions import Row, rows, seeds
from hypothesis import given
from hypothesis import strategies as st

from puna.engine.logprobs import prompt_scores
from puna.engine.sampling import Sampler
from puna.jobs import Limits, Sampling


def log_softmax(row: Row) -> list[float]:
    exact = row.astype(np.float64)
    return (exact - exact.max() - np.log(np.exp(exact - exact.max()).sum())).tolist()


@given(row=rows((2, 300, 5000)), top=st.integers(0, 20), seed=seeds)
def test_the_drawn_token_and_the_likeliest_have_their_log_softmax(row: Row, top: int, seed: int):
    rules = Sampling(temperature=0.3, logit_bias={1: 5.0}, banned_tokens=(0,), presence_penalty=1.0)
    mine = Sampler(rules, Limits(), seed=seed, vocabulary=row.size, prompt=[1], logprobs=top)
    drawn = mine.draw(row)
    exact = log_softmax(row)
    assert drawn.logprob == pytest.approx(exact[drawn.token], abs=1e-5)
    expected = np.argsort(-row, kind="stable")[:top].tolist()
    assert [token for token, _ in drawn.top] == expected
    assert [value for _, value in drawn.top] == pytest.approx(
        [exact[token] for token in expected], abs=1e-5
    )


def test_the_log_probabilities_of_a_large_vocabulary_add_up():
    row = np.random.default_rng(2).normal(5, 4, 151_936).astype(np.float32)
    mine = Sampler(Sampling(), Limits(), seed=1, vocabulary=row.size, logprobs=0)
    drawn = mine.draw(row)
    assert drawn.top == ()
    assert drawn.logprob == pytest.approx(log_softmax(row)[drawn.token], abs=1e-5)


def test_without_being_asked_there_are_none():
    row = np.zeros(10, np.float32)
    drawn = Sampler(Sampling(), Limits(), seed=1, vocabulary=10).draw(row)
    assert (drawn.logprob, drawn.top) == (None, ())


@given(seed=seeds)
def test_each_token_of_a_prompt_is_scored_by_the_row_before_it(seed: int):
    random = np.random.default_rng(seed)
    matrix = random.normal(0, 2, (6, 50)).astype(np.float32)
    tokens = random.integers(0, 50, 6).tolist()
    for row, token, scored in zip(matrix, tokens, prompt_scores(matrix, tokens, 3), strict=True):
        assert scored.token == token
        assert scored.logprob == pytest.approx(log_softmax(row)[token], abs=1e-5)
        assert [one for one, _ in scored.top] == np.argsort(-row)[:3].tolist()
