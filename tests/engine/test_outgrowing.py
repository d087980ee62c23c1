"""A cache that begins in streams turns into the pool it was placed as, and nobody's answer changes.

The contexts are small, so that a few hundred tokens outgrow a stream.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace
from tests.engine.harness import Driver, driver, prompt, request
from tests.engine.test_engine import worst_regret

from puna.engine.context import Context
from puna.engine.layout import BLOCK, FIRST_CELLS, Layout, first, placed, roomy
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.errors import LoadFailed
from puna.hosts import questions
from puna.jobs import Limits
from puna.protocol import Load, Pace, Placement

Shape = Callable[[str], Path]
ROUNDING = 0.6
ARCHITECTURES = ["llama", "gemma3", "lfm2", "mamba"]
POOL = Placement(context=1024, sequences=4, pooled=True, batch=128, threads=1)
STREAMS = Layout(4, 256)


@contextmanager
def streamed(
    library: Library, path: Path, begin: Layout = STREAMS, pace: Pace | None = None
) -> Iterator[Driver]:
    with driver(library, path, POOL, pace, begin=begin) as engine:
        yield engine


def pooled(engine: Driver) -> bool:
    return engine.context.layout.pooled


def many(count: int) -> Limits:
    return Limits(max_tokens=count, ignore_eos=True)


def all_outputs(engine: Driver) -> list[list[int]]:
    results = engine.finish()
    assert all(result.error is None for result in results)
    return [result.tokens for result in results]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_prompt_that_is_too_long_for_a_stream_is_answered_in_the_pool(
    library: Library, shape: Shape, architecture: str
) -> None:
    path = shape(architecture)
    prompts = [prompt(seed, count) for seed, count in enumerate((20, 100, 60, 400))]
    with streamed(library, path) as engine:
        for number, tokens in enumerate(prompts[:3]):
            engine.submit(request(f"{number}", tokens, limits=many(60)))
        while len(engine.results["2"].tokens) < 10:
            engine.collect()
        assert not pooled(engine)
        engine.submit(request("3", prompts[3]))
        outputs = all_outputs(engine)
        assert pooled(engine)
    assert [len(output) for output in outputs] == [60, 60, 60, 16]
    assert worst_regret(library, path, list(zip(prompts, outputs, strict=True))) < ROUNDING


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sequences_that_reach_their_streams_ends_go_on_in_the_pool(
    library: Library, shape: Shape, architecture: str
) -> None:
    """Two of them in one and the same step."""
    path = shape(architecture)
    prompts = [prompt(1, 200), prompt(2, 200), prompt(3, 30)]
    with streamed(library, path) as engine:
        for number, tokens in enumerate(prompts):
            engine.submit(request(f"{number}", tokens, limits=many(90)))
        outputs = all_outputs(engine)
        assert pooled(engine)
    assert [len(output) for output in outputs] == [90] * 3
    assert worst_regret(library, path, list(zip(prompts, outputs, strict=True))) < ROUNDING


def test_streams_become_longer_before_they_become_the_pool(library: Library, shape: Shape) -> None:
    path, placement = shape("llama"), replace(POOL, context=2048)
    prompts = [prompt(seed, count) for seed, count in enumerate((20, 300, 40))]
    seen, outputs = list[Layout](), list[list[int]]()
    with driver(library, path, placement, begin=STREAMS) as engine:
        for number, tokens in enumerate(prompts):
            outputs.append(engine.run(request(f"{number}", tokens)).tokens)
            seen.append(engine.context.layout)
    assert seen == [STREAMS, Layout(4, 512), Layout(4, 512)]
    assert worst_regret(library, path, list(zip(prompts, outputs, strict=True))) < ROUNDING


@pytest.mark.parametrize(
    ("tokens", "layout"),
    [
        (1, Layout(16, 512)),
        (512, Layout(16, 512)),
        (513, Layout(16, 2048)),
        (2049, Layout(16, 2560)),
        (2560, Layout(16, 2560)),
        (2561, Layout(1, 40_960)),
    ],
)
def test_a_cache_has_the_least_layout_that_is_long_enough(tokens: int, layout: Layout) -> None:
    assert roomy(Layout(16, 512), Layout(1, 40_960), tokens) == layout


def test_only_what_a_sequence_really_takes_counts(library: Library, shape: Shape) -> None:
    with streamed(library, shape("llama")) as engine:
        modest = engine.run(request("modest", prompt(1, 200), length=1024, limits=many(56)))
        assert not pooled(engine)
        engine.run(request("not so", prompt(1, 200), length=1024, limits=many(58)))
        assert pooled(engine)
    assert len(modest.tokens) == 56


def test_the_bytes_put_aside_are_bounded_and_the_rest_is_computed_anew(
    library: Library, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shape("llama")
    prompts = [prompt(seed, 100) for seed in range(3)]
    monkeypatch.setattr("puna.engine.roster.SAVED_BYTES", 1)
    with streamed(library, path) as engine:
        for number, tokens in enumerate(prompts):
            engine.submit(request(f"{number}", tokens, limits=many(60)))
        while len(engine.results["2"].tokens) < 10:
            engine.collect()
        engine.submit(request("long", prompt(9, 400)))
        outputs = all_outputs(engine)
    pairs = list(zip(prompts, outputs[:3], strict=True))
    assert worst_regret(library, path, pairs) < ROUNDING


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "lfm2"])
def test_the_next_turn_finds_its_beginning_in_the_pool(
    library: Library, shape: Shape, architecture: str
) -> None:
    path, tokens, other = shape(architecture), prompt(1, 150), prompt(2, 100)
    with streamed(library, path) as engine:
        engine.run(request("other", other))
        turn = engine.run(request("turn", tokens))
        again = [*tokens, *turn.tokens, *prompt(3, 150)]
        assert not pooled(engine)
        second = engine.run(request("next turn", again))
        assert pooled(engine)
        third = engine.run(request("the other's", [*other, *prompt(4, 20)]))
    assert second.cached == len(tokens) + len(turn.tokens) - 1
    # What is cut off again a state cannot lose, and of a window only what it sees was put aside.
    if architecture == "llama":
        assert third.cached == len(other)
    pairs = [(again, second.tokens), ([*other, *prompt(4, 20)], third.tokens)]
    assert worst_regret(library, path, pairs) < ROUNDING


def test_the_pool_turns_back_when_nobody_is_here_and_nothing_long_is_kept(
    library: Library, shape: Shape
) -> None:
    path = shape("llama")
    with streamed(library, path) as engine:
        engine.run(request("short", prompt(1, 50), space="kept"))
        engine.run(request("long", prompt(2, 400)))
        assert pooled(engine)
        for number in range(4):
            assert pooled(engine)
            engine.run(request(f"{number}", prompt(10 + number, 100), space="kept"))
        # The last ones found the long one's slot the oldest.
        last = engine.run(request("last", [*prompt(13, 100), *prompt(20, 9)], space="kept"))
        assert not pooled(engine)
        assert last.cached == 100
    assert engine.context.layout == STREAMS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_paused_request_goes_on_where_the_cache_lies_otherwise(
    library: Library, shape: Shape, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, tokens, restored = shape(architecture), prompt(1, 60), list[bool]()
    restore = Context.restore

    def watched(context: Context, slot: int, state: bytes) -> bool:
        restored.append(restore(context, slot, state))
        return restored[-1]

    monkeypatch.setattr(Context, "restore", watched)
    for begin, other in ((STREAMS, Layout(1, 1024)), (Layout(1, 1024), STREAMS)):
        with streamed(library, path, begin) as engine:
            engine.run(request("before", prompt(5, 30)))
            engine.submit(request("part", tokens, limits=many(80)))
            while len(engine.results["part"].tokens) < 20:
                engine.collect()
            engine.engine.pause("part", memory=True)
            part = engine.finish("part")[0]
        paused = part.paused
        assert paused is not None
        with streamed(library, path, other) as engine:
            rest = engine.run(
                request(
                    "rest",
                    tokens,
                    limits=many(80),
                    emitted=paused.emitted,
                    memory=paused.memory,
                )
            )
        assert worst_regret(library, path, [(tokens, part.tokens + rest.tokens)]) < ROUNDING
        assert len(part.tokens + rest.tokens) == 80
    assert restored == [True, True]


def test_choices_of_one_prompt_outgrow_their_streams_together(
    library: Library, shape: Shape
) -> None:
    path, tokens = shape("llama"), prompt(1, 200)
    with streamed(library, path) as engine:
        engine.submit(request("a", tokens, limits=many(90)))
        engine.submit(request("b", tokens, limits=many(90), after="a"))
        engine.submit(request("c", tokens, limits=many(90), after="a"))
        outputs = all_outputs(engine)
    assert worst_regret(library, path, [(tokens, output) for output in outputs]) < ROUNDING


def test_a_shift_and_scores_of_a_prompt_pass_over_into_the_pool(
    library: Library, shape: Shape
) -> None:
    path = shape("llama")
    with streamed(library, path) as engine:
        engine.submit(
            request("shift", prompt(1, 240), length=300, limits=many(200), shift=True, keep=4)
        )
        engine.submit(request("scored", prompt(2, 300), prompt_logprobs=1))
        shifted, scored = engine.finish()
    with driver(library, path, POOL) as engine:
        plain = engine.run(request("scored", prompt(2, 300), prompt_logprobs=1))
    assert len(shifted.tokens) == 200
    assert scored.prompt_logprobs[0] is None
    found, expected = scored.prompt_logprobs[1:], plain.prompt_logprobs[1:]
    differences = [abs((a or 0) - (b or 0)) for a, b in zip(found, expected, strict=True)]
    assert len(differences) == 299
    assert max(differences) < ROUNDING


def test_cancels_and_pauses_that_come_while_the_cache_is_laid_out_anew_are_heeded(
    library: Library, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out, path = Context.lay_out, shape("llama")
    with streamed(library, path) as engine:

        def meanwhile(context: Context, layout: Layout) -> None:
            engine.engine.cancel("cancelled")
            engine.engine.pause("paused", memory=True)
            assert engine.engine.busyness.laying_out
            lay_out(context, layout)

        monkeypatch.setattr(Context, "lay_out", meanwhile)
        for number, key in enumerate(("cancelled", "paused", "stays")):
            engine.submit(request(key, prompt(number, 50), limits=many(400)))
        while len(engine.results["stays"].tokens) < 5:
            engine.collect()
        engine.submit(request("long", prompt(9, 300)))
        paused, stays, long = engine.finish("paused", "stays", "long")
        assert not engine.engine.busyness.laying_out
    assert paused.paused is not None
    assert paused.paused.memory
    assert not engine.results["cancelled"].ended
    assert (len(stays.tokens), len(long.tokens)) == (400, 16)


def test_a_pool_that_cannot_be_made_ends_all_with_an_error(
    library: Library, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = LoadFailed("The engine could not make a context.", "There is no memory.")

    def refuse(*_: object, **__: object) -> None:
        raise refused

    with streamed(library, shape("llama")) as engine:
        engine.submit(request("short", prompt(1, 50), limits=many(400)))
        engine.collect()
        monkeypatch.setattr("puna.engine.context.laid_out", refuse)
        engine.submit(request("long", prompt(9, 300)))
        results = engine.finish()
        with pytest.raises(LoadFailed):
            engine.collect()
        engine.engine.cancel("short")
        # There is no cache any more that what is said of it could be compared with.
        engine.broken.clear()
    errors = [result.error for result in results]
    assert [error and error.message for error in errors] == [refused.message] * 2


def test_closing_an_engine_that_is_laying_out_its_cache_waits_for_it(
    library: Library, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out = Context.lay_out
    with streamed(library, shape("llama")) as engine:

        def closing(context: Context, layout: Layout) -> None:
            engine.engine._commands.put(engine.engine._close)
            context.abort()
            lay_out(context, layout)

        monkeypatch.setattr(Context, "lay_out", closing)
        engine.submit(request("long", prompt(9, 300)))
        engine.engine._thread.join(60)
        assert not engine.engine._thread.is_alive()
        assert pooled(engine)


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "qwen3"])
@pytest.mark.parametrize(
    "placement",
    [
        POOL,
        Placement(context=40_960, sequences=16, pooled=True, threads=1),
        Placement(context=40_960, sequences=16, pooled=True, threads=1, flash_attention="off"),
        Placement(context=1000, sequences=1, threads=1),
        Placement(context=1000, sequences=3, pooled=True, threads=1),
        Placement(context=1000, sequences=3, pooled=False, threads=1),
    ],
)
def test_streams_are_taken_out_of_the_pools_cells(
    library: Library, shape: Shape, architecture: str, placement: Placement
) -> None:
    # A simulation maps nothing.
    placement = replace(placement, mmap=False)
    with closing(Model(library, (str(shape(architecture)),), placement, empty=True)) as model:
        pool, begin = placed(model, placement), first(model, placement)
        assert begin.total <= pool.total
        assert begin.cells <= max(FIRST_CELLS, pool.cells * (begin == pool))
        assert begin == pool or begin.cells % BLOCK == 0
        for layout in {pool, begin}:
            with closing(Context(model, placement, begin=layout)) as context:
                call, pointer = model.library.call, context.pointer
                assert call.llama_n_ctx(pointer) == layout.total
                assert call.llama_n_ctx_seq(pointer) == layout.cells
                assert call.llama_n_seq_max(pointer) == context.slots
                assert context.length == min(pool.cells, model.context_train)


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "qwen3"])
@pytest.mark.parametrize("flash_attention", ["auto", "off"])
async def test_streams_at_the_beginning_need_no_more_than_the_pool_was_granted(
    shape: Shape, architecture: str, flash_attention: Literal["auto", "off"]
) -> None:
    """By what the library itself says that it would take."""
    pool = Placement(
        context=8192, sequences=4, pooled=True, threads=1, flash_attention=flash_attention
    )
    share = pool.context // pool.sequences
    streams = replace(pool, context=share, pooled=False)
    granted, taken = [
        await questions.simulation(Load((str(shape(architecture)),), placement=one), {})
        for one in (pool, streams)
    ]
    assert sum(taken.cache.values()) <= sum(granted.cache.values())
    assert sum(taken.work.values()) <= sum(granted.work.values())
