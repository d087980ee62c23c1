"""How much faster bare loops decode in streams than in a pool with as many cells.

Usage: PUNA_ENGINE=LIBRARY python benchmarks/streams.py

They decode in turns, step by step, so that whatever else the machine does falls on both. Nobody
comes meanwhile: what newcomers cost in streams shows through HTTP only (`crowd.py`). It takes
about three minutes on two cores, and 10 GB.
"""

import statistics

import make_model
from subject import Bare, TimedContext, context, opened, prefilled, prompt

from puna.protocol import Placement

SEQUENCES, STEPS = 16, 20
STREAMS = Placement(context=make_model.CONTEXT // SEQUENCES, sequences=SEQUENCES, pooled=False)
POOL = Placement(context=STREAMS.context * SEQUENCES, sequences=SEQUENCES, pooled=True)
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


def main() -> None:
    """Measure, and print."""
    with (
        opened(make_model.model(), POOL) as model,
        context(model, POOL) as pool,
        context(model, STREAMS) as streams,
    ):
        print("| tokens a second | pool | streams | times as fast (middle half) |")
        print("| --- | --- | --- | --- |")
        what = f"1 of 64 tokens, beside {KEPT * KEPT_TOKENS} cells of others"
        told(what, alone(pool, streams), 1)
        for length in LENGTHS:
            told(f"{SEQUENCES} of {length} tokens", crowd(pool, streams, length), SEQUENCES)


if __name__ == "__main__":
    main()
