"""Tokens that a constraint leaves no choice about: not computed, and yet held to the rules."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.harness import Driver, driver, prompt, request

from puna.engine.constraints import Compiled, Grammars
from puna.engine.libllama import Library
from puna.engine.sequence import Finish, Request
from puna.jobs import Constraint, Limits, Sampling
from puna.protocol import Placement
from puna.text.tokens import Specials

TEXT = "The herd was resting on the high plain when the young one lifted her head."
PLACEMENT = Placement(context=512, sequences=2, batch=128, threads=1)
# More than is forced, so that its end is the constraint's.
LIMITS = Limits(max_tokens=400)


@pytest.fixture(scope="module")
def engine(library: Library, pocket_model: Path) -> Iterator[Driver]:
    with driver(library, pocket_model, PLACEMENT) as made:
        yield made


@pytest.fixture(scope="module")
def only(engine: Driver) -> Iterator[Compiled]:
    """The constraint that lets nothing come but one text."""
    vocabulary = engine.context.model.vocabulary
    with closing(Grammars(vocabulary, Specials(vocabulary))) as grammars:
        yield grammars.compile(Constraint("choice", json.dumps([TEXT])))


@pytest.fixture
def asked(only: Compiled) -> Request:
    return request("only", prompt(1, 20), constraint=only, limits=LIMITS)


@pytest.fixture(scope="module")
def tokens(engine: Driver) -> list[int]:
    return engine.context.model.vocabulary.tokenize(TEXT, special=False)


def test_they_are_taken_without_a_step_for_each(
    engine: Driver, asked: Request, tokens: list[int]
) -> None:
    before = engine.engine.steps
    result = engine.run(asked)
    assert result.tokens == tokens
    assert result.count == len(tokens)
    assert result.finish == Finish("stop")
    assert engine.engine.steps - before < len(tokens) / 4


def test_where_log_probabilities_are_asked_for_each_has_its_own(
    engine: Driver, asked: Request, tokens: list[int]
) -> None:
    result = engine.run(replace(asked, logprobs=0))
    assert result.tokens == tokens
    assert len(result.logprobs) == len(tokens)


def test_no_more_of_them_come_than_were_asked_for(
    engine: Driver, asked: Request, tokens: list[int]
) -> None:
    result = engine.run(replace(asked, limits=Limits(max_tokens=5)))
    assert result.tokens == tokens[:5]
    assert result.finish == Finish("length")


def test_a_stop_token_among_them_ends_the_output(
    engine: Driver, asked: Request, tokens: list[int]
) -> None:
    stop = tokens[7]
    limits = Limits(max_tokens=400, stop_tokens=(stop,))
    result = engine.run(replace(asked, limits=limits))
    assert result.tokens == tokens[: tokens.index(stop)]
    assert result.finish == Finish("stop", stop)


@pytest.mark.parametrize("way", ["banned", "not allowed"])
def test_what_may_not_come_is_not_forced_either(
    engine: Driver, asked: Request, tokens: list[int], way: str
) -> None:
    never = tokens[7]
    others = tuple(set(tokens) - {never})
    sampling = {
        "banned": Sampling(temperature=0, banned_tokens=(never,)),
        "not allowed": Sampling(temperature=0, allowed_tokens=others),
    }[way]
    result = engine.run(replace(asked, sampling=sampling))
    assert never not in result.tokens
    assert result.error is not None
    assert "leave no token" in str(result.error)
