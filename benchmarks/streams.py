"""How much faster sequences are computed in streams than in a pool with as many cells.

Usage: PUNA_ENGINE=LIBRARY python benchmarks/streams.py

Bare loops decode in turns, step by step, so that whatever else the machine does falls on both. Then
people come and go: so many clients ask two servers in turns through HTTP, again and again, prompts
and answers of many lengths. It takes about six minutes on two cores, and 10 GB.
"""

import asyncio
import random
import statistics
import time
from contextlib import ExitStack

import make_model
import peer
import servers
from newcomers import warmed
from subject import Bare, TimedContext, context, opened, prefilled, prompt

from puna.protocol import Placement

SEQUENCES, STEPS = 16, 20
STREAMS = Placement(context=make_model.CONTEXT // SEQUENCES, sequences=SEQUENCES, pooled=False)
POOL = Placement(context=STREAMS.context * SEQUENCES, sequences=SEQUENCES, pooled=True)
LENGTHS = (64, 256, 1024)
# What finished conversations have left: so many in so many tokens each.
KEPT, KEPT_TOKENS = 12, 250
# People who come and go: how many, how often each, with how long prompts and answers.
PEOPLE, ASKS, ROUNDS = 12, 3, 4
PROMPTS, ANSWERS = (20, 200), (16, 96)


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


async def person(server: servers.Server, seed: str) -> int:
    """Ask again and again; the tokens of all answers."""
    chance, tokens = random.Random(seed), 0
    for turn in range(ASKS):
        text = servers.prompt(f"{seed} {turn}", chance.randrange(*PROMPTS))
        asked = await server.ask(text, chance.randrange(*ANSWERS))
        await asked.end()
        tokens += server.told(asked).output_tokens
    return tokens


async def people(server: servers.Server, turn: int) -> float:
    """Tokens a second for all of them."""
    began = time.perf_counter()
    tokens = await asyncio.gather(*(person(server, f"{turn} {one}") for one in range(PEOPLE)))
    return sum(tokens) / (time.perf_counter() - began)


def coming_and_going() -> None:
    """The same people at a server whose runner has a pool, and at one whose has streams."""
    weights, library = make_model.model(), peer.library()
    rates = list[tuple[float, float]]()
    with ExitStack() as stack:
        both = [
            warmed(
                stack.enter_context(
                    servers.puna(weights, library, SEQUENCES, PUNA_CONTEXT=f"{one.context}")
                )
            )
            for one in (POOL, STREAMS)
        ]
        assert [servers.placement(one)["pooled"] for one in both] == [True, False]
        for turn in range(ROUNDS):
            one, other = (warmed(server).awake(people(server, turn)) for server in both)
            rates.append((one, other))
            both.reverse()
    rates[1::2] = [(pool, streams) for streams, pool in rates[1::2]]
    told(f"{PEOPLE} who come and go, through HTTP", [(1 / a, 1 / b) for a, b in rates], 1)


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
    coming_and_going()


if __name__ == "__main__":
    main()
