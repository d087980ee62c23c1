"""How long after a cancel the sequence is free, in mid-prefill and among running decodes.

Usage: python benchmarks/cancel.py

The last case is a storm: as soon as one is free, the next one is submitted, and cancelled while it
prefills beside running decodes, until aborts have long cost what they may.

Free means that the engine's thread has let go of it: its slot and cells can be given to others.
"""

import random
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from findings import Finding, percentile, table
from make_model import model
from subject import Subject, context, engine, opened, prefilled, prompt, request

from puna.engine import aborts
from puna.engine.model import Model
from puna.protocol import Placement

GOAL_MS = 50.0
LENGTH, RUNNING, LONG = 128, 8, 4000
TRIES = 24
STORM = 40
# What aborts may cost in the storm: little, so that it is soon used up.
STORM_SECONDS = 0.05


def free_after(subject: Subject, key: str) -> float:
    """Milliseconds from a cancel until the sequence is gone."""
    roster = subject.engine.roster
    began = time.perf_counter()
    subject.engine.cancel(key)
    while roster.find(key) is not None:
        time.sleep(0.0002)
    return (time.perf_counter() - began) * 1000


@contextmanager
def crowd(model: Model, pooled: bool) -> Iterator[Subject]:
    """An engine with RUNNING sequences that decode on and on, and room for one more."""
    room = LENGTH + 1024
    cells = room * RUNNING + LONG + 64 if pooled else LONG + 64
    placement = Placement(context=cells, sequences=RUNNING + 1, pooled=pooled)
    tokens = prompt(1, LENGTH + 1)
    with context(model, placement) as timed:
        memory = prefilled(timed, tokens[:-1])
        with engine(timed) as subject:
            keys = [f"running/{i}" for i in range(RUNNING)]
            for key in keys:
                subject.engine.submit(request(key, tokens, 1000, memory=memory))
            subject.until(lambda output: bool(output.drawn), *keys)
            yield subject


def in_prefill(model: Model) -> list[float]:
    """Cancels at random moments of a long prompt that is alone."""
    random.seed(1)
    placement = Placement(context=LONG + 64, sequences=1, pooled=True)
    with context(model, placement) as timed, engine(timed) as subject:
        return [
            cancel_prompt(subject, f"prompt/{i}", 0.3 + random.random() / 2) for i in range(TRIES)
        ]


def beside(model: Model) -> tuple[list[float], list[float]]:
    """Cancels of a long prompt beside running decodes, and of one of those."""
    random.seed(2)
    prompts, decodes = list[float](), list[float]()
    tokens = prompt(1, LENGTH + 1)
    with crowd(model, pooled=True) as subject:
        for i in range(TRIES):
            prompts.append(cancel_prompt(subject, f"prompt/{i}", 0.3 + random.random() / 2))
            key = f"running/{i}"
            time.sleep(random.random() / 10)
            decodes.append(free_after(subject, key))
            # Whoever comes in its place copies the prefix that it left.
            newcomer = request(f"running/{i + RUNNING}", tokens, 1000)
            subject.engine.submit(newcomer)
            subject.until(lambda output: bool(output.drawn), newcomer.key)
    return prompts, decodes


def in_a_storm(model: Model) -> list[float]:
    """Cancels of long prompts beside running decodes, one right after the other."""
    random.seed(3)
    usual, aborts.MOST_SECONDS = aborts.MOST_SECONDS, STORM_SECONDS
    try:
        with crowd(model, pooled=True) as subject:
            return [storm_of_one(subject, f"storm/{i}") for i in range(STORM)]
    finally:
        aborts.MOST_SECONDS = usual


def storm_of_one(subject: Subject, key: str) -> float:
    """Submit a long prompt, and cancel it soon after it has been let in."""
    subject.engine.submit(request(key, prompt(zlib.crc32(key.encode()), LONG), 8))
    while key not in subject.engine.roster.running:
        time.sleep(0.0005)
    time.sleep(0.02 + random.random() / 20)
    return free_after(subject, key)


def cancel_prompt(subject: Subject, key: str, after: float) -> float:
    """Submit a long prompt, and cancel it a moment later."""
    subject.engine.submit(request(key, prompt(zlib.crc32(key.encode()), LONG), 8))
    time.sleep(after)
    return free_after(subject, key)


def describe(what: str, milliseconds: list[float]) -> list[Finding]:
    """Median, 95th percentile and worst."""
    low, high = min(milliseconds), max(milliseconds)
    return [
        Finding(f"{what}, median", percentile(milliseconds, 0.5), "ms", low, high, GOAL_MS),
        Finding(f"{what}, 95th percentile", percentile(milliseconds, 0.95), "ms", low, high),
        Finding(f"{what}, worst", high, "ms", low, high, GOAL_MS),
    ]


def measure() -> list[Finding]:
    with opened(model(), Placement()) as weights:
        alone = in_prefill(weights)
        prompts, decodes = beside(weights)
        storm = in_a_storm(weights)
    return [
        *describe("cancel to free, in a prefill alone", alone),
        *describe(f"cancel to free, in a prefill beside {RUNNING} decodes", prompts),
        *describe(f"cancel to free, one of {RUNNING} decodes", decodes),
        *describe(f"cancel to free, {STORM} one after another beside {RUNNING} decodes", storm),
    ]


if __name__ == "__main__":
    print(table(measure()))
