"""A sequence's saved state goes from any layout of the cache into any other."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from tests.engine.harness import prompt

from puna.engine.batches import Floats, Span
from puna.engine.context import Context
from puna.engine.layout import Layout
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.states import Parts, freed, laid
from puna.protocol import Placement

Shape = Callable[[str], Path]
PLACEMENT = Placement(context=1024, sequences=4, pooled=True, batch=128, threads=1)
POOL, STREAMS, FEW = Layout(1, 1024), Layout(4, 256), Layout(2, 512)
LAYOUTS = {"pool": POOL, "streams": STREAMS}
ARCHITECTURES = ["llama", "qwen3", "gemma3", "lfm2", "mamba"]
HEAD = b"magic\0\0\7"


def counts(*numbers: int) -> bytes:
    return np.array(numbers, "<u4").tobytes()


def cache(layout: Layout, slot: int, cells: bytes) -> bytes:
    """What the library writes of a sequence with two cells."""
    before = [0] * (0 if layout.pooled else slot)
    after = [0] * (layout.streams - 1 - len(before))
    return counts(layout.streams, *before, 2) + cells + counts(*after)


@pytest.mark.parametrize("slot", range(4))
@pytest.mark.parametrize(("saved", "wanted"), [*product((POOL, STREAMS), repeat=2)])
def test_the_streams_around_a_sequence_are_left_out_and_put_back(
    saved: Layout, wanted: Layout, slot: int
) -> None:
    first, window = cache(saved, slot, b"cells"), cache(saved, slot, b"window's cells")
    state, caches = HEAD + first + window, Parts(first=True, second=True)
    free = freed(memoryview(state), len(window), caches, saved.streams, slot)
    expected = cache(wanted, 0, b"cells") + cache(wanted, 0, b"window's cells")
    assert laid(memoryview(free), caches, wanted.streams) == HEAD + expected


@pytest.mark.parametrize(("saved", "wanted"), [*product((POOL, STREAMS), repeat=2)])
def test_recurrent_states_are_left_as_they_are(saved: Layout, wanted: Layout) -> None:
    alone, beside = Parts(first=False, second=False), Parts(first=True, second=False)
    state = HEAD + b"states"
    free = freed(memoryview(state), 0, alone, saved.streams, 3)
    assert laid(memoryview(free), alone, wanted.streams) == state
    state = HEAD + cache(saved, 3, b"cells") + b"states"
    free = freed(memoryview(state), len(b"states"), beside, saved.streams, 3)
    expected = HEAD + cache(wanted, 0, b"cells") + b"states"
    assert laid(memoryview(free), beside, wanted.streams) == expected


@pytest.mark.parametrize("slot", range(3))
def test_what_is_not_laid_out_as_known_is_not_taken(slot: int) -> None:
    state, caches = HEAD + cache(STREAMS, slot, b"cells") + b"more", Parts(first=True, second=True)
    assert freed(memoryview(state), 0, caches, STREAMS.streams, slot) == b""
    assert freed(memoryview(state[:-4]), 0, caches, FEW.streams, slot % 2) == b""


@contextmanager
def laid_out(
    library: Library, path: Path, layout: Layout, placement: Placement = PLACEMENT
) -> Iterator[Context]:
    placed = replace(placement, pooled=layout.pooled, context=layout.cells)
    with (
        closing(Model(library, (str(path),), placed)) as model,
        closing(Context(model, placed)) as context,
    ):
        yield context


def rows(context: Context, slot: int, at: int, tokens: list[int]) -> Floats:
    context.step([Span(slot, at, tokens, len(tokens))])
    return np.stack([context.logits(row).copy() for row in range(len(tokens))])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("source", "target"), [*product(LAYOUTS, repeat=2)])
def test_the_library_goes_on_with_it_in_another_layout(
    library: Library, shape: Shape, architecture: str, source: str, target: str
) -> None:
    goes_on(library, shape(architecture), LAYOUTS[source], LAYOUTS[target], PLACEMENT)


@pytest.mark.parametrize(
    "placement",
    [
        replace(PLACEMENT, flash_attention="off"),
        replace(PLACEMENT, cache_type_k="q8_0", cache_type_v="q4_0", flash_attention="on"),
    ],
    ids=["without flash attention", "quantized"],
)
@pytest.mark.parametrize(("source", "target"), [("pool", "streams"), ("streams", "pool")])
def test_whatever_the_cells_are_like(
    library: Library, shape: Shape, source: str, target: str, placement: Placement
) -> None:
    goes_on(library, shape("gemma3"), LAYOUTS[source], LAYOUTS[target], placement)


def goes_on(
    library: Library, path: Path, source: Layout, target: Layout, placement: Placement
) -> None:
    """Among others, and from one slot into another."""
    tokens, more = prompt(1, 100), prompt(2, 8)
    with laid_out(library, path, source, placement) as context:
        for slot in (0, 2, 3):
            context.step([Span(slot, 0, tokens if slot == 2 else prompt(7, 50), 1)])
        state = context.save(2)
        expected = rows(context, 2, len(tokens), more)
    with laid_out(library, path, target, placement) as context:
        context.step([Span(3, 0, prompt(8, 70), 1)])
        assert context.restore(1, state)
        assert context.keep(1, len(tokens))
        found = rows(context, 1, len(tokens), more)
    assert np.abs(found - expected).max() < 0.2


def test_a_state_that_the_library_refuses_leaves_nothing(library: Library, shape: Shape) -> None:
    with laid_out(library, shape("llama"), STREAMS) as context:
        context.step([Span(0, 0, prompt(1, 100), 1)])
        state = context.save(0)
        assert not context.restore(1, state[:-400])
        assert not context.restore(1, state[:12] + b"\1" + state[13:])
        assert context.span(1) == (-1, -1)
        assert context.restore(1, state)
