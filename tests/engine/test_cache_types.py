"""The cache's own precision: smaller types work, unknown ones are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import stand_in
from tests.engine.harness import driver, prompt, request

from puna.engine.libllama import Library
from puna.errors import BadRequest
from puna.jobs import Limits
from puna.protocol import Placement

# How many bytes each takes for 32 values, which is a head's width in the test models.
BYTES = {"f32": 128, "f16": 64, "bf16": 64, "q8_0": 34, "q5_1": 24, "q4_0": 18}
KINDS = [*((kind, kind) for kind in BYTES), ("q8_0", "q4_0"), ("q4_0", "f16")]
HEADS = stand_in.LAYERS * stand_in.KV_HEADS


def placed(keys: str, values: str) -> Placement:
    return Placement(
        context=512,
        sequences=2,
        batch=128,
        threads=1,
        cache_type_k=keys,
        cache_type_v=values,
        flash_attention="on",
    )


@pytest.mark.parametrize(("keys", "values"), KINDS)
def test_a_cache_of_any_type_decodes_shares_prefixes_and_is_as_small_as_its_type(
    library: Library, shape: Callable[[str], Path], keys: str, values: str
) -> None:
    tokens, path = prompt(1, 100), shape("llama")
    with driver(library, path, placed(keys, values)) as engine:
        first = engine.run(request("first", tokens))
        again = engine.run(request("again", tokens))
        engine.when("part", 8, lambda: engine.engine.pause("part", memory=True))
        part = engine.run(request("part", tokens))
        assert part.paused is not None
        rest = engine.run(
            request("rest", tokens, emitted=part.paused.emitted, memory=part.paused.memory)
        )
    assert len(first.tokens) == 16
    assert again.cached == 99
    assert part.tokens + rest.tokens == first.tokens
    cells = len(tokens) + len(part.tokens) - 1
    expected = cells * HEADS * (BYTES[keys] + BYTES[values])
    # There are positions and sizes in a state too.
    assert expected < len(part.paused.memory) < 1.05 * expected


def test_a_larger_type_is_the_more_exact(library: Library, shape: Callable[[str], Path]) -> None:
    tokens, path = prompt(1, 100), shape("llama")

    def scores(kind: str) -> list[float]:
        with driver(library, path, placed(kind, kind)) as engine:
            scored = request("1", tokens, prompt_logprobs=0, limits=Limits(max_tokens=0))
            return [score or 0.0 for score in engine.run(scored).prompt_logprobs]

    exact = np.array(scores("f32"))
    errors = [np.abs(np.array(scores(kind)) - exact).mean() for kind in ("f16", "q8_0", "q4_0")]
    assert errors == sorted(errors)
    assert errors[0] < errors[2]


def test_a_smaller_cache_type_without_flash_attention_is_refused_with_both(
    library: Library, shape: Callable[[str], Path]
) -> None:
    placement = Placement(context=64, threads=1, cache_type_v="q8_0", flash_attention="off")
    with (
        pytest.raises(BadRequest, match=r"q8_0 .*flash"),
        driver(library, shape("llama"), placement),
    ):
        pass


def test_an_unknown_cache_type_is_refused_by_name(
    library: Library, shape: Callable[[str], Path]
) -> None:
    placement = Placement(context=64, threads=1, cache_type_v="q9")
    with (
        pytest.raises(BadRequest, match="q9"),
        driver(library, shape("llama"), placement),
    ):
        pass
