"""How much of the library's own speed the engine keeps, in decoding and in prefill.

Usage: python benchmarks/engine.py [--streams]    one pool of cells, or a stream for each sequence

Decoding takes turns step by step: after each of the engine's, the bare loop makes the same step
over a context of its own, so that whatever else the machine does falls on both.
"""

import statistics
import sys
import time
from dataclasses import dataclass, field

from findings import Finding, median, table
from make_model import model
from subject import (
    GREEDY,
    Bare,
    Subject,
    TimedContext,
    context,
    engine,
    opened,
    prefilled,
    prompt,
    request,
)

from puna.engine.model import Model
from puna.engine.sequence import Output
from puna.jobs import Sampling
from puna.protocol import Placement

LENGTH, ROOM = 256, 64
# How many sequences, how many steps of each, and the goal: the share of the bare loop's speed.
DECODES = ((1, 32, 0.97), (4, 24, None), (16, 12, 0.95), (32, 8, None))
PROMPT, ROUNDS = 512, 3
SAMPLING_SHARE = 0.05


@dataclass
class Duet:
    """The engine and the bare loop, step by step in turns."""

    subject: Subject
    bare: Bare
    sequences: int
    pairs: list[tuple[float, float, float]] = field(default_factory=list)
    _ended: float = 0.0

    def __call__(self, outputs: list[Output]) -> None:
        """After a step of the engine: note how long it took, then let the bare loop step."""
        now = time.perf_counter()
        step = self.subject.context.timeline[-1]
        full = step.tokens == [1] * self.sequences
        if full and all(output.drawn for output in outputs):
            bare = self.bare.step()
            if self._ended:
                self.pairs.append((now - self._ended, step.seconds, bare))
            self._ended = time.perf_counter()
        else:
            self._ended = 0.0


def decode(
    subject: Subject, beside: TimedContext, sequences: int, steps: int, sampling: Sampling
) -> list[tuple[float, float, float]]:
    """For each step: the engine's seconds, those in the library, and the bare loop's."""
    tokens = prompt(1, LENGTH + 1)
    memory = prefilled(beside, tokens[:-1])
    bare = Bare(beside)
    bare.begin(sequences, tokens, memory)
    duet = Duet(subject, bare, sequences)
    subject.between = duet
    keys = [f"{sequences}/{sampling.temperature}/{i}" for i in range(sequences)]
    for key in keys:
        subject.engine.submit(request(key, tokens, steps, sampling, memory))
    subject.finish(*keys)
    subject.between = lambda _: None
    return duet.pairs


def decoding(model: Model, pooled: bool) -> list[Finding]:
    found: list[Finding] = []
    for sequences, steps, goal in DECODES:
        share = LENGTH + ROOM
        placement = Placement(
            context=share * sequences if pooled else share, sequences=sequences, pooled=pooled
        )
        with (
            context(model, placement) as timed,
            context(model, placement) as beside,
            engine(timed) as subject,
        ):
            greedy = decode(subject, beside, sequences, steps, GREEDY)
            name = f"decode, {sequences} {'sequence' if sequences == 1 else 'sequences'}"
            found.append(
                median(
                    f"{name}: speed against the bare loop",
                    [bare / whole for whole, _, bare in greedy],
                    goal=goal,
                    better="higher",
                )
            )
            found.append(
                median(f"{name}: tokens a second", [sequences / whole for whole, _, _ in greedy])
            )
            drawn = decode(subject, beside, sequences, steps, Sampling())
            outside = [(whole - inside) / whole * 100 for whole, inside, _ in drawn]
            goal = SAMPLING_SHARE * 100 if sequences == 32 else None
            found.append(
                median(f"{name}, usual sampling: share outside the library", outside, "%", goal)
            )
    return found


def prefill(model: Model, pooled: bool) -> list[Finding]:
    """A long prompt alone, against whole batches and against the engine's own chunks."""
    placement = Placement(context=PROMPT + ROOM, sequences=1, pooled=pooled)
    tokens = prompt(2, PROMPT)
    wholes = [tokens[begin : begin + 512] for begin in range(0, PROMPT, 512)]
    large, same, chunk_sizes = list[float](), list[float](), list[float]()
    with (
        context(model, placement) as timed,
        context(model, placement) as beside,
        engine(timed) as subject,
    ):
        bare = Bare(beside)
        for round in range(ROUNDS):
            timed.timeline.clear()
            began = time.perf_counter()
            subject.engine.submit(request(f"prefill/{round}", tokens, 1))
            subject.finish(f"prefill/{round}")
            seconds = time.perf_counter() - began
            chunks = list[list[int]]()
            rest = tokens
            for step in timed.timeline:
                chunks.append(rest[: step.tokens[0]])
                rest = rest[step.tokens[0] :]
            # The first round only learns how large a chunk may be.
            if round:
                large.append(bare.prefill(wholes) / seconds)
                same.append(bare.prefill(chunks) / seconds)
                chunk_sizes.append(statistics.median(map(len, chunks)))
    return [
        median("prefill: speed against the bare loop in its chunks", same, "", 0.95, "higher"),
        median("prefill: speed against the bare loop in chunks of 512", large),
        median("prefill: tokens in a chunk", chunk_sizes),
    ]


def measure(pooled: bool = True) -> list[Finding]:
    with opened(model(), Placement()) as weights:
        return decoding(weights, pooled) + prefill(weights, pooled)


if __name__ == "__main__":
    print(table(measure(pooled="--streams" not in sys.argv[1:])))
