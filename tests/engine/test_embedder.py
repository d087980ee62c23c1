"""The embedding loop: how jobs share it, leave it, and run beside generation."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.engine.harness import GREEDY, Driver, Pace, prompt, request

from puna.engine.abi import LlamaPoolingType as Pooling
from puna.engine.context import Context, Outcome, Span
from puna.engine.embedder import Embedder
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.errors import Cancelled, LoadFailed
from puna.jobs import Limits
from puna.protocol import Placement

Shape = Callable[[str], Path]
PLACEMENT = Placement(context=2048, sequences=16, batch=128, threads=1)


@dataclass
class Held:
    """An embedder whose first batch, of the plug alone, begins when it is let go."""

    model: Model
    embedder: Embedder
    gate: threading.Event
    contexts: list[Context]

    def let_go(self) -> None:
        self.gate.set()


@contextmanager
def held(library: Library, path: Path) -> Iterator[Held]:
    model, gate = Model(library, (str(path),), PLACEMENT), threading.Event()
    inside, contexts = threading.Event(), list[Context]()

    def make() -> Context:
        inside.set()
        gate.wait(60)
        contexts.append(Context(model, PLACEMENT, pooling=Pooling.LAST))
        return contexts[-1]

    embedder = Embedder(make, PLACEMENT.batch)
    embedder.submit([[1]])
    inside.wait(60)
    try:
        yield Held(model, embedder, gate, contexts)
    finally:
        gate.set()
        embedder.close()
        model.close()


def test_two_jobs_share_a_batch(library: Library, shape: Shape) -> None:
    with held(library, shape("llama")) as made:
        jobs = [made.embedder.submit([prompt(seed, 20)] * 3) for seed in range(2)]
        made.let_go()
        assert [len(job.result(60)) for job in jobs] == [3, 3]
        assert made.embedder.steps == 1 + 1


@pytest.mark.parametrize(("inputs", "batches"), [([[5]] * 40, 3), ([[5] * 60] * 5, 3)])
def test_a_batch_has_room_for_so_many_inputs_and_so_many_tokens(
    library: Library, shape: Shape, inputs: list[list[int]], batches: int
) -> None:
    """16 inputs, or 128 tokens, which is two inputs of 60."""
    with held(library, shape("llama")) as made:
        job = made.embedder.submit(inputs)
        made.let_go()
        job.result(60)
        assert made.embedder.steps == 1 + batches


def test_a_small_job_does_not_wait_for_a_large_one(library: Library, shape: Shape) -> None:
    with held(library, shape("llama")) as made:
        steps = made.embedder
        large = steps.submit([prompt(1, 100)] * 20)
        small = steps.submit([prompt(2, 10)])
        seen: list[int] = []
        small.add_done_callback(lambda _: seen.append(steps.steps))
        made.let_go()
        large.result(60)
        assert seen == [2]


def test_an_input_longer_than_a_batch_gets_its_turn(library: Library, shape: Shape) -> None:
    with held(library, shape("llama")) as made:
        steps = made.embedder
        others = steps.submit([prompt(1, 100)] * 20)
        long = steps.submit([prompt(2, 300)])
        seen: list[int] = []
        long.add_done_callback(lambda _: seen.append(steps.steps))
        made.let_go()
        others.result(60)
        assert seen == [1 + 1 + 3]


def test_a_cancelled_job_takes_no_more_steps(library: Library, shape: Shape) -> None:
    with held(library, shape("llama")) as made:
        gone = made.embedder.submit([prompt(1, 100)] * 20)
        stays = made.embedder.submit([prompt(2, 10)])
        assert gone.cancel()
        made.let_go()
        stays.result(60)
        assert made.embedder.steps == 1 + 1


def test_cancelling_in_the_midst_frees_the_loop_and_costs_the_others_nothing(
    library: Library, shape: Shape
) -> None:
    row, inputs = prompt(3, 90), [prompt(seed, 2000) for seed in range(20)]
    with held(library, shape("llama")) as made:
        made.let_go()
        expected = made.embedder.submit([row]).result(60)
        before = made.embedder.steps
        midst, gone = threading.Event(), threading.Event()

        def watched(spans: list[Span]) -> Outcome:
            if made.embedder.steps == before + 3:
                midst.set()
                assert gone.wait(60)
            return step(spans)

        context = made.contexts[0]
        step, context.step = context.step, watched
        goes = made.embedder.submit(inputs)
        assert midst.wait(60)
        stays = made.embedder.submit([row])
        assert goes.cancel()
        gone.set()
        assert np.abs(stays.result(60) - expected).max() < 1e-5
        assert made.embedder.steps < before + 16 * len(inputs) // 2


def test_what_others_compute_survives_an_abort(library: Library, shape: Shape) -> None:
    with held(library, shape("llama")) as made:
        made.let_go()
        rows = [prompt(seed, 40) for seed in range(30)]
        expected = made.embedder.submit(rows).result(60)
        for _ in range(5):
            before = made.embedder.steps
            goes = made.embedder.submit([prompt(9, 40)] * 30)
            stays = made.embedder.submit(rows)
            while made.embedder.steps == before:
                threading.Event().wait(0.0005)
            goes.cancel()
            cosine = (stays.result(60) * expected).sum(axis=1)
            lengths = np.linalg.norm(stays.result(), axis=1) * np.linalg.norm(expected, axis=1)
            assert (cosine / lengths).min() > 0.999


def test_a_context_that_cannot_be_made_fails_those_who_wait_and_is_tried_again(
    library: Library, shape: Shape
) -> None:
    model = Model(library, (str(shape("llama")),), PLACEMENT)
    tries: list[int] = []

    def make() -> Context:
        tries.append(1)
        if len(tries) == 1:
            raise LoadFailed("There is no memory.")
        return Context(model, PLACEMENT, pooling=Pooling.LAST)

    embedder = Embedder(make, PLACEMENT.batch)
    with pytest.raises(LoadFailed, match="no memory"):
        embedder.submit([[1]]).result(60)
    assert embedder.submit([[1]]).result(60).shape == (1, 128)
    embedder.close()
    model.close()


def test_closing_lets_go_of_all_jobs(library: Library, shape: Shape) -> None:
    with held(library, shape("llama")) as made:
        # So many that it is not over before the loop hears that it is to close.
        job = made.embedder.submit([prompt(1, 2000)] * 2000)
        closing = threading.Thread(target=made.embedder.close)
        closing.start()
        made.let_go()
        closing.join(60)
        with pytest.raises(Cancelled):
            job.result(60)


def test_generation_goes_on_beside_and_its_output_stays_the_same(
    library: Library, shape: Shape
) -> None:
    model = Model(library, (str(shape("llama")),), PLACEMENT)
    context = Context(model, PLACEMENT)
    engine = Driver(context, Pace())
    embedder = Embedder(lambda: Context(model, PLACEMENT, pooling=Pooling.LAST), PLACEMENT.batch)
    limits = Limits(max_tokens=100, ignore_eos=True)

    def generate(key: str) -> tuple[list[int], list[float]]:
        # Its own cache space, so that each run computes its whole prompt.
        fields = {"space": key, "limits": limits, "sampling": GREEDY, "logprobs": 0}
        result = engine.run(request(key, prompt(1, 50), **fields))
        return result.tokens, result.logprobs

    alone = generate("alone")
    rows = [prompt(seed, 90) for seed in range(20)]
    expected = embedder.submit(rows).result(60)
    before = embedder.steps
    endless = embedder.submit(rows * 500)
    while embedder.steps == before:
        threading.Event().wait(0.001)
    assert generate("beside") == alone
    same = embedder.submit(rows).result(60)
    assert np.abs(same - expected).max() < 0.05 * np.abs(expected).max()
    assert endless.cancel()
    embedder.close()
    engine.engine.close()
    context.close()
    model.close()
