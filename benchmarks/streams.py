"""What streams at the beginning are worth against the pool at once, and what outgrowing them costs.

Usage: PUNA_ENGINE=LIBRARY python benchmarks/streams.py [--rounds N]

A pool of the model's whole context for 16 sequences, as a host places it where 16 whole contexts do
not fit. Each round makes both and measures them in turns, by the bare loop over the library. Three
rounds take about five minutes on two cores; each cache takes 5 GB.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import make_model
import subject

from puna.engine.layout import first, placed
from puna.engine.model import Model
from puna.protocol import Placement

SEQUENCES, STEPS = 16, 8
PLACEMENT = Placement(context=make_model.CONTEXT, sequences=SEQUENCES, pooled=True)
LENGTHS = (64, 256, 1024)
# What finished conversations have left: so many in so many tokens each.
KEPT, KEPT_TOKENS = 12, 250
NAMES = {placed: "pool", first: "streams"}

Figures = defaultdict[str, list[float]]


@contextmanager
def timed(found: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    found.append(time.perf_counter() - began)


def crowd(context: subject.TimedContext, length: int) -> float:
    """Tokens a second of 16 sequences of this length."""
    tokens = subject.prompt(length, length + 1)
    bare = subject.Bare(context)
    bare.begin(SEQUENCES, tokens, subject.prefilled(context, tokens[:-1]))
    return SEQUENCES / statistics.median(bare.step() for _ in range(STEPS))


def alone(context: subject.TimedContext) -> float:
    """Tokens a second of one short sequence beside what others have left."""
    kept = subject.prefilled(context, subject.prompt(1, KEPT_TOKENS))
    tokens = subject.prompt(2, 65)
    memory = subject.prefilled(context, tokens[:-1])
    bare = subject.Bare(context)
    bare.begin(1, tokens, memory)
    for slot in range(1, 1 + KEPT):
        assert context.restore(slot, kept[4:])
    return 1 / statistics.median(bare.step() for _ in range(4 * STEPS))


def outgrow(context: subject.TimedContext) -> None:
    """Turn streams into the pool as the engine does, with all that they hold."""
    states = [context.save(slot) for slot in range(SEQUENCES)]
    context.lay_out(context.placed)
    for slot, state in enumerate(states):
        assert context.restore(slot, state)


def measure(model: Model, found: Figures, turn: int) -> None:
    """One round."""
    for layout in (placed, first) if turn % 2 else (first, placed):
        name = NAMES[layout]
        with timed(found[f"{name}: seconds to make"]):
            context = subject.TimedContext(model, PLACEMENT, begin=layout(model, PLACEMENT))
        context.timeline = []
        try:
            found[f"{name}: 1 sequence beside {KEPT * KEPT_TOKENS} cells"].append(alone(context))
            for length in LENGTHS:
                found[f"{name}: {SEQUENCES} at {length} tokens"].append(crowd(context, length))
            if layout is first:
                crowd(context, 256)
                with timed(found["streams: seconds to outgrow, with 16 of 264 tokens"]):
                    outgrow(context)
        finally:
            context.close()


def main() -> None:
    """Measure, and print every figure and what each round's ratios are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds: int = parser.parse_args().rounds
    found = Figures(list)
    with subject.opened(make_model.model(), PLACEMENT) as model:
        for turn in range(rounds):
            measure(model, found, turn)
    for name, values in found.items():
        print(f"{name:55} {statistics.median(values):8.2f}  {[round(one, 2) for one in values]}")
    for name in [name.removeprefix("pool: ") for name in found if name.startswith("pool: ")]:
        both = zip(found[f"streams: {name}"], found[f"pool: {name}"], strict=True)
        ratios = [streams / pool for streams, pool in both]
        print(f"{name:55} {statistics.median(ratios):8.2f}x {[round(one, 2) for one in ratios]}")


if __name__ == "__main__":
    main()
