"""Images through the engine, against the library's own way of evaluating a prompt with images."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import gguf
import numpy as np
import pytest
from stand_in_parts import png
from tests.engine.harness import Driver, prompt, request
from tests.engine.seeing import (
    ARCHITECTURES,
    HERE,
    POOL,
    ROUNDING,
    STREAMS,
    THERE,
    Part,
    Seeing,
    Shape,
    seeing,
)

from puna.engine.context import Context, Span
from puna.engine.libllama import Library
from puna.engine.pictures import Picture, weave
from puna.engine.vision import Projector
from puna.errors import BadModelFile, MissingCapability
from puna.jobs import Limits
from puna.protocol import Pace, Placement


@pytest.fixture
def sight(library: Library, shape: Shape) -> Iterator[Seeing]:
    with seeing(library, shape, "llama", POOL, Pace()) as made:
        yield made


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("placement", [POOL, STREAMS], ids=["pool", "streams"])
def test_prompts_with_images_are_decoded_as_the_library_does(
    library: Library, shape: Shape, architecture: str, placement: Placement
) -> None:
    prompts: list[list[Part]] = [
        [prompt(1, 20), HERE, prompt(2, 9)],
        [HERE, prompt(3, 70), THERE, HERE, prompt(4, 5)],
        [prompt(5, 30)],
        [prompt(6, 12), THERE],
        [prompt(7, 12), HERE, HERE, prompt(8, 60)],
    ]
    with seeing(library, shape, architecture, placement, Pace(whole_prompt=32)) as sight:
        for number, parts in enumerate(prompts):
            sight.engine.submit(sight.request(f"{number}", parts))
        results = sight.engine.finish()
        assert [result.error for result in results] == [None] * len(prompts)
        assert sight.projector.encoded == 2
        for parts, result in zip(prompts, results, strict=True):
            assert len(result.tokens) == 16
            assert sight.regret(parts, result.tokens) < ROUNDING


def test_an_images_vectors_see_each_other_where_the_model_wants_it(
    library: Library, shape: Shape
) -> None:
    with seeing(library, shape, "gemma3", POOL, Pace()) as sight:
        assert not sight.projector.causal
        (expected,) = sight._rows(context := Context(sight.model, POOL), [HERE, [5]], [])
        context.clear(0)
        tokens, pictures = weave([*sight.projector.read(HERE), 5])
        found: list[float] = []
        for causal in (False, True):
            at = next(place for place, token in enumerate(tokens) if token < 0)
            picture = pictures[tokens[at]]
            vectors = sight.projector.vectors(picture)
            if at:
                context.step([Span(0, 0, list(tokens[:at]), 1)])
            context.step_picture(0, at, picture, vectors, causal=causal)
            behind = at + picture.cells
            context.step([Span(0, behind, list(tokens[behind:]), 1)])
            found.append(float(np.abs(context.logits(0) - expected).max()))
            context.clear(0)
        context.close()
        assert found[0] < found[1] / 4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("placement", [POOL, STREAMS], ids=["pool", "streams"])
def test_the_next_turn_finds_its_images_in_the_cache(
    library: Library, shape: Shape, architecture: str, placement: Placement
) -> None:
    turn: list[Part] = [prompt(1, 20), HERE, prompt(2, 20)]
    with seeing(library, shape, architecture, placement, Pace()) as sight:
        first = sight.engine.run(asked := sight.request("first", turn))
        again: list[Part] = [*turn, first.tokens, THERE, prompt(3, 8)]
        second = sight.engine.run(sight.request("second", again))
        assert second.cached == len(asked.tokens) + len(first.tokens) - 1
        assert sight.projector.encoded == 2
        assert sight.regret(again, second.tokens) < ROUNDING


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_image_is_shared_with_who_still_runs(
    library: Library, shape: Shape, architecture: str
) -> None:
    """Though it may take fewer positions than tokens."""
    turn: list[Part] = [HERE, THERE, HERE, prompt(2, 3)]
    other: list[Part] = [*turn, prompt(3, 8)]
    with seeing(library, shape, architecture, STREAMS, Pace()) as sight:
        long = Limits(max_tokens=60, ignore_eos=True)
        first = sight.request("first", turn, limits=long)
        sight.engine.submit_when("first", 3, second := sight.request("second", other))
        sight.engine.submit(first)
        result, _ = sight.engine.finish("second", "first")
        assert result.cached == len(first.tokens) < len(second.tokens)
        assert sight.projector.encoded == 2
        assert sight.regret(other, result.tokens) < ROUNDING


def test_a_cached_prefix_never_ends_inside_an_image(sight: Seeing) -> None:
    parts: list[Part] = [prompt(1, 20), HERE]
    first = sight.engine.run(sight.request("first", parts))
    second = sight.engine.run(sight.request("second", parts))
    other = sight.engine.run(sight.request("other", [prompt(1, 20), THERE, prompt(2, 3)]))
    assert (first.cached, second.cached, other.cached) == (0, 20, 20)
    assert first.tokens == second.tokens


def test_an_image_that_stands_elsewhere_is_not_encoded_again(sight: Seeing) -> None:
    sight.engine.run(sight.request("first", [prompt(1, 20), HERE, prompt(2, 5)]))
    parts: list[Part] = [prompt(3, 31), HERE, prompt(2, 5)]
    result = sight.engine.run(sight.request("second", parts))
    assert (result.cached, sight.projector.encoded) == (0, 1)
    assert sight.regret(parts, result.tokens) < ROUNDING


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("memory", [True, False], ids=["with memory", "computed anew"])
def test_a_request_with_images_goes_on_elsewhere(
    library: Library, shape: Shape, architecture: str, memory: bool
) -> None:
    parts: list[Part] = [prompt(1, 20), HERE, prompt(2, 20)]
    limits = Limits(max_tokens=40, ignore_eos=True)
    with seeing(library, shape, architecture, POOL, Pace()) as sight:
        whole = sight.engine.run(sight.request("whole", parts, limits=limits))
        pause = partial(sight.engine.engine.pause, "part", memory=memory)
        sight.engine.when("part", 10, pause)
        asked = sight.request("part", parts, limits=limits, space="elsewhere")
        part = sight.engine.run(asked)
    assert part.paused is not None
    assert bool(part.paused.memory) == memory
    with seeing(library, shape, architecture, STREAMS, Pace()) as sight:
        paused = part.paused
        went_on = {"emitted": paused.emitted, "sampler": paused.sampler, "memory": paused.memory}
        rest = sight.engine.run(sight.request("rest", parts, limits=limits, **went_on))
        assert sight.projector.encoded == (0 if memory else 1)
        emitted = [*paused.emitted, *rest.tokens]
        assert len(emitted) == len(whole.tokens)
        assert sight.regret(parts, emitted) < ROUNDING


@pytest.mark.parametrize("architecture", ["llama", "qwen2vl"])
def test_images_outlast_a_cache_that_is_too_small_for_all(
    library: Library, shape: Shape, architecture: str
) -> None:
    small = Placement(context=256, sequences=4, pooled=True, batch=64, threads=1)
    limits = Limits(max_tokens=100, ignore_eos=True)
    prompts: list[list[Part]] = [
        [prompt(1, 20), HERE, prompt(2, 9)],
        [prompt(3, 20), THERE, prompt(4, 9)],
        [prompt(5, 50)],
    ]
    with seeing(library, shape, architecture, small, Pace()) as sight:
        for number, parts in enumerate(prompts):
            sight.engine.submit(sight.request(f"{number}", parts, limits=limits, length=256))
        results = sight.engine.finish()
        for parts, result in zip(prompts, results, strict=True):
            assert len(result.tokens) == 100
            assert sight.regret(parts, result.tokens) < ROUNDING


@pytest.mark.parametrize("architecture", ["llama", "qwen2vl"])
def test_a_shift_drops_images_whole(library: Library, shape: Shape, architecture: str) -> None:
    parts: list[Part] = [prompt(1, 4), HERE, prompt(2, 20), THERE, prompt(3, 8)]
    limits = Limits(max_tokens=150, ignore_eos=True)
    with seeing(library, shape, architecture, POOL, Pace()) as sight:
        asked = sight.request("shifting", parts, limits=limits, length=120, shift=True, keep=10)
        result = sight.engine.run(asked)
    assert result.error is None
    assert len(result.tokens) == 150


def test_others_go_on_while_images_come_in(sight: Seeing) -> None:
    long = Limits(max_tokens=60, ignore_eos=True)
    sight.engine.submit(sight.request("running", [prompt(1, 20)], limits=long))
    while not sight.engine.results["running"].tokens:
        sight.engine.collect()
    images: list[Part] = [png(30, 30, seed=seed) for seed in range(10, 18)]
    sight.engine.submit(sight.request("seeing", [*images, prompt(2, 3)]))
    before = len(sight.engine.results["running"].tokens)
    while sight.engine.results["seeing"].cached is None:
        sight.engine.collect()
    assert len(sight.engine.results["running"].tokens) - before >= len(images) - 2
    sight.engine.finish()


def test_an_image_without_a_projector_is_that_requests_error_only(
    library: Library, shape: Shape, sight: Seeing
) -> None:
    blind = Driver(Context(sight.model, POOL), Pace())
    blind.submit(sight.request("seeing", [prompt(1, 20), HERE]))
    blind.submit(sight.request("reading", [prompt(1, 20)]))
    seeing, reading = blind.finish()
    blind.engine.close()
    blind.context.close()
    assert seeing.error is not None
    assert seeing.error.name == "MissingCapability"
    assert len(reading.tokens) == 16


def test_tokens_that_stand_for_no_image_are_refused(sight: Seeing) -> None:
    whole = sight.request("whole", [prompt(1, 5), HERE, prompt(2, 5)])
    part = request("part", list(whole.tokens[:20]), pictures=whole.pictures)
    none = request("none", list(whole.tokens))
    for asked in (part, none):
        error = sight.engine.run(asked).error
        assert error is not None
        assert error.name == "BadRequest"


def test_a_prompt_with_images_has_no_logprobs(sight: Seeing) -> None:
    error = sight.engine.run(sight.request("scored", [HERE, [1]], prompt_logprobs=0)).error
    assert error is not None
    assert error.name == "MissingCapability"


@pytest.mark.parametrize("architecture", ["llama", "qwen2vl"])
def test_an_image_larger_than_a_step_comes_in_by_parts(
    library: Library, shape: Shape, architecture: str
) -> None:
    tiny = Placement(context=512, sequences=2, batch=16, threads=1)
    parts: list[Part] = [prompt(1, 10), png(160, 90, seed=3), prompt(2, 9)]
    with seeing(library, shape, architecture, tiny, Pace()) as sight:
        result = sight.engine.run(asked := sight.request("large", parts))
        assert len(asked.tokens) > 2 * tiny.batch + 19
        assert sight.regret(parts, result.tokens) < ROUNDING


def test_an_image_that_must_be_seen_at_once_needs_a_step_with_room_for_it(
    library: Library, shape: Shape
) -> None:
    tiny = Placement(context=512, sequences=2, batch=8, threads=1)
    with (
        seeing(library, shape, "gemma3", tiny, Pace()) as sight,
        pytest.raises(MissingCapability, match="takes 9 tokens in one step"),
    ):
        sight.projector.read(HERE)


def test_requests_with_images_may_leave_at_any_time(sight: Seeing) -> None:
    dice = np.random.default_rng(3)
    leaving = [f"leaving {number}" for number in range(12)]
    prompts: list[list[Part]] = [
        [prompt(number, 10), png(20, 20, seed=number % 5), prompt(90 + number, 30)]
        for number in range(16)
    ]
    for number, parts in enumerate(prompts):
        sight.engine.submit(sight.request((*leaving, *"abcd")[number], parts))
    for key in leaving:
        for _ in range(dice.integers(1, 4)):
            sight.engine.collect()
        sight.engine.engine.cancel(key)
    results = sight.engine.finish(*"abcd")
    for parts, result in zip(prompts[12:], results, strict=True):
        assert sight.regret(parts, result.tokens) < ROUNDING


def test_a_projector_that_does_not_fit_is_refused(
    library: Library, shape: Shape, sight: Seeing, tmp_path: Path
) -> None:
    noise = tmp_path / "noise.gguf"
    noise.write_bytes(b"GGUF" + bytes(1000))
    for file in (noise, tmp_path / "missing.gguf", shape("llama")):
        with pytest.raises(BadModelFile, match="cannot load the projector"):
            Projector(sight.model, str(file), POOL)
    writer = gguf.GGUFWriter(str(tmp_path / "unsuited.gguf"), "clip")
    writer.add_string("clip.projector_type", "hunyuanvl")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(MissingCapability, match="hunyuanvl"):
        Projector(sight.model, str(tmp_path / "unsuited.gguf"), POOL)


def test_encoded_images_are_kept_within_a_bound(sight: Seeing) -> None:
    sight.projector._vectors._bound = 40_000
    seen = [sight.projector.read(png(30, 30, seed=seed))[0] for seed in range(6)]
    pictures = [each for each in seen if isinstance(each, Picture)]
    for picture in [*pictures, *pictures]:
        sight.projector.vectors(picture)
    # Two of them fit, so none was still there when its turn came again.
    assert sight.projector.encoded == 12
    first = sight.projector.vectors(pictures[-1])
    assert (first == sight.projector.vectors(pictures[-1])).all()
    assert sight.projector.encoded == 12
