"""Guessed tokens change how many steps an output takes, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.harness import driver, prompt, request
from tests.engine.test_engine import ROUNDING, worst_regret

from puna.engine.libllama import Library
from puna.engine.speculation import Speculation
from puna.jobs import Limits, Sampling
from puna.protocol import Placement

POOL = Placement(context=1024, sequences=4, pooled=True, batch=128, threads=1)
STREAMS = Placement(context=1024, sequences=4, pooled=False, batch=128, threads=1)


class Prophet(Speculation):
    """Knows what will come, or knows it wrongly; a real one only ever guesses."""

    def __init__(self, future: list[int], wrong_at: int) -> None:
        super().__init__()
        self._future = future
        self._wrong_at = wrong_at
        self._out = 0

    def accept(self, token: int) -> None:
        self._out += 1

    def draft(self, cost: float, most: int) -> list[int]:
        drafts = self._future[self._out : self._out + min(most, 5)]
        if len(drafts) > self._wrong_at:
            drafts[self._wrong_at] += 1
        return drafts


@pytest.mark.parametrize("placement", [POOL, STREAMS], ids=["pool", "streams"])
@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(temperature=1.2)])
@pytest.mark.parametrize("wrong_at", [0, 2, 99])
def test_the_output_is_the_same_whether_guesses_are_right_or_wrong(
    library: Library,
    shape: Callable[[str], Path],
    placement: Placement,
    sampling: Sampling,
    wrong_at: int,
) -> None:
    tokens, limits = prompt(3, 40), Limits(max_tokens=60, ignore_eos=True)
    with driver(library, shape("gemma3"), placement) as engine:
        plain = engine.run(request("plain", tokens, sampling=sampling, limits=limits))
        before = engine.engine.steps
        prophet = Prophet(plain.tokens, wrong_at)
        guessed = engine.run(
            request(
                "guessed", tokens, sampling=sampling, limits=limits, speculation=prophet, space="b"
            )
        )
        steps = engine.engine.steps - before
    # Rounding may part them where two tokens are nearly as likely; the beginning never is.
    assert guessed.tokens[:20] == plain.tokens[:20]
    assert len(guessed.tokens) == 60
    if sampling.temperature == 0:
        pairs = [(tokens, guessed.tokens)]
        assert worst_regret(library, shape("gemma3"), pairs) < ROUNDING
    if guessed.tokens == plain.tokens:
        assert steps < 25 if wrong_at == 99 else steps <= 62


def test_a_text_that_repeats_itself_takes_fewer_steps_than_tokens(
    library: Library, shape: Callable[[str], Path]
) -> None:
    limits = Limits(max_tokens=200, ignore_eos=True)
    # A strong wish for what was said before makes any model repeat itself.
    parrot = Sampling(temperature=0, presence_penalty=-50.0, repeat_last_n=-1)
    tokens = prompt(5, 12, most=20) * 4
    with driver(library, shape("llama"), POOL) as engine:
        result = engine.run(
            request(
                "parrot",
                tokens,
                sampling=parrot,
                limits=limits,
                length=1024,
                speculation=Speculation(tokens),
            )
        )
        steps = engine.engine.steps
    assert len(result.tokens) == 200
    assert steps < 200
