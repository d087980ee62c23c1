"""LoRA adapters: each sequence with its own set, side by side, and caches that stay apart."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import stand_in_parts
from tests.engine.harness import Driver, Oracle, prompt, regret, request

from puna.engine.context import Context
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.errors import BadModelFile
from puna.jobs import Limits
from puna.protocol import Adapter, Pace, Placement

Shape = Callable[[str], Path]
Set = tuple[tuple[int, float], ...]
ROUNDING = 0.6
POOL = Placement(context=512, sequences=4, pooled=True, batch=128, threads=1)
NONE: Set = ()


@dataclass
class Adapted:
    """An engine, and the sets of adapters that its sequences may have."""

    engine: Driver
    model: Model
    one: Set
    other: Set
    both: Set

    def regret(self, adapters: Set, tokens: list[int], emitted: list[int]) -> float:
        with closing(Oracle(self.model, POOL, adapters)) as oracle:
            return regret(oracle, tokens, emitted)


@pytest.fixture
def adapted(library: Library, shape: Shape) -> Iterator[Adapted]:
    path = shape("llama")
    model = Model(library, (str(path),), POOL)
    files = [
        stand_in_parts.write_adapter(path.with_suffix(f".lora{seed}.gguf"), seed=seed)
        for seed in (1, 2)
    ]
    one, other = ((model.adapter(Adapter(str(file))), 1.0) for file in files)
    context = Context(model, POOL)
    engine = Driver(context, Pace())
    try:
        yield Adapted(engine, model, (one,), (other,), (one, (other[0], 0.5)))
        engine.engine.close()
        assert not engine.broken, engine.broken
    finally:
        engine.engine.close()
        context.close()
        model.close()


def test_sets_of_adapters_run_side_by_side_as_each_does_alone(adapted: Adapted) -> None:
    tokens = prompt(1, 60)
    sets = [NONE, adapted.one, adapted.other, adapted.both]
    for number, adapters in enumerate(sets):
        adapted.engine.submit(request(f"{number}", tokens, adapters=adapters))
    results = adapted.engine.finish()
    assert [result.cached for result in results] == [0] * 4
    assert len({tuple(result.tokens) for result in results}) == 4
    for adapters, result in zip(sets, results, strict=True):
        assert adapted.regret(adapters, tokens, result.tokens) < ROUNDING
    # Were an adapter's output not its own, this would be small as well.
    assert adapted.regret(adapted.one, tokens, results[0].tokens) > 3 * ROUNDING


def test_the_log_probabilities_are_those_of_the_sequences_own_set(adapted: Adapted) -> None:
    tokens = prompt(1, 60)
    alone = adapted.engine.run(request("alone", tokens, adapters=adapted.one, logprobs=0))
    sets = {"one": adapted.one, "none": NONE}
    for key, adapters in sets.items():
        asked = request(key, tokens, adapters=adapters, logprobs=0, space="elsewhere")
        adapted.engine.submit(asked)
    one, none = adapted.engine.finish("one", "none")
    assert one.tokens == alone.tokens
    assert one.logprobs == pytest.approx(alone.logprobs, abs=0.3)
    assert none.logprobs != pytest.approx(alone.logprobs, abs=0.3)


def test_no_set_finds_what_another_has_cached(adapted: Adapted) -> None:
    tokens = prompt(1, 60)
    cached = {
        key: adapted.engine.run(request(key, tokens, adapters=adapters)).cached
        for key, adapters in (
            ("none", NONE),
            ("one", adapted.one),
            ("weaker", ((adapted.one[0][0], 0.5),)),
            ("none again", NONE),
            ("one again", adapted.one),
        )
    }
    assert cached == {"none": 0, "one": 0, "weaker": 0, "none again": 59, "one again": 59}


def test_a_set_that_came_first_does_not_keep_the_others_waiting(adapted: Adapted) -> None:
    long = Limits(max_tokens=200, ignore_eos=True)
    short = request("short", prompt(2, 20), adapters=adapted.one)
    adapted.engine.submit_when("long", 1, short)
    adapted.engine.submit(request("long", prompt(1, 20), limits=long))
    adapted.engine.finish("short")
    assert not adapted.engine.results["long"].ended
    adapted.engine.finish()


def test_an_adapter_of_another_architecture_is_refused(adapted: Adapted, tmp_path: Path) -> None:
    file = stand_in_parts.write_adapter(tmp_path / "other.gguf", "gemma3")
    with pytest.raises(BadModelFile, match="does not fit the model"):
        adapted.model.adapter(Adapter(str(file)))
