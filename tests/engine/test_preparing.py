"""From a job to what the engine is asked for."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from puna.engine.libllama import Library
from puna.engine.loaded import Loaded
from puna.engine.opening import opened
from puna.engine.preparing import prepared
from puna.engine.sequence import Request
from puna.jobs import CompleteJob, Constraint, GenerateJob, Owner, Sampling
from puna.protocol import Load, Placement, Submit


@pytest.fixture(scope="module")
def loaded(library: Library, pocket_model: Path) -> Iterator[Loaded]:
    load = Load((str(pocket_model),), placement=Placement(context=256, batch=64, threads=1))
    made = Loaded(opened(library, load), load, lambda outputs: None, lambda error: None)
    with closing(made):
        yield made


def requests(loaded: Loaded, job: GenerateJob) -> list[Request]:
    return prepared(loaded, Submit(job), job, 0)[1]


def test_choices_wait_for_the_first_ones_prefill_and_draw_by_seeds_of_their_own(
    loaded: Loaded,
) -> None:
    asked = CompleteJob(
        "1",
        "m",
        "What is that sound?",
        choices=3,
        prompt_logprobs=2,
        logprobs=1,
        sampling=Sampling(seed=2**64 - 1),
        constraint=Constraint("regex", "[a-z]+"),
        owner=Owner(domain="mine", priority="batch"),
    )
    first, *others = requests(loaded, asked)
    assert first.after == ""
    assert [one.after for one in others] == [first.key] * 2
    # The prompt is scored once, each choice's own tokens are scored by itself.
    assert (first.prompt_logprobs, [one.prompt_logprobs for one in others]) == (2, [None] * 2)
    assert {one.logprobs for one in (first, *others)} == {1}
    assert len({one.seed for one in (first, *others)}) == 3
    assert all(0 <= one.seed < 2**64 for one in others)
    assert {one.tokens for one in others} == {first.tokens}
    assert {(one.space, one.rank) for one in (first, *others)} == {("mine", 2)}
    assert all(one.constraint is first.constraint for one in others)
    guesses = [one.speculation for one in (first, *others)]
    assert None not in guesses
    assert len(set(map(id, guesses))) == 3
