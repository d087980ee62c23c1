"""The engine alone: tokens in, tokens out, against the library's own decoding."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from tests.engine.harness import Oracle, driver, prompt, regret, request

from puna.engine.layout import Layout, placed
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.roster import WORTH_WAITING
from puna.jobs import Limits
from puna.protocol import Pace, Placement

Shape = Callable[[str], Path]
ARCHITECTURES = ["llama", "qwen3", "gemma3", "mamba", "lfm2"]
# The logits of the test models span about 20. Another batch shape rounds 8-bit activations
# elsewhere, which moves a logit by up to 0.2 here; a wrong token is off by whole units.
ROUNDING = 0.6
STREAMS = Placement(context=512, sequences=4, pooled=False, batch=128, threads=1)
POOL = Placement(context=512, sequences=4, pooled=True, batch=128, threads=1)


def worst_regret(library: Library, path: Path, pairs: list[tuple[list[int], list[int]]]) -> float:
    alone = Placement(context=1024, sequences=1, batch=128, threads=1)
    model = Model(library, (str(path),), alone)
    oracle = Oracle(model, alone)
    try:
        return max(regret(oracle, tokens, emitted) for tokens, emitted in pairs)
    finally:
        oracle.close()
        model.close()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("placement", [POOL, STREAMS], ids=["pool", "streams"])
def test_a_crowd_decodes_as_the_library_alone_does(
    library: Library, shape: Shape, architecture: str, placement: Placement
) -> None:
    path = shape(architecture)
    prompts = [prompt(seed, count) for seed, count in enumerate((20, 100, 7, 60, 33, 300))]
    with driver(library, path, placement, Pace(whole_prompt=64)) as engine:
        for number, tokens in enumerate(prompts):
            engine.submit(request(f"{number}", tokens))
        results = engine.finish()
    assert all(result.error is None and len(result.tokens) == 16 for result in results)
    pairs = [(tokens, result.tokens) for tokens, result in zip(prompts, results, strict=True)]
    assert worst_regret(library, path, pairs) < ROUNDING


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("placement", [POOL, STREAMS], ids=["pool", "streams"])
def test_the_next_turn_computes_only_what_is_new(
    library: Library, shape: Shape, architecture: str, placement: Placement
) -> None:
    path, tokens = shape(architecture), prompt(1, 100)
    with driver(library, path, placement) as engine:
        first = engine.run(request("first", tokens))
        again = [*tokens, *first.tokens, *prompt(2, 20)]
        second = engine.run(request("second", again))
    # The last token that was drawn has not been computed.
    assert second.cached == len(tokens) + len(first.tokens) - 1
    assert worst_regret(library, path, [(again, second.tokens)]) < ROUNDING


@pytest.mark.parametrize("placement", [POOL, STREAMS], ids=["pool", "streams"])
def test_a_prefix_is_shared_with_a_sequence_that_still_runs(
    library: Library, shape: Shape, placement: Placement
) -> None:
    path, shared = shape("llama"), prompt(1, 100)
    prompts = [[*shared, *prompt(seed, 10)] for seed in (2, 3)]
    with driver(library, path, placement) as engine:
        long = Limits(max_tokens=200, ignore_eos=True)
        engine.submit_when("first", 1, request("second", prompts[1]))
        engine.submit(request("first", prompts[0], limits=long))
        (second,) = engine.finish("second")
        assert not engine.results["first"].ended
        first = engine.finish("first")[0]
    assert second.cached == len(shared)
    pairs = [(prompts[0], first.tokens), (prompts[1], second.tokens)]
    assert worst_regret(library, path, pairs) < ROUNDING


def test_those_who_come_together_wait_for_the_one_that_computes_their_beginning(
    library: Library, shape: Shape
) -> None:
    shared = prompt(1, 200)
    with driver(library, shape("llama"), POOL) as engine:
        for number in range(4):
            engine.submit(request(f"{number}", [*shared, *prompt(10 + number, 5)]))
        results = engine.finish()
    first, *others = sorted(result.cached or 0 for result in results)
    assert first == 0
    assert all(200 - WORTH_WAITING < cached <= 200 for cached in others)


def test_nothing_is_reused_across_domains(library: Library, shape: Shape) -> None:
    tokens = prompt(1, 100)
    with driver(library, shape("llama"), POOL) as engine:
        engine.run(request("mine", tokens, space="me"))
        assert engine.run(request("yours", tokens, space="you")).cached == 0
        assert engine.run(request("mine again", tokens, space="me")).cached == 99


def test_a_state_that_cannot_be_cut_is_reused_whole_or_not_at_all(
    library: Library, shape: Shape
) -> None:
    tokens = prompt(1, 100)
    with driver(library, shape("mamba"), POOL) as engine:
        engine.run(request("first", tokens))
        assert engine.run(request("half", [*tokens[:50], *prompt(2, 20)])).cached == 0


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "lfm2"])
def test_a_full_pool_fails_nobody(library: Library, shape: Shape, architecture: str) -> None:
    small = Placement(context=160, sequences=4, pooled=True, batch=64, threads=1)
    path = shape(architecture)
    prompts = [prompt(seed, 30) for seed in range(4)]
    with driver(library, path, small) as engine:
        for number, tokens in enumerate(prompts):
            engine.submit(
                request(
                    f"{number}",
                    tokens,
                    length=160,
                    limits=Limits(max_tokens=100, ignore_eos=True),
                )
            )
        results = engine.finish()
    assert [len(result.tokens) for result in results] == [100] * 4
    pairs = [(tokens, result.tokens) for tokens, result in zip(prompts, results, strict=True)]
    assert worst_regret(library, path, pairs) < ROUNDING


def test_choices_share_one_prefill(library: Library, shape: Shape) -> None:
    tokens = prompt(1, 100)
    with driver(library, shape("llama"), POOL) as engine:
        engine.submit(request("a", tokens))
        engine.submit(request("b", tokens, after="a"))
        engine.submit(request("c", tokens, after="a"))
        first, *others = engine.finish()
    assert first.cached == 0
    assert [other.cached for other in others] == [99, 99]
    assert [other.tokens for other in others] == [first.tokens] * 2


@pytest.mark.parametrize("architecture", ["llama", "lfm2"])
@pytest.mark.parametrize("with_memory", [True, False], ids=["memory moves", "computed anew"])
def test_a_paused_sequence_goes_on_in_another_engine(
    library: Library, shape: Shape, architecture: str, with_memory: bool
) -> None:
    path, tokens = shape(architecture), prompt(1, 60)
    limits = Limits(max_tokens=80, ignore_eos=True)
    with driver(library, path, POOL) as engine:
        whole = engine.run(request("whole", tokens, limits=limits))
    with driver(library, path, POOL) as engine:
        engine.when("part", 20, lambda: engine.engine.pause("part", memory=with_memory))
        part = engine.run(request("part", tokens, limits=limits))
    paused = part.paused
    assert paused is not None
    assert list(paused.emitted) == part.tokens
    assert bool(paused.memory) == with_memory
    with driver(library, path, POOL) as engine:
        rest = engine.run(
            request("rest", tokens, limits=limits, emitted=paused.emitted, memory=paused.memory)
        )
    joined = part.tokens + rest.tokens
    assert len(joined) == 80
    if with_memory:
        assert joined == whole.tokens
    assert worst_regret(library, path, [(tokens, joined)]) < ROUNDING


def test_a_cancel_frees_the_slot_and_costs_the_others_nothing(
    library: Library, shape: Shape
) -> None:
    path = shape("llama")
    prompts = [prompt(seed, 30) for seed in range(3)]
    with driver(library, path, POOL, Pace(whole_prompt=32)) as engine:
        for number, tokens in enumerate(prompts):
            limits = Limits(max_tokens=60, ignore_eos=True)
            engine.submit(request(f"{number}", tokens, limits=limits))
        for round_ in range(6):
            doomed = f"doomed {round_}"
            engine.submit(request(doomed, prompt(50 + round_, 300)))
            engine.collect()
            engine.collect()
            engine.engine.cancel(doomed)
        results = engine.finish("0", "1", "2")
        # What was said before this has been heard when this is done.
        engine.run(request("last", prompt(9, 5)))
        assert not engine.engine.roster.waiting
    pairs = [(tokens, result.tokens) for tokens, result in zip(prompts, results, strict=True)]
    assert all(len(result.tokens) == 60 for result in results)
    assert worst_regret(library, path, pairs) < ROUNDING


def test_the_output_ends_at_the_contexts_end_or_shifts(library: Library, shape: Shape) -> None:
    limits = Limits(max_tokens=300, ignore_eos=True)
    with driver(library, shape("llama"), POOL) as engine:
        held = engine.run(request("held", prompt(1, 40), length=128, limits=limits))
        shifted = engine.run(
            request("shifted", prompt(1, 40), length=128, limits=limits, shift=True, keep=4)
        )
    assert held.finish is not None
    assert held.finish.reason == "length"
    assert len(held.tokens) == 128 - 40
    assert len(shifted.tokens) == 300
    assert shifted.tokens[:88] == held.tokens


def stretches(
    tokens: list[int], emitted: list[int], length: int, keep: int
) -> Iterator[tuple[list[int], list[int]]]:
    """What a context that shifts holds at first and after each shift, and what came of it then."""
    held, rest = list(tokens), list(emitted)
    while rest:
        count = length - len(held)
        yield held, rest[:count]
        held, rest = held + rest[:count], rest[count:]
        held = held[:keep] + held[keep + (len(held) - keep) // 2 :]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("placement", [POOL, STREAMS], ids=["pool", "streams"])
def test_a_context_that_shifts_keeps_its_beginning_and_its_newer_half(
    library: Library, shape: Shape, architecture: str, placement: Placement
) -> None:
    path, tokens, length, keep = shape(architecture), prompt(1, 40), 96, 20
    limits = Limits(max_tokens=200, ignore_eos=True)
    with driver(library, path, placement) as engine:
        asked = request("1", tokens, length=length, limits=limits, shift=True, keep=keep)
        result = engine.run(asked)
    assert len(result.tokens) == 200
    kept = list(stretches(tokens, result.tokens, length, keep))
    assert len(kept) > 4
    assert worst_regret(library, path, kept) < ROUNDING
    # Were something else kept, it would show, if not in a state that forgets what is far behind.
    others = list(stretches(tokens, result.tokens, length, 0))
    assert architecture == "mamba" or worst_regret(library, path, others) > ROUNDING


def test_prompt_log_probabilities_are_the_models(library: Library, shape: Shape) -> None:
    path, tokens = shape("llama"), prompt(1, 150)
    with driver(library, path, POOL) as engine:
        engine.run(request("warm", tokens))
        result = engine.run(
            request("scored", tokens, prompt_logprobs=0, limits=Limits(max_tokens=0))
        )
    alone = Placement(context=512, sequences=1, batch=128, threads=1)
    model = Model(library, (str(path),), alone)
    oracle = Oracle(model, alone)
    rows = oracle.logits(tokens, len(tokens), ends=True).astype(np.float64)
    oracle.close()
    model.close()
    expected = rows[np.arange(149), tokens[1:]] - np.log(np.exp(rows[:-1]).sum(axis=1))
    assert result.prompt_logprobs[0] is None
    assert result.cached == 0
    assert result.tokens == []
    found = np.array(result.prompt_logprobs[1:], dtype=np.float64)
    assert np.abs(found - expected).max() < ROUNDING


def test_the_same_seed_draws_the_same_in_any_company(library: Library, shape: Shape) -> None:
    from puna.jobs import Sampling

    hot = Sampling(temperature=1.5, top_k=0, top_p=1.0)
    tokens = prompt(1, 30)
    with driver(library, shape("gemma3"), POOL) as engine:
        first = engine.run(request("a", tokens, sampling=hot, seed=5))
        again = engine.run(request("b", tokens, sampling=hot, seed=5, space="elsewhere"))
        other = engine.run(request("c", tokens, sampling=hot, seed=6, space="third"))
    assert first.tokens == again.tokens
    assert first.tokens != other.tokens


def test_end_tokens_and_stop_tokens_end_the_output(library: Library, shape: Shape) -> None:
    tokens = prompt(1, 30)
    with driver(library, shape("llama"), POOL) as engine:
        free = engine.run(request("free", tokens))
        stop = free.tokens[5]
        stopped = engine.run(
            request("stopped", tokens, limits=Limits(max_tokens=16, stop_tokens=(stop,)))
        )
    assert stopped.tokens == free.tokens[: free.tokens.index(stop)]
    assert stopped.finish is not None
    assert (stopped.finish.reason, stopped.finish.stop) == ("stop", stop)
    assert stopped.count == len(stopped.tokens) + 1


def test_a_pool_is_as_long_as_it_is_said_to_be_and_a_stream_as_the_model_was_trained(
    library: Library, shape: Shape
) -> None:
    long = Placement(context=1_000_000, sequences=4, batch=128, threads=1)
    model = Model(library, (str(shape("llama")),), long)
    try:
        trained = model.context_train
        assert trained % 256 == 0
        assert placed(model, long) == Layout(4, trained)
        assert placed(model, replace(long, pooled=True)) == Layout(1, -(-1_000_000 // 256) * 256)
    finally:
        model.close()
