"""The cache's own precision: smaller types work, unknown ones are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.harness import driver, prompt, request

from puna.engine.libllama import Library
from puna.errors import BadRequest
from puna.protocol import Placement


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0", "q5_1", "q4_0"])
def test_a_smaller_cache_type_still_decodes_and_shares_prefixes(
    library: Library, shape: Callable[[str], Path], kind: str
) -> None:
    placement = Placement(
        context=512,
        sequences=2,
        batch=128,
        threads=1,
        cache_type_k=kind,
        cache_type_v=kind,
        flash_attention="on",
    )
    tokens = prompt(1, 100)
    with driver(library, shape("llama"), placement) as engine:
        first = engine.run(request("first", tokens))
        again = engine.run(request("again", tokens))
    assert len(first.tokens) == 16
    assert again.cached == 99


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
