"""What streams at the beginning are worth against the pool at once, and what outgrowing them costs.

Usage: PUNA_ENGINE=LIBRARY python benchmarks/streams.py

A pool of the model's whole context for 16 sequences, as a host places it where 16 whole contexts
do not fit, and the streams that it begins in. Bare loops over the two decode in turns, step by
step, so that whatever else the machine does falls on both. It takes about four minutes on two
cores, and 10 GB.
"""

import statistics
import time

import make_model
from subject import Bare, TimedContext, context, opened, prefilled, prompt

from puna.engine.layout import Layout, first, placed
from puna.engine.model import Model
from puna.protocol import Placement

SEQUENCES, STEPS, ROUNDS = 16, 20, 3
PLACEMENT = Placement(context=make_model.CONTEXT, sequences=SEQUENCES, pooled=True)
LENGTHS = (64, 256, 1024)
# What finished conversations have left: so many in so many tokens each.
KEPT, KEPT_TOKENS = 12, 250


def pairs(pool: Bare, streams: Bare, steps: int) -> list[tuple[float, float]]:
    """Seconds of each step, in the pool and in streams."""
    return [(pool.step(), streams.step()) for _ in range(steps)]


def crowd(pool: TimedContext, streams: TimedContext, length: int) -> list[tuple[float, float]]:
    """The steps of 16 sequences of this length."""
    tokens = prompt(length, length + 1)
    memory = prefilled(streams, tokens[:-1])
    both = Bare(pool), Bare(streams)
    for bare in both:
        bare.begin(SEQUENCES, tokens, memory)
    return pairs(*both, STEPS)


def alone(pool: TimedContext, streams: TimedContext) -> list[tuple[float, float]]:
    """The steps of one short sequence beside what others have left."""
    kept = prefilled(streams, prompt(1, KEPT_TOKENS))
    tokens = prompt(2, 65)
    memory = prefilled(streams, tokens[:-1])
    both = Bare(pool), Bare(streams)
    for bare, timed in zip(both, (pool, streams), strict=True):
        bare.begin(1, tokens, memory)
        for slot in range(1, 1 + KEPT):
            assert timed.restore(slot, kept[4:])
    return pairs(*both, 2 * STEPS)


def told(what: str, steps: list[tuple[float, float]], sequences: int) -> None:
    """Tokens a second in each, and how many times as fast streams are."""
    pool, streams = (sequences / statistics.median(one) for one in zip(*steps, strict=True))
    ratios = sorted(pool / streams for pool, streams in steps)
    middle = statistics.median(ratios)
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(f"| {what} | {pool:.1f} | {streams:.1f} | {middle:.2f} ({low:.2f} to {high:.2f}) |")


def making(model: Model, layout: Layout) -> float:
    """Seconds until a cache is there."""
    began = time.perf_counter()
    with context(model, PLACEMENT, layout):
        return time.perf_counter() - began


def outgrowing(model: Model) -> float:
    """Seconds in which streams turn into the pool, with 16 sequences of 257 tokens in them."""
    with context(model, PLACEMENT, first(model, PLACEMENT)) as timed:
        tokens = prompt(3, 257)
        bare = Bare(timed)
        bare.begin(SEQUENCES, tokens, prefilled(timed, tokens[:-1]))
        bare.step()
        began = time.perf_counter()
        states = [timed.save(slot) for slot in range(SEQUENCES)]
        timed.lay_out(timed.placed)
        assert all(timed.restore(slot, state) for slot, state in enumerate(states))
        return time.perf_counter() - began


def main() -> None:
    """Measure, and print."""
    with opened(make_model.model(), PLACEMENT) as model:
        layouts = placed(model, PLACEMENT), first(model, PLACEMENT)
        with (
            context(model, PLACEMENT, layouts[0]) as pool,
            context(model, PLACEMENT, layouts[1]) as streams,
        ):
            print("| tokens a second | pool | streams | times as fast (middle half) |")
            print("| --- | --- | --- | --- |")
            what = f"1 of 64 tokens, beside {KEPT * KEPT_TOKENS} cells of others"
            told(what, alone(pool, streams), 1)
            for length in LENGTHS:
                told(f"{SEQUENCES} of {length} tokens", crowd(pool, streams, length), SEQUENCES)
        for name, layout in zip(("pool", "streams"), layouts, strict=True):
            seconds = [round(making(model, layout), 2) for _ in range(ROUNDS)]
            print(f"seconds to make the {name}, {layout.total} cells: {seconds}")
        print(f"seconds to outgrow: {[round(outgrowing(model), 2) for _ in range(ROUNDS)]}")


if __name__ == "__main__":
    main()
