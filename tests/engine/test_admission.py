"""Who comes in, and how: at the borders of the cache, and in the face of what cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.harness import Driver, driver, prompt, request

from puna.engine.batches import Span
from puna.engine.context import Context, Outcome
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.sequence import Request
from puna.jobs import Limits
from puna.protocol import Placement

Shape = Callable[[str], Path]
SMALL = Placement(context=256, sequences=4, pooled=True, batch=64, threads=1)
STREAMS = Placement(context=256, sequences=4, pooled=False, batch=64, threads=1)


def words(engine: Driver, asked: Request) -> str:
    error = engine.run(asked).error
    assert error is not None
    return str(error)


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_the_rest_of_a_kept_sequence_is_not_in_the_way_of_who_shares_its_beginning(
    library: Library, shape: Shape, architecture: str
) -> None:
    shared = prompt(1, 70)
    with driver(library, shape(architecture), SMALL) as engine:
        engine.run(request("first", [*shared, *prompt(2, 90)]))
        second = engine.run(request("second", [*shared, *prompt(3, 150)]))
    assert len(second.tokens) == 16
    assert second.cached == 70


def test_what_cannot_be_is_refused_and_harms_nobody(library: Library, shape: Shape) -> None:
    long = Limits(max_tokens=150, ignore_eos=True)
    with driver(library, shape("llama"), SMALL) as engine:
        engine.submit(request("other", prompt(1, 20), limits=long))
        assert "empty" in words(engine, request("none", []))
        assert "no token 512" in words(engine, request("unknown", [5, 512]))
        assert "no token -1" in words(engine, request("negative", [5, -1]))
        assert "256 tokens" in words(engine, request("long", prompt(1, 256)))
        assert "250 tokens" in words(engine, request("short", prompt(1, 250), length=100))
        gone_on = request("resumed", prompt(1, 90), length=100, emitted=tuple(prompt(2, 30)))
        assert "120 tokens" in words(engine, gone_on)
        assert len(engine.finish("other")[0].tokens) == 150


def test_a_state_that_is_none_is_computed_anew(library: Library, shape: Shape) -> None:
    tokens, emitted = prompt(1, 60), tuple(prompt(2, 4))
    with driver(library, shape("llama"), SMALL) as engine:
        whole = engine.run(request("whole", tokens, emitted=emitted))
        for number, state in enumerate((b"", b"\1", b"\40\0\0\0", b"\40\0\0\0" + bytes(64))):
            asked = request(f"{number}", tokens, emitted=emitted, memory=state, space=f"{number}")
            assert engine.run(asked).tokens == whole.tokens


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_a_copy_between_streams_that_was_given_up_spoils_no_state(
    library: Library, shape: Shape, architecture: str
) -> None:
    model = Model(library, (str(shape(architecture)),), STREAMS)
    context = Context(model, STREAMS)
    try:
        spans = [Span(0, 0, prompt(1, 10), 1), Span(1, 0, prompt(2, 20), 1)]
        assert context.step(spans) is Outcome.DONE
        state = context.save(1)
        assert not context.copy(0, 2, 15)
        assert context.span(2) == (-1, -1)
        if architecture == "gemma3":
            # The library still copies at its next step, over whatever would be there by then.
            assert not context.restore(2, state)
            assert context.step([Span(1, 20, [1], 1)]) is Outcome.DONE
        assert context.restore(2, state)
    finally:
        context.close()
        model.close()
